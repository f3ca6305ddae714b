package apply_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func TestOneWishIsOneCallAtOnce(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(srv("web", 1))
		z.pass(0)
		assert.Equal(t, []call{{at: 0, changes: []change{create(srv("web", 1))}}}, z.calls)
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

// latency is what a call takes in the tests of an idle account.
const latency = 80 * time.Millisecond

// delays has n containers start, one each interval, and then has them stop. It returns how long after the start, or the
// stop signal, Route 53 had answered the call that told of it.
func delays(z *zone, w writer, n int, interval time.Duration) (started, stopped []time.Duration) {
	z.set(func() { z.latency = latency })
	wanted := map[change]time.Duration{}
	for i := 1; i <= n; i++ {
		wanted[create(srv("web", i-1))] = time.Since(z.start)
		w.want(many("web", i)...)
		z.pass(interval)
	}
	for i := n - 1; i >= 0; i-- {
		wanted[del(srv("web", i))] = time.Since(z.start)
		w.want(many("web", i)...)
		z.pass(interval)
	}
	z.pass(time.Minute)
	for _, c := range z.calls {
		for _, change := range c.changes {
			took := c.at + latency - wanted[change]
			switch {
			case c.err != nil:
			case change.Action == plan.Delete:
				stopped = append(stopped, took)
			default:
				started = append(started, took)
			}
		}
	}
	slices.Sort(started)
	slices.Sort(stopped)
	return started, stopped
}

// On an account that nobody throttles nothing waits but for the answer, at up to two changes a second.
func TestIdleAccount(t *testing.T) {
	for _, interval := range []time.Duration{500 * time.Millisecond, time.Second, 3 * time.Second, 20 * time.Second} {
		t.Run(interval.String(), func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				started, stopped := delays(z, w, 20, interval)
				require.Len(t, started, 20)
				require.Len(t, stopped, 20)
				assert.Equal(t, latency, started[19])
				assert.Equal(t, latency, stopped[19])
			})
		})
	}
}

// route53 throttles a zone's calls as Route 53 throttles those of an account.
func (z *zone) route53(burst, perSecond float64) (refused *int) {
	tokens, at, refused := burst, time.Now(), new(int)
	z.set(func() {
		z.fault = func() (error, bool) {
			now := time.Now()
			tokens, at = min(burst, tokens+now.Sub(at).Seconds()*perSecond), now
			if tokens < 1 {
				*refused++
				return throttled()
			}
			tokens--
			return nil, true
		}
	})
	return refused
}

// 40 containers that start over 5 s, and stop over 5 s, cost 20 calls each at most, and nothing waits longer than half
// a second for its call and that of the one in flight. That leaves something of the 5 calls a second that an account
// had of old.
func TestBurst(t *testing.T) {
	for name, quota := range map[string]float64{"10 calls a second": 10, "5 calls a second": 5} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				refused := z.route53(map[float64]float64{10: 50, 5: 5}[quota], quota)
				started, stopped := delays(z, w, 40, 125*time.Millisecond)
				require.Len(t, started, 40)
				require.Len(t, stopped, 40)
				assert.LessOrEqual(t, started[39], 500*time.Millisecond+2*latency)
				assert.LessOrEqual(t, stopped[39], 500*time.Millisecond+2*latency)
				assert.LessOrEqual(t, started[20], 250*time.Millisecond+latency, "the median")
				assert.LessOrEqual(
					t,
					z.callCount(),
					30,
					"20 for the starts, 10 for the stops: the bucket is empty by then",
				)
				assert.Zero(t, *refused)
				assert.Empty(t, z.content())
			})
		})
	}
}

// What starts at once is one call, and one more for what came while it was in flight.
func TestManyAtOnce(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.latency = latency })
		for n := 1; n <= 40; n++ {
			w.want(many("web", n)...)
			z.pass(time.Millisecond)
		}
		z.pass(time.Minute)
		times, sizes := z.times()
		assert.Equal(t, []time.Duration{0, latency}, times)
		assert.Equal(t, []int{1, 39}, sizes)
	})
}

// A host that has used up its bucket gets 2 calls a second, and after 4 s of quiet all 8 again.
func TestOwnBucket(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		changing := func(from, to int) (times []time.Duration) {
			before := z.callCount()
			for n := from; n <= to; n++ {
				w.want(many("web", n)...)
				z.pass(10 * time.Millisecond)
			}
			all, _ := z.times()
			return all[before:]
		}
		first := changing(1, 90)
		assert.Len(t, first, 9)
		assert.Equal(t, at(70), first[7], "8 at once")
		assert.Equal(t, at(500), first[8])
		next := changing(91, 190)
		assert.Equal(t, []time.Duration{at(1000), at(1500)}, next)
		z.pass(5 * time.Second)
		assert.Len(t, changing(201, 220), 8)
	})
}

