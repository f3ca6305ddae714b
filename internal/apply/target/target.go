// Package target keeps one rule: an SRV record is in the zone only while the name that it points to leads to this host.
// Where the host's own A record of that name is refused, an SRV record waits for it, unless all A records of the name,
// whoever wrote them, hold this host's address alone. The package makes no call and reads no clock.
package target

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/apply/ledger"
	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// lead is where a name leads while this host's A record of it is refused.
type lead int

const (
	unknown   lead = iota
	nowhere        // there is no A record of the name
	here           // all A records of the name hold this host's address alone
	elsewhere      // there are others
)

// Rule applies the rule to a host's records in one zone.
type Rule struct {
	ledger     *ledger.Ledger
	quarantine *quarantine.Quarantine
	addresses  map[string][]record.Record // the A records desired, by name: containers of one task have one each
	leads      map[string]lead            // by name, where the A record is refused
	read       map[string]time.Time       // when that was read
	reported   map[record.Key]bool        // SRV records that NewlyWaiting has returned
}

// New returns a Rule for the records in a ledger, of which some may be in quarantine.
func New(l *ledger.Ledger, q *quarantine.Quarantine) *Rule {
	return &Rule{
		ledger:     l,
		quarantine: q,
		leads:      map[string]lead{},
		read:       map[string]time.Time{},
		reported:   map[record.Key]bool{},
	}
}

// Of returns the name that an SRV record points to.
func Of(r record.Record) string {
	target, _ := record.ParseTarget(r.Value)
	return target.Host
}

// DesiredChanged has to be called after each change of what is desired.
func (t *Rule) DesiredChanged() {
	t.addresses = map[string][]record.Record{}
	for key, d := range t.ledger.Desired() {
		if key.Type == record.A {
			t.addresses[key.Name] = append(t.addresses[key.Name], d.Record)
		}
	}
}

// needs returns the name whose A record an SRV record needs; false where it points to a name of which the host keeps no
// A record.
func (t *Rule) needs(srv record.Record) (name string, ok bool) {
	if srv.Type != record.SRV {
		return "", false
	}
	name = Of(srv)
	return name, len(t.addresses[name]) > 0
}

// confirmed reports whether Route 53 has confirmed that an A record of this host's is in the zone under a name.
func (t *Rule) confirmed(name string) bool {
	return slices.ContainsFunc(t.addresses[name], func(a record.Record) bool {
		have, ok := t.ledger.Current()[a.Key()]
		return ok && !have.Unconfirmed && have.Record.Value == a.Value
	})
}

// refusal returns the refusal of this host's A records of a name; nil where one is in the zone, or is not refused.
func (t *Rule) refusal(name string) (refused *quarantine.Held) {
	if t.confirmed(name) {
		return nil
	}
	for _, a := range t.addresses[name] {
		held := t.quarantine.Get(a.Key())
		if held == nil {
			return nil
		}
		refused = held
	}
	return refused
}

// Misleads reports whether an SRV record would lead consumers to another host, or does: where the name that it is to
// point to leads elsewhere, and where it still points to an address that this host had.
func (t *Rule) Misleads(srv record.Record) bool {
	if t.quarantine.Empty() {
		return false
	}
	name, ok := t.needs(srv)
	if !ok || t.refusal(name) == nil || t.leads[name] == here {
		return false
	}
	if t.leads[name] == elsewhere {
		return true
	}
	have, there := t.ledger.Current()[srv.Key()]
	old := Of(have.Record)
	return there && old != name && domain(old) == domain(name)
}

// domain returns a name without its first label.
func domain(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// present reports whether an SRV record is in the zone and points to a name.
func (t *Rule) present(key record.Key, name string) bool {
	have, there := t.ledger.Current()[key]
	return there && !have.Unconfirmed && Of(have.Record) == name
}

// WithoutWaiting leaves out the changes that have to wait for an A record that is not among them, or is held back.
func (t *Rule) WithoutWaiting(changes []plan.Change) []plan.Change {
	written := map[string]bool{} // names whose A records are written in the same batch or before it
	for _, c := range changes {
		if c.Record.Type == record.A && c.Action != plan.Delete && t.quarantine.Get(c.Record.Key()) == nil {
			written[c.Record.Name] = true
		}
	}
	return slices.DeleteFunc(changes, func(c plan.Change) bool {
		name, ok := t.needs(c.Record)
		if !ok || c.Action == plan.Delete || written[name] || t.confirmed(name) || t.present(c.Record.Key(), name) {
			return false
		}
		return t.refusal(name) == nil || t.leads[name] != here
	})
}

// Cut returns as many changes as one batch may carry. Where they do not all fit, the removal of an A record goes with
// the last SRV record that points to it, or after it.
func (t *Rule) Cut(changes []plan.Change) []plan.Change {
	n := t.quarantine.Limit(plan.Batch(changes))
	if n >= len(changes) {
		return changes
	}
	pointed := map[string]bool{}
	for _, c := range changes {
		if have, ok := t.ledger.Current()[c.Record.Key()]; ok && c.Record.Type == record.SRV {
			pointed[Of(have.Record)] = true
		}
	}
	first := slices.DeleteFunc(slices.Clone(changes), func(c plan.Change) bool {
		return c.Action == plan.Delete && c.Record.Type == record.A && pointed[c.Record.Name]
	})
	return first[:t.quarantine.Limit(plan.Batch(first))]
}

// Waiting returns the SRV records that are not written, or are removed, because Route 53 refuses the A record that they
// point to, with that refusal.
func (t *Rule) Waiting() map[record.Key]*quarantine.Held {
	waiting := map[record.Key]*quarantine.Held{}
	if t.quarantine.Empty() {
		return waiting
	}
	for key, d := range t.ledger.Desired() {
		name, ok := t.needs(d.Record)
		if !ok {
			continue
		}
		refused := t.refusal(name)
		if refused != nil && (t.Misleads(d.Record) || t.leads[name] != here && !t.present(key, name)) {
			waiting[key] = refused
		}
	}
	return waiting
}

// NewlyWaiting returns the SRV records that have begun to wait since the last call, sorted, once it is known where
// their target leads.
func (t *Rule) NewlyWaiting() (keys []record.Key, waiting map[record.Key]*quarantine.Held) {
	waiting = t.Waiting()
	maps.DeleteFunc(t.reported, func(key record.Key, _ bool) bool { return waiting[key] == nil })
	for key := range waiting {
		if _, read := t.read[Of(t.ledger.Desired()[key].Record)]; read && !t.reported[key] {
			t.reported[key] = true
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, record.Key.Compare)
	return keys, waiting
}
