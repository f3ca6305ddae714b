package zone

import (
	"slices"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	store "github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// Put writes records as somebody else would, by UPSERT: neither a call nor denied, but by the zone's rules. A record
// without a set identifier is a simple record set.
func (z *Zone) Put(records ...record.Record) {
	z.t.Helper()
	sets := make([]store.Set, 0, len(records))
	for _, r := range records {
		sets = append(sets, encode(r))
	}
	z.write(store.Upsert, sets)
}

// PutSets writes record sets that a record.Record cannot express: of other types and routing policies.
func (z *Zone) PutSets(sets ...store.Set) {
	z.t.Helper()
	z.write(store.Upsert, sets)
}

// Remove deletes the records with the keys of these, whatever else they have. One that is not there is no error.
func (z *Zone) Remove(records ...record.Record) {
	z.t.Helper()
	z.mu.Lock()
	page, err := z.store.List(ID, store.Position{}, maxList)
	z.mu.Unlock()
	if err != nil {
		z.t.Errorf("list zone: %s", err)
	}
	keys := map[record.Key]bool{}
	for _, r := range records {
		keys[r.Key()] = true
	}
	var gone []store.Set
	for _, set := range page.Sets {
		if keys[decode(set).Key()] {
			gone = append(gone, set)
		}
	}
	z.write(store.Delete, gone)
}

// WithHealthCheck gives a record a health check, which a record.Record does not show: the record is listed as before,
// but a DELETE that repeats what is listed is refused, since its values do not match.
func (z *Zone) WithHealthCheck(r record.Record) {
	z.t.Helper()
	set := encode(r)
	set.HealthCheckID = "12345678-1234-1234-1234-123456789012"
	z.write(store.Upsert, []store.Set{set})
}

// Delete deletes the hosted zone with all that is in it, as somebody else would.
func (z *Zone) Delete() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.store.Remove(ID)
}

// Deleted reports whether the zone was deleted.
func (z *Zone) Deleted() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	_, err := z.store.Get(ID)
	return err != nil
}

// Records returns the SRV and A records in Route 53's order; those that are not weighted have no set identifier.
func (z *Zone) Records() (records []record.Record) {
	z.mu.Lock()
	defer z.mu.Unlock()
	page, err := z.store.List(ID, store.Position{}, maxList)
	if err != nil {
		return nil // the zone was deleted
	}
	for _, set := range page.Sets {
		if r := decode(set); r.Type == record.SRV || r.Type == record.A {
			records = append(records, r)
		}
	}
	return records
}

// maxList is more record sets than any zone has.
const maxList = 1 << 30

// byKey returns what Records does. The caller holds mu.
func (z *Zone) byKey() map[record.Key]record.Record {
	records := map[record.Key]record.Record{}
	page, _ := z.store.List(ID, store.Position{}, maxList) // of a deleted zone: none
	for _, set := range page.Sets {
		if r := decode(set); r.Type == record.SRV || r.Type == record.A {
			records[r.Key()] = r
		}
	}
	return records
}

// write changes the zone outside of any quota, in batches of 400, since an UPSERT counts twice.
func (z *Zone) write(action store.Action, sets []store.Set) {
	z.t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	for chunk := range slices.Chunk(sets, 400) {
		changes := make([]store.Change, 0, len(chunk))
		for _, set := range chunk {
			changes = append(changes, store.Change{Action: action, Set: set})
		}
		if _, err := z.store.Change(ID, changes, ""); err != nil {
			z.t.Errorf("%s by another hand: %s", action, err)
		}
	}
}

// Try makes changes as somebody else would and returns why Route 53 refuses them, if it does.
func (z *Zone) Try(action plan.Action, records ...record.Record) error {
	changes := make([]store.Change, 0, len(records))
	for _, r := range records {
		changes = append(changes, store.Change{Action: store.Action(action), Set: encode(r)})
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	_, err := z.store.Change(ID, changes, "")
	return err
}
