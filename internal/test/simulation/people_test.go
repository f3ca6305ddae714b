package simulation

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// permit gives the hosts another policy.
func (w *world) permit(r *rand.Rand) {
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
	w.refusing()
}

// refusing notes that Route 53 refuses other things than before.
func (w *world) refusing() {
	for _, h := range w.hosts {
		h.trouble = time.Now()
	}
}

// squat is somebody who writes an A record under a host's name, or removes it.
func (w *world) squat(h *host, r *rand.Rand) {
	name := record.Key{Name: h.hostName(), Type: record.A}
	value := []string{"", h.addr.String(), "10.9.9.9"}[r.IntN(3)]
	if _, there := w.zone.records[h.address().Key()]; there || value == w.zone.other[name] {
		return // Route 53 has no simple record beside weighted ones
	}
	w.note("squatter", "%s leads to %q", name.Name, value)
	w.zone.other[name], w.zone.squatted = value, time.Now()
	w.refusing()
}

// meddle is a person who edits or deletes a record of a host by hand.
func (w *world) meddle(r *rand.Rand) {
	var own []record.Record
	for _, rec := range w.zone.sorted() {
		if _, others := w.elsewhere[rec.Key()]; !others {
			own = append(own, rec)
		}
	}
	if len(own) == 0 {
		return
	}
	rec := own[r.IntN(len(own))]
	w.host(rec.Key(), func(h *host) {
		// one that nothing points to is written again only with the next that does
		h.addressed = h.addressed && rec.Type != record.A
		h.exempt[rec.Key()] = "a person has changed it"
		h.account.extra += 3
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
