package ledger_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply/ledger"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

type entry = plan.Entry

// idOf returns the set identifier of the SRV record of a container whose ID begins with a letter or digit.
func idOf(c string) string { return "i-1:ecs:" + strings.Repeat(c, 64) + ":80/tcp" }

// srv returns the SRV record of a container.
func srv(c string) record.Record {
	return record.Record{
		Name:   "web.sd",
		Type:   record.SRV,
		SetID:  idOf(c),
		Weight: 5,
		Value:  "1 5 80 ip-10-0-0-1.sd",
	}
}

func with(r record.Record, change func(*record.Record)) record.Record {
	change(&r)
	return r
}

func weight(w int64) func(*record.Record) { return func(r *record.Record) { r.Weight = w } }

func desired(records ...record.Record) (all []plan.Desired) {
	for _, r := range records {
		all = append(all, plan.Desired{Record: r})
	}
	return all
}

func known(entries ...entry) plan.Current {
	current := plan.Current{}
	for _, e := range entries {
		current[e.Record.Key()] = e
	}
	return current
}

func no(record.Record) bool { return false }

// own are the records of host i-1.
func own(r record.Record) bool { return r.Owned("i-1") }

var a, b, c = srv("a"), srv("b"), srv("c")

func TestNothingIsToBeDoneBeforeItIsKnownWhatIsDesired(t *testing.T) {
	l := ledger.New(known(entry{Record: a}))
	assert.Nil(t, l.Desired())
	assert.Nil(t, l.Changes(no))
	l.SetDesired(nil)
	assert.NotNil(t, l.Desired())
	assert.Equal(t, []plan.Change{{Action: plan.Delete, Record: a}}, l.Changes(no))
}

func TestLedgerWithoutAJournal(t *testing.T) {
	l := ledger.New(nil)
	l.SetDesired(desired(a))
	create := []plan.Change{{Action: plan.Create, Record: a}}
	assert.Equal(t, create, l.Changes(no))
	assert.True(t, l.Adds(create[0]))
	l.Begin(create).Commit()
	assert.Equal(t, known(entry{Record: a}), l.Current())
	assert.Empty(t, l.Changes(no))
	assert.False(t, l.Adds(create[0]))
	assert.False(t, l.Adds(plan.Change{Action: plan.Delete, Record: b}))
}

func TestCurrentOfTheCallerIsNotChanged(t *testing.T) {
	mine := known(entry{Record: a})
	l := ledger.New(mine)
	l.Remove(a.Key())
	assert.Equal(t, known(entry{Record: a}), mine)
	assert.Empty(t, l.Current())
}

func TestChanges(t *testing.T) {
	other := with(a, func(r *record.Record) { r.Name = "other.sd" })
	marked := with(a, weight(0)).Mark()
	tests := map[string]struct {
		current plan.Current
		desired []plan.Desired
		skip    func(record.Record) bool
		want    []plan.Change
	}{
		"create, change and remove": {
			known(entry{Record: b}, entry{Record: c}),
			desired(a, with(b, weight(1))),
			no,
			[]plan.Change{{Action: plan.Delete, Record: c}, {Action: plan.Create, Record: a},
				{Action: plan.Upsert, Record: with(b, weight(1))}},
		},
		"what is skipped is not created": {
			nil, desired(a, b), func(r record.Record) bool { return r == a }, []plan.Change{{
				Action: plan.Create,
				Record: b,
			}},
		},
		"what is skipped and there is removed": {
			known(entry{Record: a}), desired(a), func(record.Record) bool { return true },
			[]plan.Change{{Action: plan.Delete, Record: a}},
		},
		"what is desired only where it is known, and is not": {
			known(entry{Record: other}), []plan.Desired{{Record: a, IfKnown: true}, {Record: other}}, no, nil,
		},
		"what is desired only where it is known, and is": {
			known(entry{Record: a, Unconfirmed: true}), []plan.Desired{{Record: a, IfKnown: true}}, no,
			[]plan.Change{{Action: plan.Upsert, Record: a}},
		},
		"the sweeper's mark stays for the same run": {
			known(entry{Record: marked, Run: "1"}), []plan.Desired{{Record: a, Run: "1"}}, no, nil,
		},
		"the sweeper's mark goes with the run": {
			known(entry{Record: marked, Run: "1"}), []plan.Desired{{Record: a, Run: "2"}}, no,
			[]plan.Change{{Action: plan.Upsert, Record: a}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := ledger.New(test.current)
			l.SetDesired(test.desired)
			assert.Equal(t, test.want, l.Changes(test.skip))
		})
	}
}

