package apply_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func TestOneWishIsOneCallAtOnce(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(srv("web", 1))
		z.pass(0)
		assert.Equal(t, []call{{at: 0, changes: []change{upsert(srv("web", 1))}}}, z.calls)
		z.pass(time.Hour)
		assert.Equal(t, 1, z.callCount())
		assert.Zero(t, z.groupCount())
		assert.Equal(t, known(srv("web", 1)), z.saved)
		assert.Empty(t, w.messages(), "a quiet host is a quiet log")
	})
}

func TestNothingToDoIsNoCall(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(srv("web", 1))
		z.pass(time.Hour)
		assert.Zero(t, z.callCount())
	}, srv("web", 1))
}

// 40 containers that start over 4 s cost 6 calls, and none is in DNS more than 2 s late.
func TestBurst(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.latency = 50 * time.Millisecond })
		for n := 1; n <= 40; n++ {
			w.want(many("web", n)...)
			z.pass(100 * time.Millisecond)
		}
		z.pass(2 * time.Second)
		times, sizes := z.times()
		assert.Equal(t, []time.Duration{at(0), at(250), at(750), at(1750), at(3750), at(5750)}, times)
		assert.Equal(t, []int{1, 2, 5, 10, 20, 2}, sizes)
		assert.Equal(t, sorted(many("web", 40)), z.content())

		z.pass(2 * time.Second) // of quiet: the next is a first one again
		w.want(many("web", 41)...)
		z.pass(100 * time.Millisecond)
		w.want(many("web", 42)...)
		z.pass(time.Second)
		times, _ = z.times()
		assert.Equal(t, []time.Duration{at(8000), at(8250)}, times[6:])
	})
}

// Without 2 s of quiet there is no first change again.
func TestGapsStayLongWhileChangesComeOn(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		for n := 1; n <= 20; n++ {
			w.want(many("web", n)...)
			z.pass(time.Second)
		}
		times, _ := z.times()
		for i := 4; i < len(times); i++ {
			assert.Equal(t, 2*time.Second, times[i]-times[i-1])
		}
	})
}

func TestRemovalWaitsHalfASecondAtMost(t *testing.T) {
	for _, offset := range []time.Duration{0, at(10), at(500), at(990), at(1400), at(1499), at(1990)} {
		t.Run(offset.String(), func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				for n := 1; n <= 50; n++ { // additions that come on and on: calls are 2 s apart
					w.want(append(many("web", n), srv("old", 1))...)
					z.pass(100 * time.Millisecond)
				}
				z.pass(offset)
				removed := time.Since(z.start)
				w.want(many("web", 50)...)
				z.pass(3 * time.Second)
				for _, c := range z.calls {
					if c.changes[0] == del(srv("old", 1)) {
						assert.LessOrEqual(t, c.at-removed, 500*time.Millisecond)
						return
					}
				}
				t.Error("never removed")
			}, srv("old", 1))
		})
	}
}

func TestStartAndStopOfOneContainerWaitForNothing(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(srv("web", 1))
		z.pass(20 * time.Millisecond)
		w.want()
		z.pass(0)
		assert.Equal(t, []call{
			{at: 0, changes: []change{upsert(srv("web", 1))}},
			{at: at(20), changes: []change{del(srv("web", 1))}},
		}, z.calls)
	})
}

// A container that is replaced costs one call, and the old record goes first.
func TestReplacementIsOneCall(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(srv("web", 2))
		z.pass(0)
		assert.Equal(t, []call{{at: 0, changes: []change{del(srv("web", 1)), upsert(srv("web", 2))}}}, z.calls)
	}, srv("web", 1))
}

func TestChangesGatherWhileACallIsInFlight(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.latency = 3 * time.Second })
		for n := 1; n <= 20; n++ {
			w.want(many("web", n)...)
			z.pass(100 * time.Millisecond)
		}
		z.pass(10 * time.Second)
		times, sizes := z.times()
		assert.Equal(t, []int{1, 19}, sizes)
		assert.Equal(t, []time.Duration{0, 3 * time.Second}, times)
	})
}

