package sweep

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
)

// subject is one record to be checked, and where.
type subject struct {
	key record.Key
	url string
}

// subjects returns what can be checked: records of containers that ECS runs, where ECS confirms that the record's port
// is that container's. The address is the one that EC2 or ECS has for the container, never the record's. Not checked
// are a record that its agent has put on standby, since the container may be starting, and a port whose setting turns
// the check off.
func subjects(found []evidence.Evidence, fleet evidence.Fleet, path string) []subject {
	var all []subject
	for _, e := range found {
		if e.Verdict != evidence.Keep && e.Verdict != evidence.Restore || e.Weight == 0 && !e.Marked() {
			continue
		}
		if url := checkURL(e.Entry, fleet, path); url != "" {
			all = append(all, subject{e.Key(), url})
		}
	}
	return all
}

// checkURL returns what is asked for to check a record; empty where it cannot be checked.
func checkURL(e evidence.Entry, fleet evidence.Fleet, path string) string {
	if e.Type != record.SRV || e.ID.Kind != record.ECS || e.ID.Proto != string(container.TCP) {
		return ""
	}
	c := fleet.Containers[e.ID.Container]
	target, ok := record.ParseTarget(e.Value)
	if !ok || c.Stopped || c.Instance != e.ID.Instance ||
		!c.Publishes(container.Port{Number: e.ID.Port, Proto: container.TCP}, target.Port) {
		return ""
	}
	address := c.Address
	if !address.IsValid() {
		address = fleet.Instances[e.ID.Instance].Address
	}
	own := c.Checks[e.ID.Port]
	if !address.IsValid() || off(own) {
		return ""
	}
	if own != "" {
		path = own
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return "http://" + netip.AddrPortFrom(address, target.Port).String() + path
}

// off reports whether the path of a check turns it off: the port may not speak HTTP.
func off(path string) bool {
	return slices.ContainsFunc(
		[]string{"off", "false", "no", "0"},
		func(s string) bool { return strings.EqualFold(s, strings.TrimSpace(path)) },
	)
}

// results holds why each record that was to be checked failed: nil where it passed, httpcheck.ErrUnchecked where there
// was no time.
type results map[record.Key]error

// check checks subjects until ctx ends.
func check(ctx context.Context, c *httpcheck.Checker, all []subject) results {
	urls := make([]string, len(all))
	for i, s := range all {
		urls[i] = s.url
	}
	found := results{}
	for i, err := range c.All(ctx, urls) {
		found[all[i].key] = err
	}
	return found
}

// failed returns why a record failed its check; nil where it passed, or was not checked.
func (r results) failed(key record.Key) error {
	if errors.Is(r[key], httpcheck.ErrUnchecked) {
		return nil
	}
	return r[key]
}

// withChecks returns the evidence with the results of the checks. A record that failed calls for standby. One that was
// not checked for lack of time stays as it is: marked, if it is marked.
func withChecks(found []evidence.Evidence, checked results) []evidence.Evidence {
	all := make([]evidence.Evidence, len(found))
	for i, e := range found {
		if e.Verdict == evidence.Keep || e.Verdict == evidence.Restore {
			switch err := checked[e.Key()]; {
			case err == nil:
			case errors.Is(err, httpcheck.ErrUnchecked):
				e = e.Keep()
			default:
				e = e.Standby("%s", err)
			}
		}
		all[i] = e
	}
	return all
}
