package pace

import (
	"time"

	"github.com/ecssd/ecssd/internal/backoff"
)

// After a failure a host waits for a random part of an interval, so that hosts that failed together do not come back
// together. The figures are those at which a fleet that shares an account fares best (internal/test/fleet;
// docs/fleet.md). With each interval, a change is made within 15 s of when Route 53 could make it.
const (
	// An account on which few hosts have called at once is free after a moment. Otherwise, the longer it has been busy
	// the more hosts wait, and the longer it will be: the interval grows by crowdedPart of that time.
	firstCrowded   = 2 * time.Second
	leastCrowded   = 4 * time.Second
	crowdedPart    = 0.45
	longestCrowded = 14 * time.Second
	// A removal waits for a third of the interval: a record that leads to an ended container does harm, and a record
	// that is missing seldom does.
	removalPart = 1. / 3
	// Where many hosts wait for long, chance alone makes some wait for very long. From patience on the intervals are
	// half as long.
	patience      = 100 * time.Second
	impatientPart = 0.5

	// Calls on a busy account are made when the clock shows a multiple of grid. AWS does not document whether a
	// throttled call takes tokens from the bucket. If it does, a thousand hosts that call at any time leave the bucket
	// no pause to gain a whole token, and nobody gets through. Where all call at the same moments it fills in between:
	// at 10 tokens a second in 100 ms; the other 25 ms allow for clocks and network delays that differ.
	grid = 125 * time.Millisecond
)

// Where the zone is busy, or Route 53 cannot be reached, the interval doubles with each failure in a row.
var (
	zoneBusy = backoff.Interval{First: time.Second, Longest: 4 * time.Second}
	outage   = backoff.Interval{First: 200 * time.Millisecond, Longest: 10 * time.Second}
)

// crowdedWait returns how long to wait after a throttled call on an account that has been busy for a time. From the
// second wait on it is in the second half of the interval: hosts have spread by then, and a call that comes early is
// likely to be throttled.
func crowdedWait(busyFor time.Duration, jitter float64) time.Duration {
	if busyFor < grid {
		return backoff.Full(firstCrowded, jitter)
	}
	return backoff.Half(min(leastCrowded+backoff.Part(busyFor, crowdedPart), longestCrowded), jitter)
}

// onGrid returns the first time from at on when the clock shows a multiple of grid.
func onGrid(at time.Time) time.Time {
	if past := at.Sub(at.Truncate(grid)); past > 0 {
		return at.Add(grid - past)
	}
	return at
}
