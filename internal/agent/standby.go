package agent

import (
	"context"
	"time"

	"github.com/ecssd/ecssd/internal/backoff"
)

const (
	// standbyEvery is how often it is asked whether the host is to be out of traffic. A spot instance is told 2 minutes
	// before its end, and AWS advises to look every 5 s ("Spot Instance interruption notices", EC2 user guide).
	standbyEvery = 5 * time.Second
	// standbyWait is how long the first records wait for the first answer: a host on standby whose agent starts anew is
	// not to serve for a moment.
	standbyWait = 2 * time.Second
)

// watchStandby passes on whether the whole host is to be out of traffic, until ctx ends.
func (k *keeper) watchStandby(ctx context.Context) {
	for ctx.Err() == nil {
		k.askStandby(ctx)
		backoff.Sleep(ctx, standbyEvery)
	}
}

// askStandby asks once. While there is no answer, the last one counts.
func (k *keeper) askStandby(ctx context.Context) {
	defer k.standbyAsked()
	if k.HostStandby == nil {
		return
	}
	why, err := k.HostStandby(ctx)
	if err != nil {
		k.cfg.Log.WithError(err).Debug("cannot find out whether the host is to be on standby")
		return
	}
	if !k.inbox.SetStandby(why) {
		return
	}
	if why == "" {
		k.cfg.Log.Info("host standby ends; restoring the weights of its records")
	} else {
		k.cfg.Log.WithField("reason", why).Warn("host standby begins; setting all its records to weight 0")
	}
}
