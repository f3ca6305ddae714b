package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	checkTimeout = 2 * time.Second
	checkTries   = 3
	checkPause   = time.Second // between two tries
	checkAtOnce  = 64
	checkBody    = 4 << 10 // bytes read of an answer
)

// Checker checks containers over HTTP.
type Checker struct {
	path   string
	client *http.Client
}

// NewChecker gives a Checker that asks for path where a container names none of its own.
func NewChecker(path string) *Checker {
	return &Checker{path: path, client: &http.Client{
		Timeout: checkTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			Proxy:             nil, // the containers are near, and no proxy speaks for them
		},
		// A redirect is an answer: wherever it leads, it is not this container.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// subject is one record to be checked, and where.
type subject struct {
	key  record.Key
	url  string
	task string
}

// subjects gives what can be checked: records of containers that ECS runs, at the address that EC2 or ECS has for them, never
// at the record's, and only where ECS says that the record's port is that container's.
func (c *Checker) subjects(judgements []Judgement, fleet Fleet) []subject {
	var found []subject
	for _, j := range judgements {
		if j.Record.Type != record.SRV || j.ID.Kind != record.ECS || j.Verdict != Keep && j.Verdict != Restore || j.ID.Proto != string(container.TCP) {
			continue
		}
		known, ok := fleet.Containers[j.ID.Container]
		target, valid := record.ParseTarget(j.Record.Value)
		if !ok || !valid || known.Stopped || known.Instance != j.ID.Instance || !known.has(j.ID.Port, target.Port) {
			continue
		}
		address := known.Address
		if !address.IsValid() {
			address = fleet.Instances[j.ID.Instance].Address
		}
		if !address.IsValid() {
			continue
		}
		path := known.Checks[j.ID.Port]
		if path == "" {
			path = c.path
		}
		if path[0] != '/' {
			path = "/" + path
		}
		found = append(found, subject{
			key: j.Record.Key(), url: "http://" + netip.AddrPortFrom(address, target.Port).String() + path, task: known.Task,
		})
	}
	return found
}

func (c Container) has(port, host uint16) bool {
	for _, p := range c.Ports {
		if p.Container.Number == port && p.Container.Proto == container.TCP && p.Host == host {
			return true
		}
	}
	return false
}

// results holds why each record that was checked failed; nil where it passed.
type results map[record.Key]error

// check asks all subjects, many at a time. A record that could not be checked because ctx ended is not among the results.
func (c *Checker) check(ctx context.Context, subjects []subject) results {
	errs := make([]error, len(subjects))
	var group errgroup.Group
	group.SetLimit(checkAtOnce)
	for i, s := range subjects {
		group.Go(func() error {
			errs[i] = c.try(ctx, s.url)
			return nil
		})
	}
	_ = group.Wait()
	found := results{}
	for i, s := range subjects {
		if !errors.Is(errs[i], errUnchecked) {
			found[s.key] = errs[i]
		}
	}
	return found
}

var errUnchecked = errors.New("no time left to check")

// try asks until an answer passes, at most checkTries times.
func (c *Checker) try(ctx context.Context, url string) (err error) {
	for n := range checkTries {
		if n > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(checkPause):
			}
		}
		if ctx.Err() != nil {
			return errUnchecked
		}
		if err = c.get(ctx, url); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return errUnchecked
	}
	return err
}

func (c *Checker) get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("check %.200q: %w", url, err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, checkBody)
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("check %s: it answers %s", url, response.Status)
	}
	return nil
}
