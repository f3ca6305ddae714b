package apply

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Outcome is what has become of an SRV record of this host.
type Outcome struct {
	Kind    OutcomeKind
	Record  record.Record
	Message string // of a refusal: Route 53's own words
}

// OutcomeKind is a kind of Outcome.
type OutcomeKind string

// The kinds.
const (
	BecameServing OutcomeKind = "registered"   // it serves, for the first time or again
	BecameStandby OutcomeKind = "standby"      // it has weight 0 now
	BecameAbsent  OutcomeKind = "deregistered" // it is removed
	WasRefused    OutcomeKind = "refused"      // Route 53 refuses to change it
)

// tell tells what has become of the host's SRV records, as far as Route 53 has confirmed it, since it was told last. A
// record whose change may or may not have been made is not told of before that is known. The caller holds mu.
func (w *Writer) tell() {
	if w.cfg.OnOutcome == nil {
		return
	}
	for _, key := range slices.SortedFunc(maps.Keys(w.told), byKey) {
		if _, ok := w.known[key]; !ok {
			w.cfg.OnOutcome(Outcome{Kind: BecameAbsent, Record: w.told[key]})
			delete(w.told, key)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(w.known), byKey) {
		e := w.known[key]
		if e.Unconfirmed || key.Type != record.SRV {
			continue
		}
		before, there := w.told[key]
		w.told[key] = e.Record
		switch {
		case e.Record.Weight > 0 && (!there || before.Weight == 0):
			w.cfg.OnOutcome(Outcome{Kind: BecameServing, Record: e.Record})
		case e.Record.Weight == 0 && (!there || before.Weight > 0):
			w.cfg.OnOutcome(Outcome{Kind: BecameStandby, Record: e.Record})
		}
	}
}

// assumeTold takes a record for told: what the journal or the zone has from before was told of by the agent that wrote
// it.
func (w *Writer) assumeTold(e plan.Entry) {
	if w.cfg.OnOutcome != nil && e.Record.Type == record.SRV && !e.Unconfirmed {
		w.told[e.Record.Key()] = e.Record
	}
}

// byKey orders records of one type.
func byKey(a, b record.Key) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.SetID, b.SetID))
}
