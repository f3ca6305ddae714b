package fleet

import (
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// result is what came of a run.
type result struct {
	setup
	delays, removed  []time.Duration // sorted
	calls            map[call]int
	callers          int // hosts that changed something
	changes, bytes   int
	cost             int           // of the changes
	waiting          int           // changes never applied
	right            time.Duration // from the last change of a container until the zone was right
	curve            []point
	missing, surplus int // records, in the end
}

func (w *world) result() result {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.mu.Lock()
	defer w.account.mu.Unlock()
	slices.Sort(w.delays)
	slices.Sort(w.removed)
	r := result{
		setup:   w.setup,
		delays:  w.delays,
		removed: w.removed,
		calls:   w.account.calls,
		changes: w.account.changes,
		bytes:   w.account.bytes,
		callers: len(w.account.callers),
		cost:    w.account.cost,
		waiting: len(w.expected),
		right:   w.right.Sub(w.last),
		curve:   w.curve,
	}
	expected := map[record.Key]bool{}
	for i, h := range w.hosts {
		if w.scene.name == zoneLost.name && i%3 == 0 {
			continue
		}
		h.mu.Lock() // a container may be dying
		live := slices.Clone(h.live)
		h.mu.Unlock()
		for _, rec := range h.records(live...) {
			expected[rec.Key()] = true
		}
	}
	for key := range expected {
		if _, ok := w.account.records[key]; !ok {
			r.missing++
		}
	}
	for key := range w.account.records {
		if !expected[key] {
			r.surplus++
		}
	}
	return r
}

// quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
