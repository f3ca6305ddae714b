package apply

import "time"

// While nobody throttles the host a change goes out at once, as long as the host's own bucket of calls lasts, and
// changes gather only while a call is in flight. 5 calls a second is what Route 53 gave a whole account for years, and
// 10 is what it gives today: a host that is alone takes less of either.
const (
	ownBurst     = 8.
	ownPerSecond = 2.
)

// On a busy account a first change goes out at once, too. While more keep coming the gap between calls grows, so that a
// burst costs a handful of calls; after some quiet the next change is a first one again.
const (
	firstGap   = 250 * time.Millisecond
	longestGap = 2 * time.Second
	quiet      = 2 * time.Second
	// A container that is being stopped still answers for a while, often not for long.
	removalWait = 500 * time.Millisecond
	// remembered is how long an account counts as busy after the last throttled call.
	remembered = time.Minute
)

// trouble is why a call has to be made again.
type trouble int

const (
	// accountBusy: the account's quota is used up, by few calls too many or by a thousand hosts that have started.
	accountBusy trouble = iota
	// zoneBusy: another host's change of the zone is being processed, which takes some tens of milliseconds.
	zoneBusy
	// outage: anything else that passes.
	outage
)

// How long a host waits before it calls again is a random part of an interval, so that hosts that failed together do
// not come back together. The figures are those under which a fleet that shares an account fares best (package fleet;
// docs/fleet.md). With each interval, something that waits for Route 53 is done within 15 s of when it can be.
const (
	// Where the zone is busy, or in an outage, the interval doubles with each failure in a row.
	firstZoneBusy, longestZoneBusy = time.Second, 4 * time.Second
	firstOutage, longestOutage     = 200 * time.Millisecond, 10 * time.Second

	// An account where few have called at once is free after a moment. Else the longer it has been busy the more hosts
	// wait, and the longer it will be: the interval is longer by a part of that time.
	firstCrowded   = 2 * time.Second
	leastCrowded   = 4 * time.Second
	crowdedPart    = 0.45
	longestCrowded = 14 * time.Second
	// What leads to a container that is gone does harm, and a record that is missing seldom: a removal waits a part of
	// it.
	removalPart = 1. / 3
	// Where many wait for long, chance alone has some wait for very long. From patience on the intervals are a part of
	// that.
	patience      = 100 * time.Second
	impatientPart = 0.5

	// Calls on a busy account are made when the clock shows a multiple of grid. AWS does not say whether a throttled
	// call takes what is in the bucket. If it does, a thousand hosts that call at any time leave the bucket no pause to
	// get a whole token in, and nobody gets through. Where all call at the same moments it fills in between: at 10
	// tokens a second in 100 ms, and 25 ms are for clocks and ways to AWS that differ.
	grid = 125 * time.Millisecond
)

// doubling gives the interval after so many failures in a row.
func doubling(first, longest time.Duration, row int) time.Duration {
	for ; row > 1 && first < longest; row-- {
		first *= 2
	}
	return min(first, longest)
}

// crowdedWait gives the wait while an account is busy, and has been for some time. From the second one on it is in the
// second half of the interval: hosts have parted by then, and an early call is one more that is throttled.
func crowdedWait(busyFor time.Duration, jitter float64) time.Duration {
	if busyFor < grid {
		return part(firstCrowded, jitter)
	}
	half := min(leastCrowded+part(busyFor, crowdedPart), longestCrowded) / 2
	return half + part(half, jitter)
}

// part gives a part of a time, which jitter in [0, 1) may decide.
func part(d time.Duration, of float64) time.Duration { return time.Duration(of * float64(d)) }

// onGrid gives the first time from at on when the clock shows a multiple of grid.
func onGrid(at time.Time) time.Time {
	if past := at.Sub(at.Truncate(grid)); past > 0 {
		return at.Add(grid - past)
	}
	return at
}

// pace says when the next call may be made. The zero value is ready.
type pace struct {
	last     time.Time     // start of the last call
	drawn    float64       // calls that the own bucket lacked after the last one
	gap      time.Duration // to the next call; 0 before the first
	waiting  time.Time     // since when there is something to send
	removal  time.Time     // since when a removal waits
	row      int           // failures in a row, throttled calls not counted
	busy     time.Time     // since when the account is; zero: it is not
	busyOnce time.Duration // and how long it was in earlier rows, as far as that is not forgotten
	turn     time.Duration // how long a change waits for its first call on a busy account
	lastFail time.Time
	lastBusy time.Time     // when the account throttled a call last
	backoff  time.Duration // no call so long after the last failure
	hurry    bool          // the next call is a consequence of the last one's answer and does not wait
}

