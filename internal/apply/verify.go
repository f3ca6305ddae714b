package apply

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// verification is when and where the zone is read back next.
type verification struct {
	at   time.Time
	last group // read back last; the names take turns
	slow int   // how often in a row it was throttled
}

// next gives the time of the next reading, the zero time where there is none.
func (v *verification) next(now time.Time, every time.Duration, luck func() float64) time.Time {
	if v.at.IsZero() && every > 0 {
		v.schedule(now, every, luck)
	}
	return v.at
}

// schedule sets the next reading: spread by a quarter either way, so that hosts that started together part, and twice as
// late for each time it was throttled.
func (v *verification) schedule(now time.Time, every time.Duration, luck func() float64) {
	wait := time.Duration((0.75 + luck()/2) * float64(every))
	v.at = now.Add(wait << min(v.slow, 6))
}

// setReading notes how the reading under way is broken off; nil: there is none.
func (w *Writer) setReading(cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = cancel
}

// verify reads one own name back and mends what differs: records lost to a person, or to anything else, return.
func (w *Writer) verify(ctx context.Context) {
	w.mu.Lock()
	var groups []group
	for key := range w.known {
		groups = append(groups, group{key.Name, key.Type})
	}
	w.mu.Unlock()
	order := func(a, b group) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.typ, b.typ)) }
	slices.SortFunc(groups, order)
	if len(groups) == 0 {
		w.mu.Lock()
		w.verification.schedule(time.Now(), w.cfg.VerifyEvery, w.cfg.Luck)
		w.mu.Unlock()
		return
	}
	g := groups[0]
	if i := slices.IndexFunc(groups, func(g group) bool { return order(g, w.verification.last) > 0 }); i >= 0 {
		g = groups[i]
	}

	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.setReading(cancel)
	found, err := w.cfg.Zone.Group(ctx, g.name, g.typ)
	w.setReading(nil)

	defer w.saveSoon()
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(ctx.Err(), context.Canceled) {
		return // there is something to change, and then this name is read again
	}
	w.verification.last = g
	w.verification.slow++
	if !errors.Is(err, plan.ErrThrottled) {
		w.verification.slow = 0
	}
	w.verification.schedule(time.Now(), w.cfg.VerifyEvery, w.cfg.Luck)
	if err != nil {
		w.cfg.Metrics.verified(0, err)
		w.cfg.Log.WithError(err).WithField("name", g.name).Warn("verification failed")
		return
	}
	differences := w.learn(g, found, false)
	w.tell()
	w.cfg.Metrics.verified(differences, nil)
	if differences > 0 {
		w.cfg.Log.WithField("name", g.name).WithField("differences", differences).
			Warn("records were not as this host had written them, mending")
	}
}
