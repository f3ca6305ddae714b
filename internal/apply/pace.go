package apply

import "time"

// The first change goes out at once. While more keep coming the gap between calls grows, so that a burst costs a handful of
// calls; after some quiet the next change is a first one again. 5 calls a second is what Route 53 gave a whole account for
// years, and 10 is what it gives today.
const (
	firstGap   = 250 * time.Millisecond
	longestGap = 2 * time.Second
	quiet      = 2 * time.Second
	// A container that is being stopped still answers for a while, often not for long.
	removalWait = 500 * time.Millisecond

	firstBackoff   = 200 * time.Millisecond
	longestBackoff = 10 * time.Second
)

// pace says when the next call may be made. The zero value is ready.
type pace struct {
	last     time.Time     // start of the last call
	gap      time.Duration // to the next call; 0 before the first
	waiting  time.Time     // since when there is something to send
	removal  time.Time     // since when a removal waits
	failures int           // in a row
	blocked  time.Time     // no call before this, after a failure
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
	if removal && p.removal.IsZero() {
		p.removal = now
	}
	at := p.last.Add(p.gap)
	if removal {
		if limit := p.removal.Add(removalWait); limit.Before(at) {
			at = limit
		}
		if p.gap <= firstGap { // a single container that starts and stops waits for nothing
			at = p.removal
		}
	}
	if p.hurry {
		at = now
	}
	if at.Before(p.blocked) {
		at = p.blocked
	}
	return at
}

// sent notes a call that began at start.
func (p *pace) sent(start time.Time) {
	p.gap = min(max(firstGap, 2*p.gap), longestGap)
	p.last, p.hurry = start, false
	p.idle()
}

// succeeded ends a row of failures.
func (p *pace) succeeded() { p.failures, p.blocked = 0, time.Time{} }

// answered notes a refusal after which something else is to be sent, at once.
func (p *pace) answered() {
	p.succeeded()
	p.hurry = true
}

// failed holds the next call back for a random part, luck in [0, 1), of an interval that doubles with each failure in a
// row (full jitter: hosts that failed together do not come back together).
func (p *pace) failed(now time.Time, luck float64) {
	longest := firstBackoff << min(p.failures, 10)
	longest = min(longest, longestBackoff)
	p.failures++
	p.blocked = now.Add(time.Duration(luck * float64(longest)))
}
