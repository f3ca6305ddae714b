package simulation

import (
	"errors"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// callCount counts why a host had to call Route 53, and its calls.
type callCount struct {
	causes  int // changes of containers
	faults  int // calls that failed, or whose answers were lost
	refused int
	extra   int // changes for starts of agents and for what others did
	calls   int
	applied int
	last    time.Time
	// Calls that read, those of them that failed, and those that were to prove permission.
	reads, badReads, proofs int
}

func (p *process) countCall(now time.Time) {
	if p.h != nil {
		p.h.calls.calls++
		p.h.calls.last = now
		if p.w.noCallsDue && !p.w.nameIsFull {
			p.w.violated("%s: a call while nothing changes", p.h.name)
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
		p.h.lastFailure, p.h.lastFault = time.Now(), time.Now()
		if f == throttle {
			p.h.lastThrottled = time.Now()
		}
	case took > time.Second:
		p.h.lastFailure = time.Now()
	}
}

// checkRetryPace checks that no more than 2 calls a second fail in a row, the first 8 not counted.
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

// audit compares the number of calls with what there was to do.
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
	// Verification reads at its interval, and DNS may cause as many readings. A refusal may need two, a reading that
	// failed another one, a start three out of turn. Where the journal was lost the zone is listed.
	intervals := int(time.Since(h.w.start) / (h.w.verifyEvery * 3 / 4))
	readings := 2*intervals + 2*a.refused + 2*a.badReads + 3*h.started + a.extra + 3
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
	if a.refused > 40+a.causes && !h.w.nameIsFull && !h.w.on(permissionsChange) {
		h.w.violated("%s: %d calls refused", h.name, a.refused)
	}
}
