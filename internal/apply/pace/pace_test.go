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
