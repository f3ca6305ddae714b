// Package quarantine holds the changes that Route 53 refuses, so that the other changes of a host get through. It
// decides which of them are tried again, and when; what is refused for one cause waits together, and one change is
// tried for all. It makes no call and reads no clock: its caller passes the time.
package quarantine

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// What is denied or rejected is tried again about every probeEvery, one change for each reason.
	probeEvery = time.Minute
	// After mostDenied denied calls within probeEvery, the rest counts as denied, too. Policies go by name, and AWS
	// does not report which name of a batch it denies: finding out takes a call for each.
	mostDenied = 12
)

// Config is what a Quarantine works with. All of it is needed.
type Config struct {
	// Adds reports whether a change creates a record that the host does not have in the zone.
	Adds func(plan.Change) bool
	// Changes returns all changes that the host has to make now.
	Changes func() []plan.Change
	// OnHold is called when a change is refused for the first time, or for another reason than before.
	OnHold func(Held)
	Jitter func() float64 // returns random numbers in [0, 1)
}

// Held is a change that is held back.
type Held struct {
	Change  plan.Change
	Reason  plan.Reason
	Message string // Route 53's own words
	Times   int    // refused in a row

	named bool // the message names the change
	try   int  // the number of the last try in which it was refused by itself; 0: none
	free  bool // another change was refused for the same reason, and is not any more
}

func (h *Held) cause() cause { return causeOf(h.Reason, h.Change.Record.Group()) }

// Quarantine is the changes held back, and when they are tried again.
type Quarantine struct {
	cfg    Config
	held   map[record.Key]*Held
	probes map[cause]*probe
	tries  int // so far
	limit  int // changes in a batch while a refused batch is narrowed down; 0: no limit
	// Calls that were denied since a time within the last minute or so.
	deniedSince time.Time
	denied      int
}

// New returns an empty Quarantine.
func New(cfg Config) *Quarantine {
	return &Quarantine{cfg: cfg, held: map[record.Key]*Held{}, probes: map[cause]*probe{}}
}

// Empty reports whether nothing is held back.
func (q *Quarantine) Empty() bool { return len(q.held) == 0 }

// Get returns what is held back of a record; nil where nothing is.
func (q *Quarantine) Get(key record.Key) *Held { return q.held[key] }

// Find returns one of the changes held back of which match reports true; nil where there is none.
func (q *Quarantine) Find(match func(*Held) bool) *Held {
	for _, h := range q.held {
		if match(h) {
			return h
		}
	}
	return nil
}

// Hold holds a change back that Route 53 refused. named reports whether the message names the change.
func (q *Quarantine) Hold(c plan.Change, reason plan.Reason, message string, named bool, now time.Time) {
	h := q.hold(c, reason, message, named, now)
	q.tries++
	h.try = q.tries
}

// hold holds a change back that was refused, or would be.
func (q *Quarantine) hold(c plan.Change, reason plan.Reason, message string, named bool, now time.Time) *Held {
	h, ok := q.held[c.Record.Key()]
	if !ok {
		h = &Held{}
		q.held[c.Record.Key()] = h
	}
	isNew := h.Times == 0 || h.Reason != reason
	h.Change, h.Reason, h.Message, h.named, h.free = c, reason, message, named, false
	h.Times++
	q.probe(h.cause(), now, q.cfg.Jitter())
	if isNew {
		q.cfg.OnHold(*h)
	}
	return h
}

// Update takes the changes that the host has to make now. It forgets what is no longer among them, or is to be changed
// into something else, and holds back what would be refused for certain.
func (q *Quarantine) Update(changes []plan.Change, now time.Time) {
	present := make(map[record.Key]plan.Change, len(q.held))
	for _, c := range changes {
		if _, held := q.held[c.Record.Key()]; held {
			present[c.Record.Key()] = c
		}
	}
	causes := map[cause]bool{}
	for key, h := range q.held {
		c, ok := present[key]
		if !ok || (c.Action == plan.Delete) != (h.Change.Action == plan.Delete) ||
			h.Reason == plan.Invalid && c.Record != h.Change.Record ||
			h.Reason == plan.TTL && c.Record.TTL != h.Change.Record.TTL {
			delete(q.held, key)
			continue
		}
		h.Change = c
		causes[h.cause()] = true
	}
	for c := range q.probes {
		if !causes[c] {
			delete(q.probes, c)
		}
	}
	if q.Empty() {
		return
	}
	for _, c := range changes {
		if like := q.like(c); like != nil {
			q.hold(c, like.Reason, like.Message, false, now)
		}
	}
}

