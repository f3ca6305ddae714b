package simulation

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// eventsKept is how many past events the Engine sends to a new subscriber.
const eventsKept = 256

var errRefused = errors.New("dial unix /var/run/docker.sock: connection refused")

// engine is the container Engine of a host. The world's lock guards all of it.
type engine struct {
	w     *world
	h     *host
	boxes []*box // in the order of their creation, those removed too

	up             bool          // answers calls
	refusesStreams bool          // accepts no subscription to events
	offset         time.Duration // of the Engine's clock from the true time
	eventDelay     time.Duration // events are sent so much later
	eventLog       []event
	streams        map[*stream]bool
	lastEventLost  time.Time // when an event was last late or lost
	lastDown       time.Time // when it last refused calls or subscriptions
}

// event is a hint and when it is sent.
type event struct {
	hint container.Hint
	box  *box
	run  int // of the box
	at   time.Time
}

// stream is one subscription.
type stream struct {
	p          *process
	queue      []event
	wakeup     chan struct{}
	ended      chan struct{}
	silent     bool         // carries no events any more
	toldStarts map[*box]int // the last run of each container whose start it carried
}

func (e *engine) now() time.Time { return time.Now().Add(e.offset) }

// emit sends an event to all subscribers.
func (e *engine) emit(b *box, h container.Hint) {
	h.ContainerID, h.Time = b.c.ID, e.now()
	e.w.note(e.h.name, "event %s %s%s", b.name, h.Action, map[bool]string{
		true: " " + strconv.Itoa(h.Signal),
	}[h.Signal != 0])
	ev := event{
		hint: h,
		box:  b,
		run:  b.known.runs,
		at:   time.Now().Add(e.eventDelay),
	}
	e.eventLog = append(e.eventLog, ev)
	if len(e.eventLog) > eventsKept {
		e.eventLog = slices.Clone(e.eventLog[len(e.eventLog)-eventsKept:])
	}
	lost := false
	if e.eventDelay > 0 {
		e.lastEventLost = time.Now()
	}
	for s := range e.streams {
		if s.silent {
			lost = true
			continue
		}
		if n := len(s.queue); n > 0 && s.queue[n-1].at.After(ev.at) {
			ev.at = s.queue[n-1].at // a stream keeps its order
		}
		s.queue = append(s.queue, ev)
		s.wake()
	}
	if lost {
		e.lastEventLost = time.Now()
		b.unheard(h)
	}
}

func (s *stream) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// interrupt ends all streams.
func (e *engine) interrupt() {
	for s := range e.streams {
		close(s.ended)
		delete(e.streams, s)
	}
}
