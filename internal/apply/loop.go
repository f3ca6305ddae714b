package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// Run keeps the zone in step until ctx ends, which is no error, or the zone turns out not to exist
// (plan.ErrNoSuchZone). A call in flight is finished first.
func (w *Writer) Run(ctx context.Context) error { return w.loop(ctx, false) }

// Settle brings the zone in step once. It returns when nothing waits but what Route 53 refuses, with an error that
// names the first refusal, or when ctx ends.
func (w *Writer) Settle(ctx context.Context) error {
	if err := w.loop(ctx, true); err != nil {
		return err
	}
	status := w.Status()
	if pending := len(status.Pending); ctx.Err() != nil && pending > 0 {
		return fmt.Errorf(
			"change records: gave up with %d changes to make: %w",
			pending,
			errors.Join(ctx.Err(), status.Err),
		)
	}
	if len(status.Refused) > 0 {
		first := status.Refused[0]
		return fmt.Errorf("change records: %d changes refused, the first of them %s %s %s: %s",
			len(status.Refused), first.Change.Action, first.Change.Record.Type, first.Change.Record.Name, first.Message)
	}
	return nil
}

func (w *Writer) loop(ctx context.Context, once bool) error {
	saving, stopSaving := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { w.saveBeside(saving) })
	defer beside.Wait()
	defer stopSaving()
	for ctx.Err() == nil {
		do, at := w.next(time.Now(), once)
		switch {
		case do != nil:
			if err := do(ctx); err != nil {
				return err
			}
		case once && at.IsZero():
			return nil
		default:
			w.sleep(ctx, at)
		}
	}
	return nil
}

// next returns what is to be done now; where that is nothing, when to look again, the zero time for never. once is for
// a caller that waits for changes alone.
func (w *Writer) next(now time.Time, once bool) (do func(context.Context) error, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch, at := w.due(now)
	if len(batch) == 0 && once {
		return nil, time.Time{}
	}
	var askAt time.Time
	if len(batch) == 0 {
		askAt = w.askAt(now)
	}
	verifyAt := w.verify.Next(now)
	w.busySince = now
	switch {
	case len(batch) > 0 && !at.After(now):
		return func(ctx context.Context) error { return w.send(ctx, batch) }, at
	case len(batch) > 0:
	case !askAt.IsZero() && !askAt.After(now):
		return w.ask, askAt
	case !verifyAt.IsZero() && !verifyAt.After(now):
		return w.readBack, verifyAt
	default:
		at = earliest(at, askAt, verifyAt)
	}
	w.busySince = time.Time{}
	return nil, at
}

// earliest returns the earliest of some times, of which the zero time is none.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// sleep waits for a wake-up, and no longer than to at, where that is set.
func (w *Writer) sleep(ctx context.Context, at time.Time) {
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-due:
	}
}

// due returns the next batch and when it may be sent; no batch where nothing is to be done before at (the zero time:
// never). The caller holds mu.
func (w *Writer) due(now time.Time) (batch []plan.Change, at time.Time) {
	if w.ledger.Desired() == nil {
		return nil, time.Time{}
	}
	batch, at = w.batch(now)
	if len(batch) == 0 {
		if w.ledger.NothingAhead() {
			w.saveSince = time.Time{}
			w.saveSoon()
		}
		w.quarantine.StopNarrowing()
		w.eventAt, w.lastErr = time.Time{}, nil
		return nil, at
	}
	if at := w.pace.Next(now, removes(batch)); at.After(now) {
		return batch, at
	}
	return w.onDisk(batch, now)
}

// batch returns what the next call would carry now, and when there may be something else. The caller holds mu.
func (w *Writer) batch(now time.Time) (batch []plan.Change, at time.Time) {
	changes := w.changes()
	w.quarantine.Update(changes, now)
	w.target.Forget()
	w.reportWaiting()
	changes, at = w.quarantine.Admit(w.target.WithoutWaiting(changes), now)
	return w.target.Cut(changes), at
}

// changes returns all changes that lead to what is desired. The caller holds mu.
func (w *Writer) changes() []plan.Change { return w.ledger.Changes(w.target.Misleads) }
