package apply_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const every = 15 * time.Minute

func TestVerificationTakesTurns(t *testing.T) {
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.pass(24 * time.Hour)
		assert.InDelta(t, 96, z.groupCount(), 12)
		names := []string{"api.example", "db.example", "web.example"}
		for i, g := range z.groups {
			assert.Equal(t, names[i%3], g.name)
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
		assert.Equal(t, map[string]int{"records were not as this host had written them, mending": 1}, w.messages())
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
		assert.Equal(t, []call{{at: 20 * time.Minute, changes: []change{del(dotted)}}}, z.calls, "removed as it is listed")
	}, srv("web", 1))
}

func TestSweepersMarkIsKept(t *testing.T) {
	web := srv("web", 1)
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.put(marked(web))
		z.pass(20 * time.Minute)
		assert.Zero(t, z.callCount())
		assert.Empty(t, w.messages(), "nothing is mended")
		assert.Equal(t, plan.Known{web.Key(): {Record: marked(web), Run: "run 1"}}, z.saved)
		z.pass(2 * time.Hour)

		w.DoubtAll()
		z.pass(time.Minute)
		assert.Equal(t, []record.Record{marked(web)}, z.content(), "written again as it is, and kept")
		assert.Equal(t, 1, z.callCount())
		assert.Equal(t, "run 1", z.saved[web.Key()].Run)
		w.want(web, srv("api", 1))
		z.pass(time.Hour)
		assert.Contains(t, z.content(), marked(web))

		w.Want([]apply.Wish{{Record: web, Run: "run 2"}, {Record: srv("api", 1), Run: "run 1"}}, time.Now())
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
