package apply_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const every = 15 * time.Minute

// hostAddress is the record of this host's address.
func hostAddress() record.Record {
	return record.Record{
		Name:   "ip-10-0-0-1.example",
		Type:   record.A,
		SetID:  "i-1:host:-",
		TTL:    60,
		Weight: 1,
		Value:  "10.0.0.1",
	}
}

// Each name was read by itself, so that with 20 names a lost record was missing for 5 hours, and the host's address as
// long.
func TestVerificationOfAZoneOfOnePage(t *testing.T) {
	var has []record.Record
	for i := range 60 {
		has = append(has, srv(fmt.Sprintf("%c%d", 'a'+i%26, i), i))
	}
	has = append(has, hostAddress())
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.put(others("other", 100)...)
		for i, lost := range has {
			z.pass(20 * time.Minute)
			z.remove(lost)
			z.pass(every*5/4 + time.Second)
			require.Contains(t, z.content(), lost, "%d: %s", i, lost.Name)
		}
		hours := time.Since(z.start).Hours()
		assert.InDelta(t, 4*hours, z.groupCount(), hours, "one call in 15 minutes")
	}, has...)
}

// In a zone of several pages each page with own names has its turn, and the address of the host comes first.
func TestVerificationOfAZoneOfSeveralPages(t *testing.T) {
	var has []record.Record
	for _, name := range []string{"a1", "a2", "c1", "f1", "f2", "m1", "t1", "t2", "z1"} {
		has = append(has, srv(name, len(has)))
	}
	has = append(has, hostAddress())
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.pageSize = 10 })
		for _, name := range []string{"b", "d", "e", "g", "h", "n", "o", "s", "u", "y"} {
			z.put(others(name, 7)...)
		}
		z.remove(hostAddress())
		z.pass(every * 5 / 4)
		assert.Contains(t, z.content(), hostAddress())
		assert.Equal(t, "ip-10-0-0-1.example", z.groups[0].name)
		z.pass(3 * time.Hour)
		begun := z.groupCount()
		round := map[string]bool{}
		for _, g := range z.groups[begun-7:] {
			round[g.name] = true
		}
		pages := len(round)
		assert.LessOrEqual(t, pages, 7)
		for _, lost := range has {
			z.pass(7 * time.Minute)
			z.remove(lost)
			z.pass(time.Duration(pages+1) * every * 5 / 4)
			require.Contains(t, z.content(), lost, lost.Name)
		}
		hours := time.Since(z.start).Hours()
		assert.InDelta(t, 4*hours, z.groupCount(), hours, "one call in 15 minutes")
		assert.Equal(t, len(has)+1, z.callCount(), "nothing but what was lost is written again")
	}, has...)
}

// A name that is longer than a page ends beyond it: what is not seen of it is not missing.
func TestNameThatGoesOnBehindThePage(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.pageSize = 60 })
		z.put(others("web", 50)...) // whose identifiers sort behind ours
		z.put(others("a", 20)...)
		z.pass(6 * time.Hour)
		assert.Zero(t, z.callCount())
		assert.Empty(t, w.messages())
		z.remove(srv("web", 1))
		z.pass(time.Hour)
		assert.Contains(t, z.content(), srv("web", 1))
	}, srv("web", 1), srv("web", 2), srv("b", 1))
}

// DNS knows the host's address no more: somebody has removed the record, or the resolver still says what it was told
// then.
func TestAddressThatDNSDoesNotKnow(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.pass(5 * time.Minute)
		z.remove(hostAddress())
		w.AddressMissing()
		z.pass(0)
		assert.Contains(t, z.content(), hostAddress())
		assert.Equal(t, 1, z.groupCount())
		z.remove(hostAddress())
		w.AddressMissing()
		z.pass(0)
		assert.Contains(t, z.content(), hostAddress(), "again")
		seen := z.groupCount()
		for range 120 {
			w.AddressMissing()
			z.pass(time.Minute)
		}
		assert.InDelta(t, 8+8, z.groupCount()-seen, 4, "beside those in turn one in 15 minutes")
	}, hostAddress(), srv("web", 1))
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.groupErr = errLost })
		z.remove(hostAddress())
		w.AddressMissing()
		z.pass(30 * time.Second)
		z.set(func() { z.groupErr = nil })
		z.pass(time.Minute)
		assert.Contains(t, z.content(), hostAddress(), "what failed is tried again soon")
	}, hostAddress(), srv("web", 1))
	running(t, every, func(t *testing.T, z *zone, w writer) {
		w.AddressMissing()
		z.pass(time.Minute)
		assert.Zero(t, z.groupCount(), "the host has none")
	}, srv("web", 1))
}