// busy has the account throttle a call, after which it behaves again, for 15 s and a few calls.
func busy(z *zone, w writer, records ...record.Record) {
	z.faults(throttled)
	for n := 4; n >= 0; n-- {
		w.want(append(many("before", n), records...)...)
		z.pass(3 * time.Second)
	}
}

// For a minute after a throttled call the gap between calls grows with each, up to 2 s.
func TestGapsGrowOnABusyAccount(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		busy(z, w, many("web", 1)...)
		assert.Len(t, z.content(), 1)
		before := z.callCount()
		z.set(func() { z.latency = 50 * time.Millisecond })
		for n := 2; n <= 41; n++ {
			w.want(many("web", n)...)
			z.pass(100 * time.Millisecond)
		}
		z.pass(2 * time.Second)
		times, sizes := z.times()
		for i := range times[before:] {
			times[before+i] -= at(15000)
		}
		assert.Equal(t, []time.Duration{at(0), at(250), at(750), at(1750), at(3750), at(5750)}, times[before:])
		assert.Equal(t, []int{1, 2, 5, 10, 20, 2}, sizes[before:])
		assert.Equal(t, sorted(many("web", 41)), z.content())

		z.pass(2 * time.Second) // of quiet: the next is a first one again
		w.want(many("web", 42)...)
		z.pass(100 * time.Millisecond)
		w.want(many("web", 43)...)
		z.pass(time.Second)
		times, _ = z.times()
		assert.Equal(t, []time.Duration{at(23000), at(23250)}, times[before+6:])
	})
}

// Without 2 s of quiet there is no first change again, until the account has not throttled anything for a minute.
func TestGapsStayLongForAMinute(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		busy(z, w, many("web", 1)...)
		before := z.callCount()
		for n := 2; n <= 90; n++ {
			w.want(many("web", n)...)
			z.pass(time.Second)
		}
		times, _ := z.times()
		for i := before + 4; i < len(times); i++ {
			gap := 2 * time.Second
			switch {
			case times[i-1] > time.Minute:
				gap = time.Second
			case times[i] >= time.Minute:
				continue
			}
			assert.Equal(t, gap, times[i]-times[i-1], "at %v", times[i])
		}
	})
}

func TestRemovalWaitsHalfASecondAtMost(t *testing.T) {
	offsets := []time.Duration{0, at(10), at(500), at(990), at(1400), at(1499), at(1990)}
	for i := range 2 * len(offsets) {
		offset, account := offsets[i/2], []string{"idle", "busy"}[i%2]
		t.Run(account+" "+offset.String(), func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				if account == "busy" {
					busy(z, w, srv("old", 1), srv("new", 1))
				}
				for n := 1; n <= 50; n++ { // additions that come on and on: on a busy account calls are 2 s apart
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
			{at: 0, changes: []change{create(srv("web", 1))}},
			{at: at(20), changes: []change{del(srv("web", 1))}},
		}, z.calls)
	})
}

// A container that is replaced costs one call, and the old record goes first.
func TestReplacementIsOneCall(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(srv("web", 2))
		z.pass(0)
		assert.Equal(t, []call{{at: 0, changes: []change{del(srv("web", 1)), create(srv("web", 2))}}}, z.calls)
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
		assert.Equal(t, []change{create(srv("web", 2)), create(srv("web", 3))}, z.calls[seen].changes)
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
		assert.LessOrEqual(t, w.messages()["cannot change records; retrying"], 11, "once a minute")

		z.set(func() { z.fault = nil })
		z.pass(20 * time.Second)
		assert.Equal(t, sorted(many("web", 40)), z.content())
		assert.NoError(t, w.Status().Err)
		assert.Empty(t, w.Status().Pending)
		assert.False(t, w.Status().LastGood.IsZero())
		assert.Equal(t, 1, w.messages()["Route 53 accepts changes again"])
	})
}

// waits returns the times between calls, from the i-th on.
func (z *zone) waits(i int) (waits []time.Duration) {
	times, _ := z.times()
	for i++; i < len(times); i++ {
		waits = append(waits, times[i]-times[i-1])
	}
	return waits
}

