package pace

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
)

var start = time.Unix(1_800_000_000, 0)

// Half of the time for which an account was busy counts towards the next wait.
func TestHalfOfABusyTimeIsRemembered(t *testing.T) {
	var p Pace
	p.Sent(start)
	p.Failed(start, plan.Throttled, 0.5)
	now := start.Add(20 * time.Second)
	p.Succeeded(now)
	assert.Equal(t, 10*time.Second, p.busyFor(now))
}

func TestOwnBucket(t *testing.T) {
	var p Pace
	for range 8 {
		assert.False(t, p.Next(start, false).After(start), "at once while the bucket lasts")
		p.Sent(start)
		p.Succeeded(start)
	}
	assert.Equal(t, start.Add(500*time.Millisecond), p.Next(start, false), "then 2 calls a second")
}

func TestRetry(t *testing.T) {
	for name, test := range map[string]struct {
		why      plan.Outcome
		failures int
		want     time.Duration
	}{
		"no answer":                   {plan.Unknown, 1, 100 * time.Millisecond},
		"no answer, twice":            {plan.Unknown, 2, 200 * time.Millisecond},
		"no answer, often":            {plan.Unknown, 20, 5 * time.Second},
		"rejected as before":          {plan.Rejected, 1, 100 * time.Millisecond},
		"zone busy":                   {plan.ZoneBusy, 1, 500 * time.Millisecond},
		"zone busy, often":            {plan.ZoneBusy, 20, 2 * time.Second},
		"account busy":                {plan.Throttled, 1, time.Second},
		"account busy, for 0 seconds": {plan.Throttled, 20, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var p Pace
			p.Next(start, false)
			for range test.failures {
				p.Sent(start)
				p.Failed(start, test.why, 0.5)
			}
			assert.Equal(t, start.Add(test.want), p.Retry())
		})
	}
}

// While the account is busy a removal waits for a third of the time.
func TestRemovalIsRetriedSooner(t *testing.T) {
	var p Pace
	p.Next(start, true)
	p.Sent(start)
	p.Failed(start, plan.Throttled, 0.75)
	assert.Equal(t, start.Add(500*time.Millisecond), p.Retry())
	p.Next(start, false)
	assert.Equal(t, start.Add(1500*time.Millisecond), p.Retry())
}

func TestCallsOnABusyAccountAreOnTheGrid(t *testing.T) {
	var p Pace
	now := start.Add(7 * time.Millisecond)
	p.Next(now, false)
	p.Sent(now)
	p.Failed(now, plan.Throttled, 0.3)
	at := p.Next(now, false)
	assert.True(t, at.After(now))
	assert.Zero(t, at.UnixNano()%int64(grid))
}

// after returns a time after start.
func after(d time.Duration) time.Time { return start.Add(d) }

// crowded returns a pace on an account that was busy until start, without a call that waits; gap is that to the next.
func crowded(calls int) *Pace {
	p := &Pace{}
	p.Next(start, false)
	for range calls {
		p.Sent(start)
	}
	p.Failed(start, plan.Throttled, 0)
	p.Succeeded(start)
	return p
}

// On a busy account the gap between calls doubles, from a quarter of a second to two.
func TestGap(t *testing.T) {
	for calls, want := range map[int]time.Duration{
		1: 250 * time.Millisecond,
		2: 500 * time.Millisecond,
		3: time.Second,
		4: 2 * time.Second,
		5: 2 * time.Second,
	} {
		assert.Equal(t, after(want), crowded(calls).Next(start, false), "after %d calls", calls)
	}
}

func TestGapEndsWithQuiet(t *testing.T) {
	assert.Equal(t, after(2*time.Second), crowded(4).Next(after(2*time.Second-1), false))
	p := crowded(4)
	assert.Equal(t, after(2*time.Second), p.Next(after(2*time.Second), false), "at once")
	p.Sent(after(2 * time.Second))
	p.Succeeded(after(2 * time.Second))
	assert.Equal(t, after(2250*time.Millisecond), p.Next(after(2*time.Second), false), "gaps grow from the first again")
}

