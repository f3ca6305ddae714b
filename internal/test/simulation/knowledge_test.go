package simulation

import (
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// told is what the agent can know of a container, and since when.
type knowledge struct {
	since  time.Time // when what is to be in the zone last changed
	began  time.Time // of the present run, true time
	runs   int
	signal time.Time // when the present run was asked to stop; zero: it was not
	// forgotten says that no process can learn of the signal any more, or not before there is another stream: the
	// container may be in the zone or not.
	forgotten bool
	unheard   bool
	disturbed bool // some signal was sent; which of them ends a container that is gone the agent cannot know
	heardBy   *process
	certain   int // deaths of the service that the agent had been told of when the run began
	toldTo    *process
}

// stopped says whether the run was asked to end.
func (t knowledge) stopped() bool { return !t.signal.IsZero() }

// death is one that nobody asked for, as far as the agent can know.
type death struct {
	service string
	at      time.Time
	sure    bool // nobody asked for it, whatever the agent has heard, and it was no end in order
	heardBy *process
	run     *box
	n       int // which run
}

func (b *box) began() {
	t := &b.known
	*t = knowledge{
		since:  time.Now(),
		began:  time.Now(),
		runs:   t.runs + 1,
		toldTo: b.e.h.proc,
	}
	for _, d := range b.e.h.deaths {
		if d.service == b.service && d.sure && d.heardBy != nil && d.heardBy == b.e.h.proc &&
			time.Since(d.at) < loopWindow-loopProof-bound {
			t.certain++
		}
	}
	b.e.h.calls.causes++
}

func (b *box) changed(string) {
	b.known.since = time.Now()
	b.e.h.calls.causes++
}

// signalled notes a signal, if it is one that asks the container to end.
func (b *box) signalled(signal int) {
	t := &b.known
	t.disturbed = true
	if signal != b.stopSignal && signal != 9 || t.stopped() {
		return
	}
	t.signal, t.since, t.forgotten, t.unheard, t.heardBy = time.Now(), time.Now(), false, false, nil
	// By the Engine's clock the signal may have come before the run began: after a step back nobody can tell.
	t.forgotten = b.e.now().Before(b.c.StartedAt)
	b.e.h.calls.causes++
}

// ended notes the end of a run; announced says whether there may have been records of it.
func (b *box) ended(heard, announced bool, status int) {
	h := b.e.h
	asked := b.known.stopped()
	if !asked || b.known.forgotten || b.known.unheard || b.stopSignal != 15 {
		h.deaths = append(h.deaths, death{
			service: b.service,
			at:      time.Now(),
			sure:    !b.known.disturbed && heard && status != 0,
			run:     b,
			n:       b.known.runs,
		})
	}
	if announced {
		b.known.since = time.Now()
		h.calls.causes++
	}
}

// heard notes that a process has been told of an event. It can know that nobody asked for a death only where the same
// stream told of the start of the run.
func (b *box) heard(ev event, p *process, s *stream) {
	switch ev.hint.Action {
	case container.Start:
		s.toldStarts[b] = ev.run
	case container.Kill:
		if b.known.stopped() && b.known.runs == ev.run {
			b.known.unheard, b.known.heardBy = false, p
		}
	case container.Die:
		for i := range b.e.h.deaths {
			if d := &b.e.h.deaths[i]; d.run == b && d.n == ev.run && s.toldStarts[b] == ev.run {
				d.heardBy = p
			}
		}
	}
}

// unheard notes that an event has got lost on a stream that goes on.
func (b *box) unheard(hint container.Hint) {
	switch hint.Action {
	case container.Kill:
		b.known.unheard = true
	case container.Die:
		b.e.h.deaths = append(b.e.h.deaths, death{
			service: b.service,
			at:      time.Now(),
			run:     b,
			n:       b.known.runs,
		})
	}
}

// forget is what an Engine that restarts does: its memory of events is gone.
func (e *engine) forgetEvents() {
	e.eventLog = nil
	for _, b := range e.boxes {
		// A process that has heard of the signal keeps it, and has written it down after a second or two.
		if b.known.stopped() && (b.known.heardBy == nil || time.Since(b.known.signal) < bound) {
			b.known.forgotten = true
		}
	}
}
