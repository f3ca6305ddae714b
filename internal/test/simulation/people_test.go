package simulation

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// changePermissions gives the hosts another IAM policy.
func (w *world) changePermissions(r *rand.Rand) {
	service := services[r.IntN(len(services))]
	policies := []struct {
		name   string
		denied func(record.Record) bool
	}{
		{"everything", nil},
		{"nothing", func(record.Record) bool { return true }},
		{"SRV records", func(rec record.Record) bool { return rec.Type == record.A }},
		{"A records", func(rec record.Record) bool { return rec.Type == record.SRV }},
		{"all but " + service, func(rec record.Record) bool { return strings.HasPrefix(rec.Name, service) }},
	}
	policy := policies[r.IntN(len(policies))]
	w.note("policy", "allows %s", policy.name)
	w.zone.denied = policy.denied
	w.refusalsChanged()
}

// refusalsChanged notes that Route 53 refuses other changes than before.
func (w *world) refusalsChanged() {
	for _, h := range w.hosts {
		h.lastFailure = time.Now()
	}
}

// takeAddress is somebody who writes a simple A record under a host's name, or removes it.
func (w *world) takeAddress(h *host, r *rand.Rand) {
	name := record.Key{Name: h.hostName(), Type: record.A}
	value := []string{"", h.addr.String(), "10.9.9.9"}[r.IntN(3)]
	if _, there := w.zone.records[h.address().Key()]; there || value == w.zone.simpleSets[name] {
		return // Route 53 allows no simple record set beside weighted ones
	}
	w.note("squatter", "%s leads to %q", name.Name, value)
	w.zone.simpleSets[name], w.zone.simpleSince = value, time.Now()
	w.refusalsChanged()
}

// editByHand is somebody who edits or deletes a record of a host by hand.
func (w *world) editByHand(r *rand.Rand) {
	var own []record.Record
	for _, rec := range w.zone.sorted() {
		if _, others := w.strangers[rec.Key()]; !others {
			own = append(own, rec)
		}
	}
	if len(own) == 0 {
		return
	}
	rec := own[r.IntN(len(own))]
	w.host(rec.Key(), func(h *host) {
		// An A record that no SRV record points to is written again only with the next SRV record that does.
		h.wroteAddress = h.wroteAddress && rec.Type != record.A
		h.exempt[rec.Key()] = "a person has changed it"
		h.calls.extra += 3
	})
	if r.IntN(2) == 0 {
		w.note("person", "deletes %s %s", rec.Name, rec.SetID)
		w.zone.remove(rec.Key())
		return
	}
	w.note("person", "edits %s %s", rec.Name, rec.SetID)
	rec.Weight = int64(r.IntN(3))
	if rec.Type == record.SRV {
		rec.Value = "1 1 9 else." + zoneName
	} else {
		rec.Value = "10.9.9.9"
	}
	w.zone.put(rec)
}
