// Package backoff says how long to wait before something that failed is tried again, how periodic work is spread over
// time, and how often a failure that goes on is logged. It keeps no clock: times and random numbers are arguments, so
// that callers can be tested without waiting.
//
// Which of the three kinds of jitter is right depends on who else waits:
//
//   - Full, for many hosts that failed together and must not come back together.
//   - Half, for one host that retries something of its own: never at once, never late.
//   - Around, for work that is due about every so often.
package backoff

import (
	"context"
	"time"
)

// Interval doubles with each failure in a row: First, 2 × First, 4 × First, …, at most Longest.
type Interval struct{ First, Longest time.Duration }

// After returns the interval after so many failures in a row. It is First for 1 and for less.
func (i Interval) After(failures int) time.Duration {
	wait := i.First
	for ; failures > 1 && wait < i.Longest; failures-- {
		wait *= 2
	}
	return min(wait, i.Longest)
}

// Part returns a part of d; of is in [0, 1).
func Part(d time.Duration, of float64) time.Duration { return time.Duration(of * float64(d)) }

// Full returns a random time in [0, d); jitter is a random number in [0, 1).
func Full(d time.Duration, jitter float64) time.Duration { return Part(d, jitter) }

// Half returns a random time in [d/2, d); jitter is a random number in [0, 1).
func Half(d time.Duration, jitter float64) time.Duration { return d/2 + Part(d/2, jitter) }

// Around returns a random time in [¾ d, 1¼ d); jitter is a random number in [0, 1).
func Around(d time.Duration, jitter float64) time.Duration { return Part(d, 0.75+jitter/2) }

// Backoff spaces the attempts at one thing that fails. Use it from one goroutine.
type Backoff struct {
	Interval Interval
	Jitter   func() float64 // random numbers in [0, 1), such as rand.Float64
	failures int
}

// Next notes a failure and returns how long to wait after it: the second half of the interval, at random.
func (b *Backoff) Next() time.Duration {
	b.failures++
	return Half(b.Interval.After(b.failures), b.Jitter())
}

// Reset notes a success. The next wait is the first again.
func (b *Backoff) Reset() { b.failures = 0 }

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
