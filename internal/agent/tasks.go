package agent

import (
	"context"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// askWhatStops asks the ECS agent which containers it wants stopped, where events of that may have been missed: their signal
// may have been sent while nobody listened. It says whether any was not marked yet.
func (a *Agent) askWhatStops(ctx context.Context) (marked bool) {
	ecs := false
	for _, c := range a.containers {
		ecs = ecs || c.Labels[container.LabelTaskARN] != ""
	}
	if !ecs {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	tasks, err := a.cfg.Tasks(ctx)
	if err != nil {
		a.cfg.Log.WithError(err).Debug("the ECS agent does not answer")
		return false
	}
	for id, task := range tasks {
		if c, ok := a.containers[id]; ok && task.Stopping {
			marked = a.stops.mark(c, time.Now()) || marked
		}
	}
	return marked
}

// outlived says whether a container has lived on for so long after its signal that it is to be announced again: the stop
// was given up, or the signal had another meaning. The ECS agent is asked, since only it knows that a task is still to end.
func (a *Agent) outlived(ctx context.Context, c container.Container, now time.Time) bool {
	if a.stops.expires(c).After(now) {
		return false
	}
	if c.Labels[container.LabelTaskARN] != "" {
		if tasks, err := a.cfg.Tasks(ctx); err == nil && tasks[c.ID].Stopping {
			a.stops.renew(c.ID)
			return false
		}
	}
	a.cfg.Log.WithField("container", c.Name).Info("a container has outlived its stop signal, announcing it again")
	a.stops.end(c.ID)
	a.cfg.Journal.SetStops(a.stops.saved())
	return true
}

// learnAddresses fills in the addresses of tasks with a network interface of their own. Neither the Engine's events nor its
// inspect show them, and the ECS agent learns them a moment after the containers start. It gives the time to ask again.
func (a *Agent) learnAddresses(ctx context.Context, now time.Time) (again time.Time) {
	asked, missing := false, false
	for id, c := range a.containers {
		if c.Address.IsValid() || !endpoint.OwnInterface(c, a.containers[c.SharedWith]) {
			continue
		}
		if !a.tasks[id].Address.IsValid() && !asked && !now.Before(a.askAt) {
			asked = true
			if tasks, err := a.cfg.Tasks(ctx); err == nil {
				a.tasks = tasks
			}
		}
		c.Address = a.tasks[id].Address
		c.Exposed = union(c.Exposed, a.tasks[id].Ports)
		a.containers[id] = c
		missing = missing || !c.Address.IsValid()
	}
	if !missing {
		a.asked, a.askAt = 0, time.Time{}
	} else if asked {
		a.askAt = now.Add(time.Second << min(a.asked, 2))
		a.asked++
	}
	return a.askAt
}

// union gives the ports of both lists. It leaves both as they are.
func union(a, b []container.Port) []container.Port {
	all := slices.Clone(a)
	for _, port := range b {
		if !slices.Contains(all, port) {
			all = append(all, port)
		}
	}
	return all
}
