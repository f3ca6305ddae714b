package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Unproven returns why it is not known that this host may change the zone, or that it may not; nil where it may. A
// change that Route 53 rejects for its content, or denies while it accepts others, is no such reason, but for the
// record of the host's own address: every SRV record needs it.
func (w *Writer) Unproven() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.permission.Unproven(w.lastErr); err != nil {
		return err
	}
	held := w.quarantine.Find(func(h *quarantine.Held) bool {
		id, ok := record.ParseSetID(h.Change.Record.SetID)
		return ok && id.Kind == record.Host && h.Reason == plan.Denied
	})
	if held != nil {
		return fmt.Errorf("the record of this host's address is denied: %s", held.Message)
	}
	return nil
}

// judged notes that Route 53 has judged a batch of this host by its content. The caller holds mu.
func (w *Writer) judged(batch []plan.Change) {
	if w.permission.Judged(batch) {
		w.cfg.Log.Info("Route 53 permits changes again")
	}
}

// askAt returns when Route 53 is to be asked whether this host may change the zone; the zero time where it need not be.
// The caller holds mu and knows that there is nothing to send.
func (w *Writer) askAt(now time.Time) time.Time {
	at, needed := w.permission.NextQuestion()
	if !needed || len(w.cfg.Proof) == 0 || w.ledger.Desired() == nil {
		w.pace.Idle()
		return time.Time{}
	}
	if at.After(now) {
		w.pace.Idle()
		return at
	}
	if at := w.pace.Next(now, false); at.After(now) {
		return at
	}
	return now
}

// ask asks Route 53 whether this host may change the zone. Its error is plan.ErrNoSuchZone or nil.
func (w *Writer) ask(ctx context.Context) error {
	start := time.Now()
	var err error
	brokenOff := w.callWithoutChange(ctx, func(ctx context.Context) { err = w.cfg.Zone.Change(ctx, w.cfg.Proof) })
	outcome, refusal := plan.OutcomeOf(err)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.pace.Sent(start)
	now := time.Now()
	switch {
	case brokenOff: // there is something to change, which proves as much
	case outcome == plan.Gone:
		return err
	case refusal != nil && refusal.Denied():
		w.denied(refusal, now.Sub(start))
	case outcome == plan.Applied || outcome == plan.Rejected: // not counted as a call that changes something
		w.pace.Succeeded(now)
		if w.permission.NotDenied(now) {
			w.quarantine.Release(plan.Denied)
		}
		w.judged(w.cfg.Proof)
	default:
		w.cfg.Metrics.Call(outcome, now.Sub(start))
		w.permission.QuestionFailed(err)
		w.failed(outcome, err, 0)
	}
	return nil
}

// denied notes that this host may not change the zone. The caller holds mu.
func (w *Writer) denied(refusal *plan.Refusal, took time.Duration) {
	now := time.Now()
	w.cfg.Metrics.Call(plan.Rejected, took)
	w.pace.Succeeded(now)
	beside := w.quarantine.Find(func(h *quarantine.Held) bool { return h.Reason == plan.Denied }) != nil
	if w.permission.QuestionDenied(refusal, beside, now, w.cfg.Jitter()) {
		w.cfg.Log.WithField("message", refusal.Message).WithField("hint", quarantine.AdviceOn(plan.Denied)).
			Error("Route 53 denies this host all changes")
	}
}
