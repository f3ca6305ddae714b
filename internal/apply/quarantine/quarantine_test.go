package quarantine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func at(after time.Duration) time.Time { return start.Add(after) }

type changes = []plan.Change

// create returns the creation of an SRV record of a name.
func create(name, id string) plan.Change {
	return plan.Change{Action: plan.Create, Record: record.Record{Name: name, Type: record.SRV, SetID: id}}
}

// upsert returns the change of a record that the host has.
func upsert(name, id string) plan.Change {
	c := create(name, id)
	c.Action = plan.Upsert
	return c
}

func remove(name, id string) plan.Change {
	c := create(name, id)
	c.Action = plan.Delete
	return c
}

var (
	a1, a2, a3, a4 = create("a.sd", "1"), create("a.sd", "2"), create("a.sd", "3"), create("a.sd", "4")
	b1, b2         = create("b.sd", "1"), create("b.sd", "2")
)

// host is a quarantine and what its host has to change.
type host struct {
	*quarantine.Quarantine
	all  changes
	held []quarantine.Held // as reported
}

func newHost(all ...plan.Change) *host {
	h := &host{all: all}
	h.Quarantine = quarantine.New(quarantine.Config{
		Adds:    func(c plan.Change) bool { return c.Action == plan.Create },
		Changes: func() []plan.Change { return h.all },
		OnHold:  func(held quarantine.Held) { h.held = append(h.held, held) },
		Jitter:  func() float64 { return 0.5 }, // so that no wait is longer or shorter
	})
	return h
}

// admit returns what may be sent now, and after how long something else may be; 0 where nothing else waits.
func (h *host) admit(now time.Time) (changes, time.Duration) {
	h.Update(h.all, now)
	admitted, due := h.Admit(h.all, now)
	if due.IsZero() {
		return admitted, 0
	}
	return admitted, due.Sub(start)
}

// narrow refuses a batch without a word on which change is at fault.
func (h *host) narrow(batch changes, reason plan.Reason, now time.Time) bool {
	return h.Narrow(batch, &plan.Refusal{Reason: reason, Message: "no"}, now)
}

func (h *host) assertAdmits(t *testing.T, now time.Time, want changes, due time.Duration, why ...any) {
	t.Helper()
	admitted, wait := h.admit(now)
	assert.Equal(t, want, admitted, why...)
	assert.Equal(t, due, wait, why...)
}

func TestWhatIsNotHeldIsAdmitted(t *testing.T) {
	h := newHost(a1, b1)
	assert.True(t, h.Empty())
	h.assertAdmits(t, start, changes{a1, b1}, 0)
	assert.Nil(t, h.Get(a1.Record.Key()))
	assert.Empty(t, h.List())
	assert.Nil(t, h.Find(func(*quarantine.Held) bool { return true }))
	assert.Equal(t, 5, h.Limit(5))
	assert.False(t, h.Narrowing())
}

func TestHeldChangeIsTriedAgainEachMinute(t *testing.T) {
	h := newHost(a1, b1)
	h.Hold(a1, plan.Invalid, "no", true, start)
	assert.False(t, h.Empty())
	h.assertAdmits(t, start, changes{b1}, time.Minute)
	h.assertAdmits(t, at(time.Hour), changes{b1}, time.Minute, "what is new goes without it")
	h.all = changes{a1}
	h.assertAdmits(t, at(time.Minute-1), nil, time.Minute)
	h.assertAdmits(t, at(time.Minute), changes{a1}, time.Minute)
	postpone := h.Postpone(changes{a1})
	h.Hold(a1, plan.Invalid, "no", true, at(time.Minute))
	postpone(at(time.Minute + time.Second))
	h.assertAdmits(t, at(time.Minute), nil, 2*time.Minute+time.Second)
	assert.Equal(t, []quarantine.Refused{{
		Change:  a1,
		Reason:  plan.Invalid,
		Message: "no",
		Advice:  quarantine.AdviceOn(plan.Invalid),
		Times:   2,
		Retry:   at(2*time.Minute + time.Second),
	}}, h.List())
	h.Passed(changes{a1}, at(3*time.Minute))
	assert.True(t, h.Empty())
}

