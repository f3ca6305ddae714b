package apply

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/ecssd/ecssd/internal/apply/verify"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// callWithoutChange makes a call that SetDesired breaks off where there is something to change. It reports whether the
// call was broken off.
func (w *Writer) callWithoutChange(ctx context.Context, call func(context.Context)) (brokenOff bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.setBreakOff(cancel)
	call(ctx)
	w.setBreakOff(nil)
	return errors.Is(ctx.Err(), context.Canceled)
}

func (w *Writer) setBreakOff(cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.breakOff = cancel
}

// readBack reads a page of the zone and restores what differs: records that a person, or anything else, has removed or
// changed. Its error is nil.
func (w *Writer) readBack(ctx context.Context) error {
	w.mu.Lock()
	reading, ok := w.verify.Begin(verify.OwnOf(w.ledger.Current()), time.Now())
	w.mu.Unlock()
	if !ok {
		return nil
	}
	var (
		found  []record.Record
		covers func(string, record.Type) bool
		err    error
	)
	brokenOff := w.callWithoutChange(ctx, func(ctx context.Context) {
		found, covers, err = w.cfg.Zone.Page(ctx, reading.First.Name, reading.First.Type)
	})
	defer w.saveSoon()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case brokenOff: // there is something to change, and then this page is read again
	case err != nil:
		outcome, _ := plan.OutcomeOf(err)
		w.verify.Failed(reading, outcome, time.Now())
		w.cfg.Metrics.VerificationFailed()
		w.cfg.Log.WithError(err).WithField("name", reading.First.Name).Warn("cannot read own records back")
	default:
		w.verify.Done(reading, covers, w.compare(found, covers), time.Now())
	}
	return nil
}

// compare learns what a page shows of the own names that lie whole in it, and returns the number of differences. The
// caller holds mu.
func (w *Writer) compare(found []record.Record, covers func(string, record.Type) bool) (differences int) {
	byGroup := map[record.Group][]record.Record{}
	for _, r := range found {
		byGroup[r.Group()] = append(byGroup[r.Group()], r)
	}
	name := ""
	for _, g := range verify.OwnOf(w.ledger.Current()).Groups {
		if !covers(g.Name, g.Type) {
			continue
		}
		w.verify.Covered(g)
		if n, _ := w.learn(g, byGroup[g], false); n > 0 {
			differences += n
			name = cmp.Or(name, g.Name)
		}
	}
	w.outcomes.Update(w.ledger.Current())
	w.cfg.Metrics.Verified(differences)
	if differences > 0 {
		w.cfg.Log.WithField("name", name).WithField("differences", differences).
			Warn("records in the zone differ from what this host wrote; restoring them")
	}
	return differences
}
