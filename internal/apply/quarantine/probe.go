package quarantine

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// What finds a name or the zone full is tried again, by one change, after firstFull; the wait doubles up to
// longestFull. Room appears when others remove records.
const firstFull, longestFull = 15 * time.Second, time.Minute

// cause is why changes are refused.
type cause struct {
	reason plan.Reason
	full   record.Group // the name that is full; the zero Group for every other reason
}

func causeOf(reason plan.Reason, g record.Group) cause {
	if reason == plan.NameFull {
		return cause{reason, g}
	}
	return cause{reason: reason}
}

// quota reports whether there is no room for a change, which is no fault of the change.
func (c cause) quota() bool { return c.reason == plan.NameFull || c.reason == plan.ZoneFull }

func (c cause) before(other cause) bool {
	return cmp.Or(
		cmp.Compare(c.reason, other.reason),
		cmp.Compare(c.full.Name, other.full.Name),
		cmp.Compare(c.full.Type, other.full.Type),
	) < 0
}

// probe is the next try of what is held back for one cause.
type probe struct {
	due time.Time
	// The rest is of use where there is no room.
	wait   time.Duration // before due
	size   int           // changes to be tried
	room   int           // own records removed since
	closed bool          // there was no room for a single change
}

// probe returns the probe of a cause, which may be a new one.
func (q *Quarantine) probe(c cause, now time.Time, jitter float64) *probe {
	p, ok := q.probes[c]
	if !ok {
		p = &probe{size: 1}
		q.probes[c] = p
		p.postpone(c, now, jitter)
	}
	return p
}

// postpone sets the time of the next try after one that was refused.
func (p *probe) postpone(c cause, now time.Time, jitter float64) {
	if c.quota() {
		p.waitForRoom(now)
		return
	}
	p.due = now.Add(backoff.Around(probeEvery, jitter))
}

// waitForRoom sets the time of the next try of one change.
func (p *probe) waitForRoom(now time.Time) {
	p.size, p.room = 1, 0
	p.wait = min(max(firstFull, 2*p.wait), longestFull)
	p.due = now.Add(p.wait)
}

// foundRoom notes that there was room for n changes. The next try follows at once, with twice as many, unless the host
// had made the room itself.
func (p *probe) foundRoom(n int, now time.Time) {
	p.wait, p.closed = 0, false
	if p.room > 0 {
		p.waitForRoom(now)
	} else {
		p.size, p.due = 2*n, now
	}
}

// nextProbe returns the cause of which a change is tried next, and when.
func (q *Quarantine) nextProbe(waiting map[cause][]plan.Change) (next cause, due time.Time) {
	for c := range waiting {
		p := q.probes[c]
		if due.IsZero() || p.due.Before(due) || p.due.Equal(due) && c.before(next) {
			due, next = p.due, c
		}
	}
	return next, due
}

// causes returns why changes of a batch are held back, and how many for each cause.
func (q *Quarantine) causes(batch []plan.Change) map[cause]int {
	found := map[cause]int{}
	for _, c := range batch {
		if h, held := q.held[c.Record.Key()]; held {
			found[h.cause()]++
		}
	}
	return found
}

// Postpone returns a function that postpones the next try of what the batch tried, to be called once it is known that
// it was refused again.
func (q *Quarantine) Postpone(batch []plan.Change) func(now time.Time) {
	causes := q.causes(batch)
	return func(now time.Time) {
		for c := range causes {
			if p, ok := q.probes[c]; ok {
				p.postpone(c, now, q.cfg.Jitter())
			}
		}
	}
}

// Removed has what waits for room in the zone, or in the group, tried at once: one of its records was removed.
func (q *Quarantine) Removed(g record.Group, now time.Time) {
	for c, p := range q.probes {
		if c.reason == plan.ZoneFull || c == causeOf(plan.NameFull, g) {
			p.room++
			p.size, p.due = p.room, now
		}
	}
}

// NoRoom holds back half of a batch's additions to a name or zone that is full, or the only one, and reports whether
// there was one. Where they were tried again, all of them wait again.
func (q *Quarantine) NoRoom(
	batch []plan.Change,
	reason plan.Reason,
	g record.Group,
	message string,
	now time.Time,
) bool {
	full := causeOf(reason, g)
	var additions []plan.Change
	keep := 0
	for _, c := range batch {
		if q.cfg.Adds(c) && (reason == plan.ZoneFull || c.Record.Group() == g) {
			additions = append(additions, c)
		}
	}
	if q.causes(additions)[full] == 0 {
		keep = len(additions) / 2
	}
	for _, c := range additions[keep:] {
		q.Hold(c, reason, message, true, now)
	}
	if len(additions) > 0 && keep == 0 {
		q.probes[full].closed = true
	}
	return len(additions) > 0
}

// Refused is a change held back, as people are to see it.
type Refused struct {
	Change  plan.Change
	Reason  plan.Reason
	Message string // Route 53's own words
	Advice  string // what to do about it; may be empty
	Times   int    // in a row
	Retry   time.Time
}

// List returns what is held back, sorted by name and set identifier.
func (q *Quarantine) List() (list []Refused) {
	for _, h := range q.held {
		list = append(list, Refused{
			Change:  h.Change,
			Reason:  h.Reason,
			Message: h.Message,
			Advice:  h.Advice(),
			Times:   h.Times,
			Retry:   q.probes[h.cause()].due,
		})
	}
	slices.SortFunc(list, func(a, b Refused) int {
		return cmp.Or(
			cmp.Compare(a.Change.Record.Name, b.Change.Record.Name),
			cmp.Compare(a.Change.Record.SetID, b.Change.Record.SetID),
		)
	})
	return list
}
