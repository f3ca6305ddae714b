package apply

import (
	"maps"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/apply/target"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Status is the state of a Writer at one moment.
type Status struct {
	Pending []plan.Change // to be made, those refused left out
	Refused []quarantine.Refused
	// Waiting holds the SRV records that are not in the zone because Route 53 refuses the A record that they point to,
	// with its name.
	Waiting  map[record.Key]string
	Err      error     // why the last call failed; nil where it did not
	Retry    time.Time // the next call after a failed one
	LastGood time.Time // the last call that was applied; zero if none was
	Recent   []Applied // the last changes, newest first
}

// mostRecent is how many changes are remembered: those of a deployment on a full host.
const mostRecent = 100

// Applied is a change that Route 53 has applied.
type Applied struct {
	At     time.Time
	Change plan.Change
}

// Status returns the writer's state.
func (w *Writer) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{
		Refused:  w.quarantine.List(),
		Waiting:  map[record.Key]string{},
		Err:      w.lastErr,
		LastGood: w.lastGood,
		Recent:   slices.Clone(w.recent),
	}
	slices.Reverse(s.Recent)
	if w.lastErr != nil {
		s.Retry = w.pace.Retry()
	}
	for key := range w.target.Waiting() {
		s.Waiting[key] = target.Of(w.ledger.Desired()[key].Record)
	}
	s.Pending = slices.DeleteFunc(w.changes(), func(c plan.Change) bool {
		return w.quarantine.Get(c.Record.Key()) != nil || s.Waiting[c.Record.Key()] != "" && c.Action != plan.Delete
	})
	return s
}

// LastCall returns when a call was applied last, the zero time if none was, and why the last call failed; nil where it
// did not.
func (w *Writer) LastCall() (applied time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastGood, w.lastErr
}

// Current returns what the host has in the zone, as far as it knows.
func (w *Writer) Current() plan.Current {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.ledger.Current())
}

// Busy returns for how long the writer has been at its present piece of work, a call and what follows from it; 0 while
// it waits.
func (w *Writer) Busy() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busySince.IsZero() {
		return 0
	}
	return time.Since(w.busySince)
}
