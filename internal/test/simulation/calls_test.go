package simulation

import (
	"errors"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// ledger counts what a host has to do, and what it does.
type callCount struct {
	causes  int // changes of containers
	faults  int // calls that failed, or of which the answer was lost
	refused int
	extra   int // for starts, and what others do
	calls   int
	applied int
	last    time.Time
	// Calls that read, and those of them that failed.
	reads, badReads int
	proofs          int // of the calls that read: those that were to show that changes are permitted
}

func (p *process) countCall(now time.Time) {
	if p.h != nil {
		p.h.calls.calls++
		p.h.calls.last = now
		if p.w.noCallsDue && !p.w.nameIsFull {
			p.w.violated("%s: a call while nothing happens", p.h.name)
		}
	}
}

// answered notes how a call ended.
func (p *process) answered(f callOutcome, err error, took time.Duration) {
	p.callHangs = false
	if p.h == nil || p.dead {
		return
	}
	refusal := (*plan.Refusal)(nil)
	switch {
	case errors.As(err, &refusal):
		p.h.calls.refused++
		p.h.lastFailure = time.Now()
	case f != good || err != nil:
		p.h.calls.faults++
		p.h.lastFailure = time.Now()
		if f == throttle {
			p.h.lastThrottled = time.Now()
		}
	case took > time.Second:
		p.h.lastFailure = time.Now()
	}
}

// patient holds a process to waits between calls that fail in a row: 2 a second at the most, but for the first 8.
func (p *process) checkRetryPace(f callOutcome) {
	if f == good {
		p.failedInRow = 0
		return
	}
	if p.failedInRow == 0 {
		p.failingSince = time.Now()
	}
	p.failedInRow++
	if row := time.Since(p.failingSince); float64(p.failedInRow) > 8+2*row.Seconds() {
		p.w.violated("%s: %d calls failed within %v", p.name, p.failedInRow, row)
	}
}

// audit holds the number of calls to what there was to do.
func (h *host) audit() {
	a := h.calls
	allowed := a.causes + a.causes/5 + a.faults + 2*a.refused + a.extra + 3
	if a.calls > allowed {
		h.w.violated(
			"%s: %d calls for %d changes of containers, %d calls that failed, %d refused ones and %d others",
			h.name,
			a.calls,
			a.causes,
			a.faults,
			a.refused,
			a.extra,
		)
	}
	// A name is read back each time; a refusal may ask for one more; where the journal was lost the zone is listed. A
	// refusal may ask for two where it is of an A record; DNS may cause a reading as often, and each that failed one
	// more; a start has the zone read out of turn.
	readings := 2*int(
		time.Since(h.w.start)/(h.w.verifyEvery*3/4),
	) + 2*a.refused + 2*a.badReads + 3*h.started + a.extra + 3
	if h.w.lostJournal {
		readings += 10 // pages
	}
	if h.w.on(permissionsChange) {
		readings += a.proofs
	}
	if a.reads > readings {
		h.w.violated(
			"%s: %d calls that read, of which %d failed, with %d changes refused and %d starts",
			h.name,
			a.reads,
			a.badReads,
			a.refused,
			h.started,
		)
	}
	if a.proofs > h.started+1 && !h.w.on(permissionsChange) {
		h.w.violated("%s: asks %d times whether it may change the zone, with %d starts", h.name, a.proofs, h.started)
	}
	if a.refused > 40+a.causes && !h.w.nameIsFull && !h.w.on(permissionsChange) { // what finds a name full is tried every 15 s
		h.w.violated("%s: %d calls refused", h.name, a.refused)
	}
}
