package outcome_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

type (
	entry    = plan.Entry
	outcomes = []outcome.Outcome
)

func srv(name string, weight int64) record.Record {
	return record.Record{
		Name:   name,
		Type:   record.SRV,
		SetID:  "i-1",
		Weight: weight,
	}
}

func known(entries ...entry) plan.Current {
	current := plan.Current{}
	for _, e := range entries {
		current[e.Record.Key()] = e
	}
	return current
}

func TestUpdate(t *testing.T) {
	a, b, idle := srv("a", 5), srv("b", 1), srv("a", 0)
	host := record.Record{
		Name:   "ip-10-0-0-1",
		Type:   record.A,
		SetID:  "i-1",
		Weight: 1,
	}
	registered := func(r record.Record) outcome.Outcome { return outcome.Outcome{Kind: outcome.Registered, Record: r} }
	standby := func(r record.Record) outcome.Outcome { return outcome.Outcome{Kind: outcome.Standby, Record: r} }
	gone := func(r record.Record) outcome.Outcome { return outcome.Outcome{Kind: outcome.Deregistered, Record: r} }
	tests := map[string]struct {
		before, now plan.Current
		want        outcomes
	}{
		"nothing": {nil, nil, nil},
		"new ones, by name": {nil, known(entry{Record: b}, entry{Record: a}),
			outcomes{registered(a), registered(b)}},
		"new on standby":          {nil, known(entry{Record: idle}), outcomes{standby(idle)}},
		"as before":               {known(entry{Record: a}), known(entry{Record: a}), nil},
		"another weight":          {known(entry{Record: a}), known(entry{Record: srv("a", 1)}), nil},
		"still on standby":        {known(entry{Record: idle}), known(entry{Record: idle}), nil},
		"to standby":              {known(entry{Record: a}), known(entry{Record: idle}), outcomes{standby(idle)}},
		"serves again":            {known(entry{Record: idle}), known(entry{Record: a}), outcomes{registered(a)}},
		"gone, by name":           {known(entry{Record: b}, entry{Record: a}), nil, outcomes{gone(a), gone(b)}},
		"gone before new":         {known(entry{Record: b}), known(entry{Record: a}), outcomes{gone(b), registered(a)}},
		"not confirmed":           {nil, known(entry{Record: a, Unconfirmed: true}), nil},
		"change is not confirmed": {known(entry{Record: a}), known(entry{Record: idle, Unconfirmed: true}), nil},
		"was not confirmed before": {known(entry{
			Record:      a,
			Unconfirmed: true,
		}), known(entry{Record: a}), outcomes{registered(a)}},
		"was never confirmed": {known(entry{Record: a, Unconfirmed: true}), nil, nil},
		"addresses":           {known(entry{Record: host}), known(), nil},
		"a new address":       {nil, known(entry{Record: host}), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var reported outcomes
			r := outcome.NewReporter(func(o outcome.Outcome) { reported = append(reported, o) }, test.before)
			r.Update(test.now)
			assert.Equal(t, test.want, reported)
			r.Update(test.now)
			assert.Equal(t, test.want, reported, "each is reported once")
		})
	}
}

func TestAdoptedRecordIsNotReportedAsRegistered(t *testing.T) {
	var reported outcomes
	r := outcome.NewReporter(func(o outcome.Outcome) { reported = append(reported, o) }, nil)
	r.Assume(entry{Record: srv("a", 5)})
	r.Update(known(entry{Record: srv("a", 5)}))
	assert.Empty(t, reported)
	r.Update(nil)
	assert.Equal(t, outcomes{{Kind: outcome.Deregistered, Record: srv("a", 5)}}, reported)
}

func TestRefused(t *testing.T) {
	var reported outcomes
	r := outcome.NewReporter(func(o outcome.Outcome) { reported = append(reported, o) }, nil)
	r.Refused(record.Record{Name: "ip-10-0-0-1", Type: record.A}, "no")
	assert.Empty(t, reported, "consumers find no container by such a record")
	r.Refused(srv("a", 5), "no")
	assert.Equal(t, outcomes{{Kind: outcome.Refused, Record: srv("a", 5), Message: "no"}}, reported)
}

func TestReporterWithoutAReader(t *testing.T) {
	r := outcome.NewReporter(nil, known(entry{Record: srv("a", 5)}))
	assert.NotPanics(t, func() {
		r.Assume(entry{Record: srv("b", 5)})
		r.Update(known(entry{Record: srv("b", 0)}))
		r.Refused(srv("a", 5), "no")
	})
}
