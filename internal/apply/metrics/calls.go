package metrics

import (
	"slices"
	"sync"
	"time"
)

// Calls is what became of the ChangeResourceRecordSets calls.
type Calls struct {
	Applied, Throttled, Refused, Failed int
	// answered or given up in the last minute, whatever became of them
	LastMinute int
	Mean       time.Duration // of a call that was applied; 0 before the first
	// mean, from a Docker event to its change applied; 0 before the first
	Delay time.Duration
}

// tally counts calls. Its zero value is ready to use, by several goroutines.
type tally struct {
	mu     sync.Mutex
	calls  Calls
	took   time.Duration // by the calls applied, in sum
	waited time.Duration // by the events whose changes are applied, in sum
	events int
	lately []time.Time // of the calls of the last minute, the oldest first; the pace between calls bounds them
}

func (t *tally) call(label string, took time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch label {
	case "applied":
		t.calls.Applied++
		t.took += took
	case "throttled":
		t.calls.Throttled++
	case "refused":
		t.calls.Refused++
	default:
		t.calls.Failed++
	}
	t.forget(now)
	t.lately = append(t.lately, now)
}

func (t *tally) delay(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waited += d
	t.events++
}

// forget drops what is more than a minute past.
func (t *tally) forget(now time.Time) {
	old, _ := slices.BinarySearchFunc(t.lately, now.Add(-time.Minute), time.Time.Compare)
	t.lately = slices.Delete(t.lately, 0, old)
}

func (t *tally) read(now time.Time) Calls {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	calls := t.calls
	calls.LastMinute = len(t.lately)
	if calls.Applied > 0 {
		calls.Mean = t.took / time.Duration(calls.Applied)
	}
	if t.events > 0 {
		calls.Delay = t.waited / time.Duration(t.events)
	}
	return calls
}

// Calls returns what became of the calls of the writers that share m.
func (m *Metrics) Calls() Calls { return m.tally.read(time.Now()) }
