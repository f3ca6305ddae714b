package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"
)

// backoff spaces attempts at something on this host that fails.
type backoff struct {
	first, longest time.Duration
	jitter         func() float64 // in [0, 1)
	failures       int
}

// next gives the wait before the next attempt: doubling, spread over its second half.
func (b *backoff) next() time.Duration {
	wait := min(b.first<<min(b.failures, 16), b.longest)
	b.failures++
	return spread(wait, b.jitter)
}

func (b *backoff) reset() { b.failures = 0 }

// spread gives a time between half of d and d, as jitter in [0, 1) will have it.
func spread(d time.Duration, jitter func() float64) time.Duration {
	return d/2 + time.Duration(jitter()*float64(d/2))
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Await tries until something that the agent needs is there: what is missing at boot may come later, in any order. It
// says once, and then every minute, what is missing, and keeps the agent unready for that long. Its only error is
// ctx's.
func Await(
	ctx context.Context,
	log *logrus.Entry,
	readiness *Readiness,
	part string,
	try func(context.Context) error,
) error {
	wait := backoff{first: time.Second, longest: 15 * time.Second, jitter: rand.Float64}
	var said time.Time
	for ctx.Err() == nil {
		err := try(ctx)
		if err == nil {
			if !said.IsZero() {
				log.WithField("part", part).Info("found what was missing")
			}
			readiness.Ready(part)
			return nil
		}
		readiness.NotReady(part, err.Error())
		if ctx.Err() == nil && time.Since(said) >= time.Minute {
			said = time.Now()
			log.WithError(err).WithField("part", part).Warn("something is missing, waiting for it")
		}
		sleep(ctx, wait.next())
	}
	return ctx.Err()
}
