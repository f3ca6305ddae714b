package agent

import (
	"context"
	"maps"
	"net/netip"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
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
	// An ECS agent that was started with ours takes some seconds until it answers, and one that does not run never
	// does.
	stopsWithin = time.Minute
	// What else is to be known of a new container has time, and several may come together: a restart policy begins to
	// count when a container has run for a minute.
	othersAfter = 10 * time.Second
)

// answer is what the ECS agent said when it was asked.
type answer struct {
	about map[string]bool // the containers that were known when it was asked
	tasks map[string]Task
	err   error
}

// askECS asks the ECS agent; about are the containers that are known.
func (a *Agent) askECS(ctx context.Context, about map[string]bool) answer {
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	tasks, err := a.cfg.Tasks(ctx)
	return answer{about, tasks, err}
}

// askAt returns when the ECS agent is to be asked; the zero time where there is no need.
func (a *Agent) askAt() time.Time {
	at := earlier(earlier(a.othersAsked.at, a.stopsAsked.at), a.overdue)
	for _, q := range a.addressesAsked {
		at = earlier(at, q.at)
	}
	return at
}

// ask has the ECS agent asked where that is due, by a goroutine of its own.
func (a *Agent) ask(ctx context.Context, now time.Time) {
	if a.asking != nil || a.containers == nil || !due(a.askAt(), now) {
		return
	}
	asked, about := &answer{}, map[string]bool{}
	for id := range a.containers {
		about[id] = true
	}
	a.asking = asked
	a.beside.Go(func() {
		*asked = a.askECS(ctx, about)
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
	for id, q := range a.addressesAsked {
		if said.about[id] && due(q.at, now) {
			q.again(now, addressesWithin)
			a.addressesAsked[id] = q
		}
	}
	switch {
	case said.err == nil:
		a.othersAsked = question{} // until fillIn finds another that is not covered
		maps.Copy(a.covered, said.about)
	case due(a.othersAsked.at, now):
		a.othersAsked.again(now, stopsWithin)
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

// outlived says whether a container has lived on for so long after its signal that it is to be announced again: the
// stop was given up, or the signal had another meaning. The ECS agent is asked first, since only it knows that a task
// is still to end.
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

// fillIn fills in what the ECS agent has said of containers, and notes what it is to be asked. Neither the Engine's
// events nor its inspect show the address of a task with a network interface of its own, and the ECS agent learns it a
// moment after the containers start: it is asked at once, and until it knows. Meanwhile an address that the container
// has a record of is as good, since a task has the same one for life.
func (a *Agent) fillIn(known func() plan.Current, now time.Time) {
	asked := a.addressesAsked
	a.addressesAsked = map[string]question{}
	var written map[string]netip.Addr
	for id, c := range a.containers {
		if !a.covered[id] && ofECS(c) && a.othersAsked.at.IsZero() {
			a.othersAsked.at = now.Add(othersAfter)
		}
		if !endpoint.OwnInterface(c, a.containers[c.SharedWith]) {
			continue
		}
		c.Address = a.tasks[id].Address
		if !c.Address.IsValid() {
			q, again := asked[id]
			if !again {
				q.at = now
			}
			a.addressesAsked[id] = q
			if written == nil {
				written = addressesIn(known())
			}
			c.Address = written[id]
		}
		a.containers[id] = c
	}
}

// addressesIn returns the addresses of tasks' own network interfaces that records hold, by container ID.
func addressesIn(known plan.Current) map[string]netip.Addr {
	found := map[string]netip.Addr{}
	for key, e := range known {
		id, ok := record.ParseSetID(key.SetID)
		if address, err := netip.ParseAddr(e.Record.Value); ok && err == nil && id.Kind == record.ENI {
			found[id.Container] = address
		}
	}
	return found
}
