// Package ledger keeps what a host should have in a zone beside what it has there, as far as it knows, and what of that
// the journal holds on disk. It has no lock and no clock, and makes no call: one caller at a time uses it.
package ledger

import (
	"maps"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Ledger is what is known of a host's records in one zone.
type Ledger struct {
	desired map[record.Key]plan.Desired // nil until it is known
	current plan.Current
	ttls    map[record.Group]int64 // TTLs that the records of others force on a group

	saved plan.Current  // as it is on disk
	ahead []plan.Change // what the next call is about to make, which the disk has to hold first
}

// New returns the Ledger of a host that has current in the zone. What is desired is not known yet.
func New(current plan.Current) *Ledger {
	l := &Ledger{current: maps.Clone(current), saved: maps.Clone(current), ttls: map[record.Group]int64{}}
	if l.current == nil {
		l.current, l.saved = plan.Current{}, plan.Current{}
	}
	return l
}

// SetDesired replaces what the host should have.
func (l *Ledger) SetDesired(desired []plan.Desired) {
	l.desired = make(map[record.Key]plan.Desired, len(desired))
	for _, d := range desired {
		key := d.Record.Key()
		l.desired[key] = d
		if e, ok := l.current[key]; ok && e.FromEarlierRun(d) {
			e.Unconfirmed = true
			l.current[key] = e
		}
	}
}

// Desired returns what the host should have; nil until it is known. It is not to be changed.
func (l *Ledger) Desired() map[record.Key]plan.Desired { return l.desired }

// Current returns what the host has. It is not to be changed.
func (l *Ledger) Current() plan.Current { return l.current }

// Adds reports whether a change creates a record that the host does not have.
func (l *Ledger) Adds(c plan.Change) bool {
	_, has := l.current[c.Record.Key()]
	return c.Action != plan.Delete && !has
}

// Changes returns the changes that lead to what is desired, without the records of which skip reports true.
func (l *Ledger) Changes(skip func(record.Record) bool) []plan.Change {
	if l.desired == nil {
		return nil
	}
	records := make([]record.Record, 0, len(l.desired))
	for key, d := range l.desired {
		r := d.Record
		have, has := l.current[key]
		if d.IfKnown && !has || skip(r) {
			continue
		}
		if have.KeepsMark(d) {
			r = r.Mark()
		}
		if ttl, forced := l.ttls[r.Group()]; forced {
			r.TTL = ttl
		}
		records = append(records, r)
	}
	return plan.Diff(l.current, records)
}

// MarkAllUnconfirmed has every desired record written once more.
func (l *Ledger) MarkAllUnconfirmed() {
	for key, e := range l.current {
		e.Unconfirmed = true
		l.current[key] = e
	}
}

// Adopt adds records that were found in the zone and that the ledger lacks, and returns those added. owns reports
// whether a record is the host's.
func (l *Ledger) Adopt(found []record.Record, owns func(record.Record) bool) (adopted []record.Record) {
	for _, r := range found {
		if _, has := l.current[r.Key()]; !has && owns(r) {
			l.current[r.Key()] = plan.Entry{Record: r, Run: l.desired[r.Key()].Run}
			adopted = append(adopted, r)
		}
	}
	return adopted
}

// Remove notes that a record is not in the zone.
func (l *Ledger) Remove(key record.Key) { delete(l.current, key) }

// MayExist notes that a record is in the zone under the identifier of a change, perhaps with other values: a call whose
// answer was lost wrote it, or an agent before the journal was begun.
func (l *Ledger) MayExist(c plan.Change) { l.current[c.Record.Key()] = l.attempt(c) }

// attempt returns the entry of a record that a call may have written.
func (l *Ledger) attempt(c plan.Change) plan.Entry {
	return plan.Entry{Record: c.Record, Unconfirmed: true, Run: l.desired[c.Record.Key()].Run}
}