func TestChangeIsReportedAgainOnlyForAnotherReason(t *testing.T) {
	h := newHost(a1)
	h.Hold(a1, plan.Invalid, "first", true, start)
	h.Hold(a1, plan.Invalid, "second", true, start)
	h.Hold(a1, plan.Conflict, "third", true, start)
	var messages []string
	for _, held := range h.held {
		messages = append(messages, held.Message)
	}
	assert.Equal(t, []string{"first", "third"}, messages)
	assert.Equal(t, 3, h.Get(a1.Record.Key()).Times)
	assert.Equal(t, plan.Conflict, h.Find(func(held *quarantine.Held) bool { return held.Times == 3 }).Reason)
	assert.Nil(t, h.Find(func(held *quarantine.Held) bool { return held.Times == 2 }))
}

func TestListIsSorted(t *testing.T) {
	h := newHost(b1, a2, a1)
	for _, c := range h.all {
		h.Hold(c, plan.Conflict, "no", true, start)
	}
	var keys []record.Key
	for _, refused := range h.List() {
		keys = append(keys, refused.Change.Record.Key())
	}
	assert.Equal(t, []record.Key{a1.Record.Key(), a2.Record.Key(), b1.Record.Key()}, keys)
}

func TestUpdateForgetsWhatIsNoLongerToBeDone(t *testing.T) {
	other := a1
	other.Record.Weight = 9
	tests := map[string]struct {
		held   plan.Change
		reason plan.Reason
		now    changes
		stays  bool
	}{
		"still to be done":                     {a1, plan.Invalid, changes{b1, a1}, true},
		"not to be done any more":              {a1, plan.Invalid, changes{b1}, false},
		"nothing to be done":                   {a1, plan.Invalid, nil, false},
		"a removal now":                        {a1, plan.Invalid, changes{remove("a.sd", "1")}, false},
		"a removal before":                     {remove("a.sd", "1"), plan.Invalid, changes{a1}, false},
		"an update now":                        {a1, plan.Invalid, changes{upsert("a.sd", "1")}, true},
		"an invalid one with other values":     {a1, plan.Invalid, changes{other}, false},
		"one of a full name with other values": {a1, plan.NameFull, changes{other}, true},
		"a removal that is refused stays": {remove("a.sd", "1"), plan.Conflict, changes{remove("a.sd", "1")},
			true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(test.now...)
			h.Hold(test.held, test.reason, "no", true, start)
			h.Update(h.all, start)
			assert.Equal(t, !test.stays, h.Empty())
			if test.stays {
				held := h.Get(a1.Record.Key())
				assert.Contains(t, test.now, held.Change, "as it is to be made now")
				return
			}
			h.Hold(test.held, test.reason, "no", true, at(time.Hour))
			assert.True(t, h.List()[0].Retry.After(at(time.Hour)), "the wait begins anew")
		})
	}
}

// What one change was refused for is certain for others: they are held back untried.
func TestUpdateHoldsWhatWouldBeRefused(t *testing.T) {
	a5 := upsert("a.sd", "5")
	tests := map[string]struct {
		refuse func(*host)
		free   changes // what is not held back
	}{
		"a denied name":     {func(h *host) { h.Hold(a1, plan.Denied, "no", false, start) }, changes{b1}},
		"an invalid change": {func(h *host) { h.Hold(a1, plan.Invalid, "no", true, start) }, changes{a2, a5, b1}},
		"a conflict":        {func(h *host) { h.Hold(a1, plan.Conflict, "no", true, start) }, changes{a2, a5, b1}},
		"a full name, closed": {func(h *host) { h.NoRoom(changes{a1}, plan.NameFull, a1.Record.Group(), "no", start) },
			changes{a5, b1}},
		"a full zone, closed": {func(h *host) { h.NoRoom(changes{a1}, plan.ZoneFull, record.Group{}, "no", start) },
			changes{a5}},
		"a full name that may have room": {
			func(h *host) { h.Hold(a1, plan.NameFull, "no", true, start) }, changes{a2, a5, b1},
		},
		"a full zone that may have room": {
			func(h *host) { h.Hold(a1, plan.ZoneFull, "no", true, start) }, changes{a2, a5, b1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(a1, a2, a5, b1)
			test.refuse(h)
			h.Update(h.all, start)
			var free changes
			for _, c := range h.all {
				if h.Get(c.Record.Key()) == nil {
					free = append(free, c)
				}
			}
			assert.Equal(t, test.free, free)
		})
	}
}

