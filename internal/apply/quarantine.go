package apply

import (
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// fullRetry is how often a change is tried again that a quota stands against: room appears when others remove records.
	fullRetry = 15 * time.Second
	// Any other refused change is tried again after firstRetry, then ever more slowly.
	firstRetry   = 15 * time.Second
	longestRetry = 30 * time.Minute
)

// quarantine holds the changes that Route 53 refuses, so that the rest gets through.
type quarantine map[record.Key]*refused

// refused is one change held back.
type refused struct {
	change  plan.Change
	reason  plan.Reason
	message string
	times   int // refused in a row
	due     time.Time
}

func (r *refused) full() bool { return r.reason == plan.NameFull || r.reason == plan.ZoneFull }

// hold keeps a change back, and says whether it was not held before.
func (q quarantine) hold(c plan.Change, reason plan.Reason, message string, now time.Time) (fresh bool) {
	r, ok := q[c.Record.Key()]
	if !ok {
		r = &refused{}
		q[c.Record.Key()] = r
	}
	fresh = r.times == 0 || r.reason != reason
	r.change, r.reason, r.message = c, reason, message
	wait := fullRetry
	if !r.full() {
		wait = min(firstRetry<<min(r.times, 10), longestRetry)
	}
	r.times++
	r.due = now.Add(wait)
	return fresh
}

// admit gives the changes that may be sent now, and when the next of the others may be. Changes that were refused before go
// out only where no fresh ones wait, since they may spoil the batch.
func (q quarantine) admit(changes []plan.Change, now time.Time) (free []plan.Change, due time.Time) {
	present := make(map[record.Key]bool, len(q))
	var again []plan.Change
	for _, c := range changes {
		r, held := q[c.Record.Key()]
		if held && (r.change.Action == plan.Delete) != (c.Action == plan.Delete) {
			delete(q, c.Record.Key())
			held = false
		}
		switch {
		case !held:
			free = append(free, c)
			continue
		case !r.due.After(now):
			again = append(again, c)
		case due.IsZero() || r.due.Before(due):
			due = r.due
		}
		present[c.Record.Key()] = true
	}
	for key := range q {
		if !present[key] {
			delete(q, key)
		}
	}
	if len(free) == 0 {
		free = again
	}
	return free, due
}

// release makes due at once what waits for room in the zone, or in the group.
func (q quarantine) release(g group) {
	for _, r := range q {
		if r.reason == plan.ZoneFull || r.reason == plan.NameFull && groupOf(r.change.Record) == g {
			r.due = time.Time{}
		}
	}
}

// passed forgets that a record was ever refused.
func (q quarantine) passed(key record.Key) { delete(q, key) }
