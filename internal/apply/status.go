package apply

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// Status is how a Writer stands.
type Status struct {
	Pending  int // changes to be made, those refused not counted
	Refused  []Refused
	Err      error     // why the last call failed; nil where it did not
	LastGood time.Time // the last call that was applied; zero if none was
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
	s := Status{Err: w.lastErr, LastGood: w.lastGood}
	if w.wishes != nil {
		s.Pending = max(0, len(plan.Diff(w.known, w.desired()))-len(w.quarantine))
	}
	for _, r := range w.quarantine {
		s.Refused = append(s.Refused, Refused{
			Change: r.change, Reason: r.reason, Message: r.message, Advice: advice[r.reason], Times: r.times, Retry: r.due,
		})
	}
	slices.SortFunc(s.Refused, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(a.Change.Record.Name, b.Change.Record.Name), cmp.Compare(a.Change.Record.SetID, b.Change.Record.SetID))
	})
	return s
}

// Busy tells for how long the writer has been at its present piece of work, a call and what follows from it; 0 while it waits.
func (w *Writer) Busy() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busySince.IsZero() {
		return 0
	}
	return time.Since(w.busySince)
}