// A name that is not denied any more denies no other change.
func TestFreedDenialHoldsNothingElse(t *testing.T) {
	h := newHost(a1, a2)
	h.Hold(a1, plan.Denied, "no", false, start)
	h.Release(plan.Denied)
	h.Update(h.all, start)
	assert.Nil(t, h.Get(a2.Record.Key()))
	h.assertAdmits(t, start, changes{a2}, 0, "what is new goes first")
	h.all = changes{a1}
	h.assertAdmits(t, start, changes{a1}, 0)
}

func TestReleaseFreesOneReason(t *testing.T) {
	h := newHost(a1, b1)
	h.Hold(a1, plan.Denied, "no", false, start)
	h.Hold(b1, plan.Conflict, "no", true, start)
	h.Release(plan.Conflict)
	h.assertAdmits(t, start, changes{b1}, time.Minute)
	h.Release(plan.Invalid)
	h.assertAdmits(t, start, changes{b1}, time.Minute, "it stays free")
	h.Hold(b1, plan.Conflict, "no", true, start)
	h.assertAdmits(t, start, nil, time.Minute, "until it is refused again")
}

// One change is tried for all that are refused for a reason that does not name them: that tried the longest ago.
func TestOneOfManyIsTried(t *testing.T) {
	h := newHost(a1, b1, b2)
	for _, c := range (changes{b2, a1, b1}) {
		h.Hold(c, plan.Denied, "no", false, start)
	}
	h.assertAdmits(t, at(time.Minute), changes{b2}, time.Minute)
	postpone := h.Postpone(changes{b2})
	h.Hold(b2, plan.Denied, "no", false, at(time.Minute))
	postpone(at(time.Minute))
	h.assertAdmits(t, at(2*time.Minute), changes{a1}, 2*time.Minute)
	h.Passed(changes{a1}, at(2*time.Minute))
	h.all = changes{b1, b2}
	h.assertAdmits(t, at(2*time.Minute), changes{b1, b2}, 0, "that one is permitted frees all")
}

// All changes that messages have named are tried together: each is named again, in whatever batch.
func TestNamedChangesAreTriedTogether(t *testing.T) {
	h := newHost(a1, a2, b1, b2)
	h.Hold(a1, plan.Conflict, "no", true, start)
	h.Hold(b1, plan.Conflict, "no", true, start)
	h.Hold(a2, plan.Conflict, "no", false, start)
	h.Hold(b2, plan.Invalid, "no", true, at(time.Second))
	h.assertAdmits(t, at(time.Minute), changes{a1, b1}, time.Minute)
	h.Unnamed(changes{a1, b1}, map[plan.Change]plan.Reason{a1: plan.Conflict})
	h.assertAdmits(t, at(time.Minute), changes{b1}, time.Minute, "which was not named again")
	h.all = changes{b2}
	h.assertAdmits(t, at(2*time.Minute), changes{b2}, time.Minute+time.Second)
}

func TestNamedChangeIsTriedBeforeOneThatIsNot(t *testing.T) {
	h := newHost(a1, a2)
	h.Hold(a2, plan.Conflict, "no", false, start)
	h.Hold(a1, plan.Conflict, "no", true, start)
	h.assertAdmits(t, at(time.Minute), changes{a1}, time.Minute)
}

func TestNamedChangesOfOtherReasonsAreTriedOneByOne(t *testing.T) {
	h := newHost(a1, a2)
	for _, c := range h.all {
		h.Hold(c, plan.Mismatch, "no", true, start)
	}
	h.assertAdmits(t, at(time.Minute), changes{a1}, time.Minute)
}

