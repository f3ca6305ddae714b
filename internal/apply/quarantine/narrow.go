package quarantine

import (
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Limit returns n, or fewer while a refused batch is narrowed down: how many of n changes one batch may carry.
func (q *Quarantine) Limit(n int) int {
	if q.limit > 0 {
		return min(q.limit, n)
	}
	return n
}

// Narrowing reports whether a refused batch is being narrowed down to the bad change.
func (q *Quarantine) Narrowing() bool { return q.limit > 0 }

// StopNarrowing lifts the limit: nothing is left of the refused batch.
func (q *Quarantine) StopNarrowing() { q.limit = 0 }

// Narrow takes a refused batch of which the message names no change: the next batch is half as long, until a change is
// refused alone and held back. It reports whether there is a next step; else the change that was refused alone is all
// there was.
func (q *Quarantine) Narrow(batch []plan.Change, refusal *plan.Refusal, now time.Time) bool {
	if refusal.Reason == plan.ZoneFull && q.NoRoom(batch, plan.ZoneFull, record.Group{}, refusal.Message, now) {
		return true
	}
	last := refusal.Reason == plan.Denied && q.spendDenial(now)
	switch {
	case len(batch) == 1:
		q.isolate(batch[0], refusal, now)
	case last:
		for _, c := range batch {
			q.hold(c, refusal.Reason, refusal.Message, false, now)
		}
	default:
		q.limit = len(batch) / 2
		return true
	}
	if last {
		q.limit = 0
	}
	return len(batch) > 1
}

// spendDenial counts a call that was denied, and reports whether it was the last that may be spent for now.
func (q *Quarantine) spendDenial(now time.Time) bool {
	if now.Sub(q.deniedSince) >= probeEvery {
		q.deniedSince, q.denied = now, 0
	}
	q.denied++
	return q.denied >= mostDenied
}

// isolate holds back a change that was refused alone. Permissions go by name, so that one denial holds for every change
// of the name.
func (q *Quarantine) isolate(bad plan.Change, refusal *plan.Refusal, now time.Time) {
	q.Hold(bad, refusal.Reason, refusal.Message, false, now)
	if refusal.Reason != plan.Denied {
		return
	}
	for _, c := range q.cfg.Changes() {
		if c.Record.Group() == bad.Record.Group() && c != bad {
			q.Hold(c, refusal.Reason, refusal.Message, false, now)
		}
	}
}

// KnownDenial reports whether a denial of the batch is no news: the batch is a part of one that was denied, or all of
// its changes were denied before.
func (q *Quarantine) KnownDenial(batch []plan.Change) bool {
	return q.Narrowing() || !slices.ContainsFunc(batch, func(c plan.Change) bool {
		h, held := q.held[c.Record.Key()]
		return !held || h.Reason != plan.Denied
	})
}

// NotDenied notes that Route 53 judged a batch by its content: where changes in it were denied before, all that were
// denied are tried again.
func (q *Quarantine) NotDenied(batch []plan.Change) {
	if q.causes(batch)[cause{reason: plan.Denied}] > 0 {
		q.Release(plan.Denied)
	}
}
