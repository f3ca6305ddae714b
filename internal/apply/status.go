package apply

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Status is how a Writer stands.
type Status struct {
	Pending []plan.Change // to be made, those refused left out
	Refused []Refused
	// Waiting holds the SRV records that are not in the zone since Route 53 refuses the A record that they point to,
	// with its name.
	Waiting  map[record.Key]string
	Err      error     // why the last call failed; nil where it did not
	Retry    time.Time // the next call after a failed one
	LastGood time.Time // the last call that was applied; zero if none was
	Recent   []Applied // the last changes, newest first
}

// mostRecent is how many changes are remembered: those of a deployment on a full host.
const mostRecent = 100

// Applied is a change that Route 53 has taken.
type Applied struct {
	At     time.Time
	Change plan.Change
}

// Refused is a change that Route 53 refuses.
type Refused struct {
	Change  plan.Change
	Reason  plan.Reason
	Message string // Route 53's own words
	Advice  string // what to do about it; may be empty
	Times   int    // in a row
	Retry   time.Time
}

// Status tells how the writer stands now.
func (w *Writer) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Err: w.lastErr, LastGood: w.lastGood, Recent: slices.Clone(w.recent)}
	slices.Reverse(s.Recent)
	if w.lastErr != nil {
		s.Retry = w.pace.retry()
	}
	s.Waiting = map[record.Key]string{}
	for key := range w.waiting() {
		s.Waiting[key] = targetOf(w.wishes[key].Record)
	}
	if w.wishes != nil {
		s.Pending = slices.DeleteFunc(plan.Diff(w.known, w.desired()), func(c plan.Change) bool {
			_, held := w.quarantine.held[c.Record.Key()]
			return held || s.Waiting[c.Record.Key()] != "" && c.Action != plan.Delete
		})
	}
	for _, r := range w.quarantine.held {
		s.Refused = append(s.Refused, Refused{
			Change:  r.change,
			Reason:  r.reason,
			Message: r.message,
			Advice:  adviceOn(r.change, r.reason, r.message),
			Times:   r.times,
			Retry:   w.quarantine.probes[r.cause()].due,
		})
	}
	slices.SortFunc(s.Refused, func(a, b Refused) int {
		return cmp.Or(
			cmp.Compare(a.Change.Record.Name, b.Change.Record.Name),
			cmp.Compare(a.Change.Record.SetID, b.Change.Record.SetID),
		)
	})
	return s
}

// LastCall tells when a call was applied last, the zero time if none was, and why the last call failed; nil where it
// did not.
func (w *Writer) LastCall() (applied time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastGood, w.lastErr
}

// Known gives what the host believes to have in the zone.
func (w *Writer) Current() plan.Current {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.known)
}

// Busy tells for how long the writer has been at its present piece of work, a call and what follows from it; 0 while it
// waits.
func (w *Writer) Busy() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busySince.IsZero() {
		return 0
	}
	return time.Since(w.busySince)
}