// While a batch is narrowed down, no more than the limit is tried.
func TestLimitHoldsForWhatIsTriedAgain(t *testing.T) {
	h := newHost(a1, a2, b1, b2)
	assert.True(t, h.narrow(changes{a1, a2, b1, b2}, plan.Invalid, start))
	assert.Equal(t, 2, h.Limit(4))
	assert.Equal(t, 1, h.Limit(1))
	assert.True(t, h.narrow(changes{a1, a2}, plan.Invalid, start))
	assert.Equal(t, 1, h.Limit(4))
	for _, c := range h.all {
		h.Hold(c, plan.Conflict, "no", true, start)
	}
	h.assertAdmits(t, at(time.Minute), changes{a1}, time.Minute)
	h.Release(plan.Conflict)
	h.assertAdmits(t, at(time.Minute), changes{a1}, 0)
	h.StopNarrowing()
	assert.False(t, h.Narrowing())
	h.assertAdmits(t, at(time.Minute), changes{a1, a2, b1, b2}, 0)
}

func TestNarrowDownToTheBadChange(t *testing.T) {
	h := newHost(a1, a2, b1)
	assert.True(t, h.narrow(changes{a1, a2, b1}, plan.Invalid, start))
	assert.True(t, h.Narrowing())
	assert.Equal(t, 1, h.Limit(3))
	assert.False(t, h.narrow(changes{a1}, plan.Invalid, start), "it was alone")
	assert.Equal(t, plan.Invalid, h.Get(a1.Record.Key()).Reason)
	assert.Nil(t, h.Get(a2.Record.Key()))
	assert.True(t, h.Narrowing(), "there may be another bad change")
	h.assertAdmits(t, start, changes{a2, b1}, time.Minute)
	h.Passed(changes{a2}, start)
	assert.Equal(t, 2, h.Limit(3), "the limit doubles")
}

// Permissions go by name: one denied change of a name holds all others of that name and type.
func TestDenialOfOneHoldsItsName(t *testing.T) {
	h := newHost(a1, b1, a2)
	assert.False(t, h.narrow(changes{a1}, plan.Denied, start))
	assert.NotNil(t, h.Get(a1.Record.Key()))
	assert.NotNil(t, h.Get(a2.Record.Key()))
	assert.Nil(t, h.Get(b1.Record.Key()))
	assert.Equal(t, 1, h.Get(a1.Record.Key()).Times, "once")
	h = newHost(a1, a2)
	assert.False(t, h.narrow(changes{a1}, plan.Invalid, start))
	assert.Nil(t, h.Get(a2.Record.Key()), "another reason holds the one alone")
}

// Finding out which names are denied takes a call for each: after 12 within a minute the rest counts as denied.
func TestRestCountsAsDeniedAfterTwelveCalls(t *testing.T) {
	h := newHost(a1, a2, b1, b2)
	for range 11 {
		assert.True(t, h.narrow(changes{a1, a2}, plan.Denied, start))
	}
	assert.True(t, h.Empty())
	assert.True(t, h.narrow(changes{a1, a2}, plan.Denied, at(time.Minute-1)), "held back, which is a step")
	assert.False(t, h.Narrowing())
	assert.NotNil(t, h.Get(a1.Record.Key()))
	assert.NotNil(t, h.Get(a2.Record.Key()))
	assert.Nil(t, h.Get(b1.Record.Key()))
	assert.False(t, h.narrow(changes{b1}, plan.Denied, at(time.Minute-1)))
	assert.NotNil(t, h.Get(b2.Record.Key()))
	assert.True(t, h.narrow(changes{b1, b2}, plan.Denied, at(time.Minute)), "a new minute")
	assert.True(t, h.Narrowing())
}

func TestOtherRefusalsAreNotCountedAsDenied(t *testing.T) {
	h := newHost(a1, a2)
	for range 20 {
		assert.True(t, h.narrow(changes{a1, a2}, plan.Invalid, start))
	}
	assert.True(t, h.Empty())
	assert.True(t, h.Narrowing())
}

func TestKnownDenial(t *testing.T) {
	h := newHost(a1, a2, b1)
	assert.False(t, h.KnownDenial(changes{a1}))
	h.Hold(a1, plan.Denied, "no", false, start)
	h.Hold(b1, plan.Conflict, "no", true, start)
	assert.True(t, h.KnownDenial(changes{a1}))
	assert.False(t, h.KnownDenial(changes{a1, a2}), "one is new")
	assert.False(t, h.KnownDenial(changes{a1, b1}), "one was refused for another reason")
	h.narrow(changes{a1, a2}, plan.Denied, start)
	assert.True(t, h.KnownDenial(changes{a2}), "a part of a denied batch")
}

