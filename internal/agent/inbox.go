package agent

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

// inbox gathers the model's input, so that whoever reads the Engine's stream never waits: the Engine drops what a slow
// reader does not take within 100 ms, without an error.
type inbox struct {
	wake chan struct{}

	mu sync.Mutex
	local.Input
	stream   int                // number of the present stream of events, or the last
	breakOff context.CancelFunc // of the stream; nil while there is none
}

// drain returns what has come.
func (b *inbox) drain() local.Input {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.Input
	b.Input = local.Input{Connected: in.Connected, Standby: in.Standby}
	return in
}

func (b *inbox) put(change func()) {
	b.mu.Lock()
	change()
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// add takes a hint in. Where too many wait the older ones are dropped, which is a gap in the stream.
func (b *inbox) add(h container.Hint) {
	b.put(func() {
		if len(b.Hints) == 0 {
			b.Oldest = time.Now()
		}
		if len(b.Hints) == mostHints {
			b.Hints, b.Gap = slices.Clone(b.Hints[mostHints/2:]), true
			b.stream++
		}
		b.Hints = append(b.Hints, local.Hint{Hint: h, Stream: b.stream})
	})
}

// connected notes that a stream has been opened, and how to close it.
func (b *inbox) connected(breakOff context.CancelFunc) {
	b.put(func() {
		b.Connected, b.Gap, b.breakOff = time.Now(), true, breakOff
		b.stream++
	})
}

// disconnected notes that the stream has ended.
func (b *inbox) disconnected() {
	b.put(func() { b.Connected, b.breakOff = time.Time{}, nil })
}

// reconnect ends the present stream, so that a new one is opened. It reports whether there was one.
func (b *inbox) reconnect() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.breakOff == nil {
		return false
	}
	b.breakOff()
	return true
}

// setStandby notes why the whole host is to be on standby, and reports whether that has changed.
func (b *inbox) setStandby(why string) (changed bool) {
	b.put(func() {
		changed = b.Standby != why
		b.Standby = why
	})
	return changed
}
