package apply

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// resettled is how long after the host has booted or woken up the record of its address is read once more: a pass of
// the sweeper that began before may have taken the host for gone, and takes up to 5 minutes.
const resettled = 6 * time.Minute

// verification is when and where the zone is read back next. A reading takes one call and shows a page of the zone, of
// up to 300 record sets. In a round each own name and type is read once: first the host's own address, to which all its
// SRV records point, then page by page what was not on a page yet. Where all that is the host's stands on one page that
// page is read each time.
type verification struct {
	at      time.Time      // of the next reading
	extra   time.Time      // of a reading out of turn, of the host's address; zero: there is none
	read    map[group]bool // in this round
	onePage bool           // all own names are on the page that begins with the first of them
	tried   bool           // it is known whether they are
	slow    int            // how often in a row it was throttled
	missed  time.Time      // when the host's address was last read because DNS did not know it, and the zone had it
	doubted bool           // the reading out of turn is because DNS does not know the address
}

// next gives the time of the next reading, the zero time where there is none.
func (v *verification) next(now time.Time, every time.Duration, jitter func() float64) time.Time {
	if every == 0 {
		return time.Time{}
	}
	if v.at.IsZero() {
		v.schedule(now, every, jitter)
	}
	return earliest(v.at, v.extra)
}

// schedule sets the next reading: spread by a quarter either way, so that hosts that started together part, and twice
// as late for each time it was throttled.
func (v *verification) schedule(now time.Time, every time.Duration, jitter func() float64) {
	wait := time.Duration((0.75 + jitter()/2) * float64(every))
	v.at = now.Add(wait << min(v.slow, 6))
}

// begin returns the name and type with which the next page begins. The groups are not empty, and in the order of the
// zone.
func (v *verification) begin(groups []group, address group, outOfTurn bool) group {
	if v.read == nil || !slices.ContainsFunc(groups, func(g group) bool { return !v.read[g] }) {
		v.read = map[group]bool{}
	}
	switch {
	case outOfTurn && address != group{}:
		return address
	case v.onePage:
		return groups[0]
	case address != group{} && !v.read[address]:
		return address
	}
	return groups[slices.IndexFunc(groups, func(g group) bool { return !v.read[g] })]
}

// setReading notes how the reading under way is broken off; nil: there is none.
func (w *Writer) setReading(cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = cancel
}

// AddressMissing has the record of the host's address read back soon, because DNS does not know it, and reports whether
// it will be: once in Config.VerifyEvery, unless the record was missing indeed.
func (w *Writer) AddressMissing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, now := &w.verification, time.Now()
	_, address := w.groups()
	if w.cfg.VerifyEvery == 0 || address == (group{}) || !v.missed.IsZero() && now.Sub(v.missed) < w.cfg.VerifyEvery {
		return false
	}
	v.extra, v.missed, v.doubted = now, now, true
	w.poke()
	return true
}

// groups returns the names and types of what is known in the order of the zone, and that of the host's own address; the
// zero group where there is none. The caller holds mu.
func (w *Writer) groups() (groups []group, address group) {
	present := map[group]bool{}
	for key := range w.known {
		g := group{key.Name, key.Type}
		if id, ok := record.ParseSetID(key.SetID); ok && id.Kind == record.Host {
			address = g
		}
		if !present[g] {
			present[g] = true
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(record.Order(a.name), record.Order(b.name)), cmp.Compare(a.typ, b.typ))
	})
	return groups, address
}

// verify reads a page of the zone back and restores what differs: records lost to a person, or to anything else,
// return.
func (w *Writer) verify(ctx context.Context) {
	w.mu.Lock()
	v, now := &w.verification, time.Now()
	outOfTurn := !v.extra.IsZero() && !v.extra.After(now)
	groups, address := w.groups()
	if len(groups) == 0 {
		v.extra, v.doubted = time.Time{}, false
		v.schedule(now, w.cfg.VerifyEvery, w.cfg.Jitter)
		w.mu.Unlock()
		return
	}
	first := v.begin(groups, address, outOfTurn)
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.setReading(cancel)
	found, covers, err := w.cfg.Zone.Page(ctx, first.name, first.typ)
	w.setReading(nil)

	defer w.saveSoon()
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(ctx.Err(), context.Canceled) {
		return // there is something to change, and then this page is read again
	}
	v.slow++
	if !errors.Is(err, plan.ErrThrottled) {
		v.slow = 0
	}
	if err != nil {
		w.unverified(first, outOfTurn, err)
		return
	}
	differences := w.compare(found, covers)
	complete := !slices.ContainsFunc(groups, func(g group) bool { return !v.read[g] })
	if first == groups[0] {
		v.onePage, v.tried = !slices.ContainsFunc(groups, func(g group) bool { return !covers(g.name, g.typ) }), true
	}
	if v.doubted && differences > 0 {
		v.missed = time.Time{}
	}
	v.extra, v.doubted = time.Time{}, false
	switch now := time.Now(); {
	case !v.tried && !complete && !outOfTurn: // once, to find out whether one page holds all
		v.tried, v.at = true, now
	case !outOfTurn || !v.at.After(now):
		v.schedule(now, w.cfg.VerifyEvery, w.cfg.Jitter)
	}
}

// unverified notes that a reading has failed. The caller holds mu.
func (w *Writer) unverified(first group, outOfTurn bool, err error) {
	v := &w.verification
	v.schedule(time.Now(), w.cfg.VerifyEvery, w.cfg.Jitter)
	if outOfTurn {
		v.extra = time.Now().Add(w.cfg.VerifyEvery / 15 << min(v.slow, 6))
	}
	w.cfg.Metrics.verified(0, err)
	w.cfg.Log.WithError(err).WithField("name", first.name).Warn("verification failed")
}

// compare learns what a page shows of the own names that lie whole in it, and returns the number of differences. The
// caller holds mu.
func (w *Writer) compare(found []record.Record, covers func(string, record.Type) bool) (differences int) {
	byGroup := map[group][]record.Record{}
	for _, r := range found {
		byGroup[groupOf(r)] = append(byGroup[groupOf(r)], r)
	}
	name := ""
	groups, _ := w.groups()
	for _, g := range groups {
		if !covers(g.name, g.typ) {
			continue
		}
		w.verification.read[g] = true
		if n := w.learn(g, byGroup[g], false); n > 0 {
			differences += n
			name = cmp.Or(name, g.name)
		}
	}
	w.tell()
	w.cfg.Metrics.verified(differences, nil)
	if differences > 0 {
		w.cfg.Log.WithField("name", name).WithField("differences", differences).
			Warn("records were not as this host had written them, mending")
	}
	return differences
}
