package apply

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// diskWait is how long removals wait for what is in one batch with them to be on disk. A disk that works takes
	// milliseconds.
	diskWait = 100 * time.Millisecond
	// untilSaved is a wait that a wake-up ends, when the disk is done.
	untilSaved = time.Minute
)

// covered returns the part of a batch that may be sent now. What is created or changed is on disk first, so that a host
// that dies knows what it may have written; what is removed is there since it was written. While the disk takes long,
// removals go alone. Where nothing may be sent before at, that is later than now. The caller holds mu.
func (w *Writer) covered(batch []plan.Change, now time.Time) (part []plan.Change, at time.Time) {
	removals, missing := []plan.Change(nil), false
	written := map[string]bool{} // the containers for which something is written
	w.ahead = nil
	for _, c := range batch {
		have, ok := w.saved[c.Record.Key()]
		if c.Action == plan.Delete {
			missing = missing || !ok
			if ok {
				removals = append(removals, c)
			}
			continue
		}
		w.ahead = append(w.ahead, c)
		written[containerOf(c)] = true
		missing = missing || have.Record != c.Record || !have.Unconfirmed
	}
	if !missing {
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
	// One whose replacement is in the same batch stays until that can be written.
	removals = slices.DeleteFunc(removals, func(c plan.Change) bool { return written[containerOf(c)] })
	if len(removals) > 0 {
		return removals, now
	}
	return batch, now.Add(untilSaved)
}

// nothingAhead forgets what was to be written and is not wanted any more. The caller holds mu.
func (w *Writer) nothingAhead() {
	if w.ahead != nil {
		w.ahead, w.saveSince = nil, time.Time{}
		w.saveSoon()
	}
}

func containerOf(c plan.Change) string {
	id, _ := record.ParseSetID(c.Record.SetID)
	return id.Container
}

// attempt is how a record is known that a call may have written. The caller holds mu.
func (w *Writer) attempt(c plan.Change) plan.Entry {
	return plan.Entry{Record: c.Record, Unconfirmed: true, Run: w.wishes[c.Record.Key()].Run}
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

// save keeps on disk what is known and what the next call is about to write.
func (w *Writer) save() {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	known := maps.Clone(w.known)
	for _, c := range w.ahead {
		known[c.Record.Key()] = w.attempt(c)
	}
	both := plan.Current{} // which is on disk all the while
	for key, e := range w.saved {
		if next, ok := known[key]; ok && next.Record == e.Record {
			e.Unconfirmed = e.Unconfirmed && next.Unconfirmed
			both[key] = e
		}
	}
	w.saved = both
	w.mu.Unlock()
	_ = w.cfg.Save(known)
	w.mu.Lock()
	w.saved = known
	w.mu.Unlock()
}
