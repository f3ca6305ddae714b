package plan_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func srv(name, id string, weight int64) record.Record {
	return record.Record{
		Name:   name,
		Type:   record.SRV,
		SetID:  id,
		Weight: weight,
		Value:  "1 1 80 host.example",
	}
}

func known(records ...record.Record) plan.Current {
	k := plan.Current{}
	for _, r := range records {
		k[r.Key()] = plan.Entry{Record: r}
	}
	return k
}

func TestDiff(t *testing.T) {
	web1, web2, api := srv("web", "i-1:a", 1), srv("web", "i-1:b", 1), srv("api", "i-1:c", 1)
	host := record.Record{
		Name:   "host",
		Type:   record.A,
		SetID:  "i-1:host:-",
		Weight: 1,
		Value:  "10.0.0.1",
	}
	gone := record.Record{
		Name:   "alas",
		Type:   record.A,
		SetID:  "i-1:eni:e",
		Weight: 1,
		Value:  "10.0.0.2",
	}
	heavy := web1
	heavy.Weight = 5
	rewritten := web1
	rewritten.Value = "01 1 080 HOST.example."
	moved := web1
	moved.Value = "1 1 81 host.example"
	doubted := plan.Current{web1.Key(): {Record: web1, Unconfirmed: true}}
	for name, test := range map[string]struct {
		known   plan.Current
		desired []record.Record
		want    []plan.Change
	}{
		"nothing": {nil, nil, nil},
		"in step": {known(web1, api), []record.Record{api, web1}, nil},
		"add to nothing": {
			nil,
			[]record.Record{web1},
			[]plan.Change{{Action: plan.Create, Record: web1}},
		},
		"add": {
			known(web1),
			[]record.Record{web1, web2},
			[]plan.Change{{Action: plan.Create, Record: web2}},
		},
		"remove": {
			known(web1, web2),
			[]record.Record{web1},
			[]plan.Change{{Action: plan.Delete, Record: web2}},
		},
		"change": {
			known(web1),
			[]record.Record{heavy},
			[]plan.Change{{Action: plan.Upsert, Record: heavy}},
		},
		"change of the port": {
			known(web1),
			[]record.Record{moved},
			[]plan.Change{{Action: plan.Upsert, Record: moved}},
		},
		"rewritten by Route 53 is no change": {known(rewritten), []record.Record{web1}, nil},
		"a removal repeats the record as it is known": {
			known(rewritten), nil, []plan.Change{{Action: plan.Delete, Record: rewritten}},
		},
		"in doubt and wanted":     {doubted, []record.Record{web1}, []plan.Change{{Action: plan.Upsert, Record: web1}}},
		"in doubt and not wanted": {doubted, nil, []plan.Change{{Action: plan.Delete, Record: web1}}},
		"hold makes no difference here": {
			plan.Current{web1.Key(): {Record: web1, Run: "run"}}, []record.Record{web1}, nil,
		},
		"wanted twice": {nil, []record.Record{web1, heavy}, []plan.Change{{Action: plan.Create, Record: web1}}},
		"removals first, an address before what points to it and gone after it, then by name and identifier": {
			plan.Current{
				web2.Key(): {
					Record: web2,
				}, srv("zzz", "i-1:z", 1).Key(): {
					Record: srv("zzz", "i-1:z", 1),
				}, gone.Key(): {
					Record: gone,
				},
				srv("host", "i-1:x", 1).Key(): {Record: srv("host", "i-1:x", 1), Unconfirmed: true},
			},
			[]record.Record{web1, host, api, srv("host", "i-1:x", 1)},
			[]plan.Change{
				{Action: plan.Delete, Record: web2},
				{Action: plan.Delete, Record: srv("zzz", "i-1:z", 1)},
				{Action: plan.Delete, Record: gone},
				{Action: plan.Create, Record: host},
				{Action: plan.Create, Record: api},
				{Action: plan.Upsert, Record: srv("host", "i-1:x", 1)},
				{Action: plan.Create, Record: web1},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, plan.Diff(test.known, test.desired))
		})
	}
}

func anyRecord() *rapid.Generator[record.Record] {
	return rapid.Custom(func(t *rapid.T) record.Record {
		return record.Record{
			Name:   rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"),
			Type:   rapid.SampledFrom([]record.Type{record.A, record.SRV}).Draw(t, "type"),
			SetID:  rapid.SampledFrom([]string{"i-1:1", "i-1:2", "i-1:3"}).Draw(t, "id"),
			Weight: rapid.Int64Range(0, 2).Draw(t, "weight"),
			Value:  rapid.SampledFrom([]string{"1 1 80 h", "1 1 80 H.", "1 1 81 h"}).Draw(t, "value"),
		}
	})
}

// The changes, made one after the other to what is known, give what is desired; each record is changed once at most,
// since Route 53 refuses a batch that changes one twice; and the order does not depend on chance.
func TestDiffLeadsToDesired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := plan.Current{}
		for _, r := range rapid.SliceOfN(anyRecord(), 0, 12).Draw(t, "known") {
			have[r.Key()] = plan.Entry{Record: r, Unconfirmed: rapid.Bool().Draw(t, "doubt")}
		}
		desired := rapid.SliceOfNDistinct(anyRecord(), 0, 12, record.Record.Key).Draw(t, "desired")

		changes := plan.Diff(have, desired)
		shuffled := slices.Clone(desired)
		slices.Reverse(shuffled)
		assert.Equal(t, changes, plan.Diff(maps.Clone(have), shuffled))

		zone := map[record.Key]record.Record{}
		for key, e := range have {
			if !e.Unconfirmed { // what is in doubt is not there, at worst
				zone[key] = e.Record
			}
		}
		touched := map[record.Key]bool{}
		upserts := false
		for _, c := range changes {
			assert.False(t, touched[c.Record.Key()], "changed twice")
			touched[c.Record.Key()] = true
			switch c.Action {
			case plan.Create, plan.Upsert:
				_, there := have[c.Record.Key()]
				assert.Equal(
					t,
					there,
					c.Action == plan.Upsert,
					"CREATE is for what was never written, and for nothing else",
				)
				upserts = true
				zone[c.Record.Key()] = c.Record
			case plan.Delete:
				assert.False(t, upserts, "a removal after an addition")
				assert.Equal(t, have[c.Record.Key()].Record, c.Record)
				delete(zone, c.Record.Key())
			}
		}
		assert.Len(t, zone, len(desired))
		for _, want := range desired {
			assert.True(t, want.Same(zone[want.Key()]), "%+v", want)
		}
	})
}
