package apply

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// What finds a name or the zone full is tried again, by one change, after firstFull; the wait doubles up to
	// longestFull. Room appears when others remove records.
	firstFull, longestFull = 15 * time.Second, time.Minute
	// What is denied or rejected is tried again about every probeEvery, by one change for each reason.
	probeEvery = time.Minute
	// mostDenied is how many calls within probeEvery may be denied: what is left then is taken for denied, too.
	// Policies go by name, and AWS does not say which name of a batch it denies, so that to find out takes a call for
	// each.
	mostDenied = 12
	// Where everything was denied for longer than deniedAWhile, the first change that is not says that permission may
	// be back.
	deniedAWhile = 10 * time.Second
)

// cause is what stands against changes. What one cause holds back waits together, and one of it is tried for all.
type cause struct {
	reason plan.Reason
	full   group // the name that is full; the zero group for every other reason
}

func causeOf(reason plan.Reason, g group) cause {
	if reason == plan.NameFull {
		return cause{reason, g}
	}
	return cause{reason: reason}
}

// quota reports whether there is no room for a change, which says nothing against the change.
func (c cause) quota() bool { return c.reason == plan.NameFull || c.reason == plan.ZoneFull }

// quarantine holds the changes that Route 53 refuses, so that the rest gets through.
type quarantine struct {
	held   map[record.Key]*refused
	probes map[cause]*probe
	tries  int // so far
	// Calls that were denied since a time within the last minute or so.
	since  time.Time
	denied int
}

// refused is one change held back.
type refused struct {
	change  plan.Change
	reason  plan.Reason
	message string
	named   bool // by the message
	times   int  // refused in a row
	tried   int  // the last of the quarantine's tries that it was refused in by itself; 0: none
	free    bool // another change was refused for the same reason, and is not any more
}

func (r *refused) cause() cause { return causeOf(r.reason, groupOf(r.change.Record)) }

// probe is the next try of what one cause holds back.
type probe struct {
	due    time.Time
	wait   time.Duration // before due, where there is no room
	size   int           // changes to be tried then, where there is no room
	room   int           // own records removed since
	closed bool          // there was no room for a single change
}

func newQuarantine() quarantine {
	return quarantine{held: map[record.Key]*refused{}, probes: map[cause]*probe{}}
}

// probe returns the probe of a cause, which may be a new one.
func (q *quarantine) probe(c cause, now time.Time, jitter float64) *probe {
	p, ok := q.probes[c]
	if !ok {
		p = &probe{size: 1}
		q.probes[c] = p
		p.postpone(c, now, jitter)
	}
	return p
}

// postpone sets the time of the next try.
func (p *probe) postpone(c cause, now time.Time, jitter float64) {
	if c.quota() {
		p.waitForRoom(now)
		return
	}
	p.due = now.Add(time.Duration((0.75 + jitter/2) * float64(probeEvery)))
}

// waitForRoom sets the time of the next try of one change.
func (p *probe) waitForRoom(now time.Time) {
	p.size, p.room = 1, 0
	p.wait = min(max(firstFull, 2*p.wait), longestFull)
	p.due = now.Add(p.wait)
}

// found notes that there was room for n changes. The next try follows at once, with twice as many, unless the host had
// made the room itself.
func (p *probe) found(n int, now time.Time) {
	p.wait, p.closed = 0, false
	if p.room > 0 {
		p.waitForRoom(now)
	} else {
		p.size, p.due = 2*n, now
	}
}

// spend counts a call that was denied, and reports whether that was the last one for now.
func (q *quarantine) spend(now time.Time) bool {
	if now.Sub(q.since) >= probeEvery {
		q.since, q.denied = now, 0
	}
	q.denied++
	return q.denied >= mostDenied
}

// hold keeps a change back, and reports whether it was not held before for that reason. Tried is false where the change
// is only taken for one that would be refused.
func (q *quarantine) hold(c plan.Change, reason plan.Reason, message string, named, tried bool) (fresh bool) {
	r, ok := q.held[c.Record.Key()]
	if !ok {
		r = &refused{}
		q.held[c.Record.Key()] = r
	}
	fresh = r.times == 0 || r.reason != reason
	r.change, r.reason, r.message, r.named, r.free = c, reason, message, named, false
	r.times++
	if tried {
		q.tries++
		r.tried = q.tries
	}
	return fresh
}

// update forgets what is no longer to be changed, or to be changed into something else.
func (q *quarantine) update(changes []plan.Change) {
	present := make(map[record.Key]plan.Change, len(q.held))
	for _, c := range changes {
		if _, held := q.held[c.Record.Key()]; held {
			present[c.Record.Key()] = c
		}
	}
	causes := map[cause]bool{}
	for key, r := range q.held {
		c, ok := present[key]
		if !ok || (c.Action == plan.Delete) != (r.change.Action == plan.Delete) ||
			r.reason == plan.Invalid && c.Record != r.change.Record {
			delete(q.held, key)
			continue
		}
		r.change = c
		causes[r.cause()] = true
	}
	for c := range q.probes {
		if !causes[c] {
			delete(q.probes, c)
		}
	}
}

