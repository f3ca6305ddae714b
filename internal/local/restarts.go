package local

import (
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// restartTimeout is how long a container that died by itself keeps its records where its container definition has a
// restart policy. The ECS agent (1.105.1) starts the same container again, with the same host ports, 340 ms after its
// death, and nothing shows beforehand whether it will. Without this wait the only record of a name would be missing for
// a moment at each restart, and a resolver that asked then would cache NXDOMAIN.
const restartTimeout = 500 * time.Millisecond

// restart is a container between its death and the start that is expected.
type restart struct {
	container container.Container // as it was before its death
	until     time.Time           // its records are removed then
}

// restarts are by container ID.
type restarts map[string]restart

// expect notes the death of a container that the ECS agent may start again.
func (r restarts) expect(c container.Container, now time.Time) {
	r[c.ID] = restart{c, now.Add(restartTimeout)}
}

// expected reports whether the death of this run of c is known.
func (r restarts) expected(c container.Container) bool {
	known, ok := r[c.ID]
	return ok && known.container.StartedAt.Equal(c.StartedAt)
}

// hint takes in an event of a container whose start is expected, and reports whether it no longer is.
func (r restarts) hint(h container.Hint, now time.Time) (given bool) {
	expected, ok := r[h.ContainerID]
	if !ok || h.Time.Before(expected.container.StartedAt) {
		return false
	}
	switch h.Action {
	case container.Start: // the next snapshot shows it
		expected.until = now.Add(QueryTimeout)
	case container.Die:
		expected.until = Earliest(At(expected.until), At(now.Add(restartTimeout))).Time()
	case container.Kill:
		if stopSignal(expected.container, h.Signal) {
			delete(r, h.ContainerID)
			return true
		}
	}
	r[h.ContainerID] = expected
	return false
}

// keeps reports whether the records of the dead container are kept.
func (r restart) keeps(now time.Time) bool { return r.until.After(now) }

// next returns when the records of the next container are to be removed.
func (r restarts) next(now time.Time) (next Deadline) {
	for _, expected := range r {
		if expected.keeps(now) {
			next = Earliest(next, At(expected.until))
		}
	}
	return next
}

// prune drops the containers that run again, and those that were not started in time.
func (r restarts) prune(live map[string]container.Container, now time.Time) {
	for id, expected := range r {
		if c, lives := live[id]; lives && !c.StartedAt.Equal(expected.container.StartedAt) || !expected.keeps(now) {
			delete(r, id)
		}
	}
}
