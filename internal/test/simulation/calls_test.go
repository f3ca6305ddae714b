package simulation

import (
	"errors"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// ledger counts what a host has to do, and what it does.
type ledger struct {
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

func (p *process) calls(now time.Time) {
	if p.h != nil {
		p.h.account.calls++
		p.h.account.last = now
		if p.w.quiet && !p.w.crowded {
			p.w.violated("%s: a call while nothing happens", p.h.name)
		}
	}
}

// answered notes how a call ended.
func (p *process) answered(f fate, err error, took time.Duration) {
	p.hangs = false
	if p.h == nil || p.dead {
		return
	}
	refusal := (*plan.Refusal)(nil)
	switch {
	case errors.As(err, &refusal):
		p.h.account.refused++
		p.h.trouble = time.Now()
	case f != good || err != nil:
		p.h.account.faults++
		p.h.trouble = time.Now()
		if f == throttle {
			p.h.throttled = time.Now()
		}
	case took > time.Second:
		p.h.trouble = time.Now()
	}
}

// patient holds a process to waits between calls that fail in a row: 2 a second at the most, but for the first 8.
func (p *process) patient(f fate) {
	if f == good {
		p.failed = 0
		return
	}
	if p.failed == 0 {
		p.failing = time.Now()
	}
	p.failed++
	if row := time.Since(p.failing); float64(p.failed) > 8+2*row.Seconds() {
		p.w.violated("%s: %d calls failed within %v", p.name, p.failed, row)
	}
}

// audit holds the number of calls to what there was to do.
func (h *host) audit() {
	a := h.account
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
	if h.w.on(permits) {
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
	if a.proofs > h.started+1 && !h.w.on(permits) {
		h.w.violated("%s: asks %d times whether it may change the zone, with %d starts", h.name, a.proofs, h.started)
	}
	if a.refused > 40+a.causes && !h.w.crowded && !h.w.on(permits) { // what finds a name full is tried every 15 s
		h.w.violated("%s: %d calls refused", h.name, a.refused)
	}
}