func TestNotDenied(t *testing.T) {
	h := newHost(a1, b1)
	h.Hold(a1, plan.Denied, "no", false, start)
	h.Hold(b1, plan.Denied, "no", false, start)
	h.NotDenied(changes{a2})
	h.assertAdmits(t, start, nil, time.Minute, "the batch held none that was denied")
	h.NotDenied(changes{a1})
	h.assertAdmits(t, start, changes{a1, b1}, 0)
}

func TestUnnamed(t *testing.T) {
	h := newHost(a1, a2, b1)
	h.Hold(a1, plan.Conflict, "no", true, start)
	h.Hold(a2, plan.Conflict, "no", true, start)
	h.Hold(b1, plan.NameFull, "no", true, start)
	h.Unnamed(changes{a1, a2, b1, b2}, map[plan.Change]plan.Reason{a2: plan.Conflict})
	h.assertAdmits(t, start, changes{a1}, 15*time.Second, "what finds no room is not free")
	assert.Nil(t, h.Get(b2.Record.Key()))
}

func TestFullName(t *testing.T) {
	group := a1.Record.Group()
	h := newHost(a1, a2, a3, a4, b1)
	assert.True(t, h.NoRoom(h.all, plan.NameFull, group, "full", start))
	h.assertAdmits(t, start, changes{a1, a2, b1}, 15*time.Second, "half of the additions are held back")
	assert.Nil(t, h.Get(b1.Record.Key()))
	h.Passed(changes{b1}, start)
	h.all = changes{a1, a2, a3, a4}
	assert.True(t, h.NoRoom(changes{a1, a2}, plan.NameFull, group, "full", start))
	h.assertAdmits(t, start, changes{a1}, 15*time.Second)
	assert.True(t, h.NoRoom(changes{a1}, plan.NameFull, group, "full", start))
	h.assertAdmits(t, start, nil, 15*time.Second)

	h.assertAdmits(t, at(15*time.Second), changes{a3}, 15*time.Second, "one is tried, the oldest")
	postpone := h.Postpone(changes{a3})
	assert.True(t, h.NoRoom(changes{a3}, plan.NameFull, group, "full", at(15*time.Second)))
	postpone(at(15 * time.Second))
	h.assertAdmits(t, at(15*time.Second), nil, 45*time.Second, "the wait doubles")
	h.Postpone(changes{a3})(at(45 * time.Second))
	h.assertAdmits(t, at(45*time.Second), nil, 105*time.Second, "up to a minute")
	h.Postpone(changes{a3})(at(105 * time.Second))
	h.assertAdmits(t, at(105*time.Second), nil, 165*time.Second)
}

// Where additions to a full name are tried again, all of them wait again.
func TestAllWaitAgainWhereOneWasTriedAgain(t *testing.T) {
	h := newHost(a1, a2, a3, a4)
	h.Hold(a1, plan.NameFull, "full", true, start)
	assert.True(t, h.NoRoom(h.all, plan.NameFull, a1.Record.Group(), "full", start))
	h.assertAdmits(t, start, nil, 15*time.Second)
}

func TestNoAdditionToAFullName(t *testing.T) {
	h := newHost(upsert("a.sd", "1"), b1)
	assert.False(t, h.NoRoom(h.all, plan.NameFull, a1.Record.Group(), "full", start))
	assert.True(t, h.Empty())
	assert.True(t, h.NoRoom(h.all, plan.ZoneFull, record.Group{}, "full", start), "to the zone there is one")
	assert.NotNil(t, h.Get(b1.Record.Key()))
}

// Of a full zone each addition counts, of whatever name; the message need not name a change.
func TestFullZone(t *testing.T) {
	h := newHost(a1, b1)
	assert.True(t, h.narrow(h.all, plan.ZoneFull, start))
	assert.False(t, h.Narrowing())
	h.assertAdmits(t, start, changes{a1}, 15*time.Second)
	h.all = changes{upsert("a.sd", "1"), upsert("a.sd", "2")}
	assert.True(t, h.narrow(h.all, plan.ZoneFull, start), "no addition is to blame")
	assert.Equal(t, 1, h.Limit(2))
}