// What each trouble costs: a zone that is busy with another host's change is free in a moment, an account whose quota
// is used up often is not.
func TestEachTroubleHasItsPace(t *testing.T) {
	for name, test := range map[string]struct {
		fault            func() (error, bool)
		removal          bool
		least, most      int // calls in 10 minutes
		shortest, longer time.Duration
		longest          time.Duration
	}{
		"throttled": {
			throttled,
			false,
			80,
			140,
			3400 * time.Millisecond,
			8 * time.Second,
			14125 * time.Millisecond,
		},
		"throttled, and something to remove": {
			throttled,
			true,
			240,
			420,
			time.Second,
			3 * time.Second,
			4800 * time.Millisecond,
		},
		"zone busy": {zoneBusy, false, 190, 350, 0, 3 * time.Second, 4 * time.Second},
		"outage":    {lostRequest, false, 80, 160, 0, 8 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.set(func() { z.fault = test.fault })
				wanted := []record.Record{srv("web", 1), srv("old", 1)}
				if test.removal {
					wanted = wanted[:1]
				}
				w.want(wanted...)
				z.pass(10 * time.Minute)
				assert.GreaterOrEqual(t, z.callCount(), test.least)
				assert.LessOrEqual(t, z.callCount(), test.most)
				waits := z.waits(8)
				assert.GreaterOrEqual(t, slices.Min(waits), test.shortest)
				assert.Greater(t, slices.Max(waits), test.longer)
				assert.LessOrEqual(t, slices.Max(waits), test.longest)
			}, srv("old", 1))
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

// A host that has waited for long on a busy account calls twice as often, so that none waits for ever.
func TestLongWait(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.fault = throttled })
		w.want(srv("web", 1))
		z.pass(10 * time.Minute)
		times, _ := z.times()
		for i := 8; i < len(times); i++ { // the interval has grown by then
			switch wait := times[i] - times[i-1]; {
			case times[i-1] > 101*time.Second:
				assert.GreaterOrEqual(t, wait, 3500*time.Millisecond)
				assert.LessOrEqual(t, wait, 7125*time.Millisecond)
			case times[i-1] < 99*time.Second:
				assert.GreaterOrEqual(t, wait, 7*time.Second)
				assert.LessOrEqual(t, wait, 14125*time.Millisecond)
			}
		}
	})
}

// On a busy account a host that has got through waits with the next change as long as it has waited with this one, so
// that others get through meanwhile, but not with a removal, and never longer than 14 s. When it gets through at once,
// it waits half as long.
func TestHostsTakeTurns(t *testing.T) {
	for name, test := range map[string]struct {
		throttled         time.Duration
		shortest, longest time.Duration
	}{
		"after a short wait": {5 * time.Second, 5 * time.Second, 11 * time.Second},
		"after a long wait":  {5 * time.Minute, 14 * time.Second, 14 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.set(func() { z.fault = throttled })
				w.want(srv("old", 1), srv("web", 0))
				z.pass(test.throttled)
				z.set(func() { z.fault = nil })
				for len(z.content()) == 1 {
					z.pass(5 * time.Millisecond)
				}
				next := func(n int) time.Duration {
					w.want(append(many("web", n), srv("old", 1))...)
					began := time.Since(z.start)
					z.pass(20 * time.Second)
					times, _ := z.times()
					return times[len(times)-1] - began
				}
				turn := next(2)
				assert.GreaterOrEqual(t, turn, test.shortest)
				assert.LessOrEqual(t, turn, test.longest)
				assert.Equal(t, turn/2, next(3))

				w.want(append(many("web", 4), srv("old", 1))...)
				w.want(many("web", 4)...)
				z.pass(0)
				assert.Equal(
					t,
					sorted(many("web", 4)),
					z.content(),
					"a removal is made at once, and what waits with it",
				)
			}, srv("old", 1))
		})
	}
}

// What a host has seen of a busy account is forgotten by half with each call that gets through.
func TestBusyAccountIsForgottenCallByCall(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.fault = throttled })
		w.want(many("web", 1)...)
		z.pass(5 * time.Second)
		z.set(func() { z.fault = nil })
		z.pass(8 * time.Second)
		for n := 2; n <= 8; n++ {
			w.want(many("web", n)...)
			z.pass(max(3*time.Second, 13*time.Second>>(n-2)))
			assert.Len(t, z.content(), n)
		}
		z.set(func() { z.fault = throttled })
		again := z.callCount()
		w.want(many("web", 9)...)
		z.pass(20 * time.Second)
		assert.LessOrEqual(t, z.waits(again)[0], 2125*time.Millisecond, "as if it were throttled for the first time")
	})
}

// If a throttled call costs what is in the account's bucket, a fleet gets through only where its calls leave the bucket
// time to fill: they are made at the same moments.
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
		w := newWriter(z, nil, 0)
		w.want(many("web", 1200)...)
		assert.NoError(t, w.Settle(t.Context()))
		_, sizes := z.times()
		assert.Equal(t, []int{1000, 200}, sizes)
		w.want()
		assert.NoError(t, w.Settle(t.Context()))
		_, sizes = z.times()
		assert.Equal(t, []int{1000, 200}, sizes[2:])
		assert.Empty(t, z.content())
		assert.Equal(t, plan.Current{}, z.saved)
	})
}
