package agent

import (
	"context"
	"time"
)

// standbyEvery is how often it is asked whether the host is about to go. A spot instance is told 2 minutes before, and AWS
// advises to look every 5 s ("Spot Instance interruption notices", EC2 user guide).
const standbyEvery = 5 * time.Second

// watchStandby passes on whether the whole host is to be out of traffic, until ctx ends.
func (a *Agent) watchStandby(ctx context.Context) {
	if a.cfg.HostStandby == nil {
		return
	}
	last := ""
	for ctx.Err() == nil {
		why, err := a.cfg.HostStandby(ctx)
		switch {
		case err != nil:
			a.cfg.Log.WithError(err).Debug("cannot tell whether the host is about to go")
		case why != last:
			if why == "" {
				a.cfg.Log.Info("the host is to serve again")
			} else {
				a.cfg.Log.WithField("reason", why).Warn("the whole host is put on standby")
			}
			last = why
			a.inbox.put(func() { a.inbox.standby = why })
		}
		sleep(ctx, standbyEvery)
	}
}