func TestRecordOfAnEarlierRunIsWrittenOnceMore(t *testing.T) {
	l := ledger.New(known(entry{Record: a, Run: "1"}, entry{Record: b, Run: "1"}, entry{Record: c}))
	l.SetDesired([]plan.Desired{{Record: a, Run: "2"}, {Record: b, Run: "1"}, {Record: c, Run: "1"}})
	upsert := []plan.Change{{Action: plan.Upsert, Record: a}}
	assert.Equal(t, upsert, l.Changes(no))
	l.Begin(upsert).Commit()
	assert.Empty(t, l.Changes(no))
	assert.Equal(t, "2", l.Current()[a.Key()].Run)

	// The container starts anew while the call is under way: what was written is for the run before.
	l.SetDesired([]plan.Desired{{Record: a, Run: "3"}, {Record: b, Run: "1"}, {Record: c, Run: "1"}})
	call := l.Begin(l.Changes(no))
	l.SetDesired([]plan.Desired{{Record: a, Run: "4"}, {Record: b, Run: "1"}, {Record: c, Run: "1"}})
	call.Commit()
	assert.Equal(t, entry{Record: a, Run: "3", Unconfirmed: true}, l.Current()[a.Key()])
	assert.Equal(t, upsert, l.Changes(no))
}

func TestMarkAllUnconfirmed(t *testing.T) {
	l := ledger.New(known(entry{Record: a, Run: "1"}, entry{Record: b}))
	l.MarkAllUnconfirmed()
	assert.Equal(t, known(entry{
		Record:      a,
		Run:         "1",
		Unconfirmed: true,
	}, entry{Record: b, Unconfirmed: true}), l.Current())
}

func TestAdopt(t *testing.T) {
	stranger := with(c, func(r *record.Record) { r.SetID = "i-2:ecs:" + strings.Repeat("c", 64) + ":80/tcp" })
	l := ledger.New(known(entry{Record: a}))
	l.SetDesired([]plan.Desired{{Record: b, Run: "7"}})
	assert.Equal(t, []record.Record{b}, l.Adopt([]record.Record{with(a, weight(1)), stranger, b}, own))
	assert.Equal(t, known(entry{Record: a}, entry{Record: b, Run: "7"}), l.Current())
	assert.Empty(t, l.Adopt([]record.Record{b}, own))
}

func TestMayExist(t *testing.T) {
	l := ledger.New(nil)
	l.SetDesired([]plan.Desired{{Record: a, Run: "7"}})
	l.MayExist(plan.Change{Action: plan.Create, Record: a})
	assert.Equal(t, known(entry{Record: a, Run: "7", Unconfirmed: true}), l.Current())
	assert.Equal(t, []plan.Change{{Action: plan.Upsert, Record: a}}, l.Changes(no))
}

func TestCall(t *testing.T) {
	before := known(entry{Record: b}, entry{Record: c, Run: "c"})
	changed := with(b, weight(0))
	begin := func() (*ledger.Ledger, *ledger.Call) {
		l := ledger.New(before)
		l.SetDesired([]plan.Desired{{Record: a, Run: "a"}, {Record: changed}})
		return l, l.Begin(append(l.Changes(no), plan.Change{Action: plan.Delete, Record: srv("d")}))
	}
	underWay := known(entry{Record: a, Run: "a", Unconfirmed: true}, entry{Record: changed, Unconfirmed: true},
		entry{Record: c, Run: "c", Unconfirmed: true})
	tests := map[string]struct {
		end  func(*ledger.Call)
		want plan.Current
	}{
		"under way":   {func(*ledger.Call) {}, underWay},
		"applied":     {(*ledger.Call).Commit, known(entry{Record: a, Run: "a"}, entry{Record: changed})},
		"not applied": {(*ledger.Call).Rollback, before},
		"not known":   {(*ledger.Call).Unconfirmed, underWay},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, call := begin()
			test.end(call)
			assert.Equal(t, test.want, l.Current())
		})
	}
}