// What came and went while a call was in flight is never written.
func TestComeAndGoneDuringACall(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.latency = time.Second })
		w.want(srv("web", 1))
		z.pass(at(100))
		w.want(srv("web", 1), srv("web", 2))
		z.pass(at(100))
		w.want(srv("web", 1))
		z.pass(time.Minute)
		assert.Equal(t, 1, z.callCount())
	})
}

func TestTheNewestStateIsRetried(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.fault = throttled })
		w.want(srv("web", 1), srv("web", 2))
		z.pass(10 * time.Second)
		w.want(srv("web", 2), srv("web", 3))
		z.pass(0)
		seen := z.callCount()
		assert.Greater(t, seen, 1)
		z.set(func() { z.fault = nil })
		z.pass(time.Minute)
		assert.Equal(t, []change{upsert(srv("web", 2)), upsert(srv("web", 3))}, z.calls[seen].changes)
		assert.Equal(t, seen+1, z.callCount())
		assert.Equal(t, known(srv("web", 2), srv("web", 3)), z.saved)
	})
}

// What was withdrawn before it could be written is forgotten: it is in no doubt, and needs no call.
func TestWithdrawnDuringBackoff(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.fault = throttled })
		w.want(srv("web", 1))
		z.pass(10 * time.Second)
		w.want()
		z.pass(0)
		seen := z.callCount()
		z.set(func() { z.fault = nil })
		z.pass(time.Minute)
		assert.Equal(t, seen, z.callCount())
		assert.Empty(t, z.content())
	})
}

func TestThrottlingIsWaitedOut(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.fault = throttled })
		w.want(many("web", 40)...)
		z.pass(20 * time.Second)
		assert.Less(t, z.callCount(), 20)
		assert.Error(t, w.Status().Err)
		assert.Len(t, w.Status().Pending, 40)
		z.pass(10 * time.Minute)
		times, _ := z.times()
		longest := time.Duration(0)
		for i := 1; i < len(times); i++ {
			longest = max(longest, times[i]-times[i-1])
		}
		assert.LessOrEqual(t, longest, 14125*time.Millisecond, "within 15 s of the last throttled call all is right")
		assert.Greater(t, longest, 7*time.Second)
		assert.LessOrEqual(t, w.messages()["Route 53 does not take changes, trying again"], 11, "once a minute")

		z.set(func() { z.fault = nil })
		z.pass(20 * time.Second)
		assert.Equal(t, sorted(many("web", 40)), z.content())
		assert.NoError(t, w.Status().Err)
		assert.Empty(t, w.Status().Pending)
		assert.False(t, w.Status().LastGood.IsZero())
		assert.Equal(t, 1, w.messages()["Route 53 takes changes again"])
	})
}

// waits gives the times between calls, from the i-th on.
func (z *zone) waits(i int) (waits []time.Duration) {
	times, _ := z.times()
	for i++; i < len(times); i++ {
		waits = append(waits, times[i]-times[i-1])
	}
	return waits
}

// What each trouble costs: a zone that is busy with another host's change is free in a moment, an account whose quota is used
// up often is not.
func TestEachTroubleHasItsPace(t *testing.T) {
	for name, test := range map[string]struct {
		fault            func() (error, bool)
		least, most      int // calls in 10 minutes
		shortest, longer time.Duration
		longest          time.Duration
	}{
		"throttled": {throttled, 45, 80, 6 * time.Second, 10 * time.Second, 14125 * time.Millisecond},
		"zone busy": {zoneBusy, 190, 300, 0, 3 * time.Second, 4 * time.Second},
		"outage":    {lostRequest, 80, 160, 0, 8 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.set(func() { z.fault = test.fault })
				w.want(srv("web", 1))
				z.pass(10 * time.Minute)
				assert.GreaterOrEqual(t, z.callCount(), test.least)
				assert.LessOrEqual(t, z.callCount(), test.most)
				waits := z.waits(8)
				assert.GreaterOrEqual(t, slices.Min(waits), test.shortest)
				assert.Greater(t, slices.Max(waits), test.longer)
				assert.LessOrEqual(t, slices.Max(waits), test.longest)
			})
		})
	}
}

