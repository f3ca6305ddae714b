package target_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply/ledger"
	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/apply/target"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

type changes = []plan.Change

// a returns the A record of an address under its name, in domain sd, with a set identifier.
func a(ip, id string) record.Record {
	return record.Record{
		Name:   "ip-" + strings.ReplaceAll(ip, ".", "-") + ".sd",
		Type:   record.A,
		SetID:  id,
		Weight: 1,
		Value:  ip,
	}
}

// srv returns the n-th SRV record, which points to a name.
func srv(n int, name string) record.Record {
	return record.Record{
		Name:   "web.sd",
		Type:   record.SRV,
		SetID:  fmt.Sprint("i-1:", n),
		Weight: 1,
		Value:  "1 1 80 " + name,
	}
}

func create(r record.Record) plan.Change { return plan.Change{Action: plan.Create, Record: r} }
func remove(r record.Record) plan.Change { return plan.Change{Action: plan.Delete, Record: r} }

var (
	host   = a("10.0.0.1", "host")
	moved  = a("10.0.0.2", "host")
	web    = srv(1, host.Name)
	second = srv(2, host.Name)
)

// world is a rule with what it looks at.
type world struct {
	*target.Rule
	ledger     *ledger.Ledger
	quarantine *quarantine.Quarantine
}

func newWorld(current ...record.Record) *world {
	known := plan.Current{}
	for _, r := range current {
		known[r.Key()] = plan.Entry{Record: r}
	}
	w := &world{ledger: ledger.New(known)}
	w.quarantine = quarantine.New(quarantine.Config{
		Adds:    w.ledger.Adds,
		Changes: w.changes,
		OnHold:  func(quarantine.Held) {},
		Jitter:  func() float64 { return 0.5 },
	})
	w.Rule = target.New(w.ledger, w.quarantine)
	return w
}

func (w *world) changes() changes { return w.ledger.Changes(w.Misleads) }

func (w *world) desire(records ...record.Record) {
	var all []plan.Desired
	for _, r := range records {
		all = append(all, plan.Desired{Record: r})
	}
	w.ledger.SetDesired(all)
	w.DesiredChanged()
}

// refuse holds back the creation of a record.
func (w *world) refuse(r record.Record, message string) {
	w.quarantine.Hold(create(r), plan.Conflict, message, true, start)
}

// unconfirm makes a record that the host has unconfirmed.
func (w *world) unconfirm(r record.Record) { w.ledger.MayExist(create(r)) }

// waiting are the SRV records that wait.
func (w *world) waiting() (ids []string) {
	for _, r := range []record.Record{web, second} {
		if w.Waiting()[r.Key()] != nil {
			ids = append(ids, r.SetID)
		}
	}
	return ids
}

func TestOf(t *testing.T) {
	assert.Equal(t, host.Name, target.Of(web))
	assert.Empty(t, target.Of(record.Record{Value: "nonsense"}))
}

// Where the host's own A record is refused, an SRV record waits, unless the name leads here all the same.
func TestSRVRecordWaitsForItsAddress(t *testing.T) {
	strangers := func(ips ...string) (found []record.Record) {
		for i, ip := range ips {
			r := a("10.0.0.1", fmt.Sprint("stranger", i))
			r.Value = ip
			found = append(found, r)
		}
		return found
	}
	tests := map[string]struct {
		current  []record.Record
		prepare  func(*world)
		sent     bool // the SRV record is created, or stays
		misleads bool
	}{
		"nothing is refused":        {nil, func(*world) {}, true, false},
		"refused, and not read yet": {nil, func(w *world) { w.refuse(host, "no") }, false, false},
		"refused, and there is none": {nil, func(w *world) {
			w.refuse(host, "no")
			w.Read(host, nil, start)
		}, false, false},
		"refused, and others' lead here": {nil, func(w *world) {
			w.refuse(host, "no")
			w.Read(host, strangers("10.0.0.1", "10.0.0.1"), start)
		}, true, false},
		"refused, and one leads elsewhere": {nil, func(w *world) {
			w.refuse(host, "no")
			w.Read(host, strangers("10.0.0.1", "10.9.9.9"), start)
		}, false, true},
		"refused, and a simple one has a value more": {nil, func(w *world) {
			w.refuse(host, "no")
			w.Read(host, strangers("10.0.0.1\n10.9.9.9"), start)
		}, false, true},
		"refused because of a CNAME": {nil, func(w *world) {
			w.refuse(host, "conflicting RRSet of type CNAME")
			w.Read(host, nil, start)
		}, false, true},
		"refused because of a CNAME, and there are addresses now": {nil, func(w *world) {
			w.refuse(host, "conflicting RRSet of type CNAME")
			w.Read(host, strangers("10.0.0.1"), start)
		}, true, false},
		"the address is in the zone, and its change refused": {[]record.Record{host}, func(w *world) {
			w.refuse(host, "no")
		}, true, false},
		"the address is in the zone with another value": {
			[]record.Record{func() record.Record { r := host; r.Value = "10.9.9.9"; return r }()},
			func(w *world) { w.refuse(host, "no") }, false, false,
		},
		"the address may be in the zone": {nil, func(w *world) {
			w.unconfirm(host)
			w.refuse(host, "no")
		}, false, false},
		"the SRV record is in the zone": {[]record.Record{web}, func(w *world) { w.refuse(host, "no") }, true, false},
		"the SRV record is in the zone, and the name leads elsewhere": {[]record.Record{web}, func(w *world) {
			w.refuse(host, "no")
			w.Read(host, strangers("10.9.9.9"), start)
		}, false, true},
		"the SRV record may be in the zone": {nil, func(w *world) {
			w.unconfirm(web)
			w.refuse(host, "no")
		}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(test.current...)
			w.desire(host, web)
			test.prepare(w)
			assert.Equal(t, test.misleads, w.Misleads(web))
			sends := false
			for _, c := range w.WithoutWaiting(w.changes()) {
				sends = sends || c.Record.Key() == web.Key() && c.Action != plan.Delete
			}
			stays := test.sent && len(test.current) > 0 && test.current[0] == web
			assert.Equal(t, test.sent, sends || stays)
			if test.sent {
				assert.Empty(t, w.waiting())
			} else {
				assert.Equal(t, []string{web.SetID}, w.waiting())
			}
		})
	}
}

