package apply_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Whoever asks a writer, or the metrics, how it stands may do so at any time. The race detector is the judge.
func TestAskedWhileItWorks(t *testing.T) {
	running(t, time.Minute, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name == "bad.example" } })
		end := make(chan struct{})
		var asking sync.WaitGroup
		for name, ask := range map[string]func(){
			"status":    func() { _ = w.Status() },
			"last call": func() { _, _ = w.LastCall() },
			"denied":    func() { _ = w.Denied() },
			"known":     func() { _ = w.Current() },
			"busy":      func() { _ = w.Busy() },
			"calls":     func() { _ = w.metrics.Calls() },
			"adopt":     func() { w.Adopt(z.content()) },
		} {
			asking.Go(func() {
				for step := time.Duration(len(name)); ; {
					select {
					case <-end:
						return
					case <-time.After(7*time.Millisecond + step): // beside the others' moments, and the calls'
						ask()
					}
				}
			})
		}
		z.set(func() { z.latency = 3 * time.Millisecond })
		for n := range 40 {
			w.want(append(many("web", n%7), many("bad", n%3)...)...)
			time.Sleep(50 * time.Millisecond)
		}
		z.pass(2 * time.Minute)
		close(end)
		asking.Wait()
	})
}

// Current copies the records under the lock. The race detector does not see a map being copied; the map itself does.
func TestCurrentWhileRecordsChange(t *testing.T) {
	records := many("web", 500)
	w := newWriter(newZone(t, records...), known(records...), 0)
	var changing sync.WaitGroup
	changing.Go(func() {
		for range 500 {
			w.MarkAllUnconfirmed()
		}
	})
	for range 500 {
		assert.Len(t, w.Current(), 500)
	}
	changing.Wait()
}

// The last 100 changes are remembered, the newest first.
func TestRecentChanges(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(many("web", 60)...)
		z.pass(time.Minute)
		w.want(append(many("web", 60), many("xyz", 40)...)...)
		z.pass(time.Minute)
		recent := w.Status().Recent
		assert.Len(t, recent, 100)
		assert.Equal(t, create(srv("xyz", 39)), recent[0].Change)
		assert.Equal(t, create(srv("web", 0)), recent[99].Change)
		w.want(append(many("web", 60), many("xyz", 41)...)...)
		z.pass(time.Minute)
		recent = w.Status().Recent
		assert.Len(t, recent, 100)
		assert.Equal(t, create(srv("xyz", 40)), recent[0].Change)
		assert.Equal(t, create(srv("web", 1)), recent[99].Change)
	})
}

// A batch is full with 1,000 elements, of which a change of what is there takes two, and not one earlier.
func TestBatchesAtTheLimit(t *testing.T) {
	heavier := many("web", 500)
	for i := range heavier {
		heavier[i].Weight = 2
	}
	for name, test := range map[string]struct {
		has, want []record.Record
		calls     int
	}{
		"1,000 created":             {nil, many("web", 1000), 1},
		"1,001 created":             {nil, many("web", 1001), 2},
		"1,000 removed":             {many("web", 1000), nil, 1},
		"1,001 removed":             {many("web", 1001), nil, 2},
		"500 changed":               {many("web", 500), heavier, 1},
		"500 changed and one added": {many("web", 500), append(heavier, srv("api", 1)), 2},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				w.want(test.want...)
				z.pass(time.Minute)
				assert.Equal(t, test.calls, z.callCount())
				assert.Equal(t, sorted(test.want), z.content())
			}, test.has...)
		})
	}
}

// Denials are counted for a minute: the twelfth is the last before the rest is taken for denied, too.
func TestDenialsOfAMinute(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(record.Record) bool { return true } })
		var records []record.Record
		for i := range 60 {
			records = append(records, srv("n"+string(rune('A'+i)), i))
		}
		w.want(records...)
		z.pass(40 * time.Second)
		assert.Equal(t, 13, z.callCount(), "six to narrow down, six more by themselves, and the rest")
		assert.Len(t, w.Status().Refused, 60)
		for _, r := range w.Status().Refused {
			assert.Equal(t, plan.Denied, r.Reason)
		}
	})
}
