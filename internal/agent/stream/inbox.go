// Package stream follows the Engine's events, and gathers them with all else that the model of this host takes in,
// until the agent's loop takes it. Whoever brings something never waits: the Engine drops what a slow reader does not
// take within 100 ms, without an error.
package stream

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
)

// mostHints is how many hints wait at most, while nobody takes them: the zone is looked for.
const mostHints = 4096

// Inbox gathers the model's input. Its methods may be called from several goroutines.
type Inbox struct {
	wake chan struct{}

	mu       sync.Mutex
	in       local.Input
	stream   int                // number of the present stream of events, or the last
	breakOff context.CancelFunc // ends the stream; does nothing while there is none
}

// NewInbox returns an empty Inbox.
func NewInbox() *Inbox { return &Inbox{wake: make(chan struct{}, 1), breakOff: func() {}} }

// Wake returns a channel that receives when something has come since the last Drain.
func (b *Inbox) Wake() <-chan struct{} { return b.wake }

// Drain returns what has come since the last Drain.
func (b *Inbox) Drain() local.Input {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.in
	b.in = local.Input{Connected: in.Connected, Standby: in.Standby}
	return in
}

// Put adds to the input.
func (b *Inbox) Put(add func(*local.Input)) {
	b.mu.Lock()
	add(&b.in)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// add adds a hint. Where too many wait the older ones are dropped, which is a gap in the stream.
func (b *Inbox) add(h container.Hint) {
	b.Put(func(in *local.Input) {
		if len(in.Hints) == 0 {
			in.Oldest = time.Now()
		}
		if len(in.Hints) == mostHints {
			in.Hints, in.Gap = slices.Clone(in.Hints[mostHints/2:]), true
			b.stream++
		}
		in.Hints = append(in.Hints, local.Hint{Hint: h, Stream: b.stream})
	})
}

// connected notes that a stream has been opened, and how to end it.
func (b *Inbox) connected(breakOff context.CancelFunc) {
	b.Put(func(in *local.Input) {
		in.Connected, in.Gap, b.breakOff = time.Now(), true, breakOff
		b.stream++
	})
}

// disconnected notes that the stream has ended.
func (b *Inbox) disconnected() {
	b.Put(func(in *local.Input) { in.Connected, b.breakOff = time.Time{}, func() {} })
}

// Reconnect ends the present stream, so that Follow opens a new one. It reports whether there was one.
func (b *Inbox) Reconnect() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.breakOff()
	return !b.in.Connected.IsZero()
}

// SetStandby notes why the whole host is to be on standby, empty for not, and reports whether that has changed.
func (b *Inbox) SetStandby(why string) (changed bool) {
	b.Put(func(in *local.Input) {
		changed = in.Standby != why
		in.Standby = why
	})
	return changed
}
