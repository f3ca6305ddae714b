package simulation

import (
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// knowledge is what the agent can know of a container, and since when.
type knowledge struct {
	since  time.Time // when what is to be in the zone last changed
	began  time.Time // when the present run did, in true time
	runs   int
	signal time.Time // when the present run was asked to stop; zero: it was not
	// forgotten: no agent can learn of the signal any more, or not before there is another event stream. The container
	// may be in the zone or not.
	forgotten bool
	unheard   bool     // the signal's event was lost
	disturbed bool     // a signal was sent; the agent cannot know whether it ended the container
	heardBy   *process // the agent that received the signal's event
	certain   int      // deaths of the service of which this agent had received events when the run began
	toldTo    *process // that agent
}

// stopped reports whether the run was asked to end.
func (t knowledge) stopped() bool { return !t.signal.IsZero() }

// death is the end of a run that nobody asked for, as far as the agent can know.
type death struct {
	service string
	at      time.Time
	sure    bool     // it counts as a crash, whichever events the agent received
	heardBy *process // the agent that received its event
	run     *box
	n       int // the number of the run
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

// signalled notes a signal. Only the stop signal and SIGKILL ask the container to end.
func (b *box) signalled(signal int) {
	t := &b.known
	t.disturbed = true
	if signal != b.stopSignal && signal != 9 || t.stopped() {
		return
	}
	t.signal, t.since, t.forgotten, t.unheard, t.heardBy = time.Now(), time.Now(), false, false, nil
	// After a step back of its clock, the Engine's time of the signal is before the start of the run.
	t.forgotten = b.e.now().Before(b.c.StartedAt)
	b.e.h.calls.causes++
}

// ended notes the end of a run; registered: the container may have had records.
func (b *box) ended(heard, registered bool, status int) {
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
	if registered {
		b.known.since = time.Now()
		h.calls.causes++
	}
}

// heard notes that an agent has received an event. It can know that nobody asked for a death only if the same stream
// carried the start of the run.
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

// unheard notes that an event was lost on a stream that stays open.
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

// forgetEvents is what an Engine that restarts does.
func (e *engine) forgetEvents() {
	e.eventLog = nil
	for _, b := range e.boxes {
		// An agent that has received the signal's event has the stop mark in its journal after a second or two.
		if b.known.stopped() && (b.known.heardBy == nil || time.Since(b.known.signal) < bound) {
			b.known.forgotten = true
		}
	}
}