// An SRV record that still points to an earlier address of the host is removed: another host may have that address.
func TestSRVRecordOfAnEarlierAddress(t *testing.T) {
	ec2 := srv(1, "ip-10-0-0-2.ec2.internal")
	tests := map[string]struct {
		current  record.Record
		refused  bool
		read     []record.Record // nil: not read
		misleads bool
	}{
		"its new address is refused":     {srv(1, moved.Name), true, nil, true},
		"its new address is not refused": {srv(1, moved.Name), false, nil, false},
		"its new address is refused, and others lead here": {srv(1, moved.Name), true,
			[]record.Record{a("10.0.0.1", "x")}, false},
		"it points to the new address already": {web, true, nil, false},
		"it points to EC2's name":              {ec2, true, nil, false},
		"there is none":                        {second, true, nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(test.current)
			w.desire(host, web)
			if test.refused {
				w.refuse(host, "no")
			}
			if test.read != nil {
				w.Read(host, test.read, start)
			}
			assert.Equal(t, test.misleads, w.Misleads(web))
		})
	}
}

// What points to a name of which this host keeps no A record is nobody's business here.
func TestOtherTargets(t *testing.T) {
	w := newWorld()
	ec2 := srv(1, "ip-10-0-0-1.ec2.internal")
	w.desire(host, ec2)
	w.refuse(host, "no")
	assert.False(t, w.Misleads(ec2))
	assert.False(t, w.Misleads(host), "an A record points nowhere")
	assert.Equal(t, changes{create(ec2)}, w.WithoutWaiting(changes{create(ec2)}))
	assert.Empty(t, w.Waiting())
	_, ok := w.ToRead()
	assert.False(t, ok, "no SRV record needs the name")
}

// With an address of its own among others of one name (containers of one task), one that is not refused will do.
func TestSeveralAddressesOfOneName(t *testing.T) {
	other := a("10.0.0.1", "other")
	w := newWorld()
	w.desire(host, other, web)
	w.refuse(host, "no")
	assert.Empty(t, w.Waiting())
	assert.Equal(t, changes{create(other), create(web)}, w.WithoutWaiting(changes{create(other), create(web)}))
	assert.Empty(t, w.WithoutWaiting(changes{create(web)}), "before that is written")
	w.refuse(other, "no")
	assert.Len(t, w.Waiting(), 1)
}

func TestWithoutWaiting(t *testing.T) {
	tests := map[string]struct {
		current []record.Record
		prepare func(*world)
		batch   changes
		want    changes
	}{
		"with its address":    {nil, nil, changes{create(host), create(web)}, changes{create(host), create(web)}},
		"behind its address":  {[]record.Record{host}, nil, changes{create(web)}, changes{create(web)}},
		"without its address": {nil, nil, changes{create(web)}, changes{}},
		"beside its address, which is held back": {
			nil, func(w *world) { w.refuse(host, "no") }, changes{create(host), create(web)}, changes{create(host)},
		},
		"beside the removal of its address": {nil, nil, changes{remove(host), create(web)}, changes{remove(host)}},
		"a removal waits for nothing":       {nil, nil, changes{remove(web)}, changes{remove(web)}},
		"a change of one that is there": {
			[]record.Record{web}, nil, changes{{
				Action: plan.Upsert,
				Record: web,
			}}, changes{{Action: plan.Upsert, Record: web}},
		},
		"a change of one that points elsewhere": {
			[]record.Record{srv(1, moved.Name)}, nil, changes{{Action: plan.Upsert, Record: web}}, changes{},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(test.current...)
			w.desire(host, web)
			if test.prepare != nil {
				test.prepare(w)
			}
			assert.Equal(t, test.want, w.WithoutWaiting(test.batch))
		})
	}
}

