// Package pace decides when the next call that changes a hosted zone may be made: at once while nobody throttles the
// host, and on a busy account at intervals at which all hosts of a fleet get through. It makes no call and reads no
// clock: its caller passes the times at which something happened.
package pace

import (
	"time"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/plan"
)

// While nobody throttles the host, a change goes out at once as long as the host's own bucket of calls lasts, and
// changes gather only while a call is in flight. 5 calls a second is what Route 53 granted a whole account for years,
// and 10 is what it grants today: one host takes less of either.
const (
	ownBurst     = 8. // calls
	ownPerSecond = 2. // calls a second
)

// On a busy account a first change goes out at once, too. While more changes follow, the gap between calls grows, so
// that a burst costs a handful of calls. After quiet, the next change is a first one again.
const (
	firstGap   = 250 * time.Millisecond
	longestGap = 2 * time.Second
	quiet      = 2 * time.Second
	// A container that is being stopped still answers for a while, often not for long.
	removalWait = 500 * time.Millisecond
	// An account counts as busy for busyMemory after its last throttled call.
	busyMemory = time.Minute
)

// Pace is what a host remembers of its calls. The zero value is ready to use.
type Pace struct {
	last         time.Time     // start of the last call
	drawn        float64       // calls missing from the own bucket after the last call
	gap          time.Duration // from the last call to the next on a busy account; 0 before the first
	waiting      time.Time     // since when there is something to send; zero: there is nothing
	removal      time.Time     // since when a removal waits; zero: none does
	failures     int           // in a row, throttled calls not counted
	busySince    time.Time     // since when the account is busy; zero: it is not
	earlierBusy  time.Duration // for how long it was busy in earlier rows of throttled calls, halved with each row
	turn         time.Duration // how long a change waits for its first call on a busy account
	lastFailure  time.Time
	lastThrottle time.Time     // by the account's quota
	backoff      time.Duration // no call for so long after the last failure
	followUp     bool          // the next call follows from the last one's answer and does not wait
}

// Idle notes that there is nothing to send.
func (p *Pace) Idle() { p.waiting, p.removal = time.Time{}, time.Time{} }

// Next returns the earliest time at which the batch that waits now may be sent. It may have passed. removal reports
// whether the batch removes records.
func (p *Pace) Next(now time.Time, removal bool) time.Time {
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
	at := p.bucketFilled()
	if p.crowded(now) {
		at = p.spaced(removal)
	}
	if p.followUp {
		at = now
	}
	if retry := p.Retry(); at.Before(retry) {
		at = retry
	}
	if !p.busySince.IsZero() {
		at = onGrid(at)
	}
	return at
}

// crowded reports whether the account is busy, or was within the last minute.
func (p *Pace) crowded(now time.Time) bool {
	return !p.busySince.IsZero() || !p.lastThrottle.IsZero() && now.Sub(p.lastThrottle) < busyMemory
}

// bucketFilled returns when the own bucket holds a call, which is half a second after the last call at the latest.
func (p *Pace) bucketFilled() time.Time {
	return p.last.Add(time.Duration((p.drawn - ownBurst + 1) / ownPerSecond * float64(time.Second)))
}

// Retry returns the time before which no call is made after the last failure.
func (p *Pace) Retry() time.Time {
	if !p.busySince.IsZero() && !p.removal.IsZero() {
		return p.lastFailure.Add(backoff.Part(p.backoff, removalPart))
	}
	return p.lastFailure.Add(p.backoff)
}

// spaced returns when the next call is due on a busy account.
func (p *Pace) spaced(removal bool) time.Time {
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

// Sent notes that a call was made, and when it began.
func (p *Pace) Sent(start time.Time) {
	p.drawn = min(max(0, p.drawn-start.Sub(p.last).Seconds()*ownPerSecond)+1, ownBurst)
	p.gap = min(max(firstGap, 2*p.gap), longestGap)
	p.last, p.followUp = start, false
}

// Succeeded ends a row of failures. Half of the time for which the account was busy is remembered: a host that forgot
// all of it would be ahead of those that still wait for their first call. For the same reason the next change waits as
// long for its first call as this one waited in all, up to the longest wait between two calls; half of that after each
// call that gets through at once.
func (p *Pace) Succeeded(now time.Time) {
	p.turn /= 2
	if !p.busySince.IsZero() && !p.waiting.IsZero() {
		p.turn = min(now.Sub(p.waiting), longestCrowded)
	}
	if p.turn < firstGap {
		p.turn = 0
	}
	p.earlierBusy = p.busyFor(now) / 2
	p.failures, p.busySince, p.backoff = 0, time.Time{}, 0
	p.Idle()
}

// busyFor returns for how long the account has been busy, as far as this host knows.
func (p *Pace) busyFor(now time.Time) time.Duration {
	if p.busySince.IsZero() {
		return p.earlierBusy
	}
	return p.earlierBusy + now.Sub(p.busySince)
}

// FollowUp notes that Route 53 has answered, and that the next call follows from its answer: it need not wait.
func (p *Pace) FollowUp(now time.Time) {
	p.Succeeded(now)
	p.followUp = true
}

// Failed holds the next call back after one that is to be made again. jitter is in [0, 1).
func (p *Pace) Failed(now time.Time, why plan.Outcome, jitter float64) {
	if now.Sub(p.lastFailure) > busyMemory {
		p.failures, p.busySince, p.earlierBusy, p.turn = 0, time.Time{}, 0, 0
	}
	p.lastFailure = now
	if why == plan.Throttled {
		p.lastThrottle = now
		if p.busySince.IsZero() {
			p.busySince = now
		}
		p.backoff = crowdedWait(p.busyFor(now), jitter)
		if now.Sub(p.waiting) > patience {
			p.backoff = backoff.Part(p.backoff, impatientPart)
		}
		return
	}
	p.failures++
	interval := outage
	if why == plan.ZoneBusy {
		interval = zoneBusy
	}
	p.backoff = backoff.Full(interval.After(p.failures), jitter)
}