// idle notes that nothing is to be sent.
func (p *pace) idle() { p.waiting, p.removal = time.Time{}, time.Time{} }

// at gives the earliest time for a batch that is there to be sent now.
func (p *pace) at(now time.Time, removal bool) time.Time {
	if p.waiting.IsZero() {
		p.waiting = now
		if now.Sub(p.last) >= quiet {
			p.gap = 0
		}
	}
	switch {
	case !removal:
		p.removal = time.Time{}
	case p.removal.IsZero():
		p.removal = now
	}
	at := p.filled()
	if p.crowded(now) {
		at = p.spaced(removal)
	}
	if p.hurry {
		at = now
	}
	if retry := p.retry(); at.Before(retry) {
		at = retry
	}
	if !p.busy.IsZero() {
		at = onGrid(at)
	}
	return at
}

// crowded reports whether the account is busy, or was within the last minute.
func (p *pace) crowded(now time.Time) bool {
	return !p.busy.IsZero() || !p.lastBusy.IsZero() && now.Sub(p.lastBusy) < remembered
}

// filled returns when the own bucket has a call to give, which is half a second after the last call at the latest.
func (p *pace) filled() time.Time {
	return p.last.Add(time.Duration((p.drawn - ownBurst + 1) / ownPerSecond * float64(time.Second)))
}

// retry returns the time before which no call is made, after a failure.
func (p *pace) retry() time.Time {
	if !p.busy.IsZero() && !p.removal.IsZero() {
		return p.lastFail.Add(part(p.backoff, removalPart))
	}
	return p.lastFail.Add(p.backoff)
}

// spaced returns when the next call is due on a busy account.
func (p *pace) spaced(removal bool) time.Time {
	at := p.last.Add(p.gap)
	if turn := p.waiting.Add(p.turn); turn.After(at) {
		at = turn
	}
	if removal {
		if limit := p.removal.Add(removalWait); limit.Before(at) {
			at = limit
		}
		if p.gap <= firstGap { // a single container that starts and stops waits for nothing
			at = p.removal
		}
	}
	return at
}

// sent notes a call that began at start.
func (p *pace) sent(start time.Time) {
	p.drawn = min(max(0, p.drawn-start.Sub(p.last).Seconds()*ownPerSecond)+1, ownBurst)
	p.gap = min(max(firstGap, 2*p.gap), longestGap)
	p.last, p.hurry = start, false
}

// succeeded ends a row of failures. That the account was busy is forgotten by half: a host that has just had its turn
// would else be ahead of all that wait for theirs. For the same reason the next change waits as long for its first call
// as this one waited in all, up to the longest wait between two calls; half of that after each call that gets through
// at once.
func (p *pace) succeeded(now time.Time) {
	p.turn /= 2
	if !p.busy.IsZero() && !p.waiting.IsZero() {
		p.turn = min(now.Sub(p.waiting), longestCrowded)
	}
	if p.turn < firstGap {
		p.turn = 0
	}
	p.busyOnce = p.busyFor(now) / 2
	p.row, p.busy, p.backoff = 0, time.Time{}, 0
	p.idle()
}

// busyFor tells for how long the account has been busy, as far as this host knows.
func (p *pace) busyFor(now time.Time) time.Duration {
	if p.busy.IsZero() {
		return p.busyOnce
	}
	return p.busyOnce + now.Sub(p.busy)
}

// answered notes a refusal after which something else is to be sent, at once.
func (p *pace) answered(now time.Time) {
	p.succeeded(now)
	p.hurry = true
}

// failed holds the next call back; jitter is in [0, 1).
func (p *pace) failed(now time.Time, why trouble, jitter float64) {
	if now.Sub(p.lastFail) > remembered {
		p.row, p.busy, p.busyOnce, p.turn = 0, time.Time{}, 0, 0
	}
	p.lastFail = now
	if why == accountBusy {
		p.lastBusy = now
		if p.busy.IsZero() {
			p.busy = now
		}
		p.backoff = crowdedWait(p.busyFor(now), jitter)
		if now.Sub(p.waiting) > patience {
			p.backoff = part(p.backoff, impatientPart)
		}
		return
	}
	p.row++
	interval := doubling(firstOutage, longestOutage, p.row)
	if why == zoneBusy {
		interval = doubling(firstZoneBusy, longestZoneBusy, p.row)
	}
	p.backoff = part(interval, jitter)
}
