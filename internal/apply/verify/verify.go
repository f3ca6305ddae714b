// Package verify decides when and where a host reads its records back. One reading takes one call and returns a page of
// the zone, of up to 300 record sets. In a round each own name and type is read once: first the host's own address, to
// which all its SRV records point, then page by page what was not on a page yet. Where one page holds all that is the
// host's, that page is read each time. The package makes no call and reads no clock.
package verify

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// afterWake is how long after the host has booted or woken up the record of its address is read once more: a pass of
// the sweeper that began before may have taken the host for gone, and lasts up to 5 minutes.
const afterWake = 6 * time.Minute

// Schedule is when and where the zone is read back next.
type Schedule struct {
	every  time.Duration
	jitter func() float64

	at        time.Time             // of the next reading
	extra     time.Time             // of a reading of the host's address out of turn; zero: there is none
	missing   bool                  // the reading out of turn is because DNS does not know the address
	missingAt time.Time             // when DNS last did not know the address, and the zone had it
	read      map[record.Group]bool // in this round
	onePage   bool                  // all own names are on the page that begins with the first of them
	tried     bool                  // it is known whether they are
	throttled int                   // readings in a row
}

// New returns a Schedule that reads every so often; never where that is 0. jitter returns random numbers in [0, 1).
func New(every time.Duration, jitter func() float64) *Schedule {
	return &Schedule{every: every, jitter: jitter}
}

// Next returns the time of the next reading; the zero time where there is none.
func (s *Schedule) Next(now time.Time) time.Time {
	if s.every == 0 {
		return time.Time{}
	}
	if s.at.IsZero() {
		s.schedule(now)
	}
	if !s.extra.IsZero() && s.extra.Before(s.at) {
		return s.extra
	}
	return s.at
}

// schedule sets the next reading: spread by a quarter either way, so that hosts that started together part, and twice
// as late for each time in a row that a reading was throttled.
func (s *Schedule) schedule(now time.Time) {
	wait := backoff.Around(s.every, s.jitter())
	s.at = now.Add(wait << min(s.throttled, 6))
}

// Wake has the host's address read back once more some minutes after the host has booted or woken up.
func (s *Schedule) Wake(now time.Time) { s.extra = now.Add(afterWake) }

// AddressMissing has the host's address read back now, because DNS does not know it, and reports whether it will be:
// once in the time between two readings, unless the record was missing from the zone, too.
func (s *Schedule) AddressMissing(now time.Time) bool {
	if s.every == 0 || !s.missingAt.IsZero() && now.Sub(s.missingAt) < s.every {
		return false
	}
	s.extra, s.missing, s.missingAt = now, true, now
	return true
}

// Own is the groups of a host's records, in the order of the zone.
type Own struct {
	Groups  []record.Group
	Address record.Group // of the host's own address; the zero Group where it has none
}

// OwnOf returns the groups of a host's records.
func OwnOf(current plan.Current) (own Own) {
	present := map[record.Group]bool{}
	for key := range current {
		g := key.Group()
		if id, ok := record.ParseSetID(key.SetID); ok && id.Kind == record.Host {
			own.Address = g
		}
		if !present[g] {
			present[g] = true
			own.Groups = append(own.Groups, g)
		}
	}
	slices.SortFunc(own.Groups, func(a, b record.Group) int {
		return cmp.Or(cmp.Compare(record.Order(a.Name), record.Order(b.Name)), cmp.Compare(a.Type, b.Type))
	})
	return own
}

// Reading is one reading under way.
type Reading struct {
	First     record.Group // with which its page begins
	own       Own
	outOfTurn bool
}

// Begin returns the reading that is due; false where the host has no record.
func (s *Schedule) Begin(own Own, now time.Time) (r Reading, ok bool) {
	r = Reading{own: own, outOfTurn: !s.extra.IsZero() && !s.extra.After(now)}
	if len(own.Groups) == 0 {
		s.extra, s.missing = time.Time{}, false
		s.schedule(now)
		return r, false
	}
	unread := func(g record.Group) bool { return !s.read[g] }
	if s.read == nil || !slices.ContainsFunc(own.Groups, unread) {
		s.read = map[record.Group]bool{}
	}
	hasAddress := own.Address != record.Group{}
	switch {
	case hasAddress && r.outOfTurn:
		r.First = own.Address
	case s.onePage:
		r.First = own.Groups[0]
	case hasAddress && unread(own.Address):
		r.First = own.Address
	default:
		r.First = own.Groups[slices.IndexFunc(own.Groups, unread)]
	}
	return r, true
}

// Failed notes that a reading has failed.
func (s *Schedule) Failed(r Reading, why plan.Outcome, now time.Time) {
	s.throttled++
	if !why.Busy() {
		s.throttled = 0
	}
	s.schedule(now)
	if r.outOfTurn {
		s.extra = now.Add(s.every / 15 << min(s.throttled, 6))
	}
}

// Covered notes that a reading showed a group whole.
func (s *Schedule) Covered(g record.Group) { s.read[g] = true }

// Done notes that a reading has succeeded. covers reports whether its page held all records of a name and type;
// differences is how many records were not as the host had written them.
func (s *Schedule) Done(r Reading, covers func(string, record.Type) bool, differences int, now time.Time) {
	s.throttled = 0
	complete := !slices.ContainsFunc(r.own.Groups, func(g record.Group) bool { return !s.read[g] })
	if r.First == r.own.Groups[0] {
		s.tried = true
		s.onePage = !slices.ContainsFunc(r.own.Groups, func(g record.Group) bool { return !covers(g.Name, g.Type) })
	}
	if s.missing && differences > 0 {
		s.missingAt = time.Time{}
	}
	s.extra, s.missing = time.Time{}, false
	switch {
	case !s.tried && !complete && !r.outOfTurn: // once, to find out whether one page holds all
		s.tried, s.at = true, now
	case !r.outOfTurn || !s.at.After(now):
		s.schedule(now)
	}
}
