package apply

import (
	"context"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// send makes one call and draws the consequences. Its error is plan.ErrNoSuchZone or nil.
func (w *Writer) send(ctx context.Context, batch []plan.Change) error {
	w.mu.Lock()
	call := w.ledger.Begin(batch)
	if removes(batch) { // which the disk has as confirmed; the call does not wait for the disk
		w.saveSoon()
	}
	eventAt := w.eventAt
	w.eventAt = time.Time{}
	w.mu.Unlock()

	start := time.Now()
	callCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	err := w.cfg.Zone.Change(callCtx, batch)
	cancel()
	outcome, refusal := plan.OutcomeOf(err)

	w.mu.Lock()
	w.pace.Sent(start)
	w.cfg.Metrics.Call(outcome, time.Since(start))
	switch outcome {
	case plan.Applied:
		w.quarantine.Passed(batch, time.Now())
		call.Commit()
		w.applied(batch, eventAt)
	case plan.Unknown:
		call.Unconfirmed()
	default:
		call.Rollback()
	}
	if outcome == plan.Applied || refusal != nil && !refusal.Denied() {
		w.judged(batch)
	}
	if outcome != plan.Applied && (w.eventAt.IsZero() || !eventAt.IsZero() && eventAt.Before(w.eventAt)) {
		w.eventAt = eventAt
	}
	if outcome != plan.Applied && refusal == nil {
		w.failed(outcome, err, len(batch))
	}
	w.mu.Unlock()
	if refusal != nil {
		w.refused(ctx, batch, refusal)
		w.readTarget(ctx)
	}
	w.mu.Lock()
	w.outcomes.Update(w.ledger.Current())
	w.mu.Unlock()
	w.saveSoon()
	if outcome == plan.Gone {
		return err
	}
	return nil
}

// removes reports whether a batch removes a record.
func removes(batch []plan.Change) bool {
	return slices.ContainsFunc(batch, func(c plan.Change) bool { return c.Action == plan.Delete })
}

// applied notes that a batch has been applied. The caller holds mu.
func (w *Writer) applied(batch []plan.Change, eventAt time.Time) {
	now := time.Now()
	narrowing := w.quarantine.Narrowing()
	if w.permission.NotDenied(now) && !narrowing {
		w.quarantine.Release(plan.Denied)
	}
	for _, c := range batch {
		if c.Action == plan.Delete {
			w.quarantine.Removed(c.Record.Group(), now)
		}
		w.cfg.Metrics.Applied(c)
		w.recent = append(w.recent, Applied{now, c})
	}
	w.recent = slices.Delete(w.recent, 0, max(0, len(w.recent)-mostRecent))
	if !eventAt.IsZero() {
		w.cfg.Metrics.Delay(now.Sub(eventAt))
	}
	if w.lastErr != nil {
		w.cfg.Log.WithField("changes", len(batch)).Info("Route 53 accepts changes again")
	}
	w.lastErr, w.lastGood = nil, now
	w.pace.Succeeded(now)
	if narrowing { // the rest of a batch that held a bad change follows
		w.pace.FollowUp(now)
	}
}

// failed notes that a call is to be made again. The caller holds mu.
func (w *Writer) failed(outcome plan.Outcome, err error, changes int) {
	now := time.Now()
	w.pace.Failed(now, outcome, w.cfg.Jitter())
	if w.lastErr == nil && changes > 0 {
		w.warned.Reset()
	}
	if w.warned.Allow(now) {
		w.cfg.Log.WithError(err).WithField("changes", changes).Warn("cannot change records; retrying")
	}
	w.lastErr = err
}
