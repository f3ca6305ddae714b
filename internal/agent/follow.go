package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// inbox gathers hints, so that whoever reads the Engine's stream never waits: the Engine drops what a slow reader does
// not take within 100 ms, and does not say so.
type inbox struct {
	wake chan struct{}

	mu        sync.Mutex
	hints     []heard
	stream    int       // of events, the present one or the last; what one tells has no gaps
	first     time.Time // when the oldest of the hints came
	connected time.Time // when the stream was opened; zero while there is none
	fresh     bool      // hints may be missing: the stream was opened since the last drain, or too many waited
	breakOff  context.CancelFunc
	standby   string  // why the whole host is to be on standby
	look      *look   // that has ended
	answer    *answer // of the ECS agent
}

// mostHints is how many hints wait at most, while nobody can take them: the zone is looked for.
const mostHints = 4096

// heard is a hint, and the stream that it came by.
type heard struct {
	container.Hint
	stream int
}

// mail is what an inbox holds at one moment.
type mail struct {
	hints     []heard
	first     time.Time
	fresh     bool
	connected time.Time
	standby   string
	look      *look
	answer    *answer
}

func (b *inbox) drain() mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := mail{b.hints, b.first, b.fresh, b.connected, b.standby, b.look, b.answer}
	b.hints, b.first, b.fresh, b.look, b.answer = nil, time.Time{}, false, nil, nil
	return m
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

// add takes a hint in. Where too many wait the older ones are given up, and what they said is found as after a lost
// stream.
func (b *inbox) add(h container.Hint) {
	b.put(func() {
		if len(b.hints) == 0 {
			b.first = time.Now()
		}
		if len(b.hints) == mostHints {
			b.hints, b.fresh = slices.Clone(b.hints[mostHints/2:]), true
			b.stream++
		}
		b.hints = append(b.hints, heard{h, b.stream})
	})
}

// setStandby notes why the whole host is to be on standby, and says whether that is news.
func (b *inbox) setStandby(why string) (news bool) {
	b.put(func() {
		news = b.standby != why
		b.standby = why
	})
	return news
}

// reconnect ends the present stream, so that a new one is opened. It says whether there was one.
func (b *inbox) reconnect() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.breakOff == nil {
		return false
	}
	b.breakOff()
	return true
}

// follow reads the Engine's events until ctx ends.
func (a *Agent) follow(ctx context.Context) {
	wait := backoff{first: 100 * time.Millisecond, longest: time.Second, jitter: a.cfg.Jitter}
	log := a.cfg.Log
	var said time.Time
	following := sync.OnceFunc(a.cfg.Following)
	for ctx.Err() == nil {
		streamCtx, cancel := context.WithCancel(ctx)
		err := a.cfg.Engine.Follow(streamCtx,
			func() {
				wait.reset()
				if !said.IsZero() {
					log.Info("the Engine answers again")
				}
				said = time.Time{}
				a.cfg.Readiness.Ready("engine")
				a.cfg.Metrics.connected(true)
				following()
				a.inbox.put(func() {
					a.inbox.connected, a.inbox.fresh, a.inbox.breakOff = time.Now(), true, cancel
					a.inbox.stream++
				})
			},
			func(h container.Hint) {
				a.cfg.Metrics.hint(h)
				a.inbox.add(h)
			})
		onPurpose := streamCtx.Err() != nil
		cancel()
		a.inbox.put(func() { a.inbox.connected, a.inbox.breakOff = time.Time{}, nil })
		if onPurpose {
			continue
		}
		a.cfg.Metrics.connected(false)
		a.cfg.Readiness.NotReady("engine", err.Error())
		if time.Since(said) >= time.Minute {
			said = time.Now()
			log.WithError(err).Warn("lost the Engine's events, the records stay, connecting again")
		}
		sleep(ctx, wait.next())
	}
}