// against returns what would be refused as a change would that was not tried yet; nil where nothing speaks against it.
// Permissions go by name, and a quota is the same for all.
func (q *quarantine) against(c plan.Change, addition bool) *refused {
	if _, held := q.held[c.Record.Key()]; held {
		return nil
	}
	for _, r := range q.held {
		p := q.probes[r.cause()]
		same := groupOf(r.change.Record) == groupOf(c.Record)
		switch {
		case r.reason == plan.Denied && !r.free && same:
			return r
		case addition && p != nil && p.closed && (r.reason == plan.ZoneFull || r.reason == plan.NameFull && same):
			return r
		}
	}
	return nil
}

// admit returns the changes that may be sent now, and when others may be. Changes that were refused before go out only
// where no fresh ones wait, since they may spoil the batch, and up to limit of them (0: all).
func (q *quarantine) admit(changes []plan.Change, now time.Time, limit int) (admitted []plan.Change, due time.Time) {
	var fresh, free []plan.Change
	waiting := map[cause][]plan.Change{}
	for _, c := range changes {
		r, held := q.held[c.Record.Key()]
		switch {
		case !held:
			fresh = append(fresh, c)
		case r.free:
			free = append(free, c)
		default:
			waiting[r.cause()] = append(waiting[r.cause()], c)
		}
	}
	var next cause
	for c := range waiting {
		p := q.probes[c]
		if due.IsZero() || p.due.Before(due) || p.due.Equal(due) && before(c, next) {
			due, next = p.due, c
		}
	}
	switch {
	case len(fresh) > 0:
		return fresh, due
	case len(free) > 0:
		return q.oldest(free, upTo(limit, len(free))), due
	case len(waiting) == 0 || due.After(now):
		return nil, due
	}
	if !next.quota() {
		if named := q.told(waiting[next]); len(named) > 0 {
			return named[:upTo(limit, len(named))], due
		}
	}
	return q.oldest(waiting[next], min(q.probes[next].size, len(waiting[next]))), due
}

// told returns those of some changes of which Route 53 says by itself, in whatever batch they are, which it rejects.
func (q *quarantine) told(changes []plan.Change) (named []plan.Change) {
	for _, c := range changes {
		if r := q.held[c.Record.Key()]; r.named && (r.reason == plan.Conflict || r.reason == plan.Invalid) {
			named = append(named, c)
		}
	}
	return named
}

// oldest returns the n of some changes that were tried the longest time ago, in the order of the changes.
func (q *quarantine) oldest(changes []plan.Change, n int) []plan.Change {
	tried := func(c plan.Change) int { return q.held[c.Record.Key()].tried }
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b plan.Change) int { return cmp.Compare(tried(a), tried(b)) })
	chosen := make(map[record.Key]bool, n)
	for _, c := range sorted[:n] {
		chosen[c.Record.Key()] = true
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c plan.Change) bool { return !chosen[c.Record.Key()] })
}

func upTo(limit, n int) int {
	if limit > 0 {
		return min(limit, n)
	}
	return n
}

func before(a, b cause) bool {
	return cmp.Or(
		cmp.Compare(a.reason, b.reason),
		cmp.Compare(a.full.name, b.full.name),
		cmp.Compare(a.full.typ, b.full.typ),
	) < 0
}

// causes returns for what those of a batch are held back that are, and how many of them for each.
func (q *quarantine) causes(batch []plan.Change) map[cause]int {
	found := map[cause]int{}
	for _, c := range batch {
		if r, held := q.held[c.Record.Key()]; held {
			found[r.cause()]++
		}
	}
	return found
}

// removed has what waits for room in the zone, or in the group, tried at once.
func (q *quarantine) removed(g group, now time.Time) {
	for c, p := range q.probes {
		if c.reason == plan.ZoneFull || c == causeOf(plan.NameFull, g) {
			p.room++
			p.size, p.due = p.room, now
		}
	}
}

// passed forgets that the changes of a batch were ever refused. That Route 53 takes a change that it has denied or
// rejected frees all others that it refused for the same reason.
func (q *quarantine) passed(batch []plan.Change, now time.Time) {
	causes := q.causes(batch)
	for _, c := range batch {
		delete(q.held, c.Record.Key())
	}
	for c, n := range causes {
		if c.quota() {
			q.probes[c].found(n, now)
		} else {
			q.release(c.reason)
		}
	}
}

// release frees all that is held back for a reason.
func (q *quarantine) release(reason plan.Reason) {
	for _, r := range q.held {
		r.free = r.free || r.reason == reason
	}
}