func TestRoomThatOthersMake(t *testing.T) {
	h := newHost(a1, a2, a3, a4)
	for _, c := range h.all {
		assert.True(t, h.NoRoom(changes{c}, plan.NameFull, a1.Record.Group(), "full", start))
	}
	h.assertAdmits(t, at(15*time.Second), changes{a1}, 15*time.Second)
	h.all = changes{a2, a3, a4}
	h.Passed(changes{a1}, at(16*time.Second))
	h.assertAdmits(t, at(16*time.Second), changes{a2, a3}, 16*time.Second, "there was room, so twice as many follow")
	h.all = changes{a4}
	h.Passed(changes{a2, a3}, at(17*time.Second))
	h.assertAdmits(t, at(17*time.Second), changes{a4}, 17*time.Second)
	h.all = changes{a4, a1}
	h.Update(h.all, at(17*time.Second))
	assert.Nil(t, h.Get(a1.Record.Key()), "the name is not closed any more")
	assert.True(t, h.NoRoom(changes{a4}, plan.NameFull, a1.Record.Group(), "full", at(17*time.Second)))
	h.Postpone(changes{a4})(at(17 * time.Second))
	h.assertAdmits(t, at(17*time.Second), nil, 32*time.Second, "the wait is the shortest again")
}

// For each own record that is removed one that waits is tried at once, and no more than that.
func TestRoomThatTheHostMakes(t *testing.T) {
	h := newHost(a1, a2, a3, a4, b1)
	for _, c := range h.all {
		assert.True(t, h.NoRoom(changes{c}, plan.NameFull, c.Record.Group(), "full", start))
	}
	h.Removed(record.Group{Name: "c.sd", Type: record.SRV}, at(time.Second))
	h.assertAdmits(t, at(time.Second), nil, 15*time.Second, "another name")
	h.Removed(a1.Record.Group(), at(time.Second))
	h.Removed(a1.Record.Group(), at(2*time.Second))
	h.assertAdmits(t, at(2*time.Second), changes{a1, a2}, 2*time.Second)
	h.all = changes{a3, a4, b1}
	h.Passed(changes{a1, a2}, at(3*time.Second))
	h.assertAdmits(t, at(3*time.Second), nil, 15*time.Second, "that room is used up")
	h.assertAdmits(t, at(18*time.Second), changes{b1}, 15*time.Second)
	h.all = changes{a3, a4}
	h.assertAdmits(t, at(18*time.Second), changes{a3}, 18*time.Second)
}

func TestRoomForOneIsUsedUpByOne(t *testing.T) {
	h := newHost(a1, a2)
	for _, c := range h.all {
		assert.True(t, h.NoRoom(changes{c}, plan.NameFull, c.Record.Group(), "full", start))
	}
	h.Removed(a1.Record.Group(), start)
	h.assertAdmits(t, start, changes{a1}, 0)
	h.Passed(changes{a1}, start)
	h.all = changes{a2}
	h.assertAdmits(t, start, nil, 15*time.Second)
}

func TestRemovalMakesRoomInAFullZone(t *testing.T) {
	h := newHost(a1, b1)
	assert.True(t, h.narrow(changes{a1}, plan.ZoneFull, start))
	assert.True(t, h.NoRoom(changes{b1}, plan.ZoneFull, record.Group{}, "full", start))
	h.Removed(record.Group{Name: "c.sd", Type: record.A}, at(time.Second))
	h.assertAdmits(t, at(time.Second), changes{a1}, time.Second)
	h.Hold(a1, plan.Conflict, "no", true, at(time.Second))
	h.Removed(record.Group{Name: "c.sd", Type: record.A}, at(2*time.Second))
	h.all = changes{a1}
	h.assertAdmits(t, at(2*time.Second), nil, time.Minute+time.Second, "other refusals do not wait for room")
}

