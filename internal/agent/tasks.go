package agent

import (
	"context"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// question is one that the ECS agent has to be asked again: it has not answered, or not yet.
type question struct {
	asked int       // in vain, in a row
	at    time.Time // when to ask again; zero: there is no need
}

// again sets the next time: after 1, 2, 4 s and so on, in longest at the latest.
func (q *question) again(now time.Time, longest time.Duration) {
	q.at = now.Add(min(time.Second<<min(q.asked, 10), longest))
	q.asked++
}

const (
	// The ECS agent learns the address of a task a moment after its containers start.
	addressesWithin = 4 * time.Second
	// An ECS agent that was started with ours takes some seconds until it answers, and one that does not run never does.
	stopsWithin = time.Minute
)

// askWhatStops asks the ECS agent which containers it wants stopped, where events of that may have been missed: their signal
// may have been sent while nobody listened. It says whether any was not marked yet.
func (a *Agent) askWhatStops(ctx context.Context) (marked bool) {
	ecs := false
	for _, c := range a.containers {
		ecs = ecs || c.Labels[container.LabelTaskARN] != ""
	}
	if !ecs {
		a.stopsAsked = question{}
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	tasks, err := a.cfg.Tasks(ctx)
	if err != nil {
		a.cfg.Log.WithError(err).Debug("the ECS agent does not answer")
		a.stopsAsked.again(time.Now(), stopsWithin)
		return false
	}
	a.stopsAsked = question{}
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
		if !a.tasks[id].Address.IsValid() && !asked && !now.Before(a.addressesAsked.at) {
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
		a.addressesAsked = question{}
	} else if asked {
		a.addressesAsked.again(now, addressesWithin)
	}
	return a.addressesAsked.at
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
