package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Stop is a task that is stopped since a container of it fails its check.
type Stop struct {
	Task   string `json:"task"` // ARN
	Reason string `json:"reason"`

	cluster string
}

// stops gives the tasks to be stopped, in order, or says why there are none although some fail. A port that its task
// definition names no check for may speak no HTTP, and a container that fails for the first time may be starting:
// neither is stopped. Never all tasks of a service are that run, and none that no service would start again.
func (p *pass) stops() (stops []Stop, spared string) {
	if p.Stop == nil {
		return nil, ""
	}
	serviceOf, running := map[string]string{}, map[string]int{} // by task, and by service
	for _, c := range p.fleet.Containers {
		host := p.fleet.Instances[c.Instance]
		if c.Service == "" || !c.Running || host.State != Alive || !host.Connected || serviceOf[c.Task] != "" {
			continue
		}
		serviceOf[c.Task] = c.Service
		running[c.Service]++
	}
	checks, failed := 0, 0
	for _, j := range p.judgements {
		err, checked := p.checked[j.Record.Key()]
		c := p.fleet.Containers[j.ID.Container]
		named, before := c.Checks[j.ID.Port] != "", j.Record.Marked()
		if !checked || errors.Is(err, errUnchecked) || err != nil && before && !named {
			continue // what names no check may speak no HTTP, and once it is marked says nothing new
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

// stop asks ECS to stop tasks.
func (p *pass) stop(ctx context.Context, stops []Stop, report *Report) {
	for _, s := range stops {
		if ctx.Err() != nil {
			return
		}
		if err := p.Stop(ctx, s.cluster, s.Task, "ecssd: a container fails its HTTP check"); err != nil {
			p.Log.WithError(err).WithField("task", s.Task).Warn("stopping a task failed")
			continue
		}
		report.TasksStopped++
	}
}