// A record that was read back while the call was under way counts as confirmed, until the call ends with no answer.
func TestCallWithoutAnAnswerMakesWhatWasReadMeanwhileUnconfirmed(t *testing.T) {
	l := ledger.New(nil)
	l.SetDesired(desired(a))
	call := l.Begin(append(l.Changes(no), plan.Change{Action: plan.Delete, Record: b}))
	l.Learn(a.Group(), []record.Record{with(a, weight(9))}, own, false)
	assert.Equal(t, known(entry{Record: with(a, weight(9))}), l.Current())
	call.Unconfirmed()
	assert.Equal(t, known(entry{Record: with(a, weight(9)), Unconfirmed: true}), l.Current())
}

func TestLearn(t *testing.T) {
	stranger := func(ttl int64) record.Record {
		return record.Record{
			Name:  "web.sd",
			Type:  record.SRV,
			SetID: "somebody's",
			TTL:   ttl,
			Value: "1 1 1 x",
		}
	}
	elsewhere := with(c, func(r *record.Record) { r.Name = "other.sd" })
	ten := int64(10)
	zero := int64(0)
	simple := with(stranger(10), func(r *record.Record) { r.SetID = "" })
	marked := with(a, weight(0)).Mark()
	tests := map[string]struct {
		current    plan.Current
		desired    []plan.Desired
		found      []record.Record
		refusedTTL bool
		want       ledger.Learned
		then       plan.Current
	}{
		"as known": {
			known(entry{Record: a, Run: "1"}, entry{Record: elsewhere}), desired(a), []record.Record{a}, false,
			ledger.Learned{}, known(entry{Record: a, Run: "1"}, entry{Record: elsewhere}),
		},
		"changed by somebody": {
			known(entry{Record: a, Run: "1"}), desired(a), []record.Record{with(a, weight(9))}, false,
			ledger.Learned{Differences: 1, Changed: true}, known(entry{Record: with(a, weight(9)), Run: "1"}),
		},
		"written in another form": {
			known(entry{Record: a}), desired(a),
			[]record.Record{with(a, func(r *record.Record) { r.Value += "." })}, false,
			ledger.Learned{Changed: true}, known(entry{Record: with(a, func(r *record.Record) { r.Value += "." })}),
		},
		"marked by the sweeper": {
			known(entry{Record: a, Run: "1"}), []plan.Desired{{Record: a, Run: "1"}}, []record.Record{marked}, false,
			ledger.Learned{Changed: true}, known(entry{Record: marked, Run: "1"}),
		},
		"marked by the sweeper for an earlier run": {
			known(entry{Record: a, Run: "1"}), []plan.Desired{{Record: a, Run: "2"}}, []record.Record{marked}, false,
			ledger.Learned{Differences: 1, Changed: true}, known(entry{Record: marked, Run: "1"}),
		},
		"removed by somebody": {
			known(entry{Record: a}, entry{Record: b}, entry{Record: elsewhere}), desired(a, b), nil, false,
			ledger.Learned{Differences: 2, Changed: true}, known(entry{Record: elsewhere}),
		},
		"own and not known": {
			known(), desired(a), []record.Record{b}, false,
			ledger.Learned{Differences: 1, Changed: true}, known(entry{Record: b}),
		},
		"a stranger's with another TTL": {
			known(entry{Record: a}), desired(a), []record.Record{a, stranger(10)}, false,
			ledger.Learned{Differences: 1, ForcedTTL: &ten}, known(entry{Record: a}),
		},
		"a stranger's with the same TTL": {
			known(entry{Record: a}), desired(a), []record.Record{a, stranger(0)}, false,
			ledger.Learned{}, known(entry{Record: a}),
		},
		"a stranger's where nothing is desired": {
			known(), desired(elsewhere), []record.Record{stranger(10)}, false, ledger.Learned{}, known(),
		},
		"a record that is not weighted": {
			known(), desired(a), []record.Record{simple}, false, ledger.Learned{}, known(),
		},
		"own records with another TTL, which Route 53 insists on": {
			known(entry{Record: with(a, func(r *record.Record) { r.TTL = 10 })}), desired(a),
			[]record.Record{with(a, func(r *record.Record) { r.TTL = 10 })}, true,
			ledger.Learned{Differences: 1, ForcedTTL: &ten},
			known(entry{Record: with(a, func(r *record.Record) { r.TTL = 10 })}),
		},
		"the TTL of the first, which Route 53 insists on": {
			known(), desired(with(a, func(r *record.Record) { r.TTL = 10 })), []record.Record{stranger(0)}, true,
			ledger.Learned{Differences: 1, ForcedTTL: &zero}, known(),
		},
		"no record at all, though Route 53 insisted on a TTL": {
			known(), desired(with(a, func(r *record.Record) { r.TTL = 10 })), nil, true, ledger.Learned{}, known(),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := ledger.New(test.current)
			l.SetDesired(test.desired)
			assert.Equal(t, test.want, l.Learn(a.Group(), test.found, own, test.refusedTTL))
			assert.Equal(t, test.then, l.Current())
		})
	}
}