// What waits already when quiet begins waits on: the gap ends for a change that comes after quiet.
func TestQuietDoesNotEndTheGapOfWhatWaits(t *testing.T) {
	p := crowded(4)
	p.Next(after(time.Second), false)
	assert.Equal(t, after(2*time.Second), p.Next(after(time.Minute-1), false))
	p.Idle()
	assert.Equal(t, after(30*time.Second), p.Next(after(30*time.Second), false))
}

func TestAccountIsBusyForAMinuteAfterTheLastThrottledCall(t *testing.T) {
	p := crowded(1)
	assert.True(t, p.crowded(after(time.Minute-1)))
	assert.False(t, p.crowded(after(time.Minute)))
	assert.False(t, (&Pace{}).crowded(start))
	p.Failed(after(time.Hour), plan.Unknown, 0)
	assert.False(t, p.crowded(after(time.Hour)), "no answer is no throttled call")
	p.Failed(after(time.Hour), plan.Throttled, 0)
	assert.True(t, p.crowded(after(2*time.Hour)), "and until a call gets through")
}

func TestRemovalOnABusyAccount(t *testing.T) {
	assert.Equal(t, after(100*time.Millisecond), crowded(1).Next(after(100*time.Millisecond), true),
		"a container that starts and stops waits for nothing")
	assert.Equal(t, after(500*time.Millisecond), crowded(2).Next(after(100*time.Millisecond), true),
		"no longer than others")
	p := crowded(4)
	assert.Equal(t, after(600*time.Millisecond), p.Next(after(100*time.Millisecond), true), "half a second at most")
	assert.Equal(t, after(600*time.Millisecond), p.Next(after(200*time.Millisecond), true), "from when it came")
	assert.Equal(t, after(2*time.Second), p.Next(after(300*time.Millisecond), false), "it is withdrawn")
	assert.Equal(t, after(900*time.Millisecond), p.Next(after(400*time.Millisecond), true), "another one")
	p.Idle()
	assert.Equal(t, after(1200*time.Millisecond), p.Next(after(700*time.Millisecond), true))
}

func TestFollowUpDoesNotWait(t *testing.T) {
	p := crowded(4)
	p.Failed(start, plan.Unknown, 0.5)
	p.FollowUp(after(time.Millisecond))
	assert.Equal(t, after(time.Millisecond), p.Next(after(time.Millisecond), false))
	p.Sent(after(time.Millisecond))
	p.Succeeded(after(time.Millisecond))
	assert.Equal(t, after(2001*time.Millisecond), p.Next(after(time.Millisecond), false), "but for the one call")
}

func TestFailureHoldsTheNextCallBack(t *testing.T) {
	var p Pace
	p.Next(start, false)
	p.Sent(start)
	p.Failed(start, plan.Unknown, 0.5)
	assert.Equal(t, after(100*time.Millisecond), p.Next(start, false))
	p.Succeeded(start)
	assert.Equal(t, start, p.Retry())
	p.Failed(start, plan.Unknown, 0.5)
	assert.Equal(t, after(100*time.Millisecond), p.Retry(), "a success ends the row of failures")
}

func TestRowOfFailuresEndsWithinAMinute(t *testing.T) {
	var p Pace
	p.Failed(start, plan.Unknown, 0.5)
	p.Failed(after(time.Minute), plan.Unknown, 0.5)
	assert.Equal(t, after(time.Minute+200*time.Millisecond), p.Retry())
	p.Failed(after(2*time.Minute+1), plan.Unknown, 0.5)
	assert.Equal(t, after(2*time.Minute+1+100*time.Millisecond), p.Retry(), "a new row")
}

// The longer an account has been busy the longer its hosts wait, up to 14 s.
func TestCrowdedWait(t *testing.T) {
	for busy, want := range map[time.Duration]time.Duration{
		0:                time.Second,
		grid - 1:         time.Second,
		grid:             3*time.Second + 42_187_500,
		10 * time.Second: 6375 * time.Millisecond,
		20 * time.Second: 9750 * time.Millisecond,
		time.Hour:        10500 * time.Millisecond,
	} {
		assert.Equal(t, want, crowdedWait(busy, 0.5), "busy for %s", busy)
	}
	assert.Equal(t, 2*time.Second+28_125_000, crowdedWait(grid, 0), "the second half of the interval")
}