// A host that has had its turn on a busy account is not ahead of those that wait for theirs, until a minute later.
func TestBusyAccountIsRemembered(t *testing.T) {
	for name, test := range map[string]struct {
		quiet   time.Duration
		atLeast time.Duration // the first wait, when it is throttled again
		atMost  time.Duration
	}{
		"at once":        {0, 7 * time.Second, 14125 * time.Millisecond},
		"a minute later": {75 * time.Second, 0, 2125 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.set(func() { z.fault = throttled })
				w.want(srv("web", 1))
				z.pass(2 * time.Minute)
				z.set(func() { z.fault = nil })
				for len(z.content()) == 0 {
					z.pass(10 * time.Millisecond)
				}
				z.set(func() { z.fault = throttled })
				z.pass(test.quiet)
				again := z.callCount()
				w.want(srv("web", 1), srv("web", 2))
				z.pass(30 * time.Second)
				first := z.waits(again)[0]
				assert.GreaterOrEqual(t, first, test.atLeast)
				assert.LessOrEqual(t, first, test.atMost)
			})
		})
	}
}

// What a host has seen of a busy account is forgotten by half with each call that gets through.
func TestBusyAccountIsForgottenCallByCall(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.fault = throttled })
		w.want(srv("web", 1))
		z.pass(30 * time.Second)
		z.set(func() { z.fault = nil })
		z.pass(15 * time.Second)
		for n := 2; n <= 11; n++ {
			w.want(many("web", n)...)
			z.pass(3 * time.Second)
			assert.Len(t, z.content(), n)
		}
		z.set(func() { z.fault = throttled })
		again := z.callCount()
		w.want(many("web", 12)...)
		z.pass(20 * time.Second)
		assert.LessOrEqual(t, z.waits(again)[0], 2125*time.Millisecond, "as if it were throttled for the first time")
	})
}

// If a throttled call costs what is in the account's bucket, a fleet gets through only where its calls leave the bucket time to
// fill: they are made at the same moments.
func TestThrottledCallsAreRepeatedOnTheGrid(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.pass(at(37)) // the first call is not on the grid, and nobody waits for it to be
		z.set(func() { z.fault = throttled; z.latency = at(81) })
		w.want(srv("web", 1))
		z.pass(time.Hour)
		times, _ := z.times()
		assert.Equal(t, at(37), times[0])
		for _, called := range times[1:] {
			assert.Zero(t, z.start.Add(called).UnixMilli()%125, "%v", called)
		}
	})
}

// A call whose answer never comes is given up, and made again.
func TestSlowCallIsGivenUp(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.latency = time.Hour })
		w.want(srv("web", 1))
		z.pass(9 * time.Second)
		z.set(func() { z.latency = 0 })
		z.pass(30 * time.Second)
		assert.Equal(t, []record.Record{srv("web", 1)}, z.content())
	})
}

func TestLongLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		z.nameMax = 5000
		w := newWriter(z, nil, 0)
		w.want(many("web", 1200)...)
		assert.NoError(t, w.Settle(t.Context()))
		_, sizes := z.times()
		assert.Equal(t, []int{500, 500, 200}, sizes)
		w.want()
		assert.NoError(t, w.Settle(t.Context()))
		_, sizes = z.times()
		assert.LessOrEqual(t, len(sizes), 3+3)
		assert.Empty(t, z.content())
		assert.Equal(t, plan.Known{}, z.saved)
	})
}