// A pass of the sweeper that began while the host was down may remove its records after it is back.
func TestAddressIsReadAgainAfterTheHostIsBack(t *testing.T) {
	running(t, time.Hour, func(t *testing.T, z *zone, w writer) {
		w.MarkAllUnconfirmed()
		z.pass(3 * time.Minute)
		z.remove(hostAddress())
		z.pass(3*time.Minute + time.Second)
		assert.Contains(t, z.content(), hostAddress())
		assert.Equal(t, 1, z.groupCount())
	}, hostAddress(), srv("web", 1))
}

func TestVerificationTakesTurns(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.pass(24 * time.Hour)
		assert.InDelta(t, 96, z.groupCount(), 12)
		for i, g := range z.groups {
			assert.Equal(t, "api.example", g.name, "all is on the page that begins with the first")
			if i > 0 {
				gap := g.at - z.groups[i-1].at
				assert.GreaterOrEqual(t, gap, every*3/4)
				assert.LessOrEqual(t, gap, every*5/4)
			}
		}
		assert.Zero(t, z.callCount())
		assert.Empty(t, w.messages())
	}, srv("web", 1), srv("web", 2), srv("api", 1), srv("db", 1))
}

func TestNoVerification(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.pass(24 * time.Hour)
		assert.Zero(t, z.groupCount())
	}, srv("web", 1))
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.pass(24 * time.Hour)
		assert.Zero(t, z.groupCount(), "nothing of ours to read")
		w.want(srv("web", 1))
		z.pass(20 * time.Minute)
		assert.Positive(t, z.groupCount())
	})
}

func TestVerificationMends(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		edited := srv("web", 2)
		edited.Value = "1 1 9 evil.example"
		stray := srv("web", 3) // ours by its identifier, and not wanted
		hers := foreign("web", 4)
		z.remove(srv("web", 1))
		z.put(edited, stray, hers)
		z.pass(20 * time.Minute)
		assert.Equal(t, sorted([]record.Record{srv("web", 1), srv("web", 2), hers}), z.content())
		assert.Equal(t, 1, z.callCount())
		assert.Equal(t, 1, z.groupCount())
		assert.Equal(t, known(srv("web", 1), srv("web", 2)), z.saved)
		assert.Equal(
			t,
			map[string]int{"records in the zone differ from what this host wrote; restoring them": 1},
			w.messages(),
		)
	}, srv("web", 1), srv("web", 2))
}

// What Route 53 writes in another way is what was written.
func TestVerificationOfSpelling(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		dotted := srv("web", 1)
		dotted.Value += "."
		z.put(dotted)
		z.pass(20 * time.Minute)
		assert.Zero(t, z.callCount())
		assert.Empty(t, w.messages())
		w.want()
		z.pass(0)
		assert.Equal(t, []call{
			{at: 20 * time.Minute, changes: []change{del(dotted)}},
		}, z.calls, "removed as it is listed")
	}, srv("web", 1))
}

func TestSweepersMarkIsKept(t *testing.T) {
	web := srv("web", 1)
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.put(marked(web))
		z.pass(20 * time.Minute)
		assert.Zero(t, z.callCount())
		assert.Empty(t, w.messages(), "nothing is mended")
		assert.Equal(t, plan.Current{web.Key(): {Record: marked(web), Run: "run 1"}}, z.saved)
		z.pass(2 * time.Hour)

		w.MarkAllUnconfirmed()
		z.pass(time.Minute)
		assert.Equal(t, []record.Record{marked(web)}, z.content(), "written again as it is, and kept")
		assert.Equal(t, 1, z.callCount())
		assert.Equal(t, "run 1", z.saved[web.Key()].Run)
		w.want(web, srv("api", 1))
		z.pass(time.Hour)
		assert.Contains(t, z.content(), marked(web))

		w.SetDesired([]plan.Desired{{Record: web, Run: "run 2"}, {Record: srv("api", 1), Run: "run 1"}}, time.Now())
		z.pass(0)
		assert.Equal(t, sorted([]record.Record{web, srv("api", 1)}), z.content())
	}, web)
}

