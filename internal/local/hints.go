package local

import (
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

const (
	// replay is how long after connecting hints may be of the past. Such a hint may be about a run of a container that
	// has ended since, so that it is compared with a snapshot first.
	replay = 2 * time.Second
	// ReplayTime is how long the Engine is given to send the events that it remembers: stop signals are among them.
	ReplayTime = 250 * time.Millisecond
)

// Hint is a hint, and the stream of events that it came by. What one stream sends has no gaps.
type Hint struct {
	container.Hint
	Stream int
}

// unmatched are signals and deaths that are compared with the snapshots to come: when they were received, the run that
// they were for was not certain.
type unmatched struct {
	kills  []kill
	deaths map[string]death // by container ID
	at     Deadline         // when those of the past that still wait for a snapshot are compared with the last one
}

// kill is a signal, and how many queries had begun when it was received.
type kill struct {
	Hint
	begun int
}

// death is the death of a container.
type death struct {
	at      time.Time // by the Engine's clock
	matched bool      // it ended the run that was known
	begun   int
}

// ended reports whether a container as it was found, maybe some time ago, is in the run that has ended.
func (d death) ended(c container.Container) bool { return !c.StartedAt.After(d.at) }

// forgetKills drops the signals that were received before a query began. A container whose inspection failed has not
// been compared with them.
func (u *unmatched) forgetKills(number int, live map[string]container.Container) {
	u.kills = slices.DeleteFunc(u.kills, func(k kill) bool {
		return k.begun < number && live[k.ContainerID].Unread == ""
	})
}

// forgetDeaths does the same with deaths.
func (u *unmatched) forgetDeaths(number int, live map[string]container.Container) {
	for id, d := range u.deaths {
		if d.begun < number && live[id].Unread == "" {
			delete(u.deaths, id)
		}
	}
	if len(u.deaths) == 0 {
		u.deaths = map[string]death{}
	}
}

// takeHints notes what the Engine's events said, and reports whether a container that served has been asked to stop or
// has died. A signal needs no snapshot: the record goes while the container still serves. Nor does a death.
func (m *Model) takeHints(in Input, now time.Time) (changed bool) {
	past := in.Connected.IsZero() || now.Sub(in.Connected) < replay
	for _, h := range in.Hints {
		c, known := m.containers[h.ContainerID]
		changed = m.restarts.hint(h.Hint, now) || changed
		m.crashes.hint(h, c, known, now)
		inspect := true
		switch h.Action {
		case container.Kill:
			var asked bool
			asked, inspect = m.takeKill(h, past, now)
			changed = asked || changed
		case container.Start:
			m.takeStart(h)
		case container.Die:
			changed = m.takeDeath(h, past, now) || changed
		case container.Network:
			// Each start and end of a container sends this, too, beside an event of its own.
			inspect = known || m.queries.named(h.ContainerID)
		}
		if !inspect {
			continue
		}
		m.queries.name(h.ContainerID)
		if past && !m.unmatched.at.Set() {
			m.unmatched.at = At(now.Add(ReplayTime))
		}
	}
	return changed
}

// takeKill notes a signal. It reports whether that asks a container to stop that served, and whether the container is
// to be inspected.
func (m *Model) takeKill(h Hint, past bool, now time.Time) (asked, inspect bool) {
	if c, known := m.containers[h.ContainerID]; known && !past {
		asked = stopSignal(c, h.Signal) && m.stops.mark(c, h.Time, now)
		if !m.queries.named(h.ContainerID) && c.Unread == "" {
			return asked, false
		}
	}
	m.unmatched.kills = append(m.unmatched.kills, kill{h, m.queries.begun})
	return asked, true
}

// takeStart notes that a run has begun. Signals before it were for an earlier run.
func (m *Model) takeStart(h Hint) {
	m.unmatched.kills = slices.DeleteFunc(m.unmatched.kills, func(k kill) bool {
		return k.ContainerID == h.ContainerID
	})
	if !m.unmatched.deaths[h.ContainerID].matched { // else the query under way may still find the run before this one
		delete(m.unmatched.deaths, h.ContainerID)
	}
	m.stops.started(h.ContainerID, h.Time)
}

// takeDeath notes a death, and reports whether a container is gone that was known.
func (m *Model) takeDeath(h Hint, past bool, now time.Time) (gone bool) {
	d := death{at: h.Time, begun: m.queries.begun}
	if c, known := m.containers[h.ContainerID]; known && !past && d.ended(c) {
		d.matched, gone = true, true
		m.died(c, now)
	}
	m.unmatched.deaths[h.ContainerID] = d
	return gone
}

// match compares signals and deaths with what is known of the containers, and reports whether one that served is
// concerned. An Engine that shuts down, or hangs, lists and inspects nothing, while it goes on sending events.
func (m *Model) match(now time.Time) (changed bool) {
	for _, k := range m.unmatched.kills {
		if c, ok := m.containers[k.ContainerID]; ok && stopSignal(c, k.Signal) && !c.StartedAt.After(k.Time) {
			changed = m.stops.mark(c, k.Time, now) || changed
		}
	}
	for id, d := range m.unmatched.deaths {
		if c, ok := m.containers[id]; ok && d.ended(c) {
			m.died(c, now)
			changed = true
		}
	}
	return changed
}

// died takes a container for dead. Its records are kept for a moment where the ECS agent may start it again: nobody has
// asked it to stop.
func (m *Model) died(c container.Container, now time.Time) {
	delete(m.containers, c.ID)
	m.mayRestart(c, now)
}

// mayRestart notes that a container has died, if the ECS agent may start it again.
func (m *Model) mayRestart(c container.Container, now time.Time) {
	if m.restarts.expected(c) {
		return // a query that began before the death has found it once more
	}
	asked := slices.ContainsFunc(m.unmatched.kills, func(k kill) bool {
		return k.ContainerID == c.ID && stopSignal(c, k.Signal) && !c.StartedAt.After(k.Time)
	})
	if task := m.introspection.tasks[c.ID]; task.Restarts && !task.Stopping && !asked && !m.stops.marked(c.ID) {
		m.restarts.expect(c, now)
	}
}
