package apply

import (
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

// reportOutcomes reports what has become of the host's SRV records since it last did, as far as Route 53 has confirmed
// it: an unconfirmed record is not reported. The caller holds mu.
func (w *Writer) reportOutcomes() {
	if w.cfg.OnOutcome == nil {
		return
	}
	current := w.ledger.Current()
	for _, key := range slices.SortedFunc(maps.Keys(w.reported), record.Key.Compare) {
		if _, ok := current[key]; !ok {
			w.cfg.OnOutcome(Outcome{Kind: BecameAbsent, Record: w.reported[key]})
			delete(w.reported, key)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(current), record.Key.Compare) {
		e := current[key]
		if e.Unconfirmed || key.Type != record.SRV {
			continue
		}
		before, reported := w.reported[key]
		w.reported[key] = e.Record
		switch {
		case e.Record.Weight > 0 && (!reported || before.Weight == 0):
			w.cfg.OnOutcome(Outcome{Kind: BecameServing, Record: e.Record})
		case e.Record.Weight == 0 && (!reported || before.Weight > 0):
			w.cfg.OnOutcome(Outcome{Kind: BecameStandby, Record: e.Record})
		}
	}
}

// reportRefused reports that Route 53 refuses to change an SRV record. The caller holds mu.
func (w *Writer) reportRefused(r record.Record, message string) {
	if w.cfg.OnOutcome != nil && r.Type == record.SRV {
		w.cfg.OnOutcome(Outcome{Kind: WasRefused, Record: r, Message: message})
	}
}

// assumeReported counts a record as reported: the agent that wrote what the journal or the zone has from before has
// reported it.
func (w *Writer) assumeReported(e plan.Entry) {
	if w.cfg.OnOutcome != nil && e.Record.Type == record.SRV && !e.Unconfirmed {
		w.reported[e.Record.Key()] = e.Record
	}
}