// like returns the change held back for whose reason another one would be refused that was not tried yet; nil where
// there is none. Permissions go by name, and a quota is the same for all changes.
func (q *Quarantine) like(c plan.Change) *Held {
	if _, held := q.held[c.Record.Key()]; held {
		return nil
	}
	adds := q.cfg.Adds(c)
	for _, h := range q.held {
		p := q.probes[h.cause()]
		same := h.Change.Record.Group() == c.Record.Group()
		switch {
		case h.Reason == plan.Denied && !h.free && same:
			return h
		case adds && p != nil && p.closed && (h.Reason == plan.ZoneFull || h.Reason == plan.NameFull && same):
			return h
		}
	}
	return nil
}

// Admit returns the changes that may be sent now, and when others may be; the zero time where none wait. Changes that
// were refused before are admitted only where no other change waits, since they may spoil the batch.
func (q *Quarantine) Admit(changes []plan.Change, now time.Time) (admitted []plan.Change, due time.Time) {
	var fresh, free []plan.Change
	waiting := map[cause][]plan.Change{}
	for _, c := range changes {
		h, held := q.held[c.Record.Key()]
		switch {
		case !held:
			fresh = append(fresh, c)
		case h.free:
			free = append(free, c)
		default:
			waiting[h.cause()] = append(waiting[h.cause()], c)
		}
	}
	next, due := q.nextProbe(waiting)
	switch {
	case len(fresh) > 0:
		return fresh, due
	case len(free) > 0:
		return q.oldest(free, q.Limit(len(free))), due
	case len(waiting) == 0 || due.After(now):
		return nil, due
	}
	if !next.quota() {
		if named := q.named(waiting[next]); len(named) > 0 {
			return named[:q.Limit(len(named))], due
		}
	}
	return q.oldest(waiting[next], min(q.probes[next].size, len(waiting[next]))), due
}

// named returns those of some changes that Route 53 rejects by name, in whatever batch they are.
func (q *Quarantine) named(changes []plan.Change) (named []plan.Change) {
	for _, c := range changes {
		if h := q.held[c.Record.Key()]; h.named && (h.Reason == plan.Conflict || h.Reason == plan.Invalid) {
			named = append(named, c)
		}
	}
	return named
}

// oldest returns the n of some changes that were tried the longest time ago, in the order of the changes.
func (q *Quarantine) oldest(changes []plan.Change, n int) []plan.Change {
	try := func(c plan.Change) int { return q.held[c.Record.Key()].try }
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b plan.Change) int { return cmp.Compare(try(a), try(b)) })
	chosen := make(map[record.Key]bool, n)
	for _, c := range sorted[:n] {
		chosen[c.Record.Key()] = true
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c plan.Change) bool { return !chosen[c.Record.Key()] })
}

// Passed notes that Route 53 has taken a batch. That it takes a change that it has denied or rejected frees all others
// that it refused for the same reason.
func (q *Quarantine) Passed(batch []plan.Change, now time.Time) {
	causes := q.causes(batch)
	for _, c := range batch {
		delete(q.held, c.Record.Key())
	}
	for c, n := range causes {
		if c.quota() {
			q.probes[c].foundRoom(n, now)
		} else {
			q.Release(c.reason)
		}
	}
	q.limit *= 2 // for the rest of a batch that held a bad change
}

// Unnamed frees those changes of a refused batch that were tried again together with others and that the message does
// not name.
func (q *Quarantine) Unnamed(batch []plan.Change, named map[plan.Change]plan.Reason) {
	for _, c := range batch {
		if _, bad := named[c]; bad {
			continue
		}
		if h, held := q.held[c.Record.Key()]; held && !h.cause().quota() {
			h.free = true
		}
	}
}

// Release frees all that is held back for a reason.
func (q *Quarantine) Release(reason plan.Reason) {
	for _, h := range q.held {
		h.free = h.free || h.Reason == reason
	}
}