// The container stops: its marked record is removed though it was written otherwise.
func TestMarkedRecordIsRemoved(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(marked(srv("web", 1)))
		w.want()
		z.pass(0)
		assert.Empty(t, z.content())
		assert.Equal(t, 2, z.callCount())
	}, srv("web", 1))
}

// Priority 2 with a weight, or weight 0 with priority 1, is nobody's mark.
func TestOtherEditsAreNoMark(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		weightless, second := srv("web", 1), srv("web", 2)
		weightless.Weight = 0
		second.Value = "2" + second.Value[1:]
		z.put(weightless, second)
		z.pass(20 * time.Minute)
		assert.Equal(t, []record.Record{srv("web", 1), srv("web", 2)}, z.content())
	}, srv("web", 1), srv("web", 2))
}

func TestVerificationSlowsDownWhileThrottled(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.groupErr = plan.ErrThrottled })
		z.pass(72 * time.Hour)
		assert.LessOrEqual(t, z.groupCount(), 12, "each wait is about twice as long, up to 16 h")
		assert.GreaterOrEqual(t, z.groupCount(), 7)
		for i := 2; i < 6; i++ {
			assert.Greater(t, z.groups[i].at-z.groups[i-1].at, z.groups[i-1].at-z.groups[i-2].at)
		}
		z.set(func() { z.groupErr = nil })
		z.pass(21 * time.Hour)
		seen := z.groupCount()
		z.pass(4 * time.Hour)
		assert.GreaterOrEqual(t, z.groupCount()-seen, 12)
		assert.Zero(t, z.callCount())
	}, srv("web", 1))
}

// A name that cannot be read must not be thought empty.
func TestVerificationThatFailsChangesNothing(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.groupErr = errLost })
		z.pass(2 * time.Hour)
		assert.Greater(t, z.groupCount(), 5)
		assert.Zero(t, z.callCount())
		assert.Contains(t, w.zone.saved, srv("web", 1).Key())
	}, srv("web", 1))
}

func TestNoVerificationWhileWritesWait(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.fault = throttled })
		w.want(srv("web", 1), srv("web", 2))
		z.pass(5 * time.Hour)
		assert.Zero(t, z.groupCount())
		z.set(func() { z.fault = nil })
		z.pass(time.Hour)
		assert.Positive(t, z.groupCount())
	}, srv("web", 1))
}

// A change that is refused for months does not wait in the sense that verification ends.
func TestVerificationGoesOnBesideQuarantine(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name == "bad.example" } })
		w.want(srv("web", 1), srv("bad", 1))
		z.pass(6 * time.Hour)
		assert.Greater(t, z.groupCount(), 15)
	}, srv("web", 1))
}

// A reading that hangs does not hold up a removal: its container still answers for a while, often not for long.
func TestReadingIsBrokenOffForAChange(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.groupLatency = time.Hour })
		for z.groupCount() == 0 {
			z.pass(time.Second)
		}
		w.want(srv("api", 1))
		z.pass(0)
		assert.Equal(t, []record.Record{srv("api", 1)}, z.content())
		assert.Empty(t, w.messages(), "nothing has failed")
		z.set(func() { z.groupLatency = 0 })
		z.pass(10 * time.Second)
		assert.Equal(t, 2, z.groupCount(), "read once more, soon")
	}, srv("api", 1), srv("web", 1))
}

// What is wanted anew and changes nothing leaves the reading alone.
func TestReadingGoesOnWhereNothingChanges(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.groupLatency = 3 * time.Second })
		for z.groupCount() == 0 {
			z.pass(time.Second)
		}
		w.want(srv("web", 1))
		z.pass(5 * time.Second)
		assert.Equal(t, 1, z.groupCount())
	}, srv("web", 1))
}
