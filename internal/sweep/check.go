package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
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
	checkHeader  = 16 << 10 // bytes of an answer's header
	checkBody    = 4 << 10  // bytes read of an answer
)

// Checker checks containers over HTTP.
type Checker struct {
	Client *http.Client
	path   string
}

// NewChecker gives a Checker that asks for path where a container names none of its own.
func NewChecker(path string) *Checker {
	return &Checker{path: path, Client: &http.Client{
		Timeout: checkTimeout,
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: checkHeader,
			Proxy:                  nil, // the containers are near, and no proxy speaks for them
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

// subjects gives what can be checked: records of containers that ECS runs, at the address that EC2 or ECS has for them,
// never at the record's, and only where ECS says that the record's port is that container's. What its agent has put on
// standby is not checked: it may be starting. Nor is a port that its settings take out.
func (c *Checker) subjects(judgements []Judgement, fleet Fleet) []subject {
	var found []subject
	for _, j := range judgements {
		if j.Record.Type != record.SRV || j.ID.Kind != record.ECS || j.ID.Proto != string(container.TCP) {
			continue
		}
		if j.Verdict != Keep && j.Verdict != Restore || j.Record.Weight == 0 && !j.Record.Marked() {
			continue
		}
		known, ok := fleet.Containers[j.ID.Container]
		target, valid := record.ParseTarget(j.Record.Value)
		if !ok || !valid || known.Stopped || known.Instance != j.ID.Instance ||
			!known.has(container.Port{Number: j.ID.Port, Proto: container.TCP}, target.Port) {
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
		if off(path) {
			continue
		}
		if path == "" {
			path = c.path
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		found = append(found, subject{
			key: j.Record.Key(), url: "http://" + netip.AddrPortFrom(address, target.Port).String() + path, task: known.Task,
		})
	}
	return found
}

// off reports whether a path says that its port is not to be checked: it may speak no HTTP.
func off(path string) bool {
	return slices.ContainsFunc(
		[]string{"off", "false", "no", "0"},
		func(s string) bool { return strings.EqualFold(s, strings.TrimSpace(path)) },
	)
}

func (c Container) has(port container.Port, host uint16) bool {
	return slices.Contains(c.Ports, Port{Container: port, Host: host})
}

// results holds why each record that was to be checked failed; nil where it passed, errUnchecked where there was no
// time.
type results map[record.Key]error

// failed gives why a record failed its check; nil where it did not, as far as is known.
func (r results) failed(key record.Key) error {
	if errors.Is(r[key], errUnchecked) {
		return nil
	}
	return r[key]
}

// check asks all subjects, many at a time, until ctx ends. They come in no order, so that each has its turn in some
// pass where there is not the time for all.
func (c *Checker) check(ctx context.Context, subjects []subject) results {
	errs := make([]error, len(subjects))
	var group errgroup.Group
	group.SetLimit(checkAtOnce)
	for _, i := range rand.Perm(len(subjects)) {
		group.Go(func() error {
			errs[i] = c.try(ctx, subjects[i].url)
			return nil
		})
	}
	_ = group.Wait()
	found := results{}
	for i, s := range subjects {
		found[s.key] = errs[i]
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
		return fmt.Errorf("check: %.300s", err)
	}
	response, err := c.Client.Do(request)
	if err != nil {
		return fmt.Errorf("check: %.300s", err) // it may quote what the container has answered
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, checkBody)
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("check %.200s: it answers %d", url, response.StatusCode)
	}
	return nil
}
