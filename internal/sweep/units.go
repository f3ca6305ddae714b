package sweep

import (
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/change"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

func replace(old, with record.Record) []plan.Change {
	return []plan.Change{{Action: plan.Delete, Record: old}, {Action: plan.Create, Record: with}}
}

// units returns the changes that the decisions call for, and apart from them the deletion of hosts' own A records. ttl
// is the TTL of every name; nil: none is changed.
func units(decisions []decision, entries []evidence.Entry, ttl *int64) (units, hosts []change.Unit) {
	touched := map[record.Group]bool{}
	for _, d := range decisions {
		switch d.action {
		case none:
			continue
		case remove:
			u := change.Unit{
				Effect:   change.Delete,
				Changes:  []plan.Change{{Action: plan.Delete, Record: d.Record}},
				Instance: d.ID.Instance,
				Gone:     d.Gone,
			}
			if d.ID.Kind == record.Host {
				hosts = append(hosts, u)
			} else {
				units = append(units, u)
			}
		case standby:
			units = append(units, change.Unit{Effect: change.Standby, Changes: replace(d.Record, d.Mark())})
		case restore:
			units = append(units, change.Unit{Effect: change.Restore, Changes: replace(d.Record, d.Unmark())})
		}
		touched[d.Group()] = true
	}
	if ttl != nil {
		units = append(units, retimed(entries, *ttl, touched)...)
	}
	return units, hosts
}

// retimed returns the changes that give each name the TTL. The records of a name must share one, so that all of them
// are replaced in one batch. Left alone are names in which something else changes, until the next pass; names with
// records that are not ecssd's; and the A records of hosts and tasks, whose TTL the agents choose.
func retimed(entries []evidence.Entry, ttl int64, touched map[record.Group]bool) []change.Unit {
	var order []record.Group
	byGroup := map[record.Group][]plan.Change{}
	for _, e := range entries {
		g := e.Group()
		if !e.Ours || e.ID.Kind == record.Host || e.ID.Kind == record.ENI {
			touched[g] = true
		}
		if e.TTL == ttl || touched[g] {
			continue
		}
		if byGroup[g] == nil {
			order = append(order, g)
		}
		with := e.Record
		with.TTL = ttl
		byGroup[g] = append(byGroup[g], replace(e.Record, with)...)
	}
	var found []change.Unit
	for _, g := range order {
		if !touched[g] {
			found = append(found, change.Unit{Effect: change.TTL, Changes: byGroup[g]})
		}
	}
	return found
}
