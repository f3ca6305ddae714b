package health

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/backoff"
)

// Await calls try until it returns nil: what is missing at boot may come later, in any order. Meanwhile the part is not
// ready, which is logged once a minute. Its only error is ctx's.
func Await(ctx context.Context, log *logrus.Entry, r *Readiness, part string, try func(context.Context) error) error {
	wait := backoff.Backoff{
		Interval: backoff.Interval{First: time.Second, Longest: 15 * time.Second},
		Jitter:   rand.Float64,
	}
	log = log.WithField("part", part)
	var minutely backoff.Minutely
	for ctx.Err() == nil {
		err := try(ctx)
		if err == nil {
			if minutely.Logged() {
				log.Info("dependency is available")
			}
			r.Ready(part)
			return nil
		}
		r.NotReady(part, err.Error())
		if ctx.Err() == nil && minutely.Allow(time.Now()) {
			log.WithError(err).Warn("waiting for a dependency; retrying")
		}
		backoff.Sleep(ctx, wait.Next())
	}
	return ctx.Err()
}
