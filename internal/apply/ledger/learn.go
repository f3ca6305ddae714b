package ledger

import (
	"maps"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Learned is what came of comparing a group, as it is in the zone, with the ledger.
type Learned struct {
	Differences int  // to be put right in the zone
	Changed     bool // the ledger has changed
	// ForcedTTL is the TTL that the group's other records force on the host's, where that is news; else it is nil.
	ForcedTTL *int64
}

// Learn takes all records of a group as they are in the zone. owns reports whether a record is the host's. refusedTTL
// reports whether Route 53 has just refused a TTL other than the group's.
func (l *Ledger) Learn(
	g record.Group,
	found []record.Record,
	owns func(record.Record) bool,
	refusedTTL bool,
) (n Learned) {
	present := make(map[record.Key]bool, len(found))
	var ttl int64
	forced := false
	if refusedTTL && len(found) > 0 {
		ttl, forced = found[0].TTL, true // also where all are the host's: Route 53 takes them with no other TTL
	}
	for _, r := range found {
		have, has := l.current[r.Key()]
		if !has && !owns(r) {
			if r.SetID != "" { // a record that is not weighted shares its name with no other
				ttl, forced = r.TTL, true
			}
			continue
		}
		present[r.Key()] = true
		e := plan.Entry{Record: r, Run: have.Run}
		if !have.Record.Same(r) && !e.KeepsMark(l.desired[r.Key()]) {
			n.Differences++
		}
		if have.Record != r {
			l.current[r.Key()] = e
			n.Changed = true
		}
	}
	maps.DeleteFunc(l.current, func(key record.Key, _ plan.Entry) bool {
		if key.Group() != g || present[key] {
			return false
		}
		n.Differences++
		n.Changed = true
		return true
	})
	l.forceTTL(g, ttl, forced, &n)
	return n
}

// forceTTL notes the TTL that other records force on a group, or that none do any more.
func (l *Ledger) forceTTL(g record.Group, ttl int64, forced bool, n *Learned) {
	unwanted := false
	for key, d := range l.desired {
		unwanted = unwanted || key.Group() == g && d.Record.TTL != ttl
	}
	have, was := l.ttls[g]
	switch {
	case forced && unwanted && (!was || have != ttl):
		l.ttls[g] = ttl
		n.Differences++
		n.ForcedTTL = &ttl
	case was && !(forced && unwanted):
		delete(l.ttls, g)
		n.Differences++
	}
}