func TestForcedTTLIsUsedUntilNobodyForcesIt(t *testing.T) {
	stranger := record.Record{
		Name:  "web.sd",
		Type:  record.SRV,
		SetID: "somebody's",
		TTL:   10,
	}
	l := ledger.New(nil)
	l.SetDesired(desired(a))
	ten := int64(10)
	assert.Equal(t, ledger.Learned{Differences: 1, ForcedTTL: &ten},
		l.Learn(a.Group(), []record.Record{stranger}, own, false))
	slow := with(a, func(r *record.Record) { r.TTL = 10 })
	assert.Equal(t, []plan.Change{{Action: plan.Create, Record: slow}}, l.Changes(no))
	assert.Equal(t, ledger.Learned{}, l.Learn(a.Group(), []record.Record{stranger}, own, false), "which is no news")

	stranger.TTL = 20
	twenty := int64(20)
	assert.Equal(t, ledger.Learned{Differences: 1, ForcedTTL: &twenty},
		l.Learn(a.Group(), []record.Record{stranger}, own, false))
	assert.Equal(t, ledger.Learned{Differences: 1}, l.Learn(a.Group(), nil, own, false))
	assert.Equal(t, []plan.Change{{Action: plan.Create, Record: a}}, l.Changes(no))

	stranger.TTL = 10
	l.Learn(a.Group(), []record.Record{stranger}, own, false)
	stranger.TTL = 0
	assert.Equal(t, ledger.Learned{Differences: 1}, l.Learn(a.Group(), []record.Record{stranger}, own, false),
		"the stranger has now the TTL that is desired")
	assert.Equal(t, []plan.Change{{Action: plan.Create, Record: a}}, l.Changes(no))
}

func TestOnDisk(t *testing.T) {
	replacement := with(a, func(r *record.Record) { r.Name = "new.sd" }) // of container a
	create := func(r record.Record) plan.Change { return plan.Change{Action: plan.Create, Record: r} }
	remove := func(r record.Record) plan.Change { return plan.Change{Action: plan.Delete, Record: r} }
	tests := map[string]struct {
		saved    plan.Current
		batch    []plan.Change
		all      bool
		removals []plan.Change
		alone    []plan.Change // of the removals
	}{
		"nothing":                      {known(), nil, true, nil, nil},
		"a creation that is not there": {known(), []plan.Change{create(a)}, false, nil, nil},
		"a creation that is there": {known(entry{
			Record:      a,
			Unconfirmed: true,
		}), []plan.Change{create(a)}, true, nil, nil},
		"a record that counts as right": {known(entry{Record: a}), []plan.Change{create(a)}, false, nil, nil},
		"a change that is not there": {
			known(entry{Record: a, Unconfirmed: true}), []plan.Change{create(with(a, weight(1)))}, false, nil, nil,
		},
		"a removal": {known(entry{Record: a}), []plan.Change{remove(a)}, true,
			[]plan.Change{remove(a)}, []plan.Change{remove(a)}},
		"a removal that is not there": {known(), []plan.Change{remove(a)}, false, nil, nil},
		"a removal beside a creation": {
			known(entry{Record: a}), []plan.Change{remove(a), create(b)}, false, []plan.Change{remove(a)},
			[]plan.Change{remove(a)},
		},
		"a removal beside its replacement": {
			known(entry{Record: a}, entry{Record: b}), []plan.Change{remove(a), remove(b), create(replacement)}, false,
			[]plan.Change{remove(a), remove(b)}, []plan.Change{remove(b)},
		},
		"a creation that is there beside one that is not": {
			known(entry{Record: a, Unconfirmed: true}), []plan.Change{create(b), create(a)}, false, nil, nil,
		},
		"a removal that is not there beside one that is": {
			known(entry{Record: a}), []plan.Change{remove(b), remove(a)}, false, []plan.Change{remove(a)},
			[]plan.Change{remove(a)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := ledger.New(test.saved)
			all, removals := l.OnDisk(test.batch)
			assert.Equal(t, test.all, all)
			assert.Equal(t, test.removals, removals)
			alone := l.WithoutReplaced(removals)
			assert.Equal(t, test.alone, alone[:len(alone):len(alone)])
		})
	}
}

