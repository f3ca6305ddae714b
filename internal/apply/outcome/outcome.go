// Package outcome finds out what has become of a host's SRV records: each outcome is reported once, and not before
// Route 53 has confirmed it.
package outcome

import (
	"maps"
	"slices"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Outcome is what has become of an SRV record.
type Outcome struct {
	Kind    Kind
	Record  record.Record
	Message string // of a refusal: Route 53's own words
}

// Kind is a kind of Outcome.
type Kind string

// The kinds.
const (
	Registered   Kind = "registered"   // it serves, for the first time or again
	Standby      Kind = "standby"      // it has weight 0 now
	Deregistered Kind = "deregistered" // it is removed
	Refused      Kind = "refused"      // Route 53 refuses to change it
)

// Reporter reports outcomes. Use it from one goroutine at a time.
type Reporter struct {
	report   func(Outcome)
	reported map[record.Key]record.Record // SRV records as last reported
}

// NewReporter returns a Reporter that calls report with each outcome. Where report is nil, there is nothing to do. What
// is in current was reported by the agent that wrote it.
func NewReporter(report func(Outcome), current plan.Current) *Reporter {
	r := &Reporter{report, map[record.Key]record.Record{}}
	for _, e := range current {
		r.Assume(e)
	}
	return r
}

// Assume counts a record as reported.
func (r *Reporter) Assume(e plan.Entry) {
	if r.report != nil && e.Record.Type == record.SRV && !e.Unconfirmed {
		r.reported[e.Record.Key()] = e.Record
	}
}

// Update reports what has become of the host's SRV records since the last call. An unconfirmed record is not reported.
func (r *Reporter) Update(current plan.Current) {
	if r.report == nil {
		return
	}
	for _, key := range slices.SortedFunc(maps.Keys(r.reported), record.Key.Compare) {
		if _, ok := current[key]; !ok {
			r.report(Outcome{Kind: Deregistered, Record: r.reported[key]})
			delete(r.reported, key)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(current), record.Key.Compare) {
		e := current[key]
		if e.Unconfirmed || key.Type != record.SRV {
			continue
		}
		before, reported := r.reported[key]
		r.reported[key] = e.Record
		switch {
		case e.Record.Weight > 0 && (!reported || before.Weight == 0):
			r.report(Outcome{Kind: Registered, Record: e.Record})
		case e.Record.Weight == 0 && (!reported || before.Weight > 0):
			r.report(Outcome{Kind: Standby, Record: e.Record})
		}
	}
}

// Refused reports that Route 53 refuses to change a record, if it is an SRV record.
func (r *Reporter) Refused(refused record.Record, message string) {
	if r.report != nil && refused.Type == record.SRV {
		r.report(Outcome{Kind: Refused, Record: refused, Message: message})
	}
}
