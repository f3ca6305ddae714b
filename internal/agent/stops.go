package agent

import (
	"syscall"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/journal"
)

// outlived is how long a container is believed to be stopping after the signal. ECS lets a task ask for at most 2
// minutes, and inspect does not show what it asked for.
const outlived = 10 * time.Minute

// stop is the mark of a container that was asked to stop. It counts for one run of the container: another run has
// another start time, whichever way the clock has moved since.
type stop struct {
	journal.Stop
	seen time.Time // when this process learnt of it, by the monotonic clock
}

// stops holds marks by container ID.
type stops map[string]stop

func loadStops(saved []journal.Stop) stops {
	now := time.Now()
	marks := stops{}
	for _, s := range saved {
		age := min(max(now.Sub(s.At), 0), outlived)
		marks[s.ContainerID] = stop{Stop: s, seen: now.Add(-age)}
	}
	return marks
}

func (s stops) saved() []journal.Stop {
	var marks []journal.Stop
	for _, mark := range s {
		marks = append(marks, mark.Stop)
	}
	return marks
}

// stopSignal says whether a signal means that the container is to end: the one its image names, or SIGKILL. Any other
// signal, such as a SIGHUP to read a configuration again, leaves it serving.
func stopSignal(c container.Container, signal int) bool {
	return signal == c.StopSignal || signal == int(syscall.SIGKILL)
}

// mark notes that the present run of c was asked to end, and says whether that is news.
func (s stops) mark(c container.Container, at time.Time) bool {
	old, ok := s[c.ID]
	if ok && old.Run.Equal(c.StartedAt) && (!old.Over || !at.After(old.At)) {
		return false
	}
	s[c.ID] = stop{Stop: journal.Stop{ContainerID: c.ID, Run: c.StartedAt, At: at}, seen: time.Now()}
	return true
}

// marked says whether the present run of c was asked to end. Marks of earlier runs have been pruned.
func (s stops) marked(c container.Container) bool {
	mark, ok := s[c.ID]
	return ok && !mark.Over
}

// expires gives when the mark of c is to be doubted.
func (s stops) expires(c container.Container) time.Time {
	return s[c.ID].seen.Add(max(outlived, c.StopTimeout))
}

// started drops the mark of a signal that was sent before a run began, and says whether there was one. A snapshot may
// have shown the run before the signal was heard of, which then seemed to be for it.
func (s stops) started(id string, at time.Time) bool {
	mark, ok := s[id]
	if !ok || !mark.At.Before(at) {
		return false
	}
	delete(s, id)
	return true
}

// renew believes a mark anew; end gives up on it.
func (s stops) renew(id string) {
	mark := s[id]
	mark.seen = time.Now()
	s[id] = mark
}

func (s stops) end(id string) {
	mark := s[id]
	mark.Over = true
	s[id] = mark
}

// prune forgets the marks of containers that are gone or run anew, and reports whether any mark changed. A mark that
// was made before the container could be inspected, since the ECS agent wants it stopped, is for the run that is found
// then.
func (s stops) prune(live map[string]container.Container) (changed bool) {
	for id, mark := range s {
		c, ok := live[id]
		switch {
		case ok && (c.Unknown() || c.StartedAt.Equal(mark.Run)):
			continue
		case ok && mark.Run.IsZero() && !c.StartedAt.After(mark.At):
			mark.Run = c.StartedAt
			s[id] = mark
		default:
			delete(s, id)
		}
		changed = true
	}
	return changed
}