func TestCut(t *testing.T) {
	var removals changes
	for n := range 1001 {
		removals = append(removals, remove(srv(n, host.Name)))
	}
	known := func(batch changes) (current []record.Record) {
		for _, c := range batch {
			current = append(current, c.Record)
		}
		return current
	}
	t.Run("all fit", func(t *testing.T) {
		w := newWorld(host, web)
		w.desire()
		assert.Equal(t, changes{remove(web), remove(host)}, w.Cut(changes{remove(web), remove(host)}))
	})
	t.Run("an address goes with the last that points to it", func(t *testing.T) {
		w := newWorld(append(known(removals), host, moved)...)
		w.desire()
		all := append(append(changes{}, remove(host), remove(moved)), removals...)
		assert.Equal(t, append(changes{remove(moved)}, removals[:999]...), w.Cut(all))
		assert.Equal(t, append(changes{remove(host)}, removals[:1]...),
			w.Cut(append(changes{remove(host)}, removals[:1]...)))
	})
	t.Run("creations and other records do not hold an address", func(t *testing.T) {
		w := newWorld(host)
		w.desire()
		all := append(changes{remove(host), create(moved)}, removals[:1000]...) // of which the host has none
		assert.Equal(t, all[:1000], w.Cut(all))
	})
	t.Run("a batch that is narrowed down", func(t *testing.T) {
		w := newWorld(web, second)
		w.desire()
		w.quarantine.Narrow(changes{remove(web), remove(second)}, &plan.Refusal{Reason: plan.Invalid}, start)
		assert.Equal(t, changes{remove(web)}, w.Cut(changes{remove(web), remove(second)}))
		w = newWorld(web, host)
		w.desire()
		w.quarantine.Narrow(changes{remove(web), remove(host)}, &plan.Refusal{Reason: plan.Invalid}, start)
		assert.Equal(t, changes{remove(web)}, w.Cut(changes{remove(host), remove(web)}))
	})
}

// Of the names that are refused, the one that was read the longest time ago is read next.
func TestToRead(t *testing.T) {
	w := newWorld()
	_, ok := w.ToRead()
	assert.False(t, ok)
	third := a("10.0.0.3", "third")
	w.desire(host, moved, third, web, srv(2, moved.Name), srv(3, third.Name))
	_, ok = w.ToRead()
	assert.False(t, ok, "none is refused")
	w.refuse(host, "no")
	w.refuse(moved, "no")
	next := func() record.Record {
		own, ok := w.ToRead()
		assert.True(t, ok)
		return own
	}
	assert.Equal(t, host, next(), "by name")
	w.Read(host, nil, start)
	assert.Equal(t, moved, next())
	w.ReadFailed(moved.Name, start.Add(time.Second))
	assert.Equal(t, host, next())
	w.Read(host, nil, start.Add(time.Minute))
	assert.Equal(t, moved, next())
	w.desire(host, moved, web)
	assert.Equal(t, host, next(), "no SRV record points to the other any more")
}

func TestForget(t *testing.T) {
	w := newWorld()
	w.desire(host, web)
	w.refuse(host, "no")
	w.Read(host, []record.Record{a("10.0.0.1", "x")}, start)
	w.Forget()
	assert.Empty(t, w.Waiting(), "it leads here")
	w.quarantine.Update(nil, start) // it is not refused any more
	w.Forget()
	w.refuse(host, "no")
	assert.Len(t, w.Waiting(), 1, "where it leads is not known any more")
	keys, _ := w.NewlyWaiting()
	assert.Empty(t, keys, "nor is it read")
}

func TestNewlyWaiting(t *testing.T) {
	w := newWorld()
	w.desire(host, second, web)
	w.refuse(host, "no")
	keys, waiting := w.NewlyWaiting()
	assert.Empty(t, keys, "it is not known yet where the name leads")
	assert.Len(t, waiting, 2)
	w.Read(host, nil, start)
	keys, waiting = w.NewlyWaiting()
	assert.Equal(t, []record.Key{web.Key(), second.Key()}, keys)
	assert.Equal(t, "no", waiting[web.Key()].Message)
	keys, _ = w.NewlyWaiting()
	assert.Empty(t, keys, "each is reported once")
	w.desire(host, second)
	w.NewlyWaiting()
	w.desire(host, second, web)
	keys, _ = w.NewlyWaiting()
	assert.Equal(t, []record.Key{web.Key()}, keys, "it waits anew")
}