// Of two causes of which changes are due, the one due first is tried; of equals always the same.
func TestWhichCauseIsTriedFirst(t *testing.T) {
	c1 := plan.Change{Action: plan.Create, Record: record.Record{Name: "a.sd", Type: record.A, SetID: "1"}}
	tests := map[string]struct {
		hold  func(h *host)
		first plan.Change
	}{
		"the one due first": {func(h *host) {
			h.Hold(a1, plan.Conflict, "no", true, at(time.Second))
			h.Hold(b1, plan.Invalid, "no", true, start)
		}, b1},
		"by reason": {func(h *host) {
			h.Hold(a1, plan.Invalid, "no", true, start)
			h.Hold(b1, plan.Denied, "no", false, start)
		}, b1},
		"by name": {func(h *host) {
			h.Hold(b1, plan.NameFull, "no", true, start)
			h.Hold(a1, plan.NameFull, "no", true, start)
		}, a1},
		"by type": {func(h *host) {
			h.Hold(a1, plan.NameFull, "no", true, start)
			h.Hold(c1, plan.NameFull, "no", true, start)
		}, c1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for range 20 { // maps are walked in any order
				h := newHost(a1, b1, c1)
				test.hold(h)
				h.all = nil
				for _, refused := range h.List() {
					h.all = append(h.all, refused.Change)
				}
				admitted, _ := h.admit(at(time.Hour))
				assert.Equal(t, changes{test.first}, admitted)
			}
		})
	}
}

func TestPostponeOfNothing(t *testing.T) {
	h := newHost(a1)
	h.Hold(a1, plan.Denied, "no", false, start)
	h.Postpone(changes{b1})(at(time.Hour))
	h.assertAdmits(t, at(time.Second), nil, time.Minute)
	postpone := h.Postpone(changes{a1})
	h.Passed(changes{a1}, at(time.Second))
	h.all = nil
	h.Update(nil, at(time.Second))
	assert.NotPanics(t, func() { postpone(at(time.Hour)) })
}

func TestAdvice(t *testing.T) {
	address := record.Record{Name: "ip-10-0-0-1.sd", Type: record.A}
	service := record.Record{Name: "web.sd", Type: record.SRV}
	const cname = "RRSet of type SRV with DNS name web.sd. is not permitted because a conflicting RRSet of type  " +
		"'CNAME' with the same DNS name already exists"
	const simple = "RRSet with DNS name web.sd., type SRV, SetIdentifier 1 cannot be created as a non-weighted set " +
		"exists"
	tests := map[string]struct {
		held    quarantine.Held
		begins  string
		byCNAME bool
	}{
		"full name": {quarantine.Held{Reason: plan.NameFull}, "Route 53 holds at most 100", false},
		"a CNAME": {
			quarantine.Held{Reason: plan.Conflict, Message: cname, Change: plan.Change{Record: service}},
			"a CNAME record has this name", true,
		},
		"a CNAME of another name": {
			quarantine.Held{
				Reason:  plan.Conflict,
				Message: cname,
				Change:  plan.Change{Record: record.Record{Name: "b.sd", Type: record.SRV}},
			},
			"a record set that ecssd does not own", true,
		},
		"a CNAME and another reason": {
			quarantine.Held{
				Reason:  plan.Invalid,
				Message: cname,
				Change:  plan.Change{Record: service},
			}, "see the message",
			true,
		},
		"a simple record beside a CNAME of another name": {
			quarantine.Held{
				Reason:  plan.Conflict,
				Message: simple + ", RRSet with DNS name b.sd. conflicts with one of type CNAME",
				Change:  plan.Change{Record: service},
			},
			"a record set that ecssd does not own", true,
		},
		"an address in the way": {
			quarantine.Held{Reason: plan.Conflict, Message: simple, Change: plan.Change{Record: address}},
			"an A record that is not weighted", false,
		},
		"a denied address": {
			quarantine.Held{Reason: plan.Denied, Change: plan.Change{Record: address}},
			"allow route53:ChangeResourceRecordSets on this hosted zone for A records", false,
		},
		"an invalid address": {
			quarantine.Held{Reason: plan.Invalid, Change: plan.Change{Record: address}}, "see the message", false,
		},
		"a denied service": {
			quarantine.Held{Reason: plan.Denied, Change: plan.Change{Record: service}},
			"allow route53:ChangeResourceRecordSets on this hosted zone for this name", false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			advice := test.held.Advice()
			assert.Equal(t, test.begins, advice[:min(len(advice), len(test.begins))])
			assert.Equal(t, test.byCNAME, test.held.ByCNAME())
		})
	}
	assert.Empty(t, quarantine.AdviceOn(plan.Mismatch))
}