func TestSave(t *testing.T) {
	l := ledger.New(known(entry{Record: b}, entry{Record: c}))
	l.SetDesired([]plan.Desired{{Record: a, Run: "1"}, {Record: with(b, weight(1))}})
	batch := l.Changes(no)
	all, removals := l.OnDisk(batch)
	assert.False(t, all)
	assert.Equal(t, []plan.Change{{Action: plan.Delete, Record: c}}, removals)

	next := l.BeginSave()
	assert.Equal(t, known(entry{Record: a, Run: "1", Unconfirmed: true},
		entry{Record: with(b, weight(1)), Unconfirmed: true}, entry{Record: c}), next)
	all, removals = l.OnDisk(batch)
	assert.False(t, all, "the disk may have either")
	assert.Equal(t, []plan.Change{{Action: plan.Delete, Record: c}}, removals, "which it has either way")
	l.EndSave(next)
	all, _ = l.OnDisk(batch)
	assert.True(t, all)

	l.Begin(batch).Commit()
	assert.Equal(t, known(entry{Record: a, Run: "1"}, entry{Record: with(b, weight(1))}), l.BeginSave())
}

// While what is known is being saved, either it or what was saved before may be on the disk.
func TestWhileSavingOnlyWhatBothHaveCounts(t *testing.T) {
	tests := map[string]struct{ saved, current, either entry }{
		"confirmed in both":     {entry{Record: a}, entry{Record: a}, entry{Record: a}},
		"confirmed only before": {entry{Record: a}, entry{Record: a, Unconfirmed: true}, entry{Record: a}},
		"confirmed only now":    {entry{Record: a, Unconfirmed: true}, entry{Record: a}, entry{Record: a}},
		"unconfirmed in both": {entry{
			Record:      a,
			Unconfirmed: true,
		}, entry{Record: a, Unconfirmed: true}, entry{Record: a, Unconfirmed: true}},
		"another record":     {entry{Record: a}, entry{Record: with(a, weight(1))}, entry{}},
		"not there any more": {entry{Record: a}, entry{Record: b}, entry{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := ledger.New(known(test.saved))
			l.Remove(a.Key())
			l.Adopt([]record.Record{test.current.Record}, own)
			if test.current.Unconfirmed {
				l.MarkAllUnconfirmed()
			}
			l.BeginSave()
			write, _ := l.OnDisk([]plan.Change{{Action: plan.Upsert, Record: a}})
			remove, _ := l.OnDisk([]plan.Change{{Action: plan.Delete, Record: a}})
			assert.Equal(t, test.either.Unconfirmed, write, "it may be written")
			assert.Equal(t, test.either.Record == a, remove, "it may be removed")
		})
	}
}

func TestNothingAhead(t *testing.T) {
	l := ledger.New(nil)
	assert.False(t, l.NothingAhead())
	l.SetDesired(desired(a))
	l.OnDisk(l.Changes(no))
	assert.True(t, l.NothingAhead())
	assert.False(t, l.NothingAhead())
	assert.Empty(t, l.BeginSave(), "what is not about to be written is not saved")
}

// A call takes what it carries off what is ahead, and leaves the rest.
func TestRestOfWhatIsAhead(t *testing.T) {
	l := ledger.New(nil)
	l.SetDesired(desired(a, b))
	batch := l.Changes(no)
	l.OnDisk([]plan.Change{{Action: plan.Create, Record: c}}) // which is not desired any more
	l.OnDisk(batch)
	l.Begin(slices.Clone(batch[:1])).Rollback()
	assert.Equal(t, known(entry{Record: b, Unconfirmed: true}), l.BeginSave())
}
