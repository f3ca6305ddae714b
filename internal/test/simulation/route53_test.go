package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const zoneName = "sd.internal"

// zone is the hosted zone, and Route 53 in front of it. The world's lock guards all of it.
type zone struct {
	w           *world
	records     map[record.Key]record.Record
	simpleSets  map[record.Key]string    // the address of sets that are not weighted, by name and type
	simpleSince time.Time                // when those last changed
	denied      func(record.Record) bool // nil: everything is permitted
	nameMax     int
	busyUntil   time.Time // a change is being processed until then, and another is refused if the weather is so
	rates       failureRates
	quotaUsed   float64 // of the quota on changes, as of last
	quotaAsOf   time.Time
}

// Some days have a quota on changes, of which an UPSERT takes two, so that many changes may be throttled where a few
// are not.
const changesAtOnce, changesPerSecond = 100, 3

// withinQuota takes what changes cost from the quota, and reports whether there was enough.
func (z *zone) withinQuota(changes []plan.Change, now time.Time) bool {
	if z.w.noMoreFaults || z.w.fixed("quota on changes", 4) > 0 {
		return true
	}
	cost := 0.
	for _, c := range changes {
		cost++
		if c.Action == plan.Upsert {
			cost++
		}
	}
	z.quotaUsed = max(0, z.quotaUsed-now.Sub(z.quotaAsOf).Seconds()*changesPerSecond)
	z.quotaAsOf = now
	if z.quotaUsed+cost > changesAtOnce {
		return false
	}
	z.quotaUsed += cost
	return true
}

// apply makes all changes of a batch or none.
func (z *zone) apply(p *process, changes []plan.Change) error {
	for _, c := range changes {
		if p.h != nil && z.denied != nil && z.denied(c.Record) { // the sweeper has another role
			return &plan.Refusal{
				Reason:  plan.Denied,
				Message: "is not authorized to perform: route53:ChangeResourceRecordSets",
			}
		}
	}
	next := maps.Clone(z.records)
	refusal := &plan.Refusal{Named: map[plan.Change]plan.Reason{}}
	refuse := func(c plan.Change, reason plan.Reason) {
		if _, already := refusal.Named[c]; reason != "" && !already {
			refusal.Named[c] = reason
		}
	}
	touched := map[record.Key]bool{}
	for _, c := range changes {
		key := c.Record.Key()
		refuse(c, z.change(next, c))
		if touched[key] && c.Action != plan.Create {
			refuse(c, plan.Invalid)
		}
		touched[key] = true
	}
	for _, c := range changes {
		if c.Action != plan.Delete && differentTTL(next, c.Record) {
			refuse(c, plan.TTL)
		}
	}
	if plan.Batch(changes) < len(changes) {
		refuse(changes[0], plan.Invalid)
	}
	if len(refusal.Named) > 0 {
		return z.refusal(p, refusal, changes)
	}
	before := z.records
	z.records = next
	z.busyUntil = time.Now().Add(50 * time.Millisecond)
	p.changed(before, changes)
	return nil
}

// change makes one change to records, or returns why it is refused. A name that is too full is changed all the same.
func (z *zone) change(records map[record.Key]record.Record, c plan.Change) plan.Reason {
	key := c.Record.Key()
	have, there := records[key]
	switch {
	case c.Action == plan.Delete && !there:
		return plan.NotFound
	case c.Action == plan.Delete && have != c.Record:
		return plan.Mismatch
	case c.Action == plan.Delete:
		delete(records, key)
		return ""
	case z.simpleSets[record.Key{Name: key.Name, Type: key.Type}] != "":
		return plan.Conflict
	case c.Action == plan.Create && there:
		return plan.Exists
	}
	records[key] = c.Record
	if !there && z.count(records, key) > z.nameMax {
		return plan.NameFull
	}
	return ""
}

// differentTTL reports whether some record of the same name and type has another TTL.
func differentTTL(records map[record.Key]record.Record, r record.Record) bool {
	for key, other := range records {
		if key.Name == r.Name && key.Type == r.Type && other.TTL != r.TTL {
			return true
		}
	}
	return false
}

// refusal returns the error of a batch that is refused. It may name the changes that it is refused for, or not.
func (z *zone) refusal(p *process, named *plan.Refusal, changes []plan.Change) error {
	for _, c := range changes {
		if reason, ok := named.Named[c]; ok {
			named.Message += fmt.Sprintf("%s %s; ", c.Action, reason)
			named.Reason = reason
		}
	}
	if p.dice("unnamed").IntN(100) < z.rates.unnamed {
		named.Named = nil
		if len(changes) > 1 {
			named.Reason = plan.Invalid
		}
		named.Message += "which, it does not say"
	}
	return fmt.Errorf("change records in zone Z1: %w", named)
}

func (z *zone) count(records map[record.Key]record.Record, key record.Key) (n int) {
	for k := range records {
		if k.Name == key.Name && k.Type == key.Type {
			n++
		}
	}
	return n
}

func order(r record.Record) string {
	return strings.Join(reversed(r.Name), ".") + ". " + string(r.Type) + " " + r.SetID
}

// reversed returns the labels of a name, the last first.
func reversed(name string) []string {
	labels := strings.Split(name, ".")
	slices.Reverse(labels)
	return labels
}

func (z *zone) sorted() []record.Record {
	all := slices.Collect(maps.Values(z.records))
	slices.SortFunc(all, func(a, b record.Record) int { return strings.Compare(order(a), order(b)) })
	return all
}

// put and remove change the zone without a call, as others do.
func (z *zone) put(r record.Record) { z.records[r.Key()] = r }

func (z *zone) remove(key record.Key) { delete(z.records, key) }
