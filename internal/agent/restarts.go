package agent

import (
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// restartWithin is how long a container that died by itself keeps its records where its container definition has a
// restart policy. The ECS agent (1.105.1) starts the same container again, with the same host ports, 340 ms after its
// death, and nothing says beforehand whether it will. Without this wait the only record of a name would be gone for a
// moment at each restart, and whoever asked then would believe for a minute that there is none.
const restartWithin = 500 * time.Millisecond

// rest is a container between its death and the start that is expected.
type rest struct {
	container container.Container
	until     time.Time // its records are removed then
}

// mayRest notes the death of a container that the ECS agent may start again: one that nobody has asked to stop.
func (a *Agent) mayRest(c container.Container, v *view, now time.Time) {
	if r, ok := a.resting[c.ID]; ok && r.container.StartedAt.Equal(c.StartedAt) {
		return // a look that began before the death has found it once more
	}
	asked := slices.ContainsFunc(v.kills, func(k kill) bool {
		return k.ContainerID == c.ID && stopSignal(c, k.Signal) && !c.StartedAt.After(k.Time)
	})
	if task := a.tasks[c.ID]; task.Restarts && !task.Stopping && !asked && !a.stops.marked(c) {
		a.resting[c.ID] = rest{c, now.Add(restartWithin)}
	}
}

// disturb takes in what is heard of a container that rests, and says whether it rests no longer.
func (a *Agent) disturb(h container.Hint, now time.Time) bool {
	r, ok := a.resting[h.ContainerID]
	if !ok || h.Time.Before(r.container.StartedAt) {
		return false
	}
	switch h.Action {
	case container.Start: // a look is to find it now
		r.until = now.Add(lookTimeout)
	case container.Die:
		r.until = earlier(r.until, now.Add(restartWithin))
	case container.Kill:
		if stopSignal(r.container, h.Signal) {
			delete(a.resting, h.ContainerID)
			return true
		}
	}
	a.resting[h.ContainerID] = r
	return false
}

// rests says whether the records of a container that has died are kept.
func (r rest) rests(now time.Time) bool { return r.until.After(now) }

// nextRested returns when the next container will have to be given up that was not started again; the zero time where
// there is none.
func (a *Agent) nextRested(now time.Time) (next time.Time) {
	for _, r := range a.resting {
		if r.rests(now) {
			next = earlier(next, r.until)
		}
	}
	return next
}

// forgetRests forgets containers that were found to live again, and those that were given up.
func (a *Agent) forgetRests(now time.Time) {
	for id, r := range a.resting {
		if c, lives := a.containers[id]; lives && !c.StartedAt.Equal(r.container.StartedAt) || !r.rests(now) {
			delete(a.resting, id)
		}
	}
}
