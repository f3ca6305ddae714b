package local

import (
	"syscall"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// StopTimeout is how long after its stop signal a container is taken to be stopping. ECS lets a task ask for at most 2
// minutes, and inspect does not show what it asked for.
const StopTimeout = 10 * time.Minute

// Stop is a container that was asked to stop.
type Stop struct {
	ContainerID string
	Run         time.Time // start of the run that was to end, by the Engine's clock
	At          time.Time // when the signal was sent, by the Engine's clock
	// Over: the container has outlived the signal. The Engine may send the same event once more, which does not count
	// again.
	Over bool
}

// stopMark is a Stop that this process knows of. It counts for one run of the container: another run has another start
// time, whichever way the clock has moved since.
type stopMark struct {
	Stop
	seen time.Time // when this process learnt of it, by the monotonic clock
}

// stops holds the marks by container ID.
type stops struct {
	marks   map[string]stopMark
	changed bool // since the marks were last saved
}

func loadStops(saved []Stop, now time.Time) stops {
	s := stops{marks: map[string]stopMark{}}
	for _, stop := range saved {
		age := min(max(now.Sub(stop.At), 0), StopTimeout)
		s.marks[stop.ContainerID] = stopMark{stop, now.Add(-age)}
	}
	return s
}

// save returns the marks to be saved.
func (s *stops) save() (saved []Stop) {
	for _, mark := range s.marks {
		saved = append(saved, mark.Stop)
	}
	s.changed = false
	return saved
}

// stopSignal reports whether a signal asks the container to end: the one that its image names, or SIGKILL. Any other
// signal, such as a SIGHUP to reload a configuration, leaves it serving.
func stopSignal(c container.Container, signal int) bool {
	return signal == c.StopSignal || signal == int(syscall.SIGKILL)
}

// mark notes that the present run of c was asked to end, and reports whether that is new.
func (s *stops) mark(c container.Container, at, now time.Time) bool {
	old, ok := s.marks[c.ID]
	if ok && old.Run.Equal(c.StartedAt) && (!old.Over || !at.After(old.At)) {
		return false
	}
	s.marks[c.ID] = stopMark{Stop: Stop{ContainerID: c.ID, Run: c.StartedAt, At: at}, seen: now}
	s.changed = true
	return true
}

// marked reports whether the present run of a container was asked to end. Marks of earlier runs have been pruned.
func (s *stops) marked(id string) bool {
	mark, ok := s.marks[id]
	return ok && !mark.Over
}

// expires returns when the mark of a container comes into question. timeout is the container's own stop timeout.
func (s *stops) expires(id string, timeout time.Duration) time.Time {
	return s.marks[id].seen.Add(max(StopTimeout, timeout))
}

// started drops the mark of a signal that was sent before a run began. A snapshot may have shown the run before the
// event of the signal came, which then seemed to be for it.
func (s *stops) started(id string, at time.Time) {
	if mark, ok := s.marks[id]; ok && mark.At.Before(at) {
		delete(s.marks, id)
		s.changed = true
	}
}

// renew has a mark count from now on.
func (s *stops) renew(id string, now time.Time) {
	mark := s.marks[id]
	mark.seen = now
	s.marks[id] = mark
}

// end notes that a container has outlived its signal.
func (s *stops) end(id string) {
	mark := s.marks[id]
	mark.Over = true
	s.marks[id] = mark
	s.changed = true
}

// prune drops the marks of containers that are gone or in another run. A mark that was made before the container could
// be inspected, since ECS wants it stopped, is for the run that is found then.
func (s *stops) prune(live map[string]container.Container) {
	for id, mark := range s.marks {
		c, ok := live[id]
		switch {
		case ok && (c.Unknown() || c.StartedAt.Equal(mark.Run)):
			continue
		case ok && mark.Run.IsZero() && !c.StartedAt.After(mark.At):
			mark.Run = c.StartedAt
			s.marks[id] = mark
		default:
			delete(s.marks, id)
		}
		s.changed = true
	}
}
