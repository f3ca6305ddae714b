package apply

import (
	"context"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

const (
	// diskWait is how long removals wait for what is in one batch with them to be on disk. A disk that works takes
	// milliseconds.
	diskWait = 100 * time.Millisecond
	// untilSaved is a wait that a wake-up ends, when the disk is done.
	untilSaved = time.Minute
)

// onDisk returns the part of a batch that may be sent now, as far as the disk goes. While the disk takes long, removals
// go alone. Where nothing may be sent before at, that is later than now. The caller holds mu.
func (w *Writer) onDisk(batch []plan.Change, now time.Time) (part []plan.Change, at time.Time) {
	all, removals := w.ledger.OnDisk(batch)
	if all {
		w.saveSince = time.Time{}
		return batch, now
	}
	if w.saveSince.IsZero() {
		w.saveSince = now
	}
	w.saveSoon()
	if at := w.saveSince.Add(diskWait); len(removals) > 0 && at.After(now) {
		return batch, at
	}
	if removals = w.ledger.WithoutReplaced(removals); len(removals) > 0 {
		return removals, now
	}
	return batch, now.Add(untilSaved)
}

// saveSoon has what is known saved beside the loop.
func (w *Writer) saveSoon() {
	select {
	case w.unsaved <- struct{}{}:
	default:
	}
}

// saveBeside saves what is to be saved, until ctx ends and nothing is left.
func (w *Writer) saveBeside(ctx context.Context) {
	for {
		select {
		case <-w.unsaved:
		default:
			select {
			case <-w.unsaved:
			case <-ctx.Done():
				return
			}
		}
		w.save()
		w.poke()
	}
}

// save writes to disk what is known and what the next call is about to write.
func (w *Writer) save() {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	next := w.ledger.BeginSave()
	w.mu.Unlock()
	_ = w.cfg.Save(next)
	w.mu.Lock()
	w.ledger.EndSave(next)
	w.mu.Unlock()
}
