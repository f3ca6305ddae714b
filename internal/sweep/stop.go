package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
)

// Stop is a task that is stopped because a container of it fails its check.
type Stop struct {
	Task   string `json:"task"` // ARN
	Reason string `json:"reason"`

	cluster string
}

// stops returns the tasks to be stopped, in order, or why there are none although some fail. A task is stopped only if
// its definition names the check that fails, it has failed in an earlier pass too (it may have been starting), an ECS
// service starts it again, and another task of that service runs.
func (p *pass) stops() (stops []Stop, spared string) {
	if p.Stop == nil {
		return nil, ""
	}
	serviceOf, running := serving(p.fleet)
	checks, failed := 0, 0
	for _, e := range p.evidence {
		err, checked := p.checked[e.Key()]
		c := p.fleet.Containers[e.ID.Container]
		named, before := c.Checks[e.ID.Port] != "", e.Marked()
		if !checked || errors.Is(err, httpcheck.ErrUnchecked) || err != nil && before && !named {
			continue // a port without a check of its own may not speak HTTP; once it is marked, its failure is no news
		}
		checks++
		if err == nil {
			continue
		}
		failed++
		if before && serviceOf[c.Task] != "" {
			stops = append(stops, Stop{c.Task, err.Error(), c.Cluster})
		}
	}
	if len(stops) > 0 && float64(failed) > p.Budget*float64(checks) {
		return nil, fmt.Sprintf(
			"no task is stopped: %d of %d checks failed, more than %.0f %%",
			failed,
			checks,
			100*p.Budget,
		)
	}
	slices.SortStableFunc(stops, func(a, b Stop) int { return cmp.Compare(a.Task, b.Task) })
	stops = slices.CompactFunc(stops, func(a, b Stop) bool { return a.Task == b.Task })
	return slices.DeleteFunc(stops, func(s Stop) bool {
		running[serviceOf[s.Task]]--
		return running[serviceOf[s.Task]] < 1
	}), ""
}

// serving returns the service of each task that runs on a connected host, and how many such tasks each service has.
func serving(f evidence.Fleet) (serviceOf map[string]string, running map[string]int) {
	serviceOf, running = map[string]string{}, map[string]int{}
	for _, c := range f.Containers {
		host := f.Instances[c.Instance]
		if c.Service == "" || !c.Running || host.State != evidence.Alive || !host.Connected || serviceOf[c.Task] != "" {
			continue
		}
		serviceOf[c.Task] = c.Service
		running[c.Service]++
	}
	return serviceOf, running
}

// stop asks ECS to stop tasks, and returns how many it accepted.
func (p *pass) stop(ctx context.Context, stops []Stop) (stopped int) {
	for _, s := range stops {
		if ctx.Err() != nil {
			break
		}
		if err := p.Stop(ctx, s.cluster, s.Task, "ecssd: a container fails its HTTP check"); err != nil {
			p.Log.WithError(err).WithField("task", s.Task).Warn("cannot stop task")
			continue
		}
		stopped++
	}
	return stopped
}
