package agent

import (
	"context"
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

// answer is what the ECS agent said when it was asked.
type answer struct {
	tasks map[string]Task
	err   error
}

// askECS asks the ECS agent.
func (a *Agent) askECS(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	tasks, err := a.cfg.Tasks(ctx)
	return answer{tasks, err}
}

// askAt returns when the ECS agent is to be asked; the zero time where there is no need.
func (a *Agent) askAt() time.Time {
	return earlier(earlier(a.addressesAsked.at, a.stopsAsked.at), a.overdue)
}

// ask has the ECS agent asked where that is due, by a goroutine of its own.
func (a *Agent) ask(ctx context.Context, now time.Time) {
	if a.asking != nil || a.containers == nil || !due(a.askAt(), now) {
		return
	}
	asked := &answer{}
	a.asking = asked
	a.beside.Go(func() {
		*asked = a.askECS(ctx)
		a.inbox.put(func() { a.inbox.answer = asked })
	})
}

// due says whether a time has come that is set.
func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// takeAnswer draws the consequences of what the ECS agent said, or that it said nothing.
func (a *Agent) takeAnswer(said answer, now time.Time) {
	if said.err != nil {
		a.cfg.Log.WithError(said.err).Debug("the ECS agent does not answer")
	} else {
		a.tasks = said.tasks
	}
	a.unasked = nil
	if due(a.addressesAsked.at, now) {
		a.addressesAsked.again(now, addressesWithin)
	}
	changed := false
	switch {
	case !due(a.stopsAsked.at, now):
	case said.err != nil:
		a.stopsAsked.again(now, stopsWithin)
	default:
		a.stopsAsked = question{}
		for id, task := range said.tasks {
			if c, ok := a.containers[id]; ok && task.Stopping {
				changed = a.stops.mark(c, now) || changed
			}
		}
	}
	if a.overdue = (time.Time{}); changed {
		a.cfg.Journal.SetStops(a.stops.saved())
	}
	for id, c := range a.containers {
		switch {
		case !a.stops.marked(c) || a.stops.expires(c).After(now):
		case said.err == nil && said.tasks[id].Stopping:
			a.stops.renew(id)
		default:
			a.giveUpMark(c)
		}
	}
}

func ofECS(c container.Container) bool { return c.Labels[container.LabelTaskARN] != "" }

// outlived says whether a container has lived on for so long after its signal that it is to be announced again: the stop
// was given up, or the signal had another meaning. The ECS agent is asked first, since only it knows that a task is still to end.
func (a *Agent) outlived(c container.Container, now time.Time) bool {
	if a.stops.expires(c).After(now) {
		return false
	}
	if ofECS(c) {
		a.overdue = now
		return false
	}
	a.giveUpMark(c)
	return true
}

func (a *Agent) giveUpMark(c container.Container) {
	a.cfg.Log.WithField("container", c.Name).Info("a container has outlived its stop signal, announcing it again")
	a.stops.end(c.ID)
	a.cfg.Journal.SetStops(a.stops.saved())
}

// fillInAddresses fills in the addresses of tasks with a network interface of their own. Neither the Engine's events nor its
// inspect show them, and the ECS agent learns them a moment after the containers start: it is asked until it knows.
func (a *Agent) fillInAddresses(now time.Time) {
	missing := map[string]bool{}
	for id, c := range a.containers {
		if c.Address.IsValid() || !endpoint.OwnInterface(c, a.containers[c.SharedWith]) {
			continue
		}
		c.Address = a.tasks[id].Address
		a.containers[id] = c
		if !c.Address.IsValid() {
			missing[id] = true
		}
	}
	if len(missing) == 0 {
		a.addressesAsked = question{}
	} else if a.addressesAsked.at.IsZero() {
		a.addressesAsked.at, a.unasked = now, missing
	}
}
