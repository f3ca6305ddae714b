package pace

import "time"

// After a failure a host waits for a random part of an interval, so that hosts that failed together do not come back
// together. The figures are those at which a fleet that shares an account fares best (internal/test/fleet;
// docs/fleet.md). With each interval, a change is made within 15 s of when Route 53 could make it.
const (
	// Where the zone is busy, or Route 53 cannot be reached, the interval doubles with each failure in a row.
	firstZoneBusy, longestZoneBusy = time.Second, 4 * time.Second
	firstOutage, longestOutage     = 200 * time.Millisecond, 10 * time.Second

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

// doubling returns the interval after so many failures in a row.
func doubling(first, longest time.Duration, failures int) time.Duration {
	for ; failures > 1 && first < longest; failures-- {
		first *= 2
	}
	return min(first, longest)
}

// crowdedWait returns how long to wait after a throttled call on an account that has been busy for a time. From the
// second wait on it is in the second half of the interval: hosts have spread by then, and a call that comes early is
// likely to be throttled.
func crowdedWait(busyFor time.Duration, jitter float64) time.Duration {
	if busyFor < grid {
		return part(firstCrowded, jitter)
	}
	half := min(leastCrowded+part(busyFor, crowdedPart), longestCrowded) / 2
	return half + part(half, jitter)
}

// part returns a part of a duration.
func part(d time.Duration, of float64) time.Duration { return time.Duration(of * float64(d)) }

// onGrid returns the first time from at on when the clock shows a multiple of grid.
func onGrid(at time.Time) time.Time {
	if past := at.Sub(at.Truncate(grid)); past > 0 {
		return at.Add(grid - past)
	}
	return at
}
