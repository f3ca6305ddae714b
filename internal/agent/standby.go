package agent

import (
	"context"
	"time"
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
func (a *Agent) watchStandby(ctx context.Context) {
	for ctx.Err() == nil {
		a.askStandby(ctx)
		sleep(ctx, standbyEvery)
	}
}

// askStandby asks once. While there is no answer, the last one counts.
func (a *Agent) askStandby(ctx context.Context) {
	defer a.standbyAsked()
	if a.cfg.HostStandby == nil {
		return
	}
	why, err := a.cfg.HostStandby(ctx)
	if err != nil {
		a.cfg.Log.WithError(err).Debug("cannot tell whether the host is to be on standby")
		return
	}
	if !a.inbox.setStandby(why) {
		return
	}
	if why == "" {
		a.cfg.Log.Info("the host is to serve again")
	} else {
		a.cfg.Log.WithField("reason", why).Warn("the whole host is put on standby")
	}
}
