package agent

import (
	"context"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
)

// failsFor is how long snapshots may fail before that is reported: an Engine that restarts is away for some seconds.
const failsFor = 10 * time.Second

// follow reads the Engine's events until ctx ends.
func (a *Agent) follow(ctx context.Context) {
	wait := backoff{first: 100 * time.Millisecond, longest: time.Second, jitter: a.cfg.Jitter}
	log := a.cfg.Log
	var logged time.Time
	following := sync.OnceFunc(a.cfg.Following)
	for ctx.Err() == nil {
		streamCtx, cancel := context.WithCancel(ctx)
		err := a.cfg.Engine.Follow(streamCtx,
			func() {
				wait.reset()
				if !logged.IsZero() {
					log.Info("connected to the Docker event stream again")
				}
				logged = time.Time{}
				a.cfg.Readiness.Ready("engine")
				a.cfg.Metrics.connected(true)
				following()
				a.inbox.connected(cancel)
			},
			func(h container.Hint) {
				a.cfg.Metrics.hint(h)
				a.inbox.add(h)
			})
		onPurpose := streamCtx.Err() != nil
		cancel()
		a.inbox.disconnected()
		if onPurpose {
			continue
		}
		a.cfg.Metrics.connected(false)
		a.cfg.Readiness.NotReady("engine", err.Error())
		if time.Since(logged) >= time.Minute {
			logged = time.Now()
			log.WithError(err).Warn("Docker event stream lost; keeping existing records and reconnecting")
		}
		sleep(ctx, wait.next())
	}
}

// reportFailure reports that snapshots of the Engine fail, once that lasts.
func (a *Agent) reportFailure(f local.Failure, now time.Time) {
	if f.Err == nil {
		a.cfg.Readiness.Ready("containers")
		return
	}
	if now.Sub(f.Since) < failsFor {
		return
	}
	a.cfg.Readiness.NotReady("containers", f.Err.Error())
	if now.Sub(a.failureLogged) >= time.Minute {
		a.failureLogged = now
		a.cfg.Log.WithError(f.Err).Warn("cannot list containers; keeping existing records")
	}
}
