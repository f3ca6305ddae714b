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
	// remembered is how long a host behaves as one of many after it was throttled.
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
	troubles
)

// backoff is how calls are spaced while one trouble lasts: a random part of an interval that grows with each failure in a row,
// so that hosts that failed together do not come back together.
type backoff struct {
	first, longest time.Duration // of the interval
	factor         int
	// From the third failure in a row on the wait is in the interval's second half: hosts have parted by then, and an early
	// call is one more that is throttled.
	late bool
}

// The figures are those under which a fleet that shares an account fares best (package fleet; docs/fleet.md): an account that
// is busy with few hosts is free after a second or two, and one that is busy with a thousand not in the next minute. With
// each interval, something that waits for Route 53 is done within 15 s of when it can be.
var backoffs = [troubles]backoff{
	accountBusy: {first: 500 * time.Millisecond, longest: 14 * time.Second, factor: 3, late: true},
	zoneBusy:    {first: time.Second, longest: 4 * time.Second, factor: 2},
	outage:      {first: 200 * time.Millisecond, longest: 10 * time.Second, factor: 2},
}

// interval gives the interval after so many failures in a row.
func (b backoff) interval(row int) time.Duration {
	interval := b.first
	for range row - 1 {
		interval = min(interval*time.Duration(b.factor), b.longest)
	}
	return interval
}

// wait gives the wait after so many failures in a row, with luck in [0, 1).
func (b backoff) wait(row int, luck float64) time.Duration {
	if b.late && row > 2 {
		luck = (1 + luck) / 2
	}
	return time.Duration(luck * float64(b.interval(row)))
}

// pace says when the next call may be made. The zero value is ready.
type pace struct {
	last     time.Time     // start of the last call
	gap      time.Duration // to the next call; 0 before the first
	waiting  time.Time     // since when there is something to send
	removal  time.Time     // since when a removal waits
	rows     [troubles]int // of failures
	lastFail time.Time
	blocked  time.Time // no call before this, after a failure
	hurry    bool      // the next call is a consequence of the last one's answer and does not wait
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

// succeeded ends a row of failures. That the account is busy is forgotten more slowly: a host that has just had its turn
// would else be ahead of all that wait for theirs.
func (p *pace) succeeded() {
	p.rows = [troubles]int{accountBusy: max(0, p.rows[accountBusy]-1)}
	p.blocked = time.Time{}
}

// answered notes a refusal after which something else is to be sent, at once.
func (p *pace) answered() {
	p.succeeded()
	p.hurry = true
}

// failed holds the next call back; luck is in [0, 1).
func (p *pace) failed(now time.Time, why trouble, luck float64) {
	if now.Sub(p.lastFail) > remembered {
		p.rows = [troubles]int{}
	}
	p.lastFail = now
	b := backoffs[why]
	if b.interval(p.rows[why]) < b.longest { // what is over is forgotten in a few calls
		p.rows[why]++
	}
	p.blocked = now.Add(b.wait(p.rows[why], luck))
}