func TestBusyTimeCountsFromTheFirstThrottledCall(t *testing.T) {
	var p Pace
	p.Next(start, false)
	p.Failed(start, plan.Throttled, 0.5)
	p.Failed(after(20*time.Second), plan.Throttled, 0.5)
	assert.Equal(t, after(29750*time.Millisecond), p.Retry())
	p.Succeeded(after(20 * time.Second))
	assert.Equal(t, 10*time.Second, p.busyFor(after(time.Hour)))
	p.Failed(after(30*time.Second), plan.Throttled, 0.5)
	assert.Equal(t, 10*time.Second, p.busyFor(after(30*time.Second)), "half of it is remembered")
	p.Failed(after(30*time.Second+time.Minute+1), plan.Throttled, 0.5)
	assert.Zero(t, p.busyFor(after(30*time.Second+time.Minute+1)), "not for longer than a minute")
}

// From 100 s on a change is tried twice as often.
func TestPatience(t *testing.T) {
	for waited, want := range map[time.Duration]time.Duration{
		100 * time.Second:   10500 * time.Millisecond,
		100*time.Second + 1: 5250 * time.Millisecond,
	} {
		var p Pace
		p.Next(start, false)
		for at := time.Duration(0); at < waited; at += 50 * time.Second {
			p.Failed(after(at), plan.Throttled, 0.5)
		}
		p.Failed(after(waited), plan.Throttled, 0.5)
		assert.Equal(t, after(waited+want), p.Retry(), "after %s", waited)
	}
}

// On a busy account a change waits for its first call as long as the one before waited in all.
func TestTurn(t *testing.T) {
	tests := map[string]struct {
		waited time.Duration
		want   time.Duration // the wait of the next change
	}{
		"a moment":              {249 * time.Millisecond, 0},
		"a quarter of a second": {250 * time.Millisecond, 250 * time.Millisecond},
		"10 s":                  {10 * time.Second, 10 * time.Second},
		"longer":                {20 * time.Second, 14 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := Pace{}
			p.Next(start, false)
			p.Failed(start, plan.Throttled, 0)
			p.Succeeded(after(test.waited))
			now := after(test.waited + 10*time.Second)
			at := p.Next(now, false)
			if test.want == 0 {
				assert.False(t, at.After(now))
				return
			}
			assert.Equal(t, now.Add(test.want), at)
			p.Succeeded(now)
			p.Next(now, false)
			assert.Equal(t, test.want/2 >= firstGap, p.Next(now, false).After(now), "half of it then")
			if test.want/2 >= firstGap {
				assert.Equal(t, now.Add(test.want/2), p.Next(now, false))
			}
		})
	}
}

func TestNoTurnIsRememberedOfACallForWhichNothingWaited(t *testing.T) {
	p := Pace{}
	p.Failed(start, plan.Throttled, 0) // a question
	p.Succeeded(after(10 * time.Second))
	now := after(20 * time.Second)
	assert.False(t, p.Next(now, false).After(now))
	p.Succeeded(after(30 * time.Second))
	assert.False(t, p.Next(after(30*time.Second), false).After(after(30*time.Second)), "nor on an account that is idle")
}

func TestTurnIsForgottenAfterAMinute(t *testing.T) {
	p := Pace{}
	p.Next(start, false)
	p.Failed(start, plan.Throttled, 0)
	p.Succeeded(after(10 * time.Second))
	now := after(2 * time.Minute)
	p.Failed(now, plan.Throttled, 0)
	p.Idle()
	p.backoff = 0
	assert.Equal(t, now, p.Next(now, false))
}

func TestGrid(t *testing.T) {
	assert.Equal(t, start, onGrid(start))
	assert.Equal(t, after(grid), onGrid(after(1)))
	assert.Equal(t, after(grid), onGrid(after(grid-1)))
	assert.Equal(t, after(grid), onGrid(after(grid)))
}
