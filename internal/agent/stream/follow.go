package stream

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/health"
)

// Engine is the Docker Engine of this host.
type Engine interface {
	// Follow passes on hints, those of the recent past first, until the stream ends, and returns why. connected is
	// called when the Engine has answered.
	Follow(ctx context.Context, connected func(), hint func(container.Hint)) error
}

// Follower follows the Engine's events.
type Follower struct {
	Engine    Engine
	Inbox     *Inbox
	Readiness *health.Readiness // its part "engine"
	Metrics   *health.Metrics
	Jitter    func() float64 // random numbers in [0, 1)
	Log       *logrus.Entry
	Connected func() // called once, when the first stream is open
}

// Run follows the Engine's events, and reconnects, until ctx ends.
func (f Follower) Run(ctx context.Context) {
	wait := backoff.Backoff{
		Interval: backoff.Interval{First: 100 * time.Millisecond, Longest: time.Second},
		Jitter:   f.Jitter,
	}
	var minutely backoff.Minutely
	first := sync.OnceFunc(f.Connected)
	for ctx.Err() == nil {
		stream, cancel := context.WithCancel(ctx)
		err := f.Engine.Follow(stream,
			func() {
				wait.Reset()
				if minutely.Logged() {
					f.Log.Info("connected to the Docker event stream again")
				}
				minutely.Reset()
				f.Readiness.Ready("engine")
				first()
				f.Inbox.connected(cancel)
			},
			func(h container.Hint) {
				f.Metrics.Hint(h)
				f.Inbox.add(h)
			})
		onPurpose := stream.Err() != nil
		cancel()
		f.Inbox.disconnected()
		if onPurpose {
			continue
		}
		f.Readiness.NotReady("engine", err.Error())
		if minutely.Allow(time.Now()) {
			f.Log.WithError(err).Warn("Docker event stream lost; keeping existing records and reconnecting")
		}
		backoff.Sleep(ctx, wait.Next())
	}
}
