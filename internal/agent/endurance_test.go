package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
)

// cycle lets n containers come, be announced, and go, some at a time, which costs fewer writes to the disk. Some die of
// themselves, some lose the event of their death, some have addresses of their own, some cannot be announced, some
// outlive their signal.
func (w *world) cycle(from, n int) {
	const together = 25
	for first := from; first < from+n; first += together {
		var all []container.Container
		for i := first; i < first+together; i++ {
			c := web(i)
			c.Labels[container.LabelName] = fmt.Sprintf("web%d", i%500)
			switch {
			case i%7 == 0:
				pause := web(1_000_000 + i)
				pause.Labels = map[string]string{
					container.LabelName:    "~internal~ecs~pause",
					container.LabelTaskARN: "arn",
				}
				pause.Mode, pause.Published = container.None, nil
				w.engine.start(pause)
				all = append(all, pause)
				c.Mode, c.SharedWith, c.Published = container.Shared, pause.ID, nil
				c.Exposed = []container.Port{{Number: 80, Proto: container.TCP}}
				w.with(func() { w.tasks[c.ID] = Task{Address: w.owner.Address.Next()} })
			case i%11 == 0:
				c.Labels["SERVICE_NAME"] = fmt.Sprintf("not a name %d", i)
			}
			w.engine.start(c)
			all = append(all, c)
		}
		w.after(3 * time.Second)
		for i, c := range all {
			if i%3 != 0 {
				w.engine.kill(c, 15)
			}
		}
		w.after(time.Second)
		if first/together%20 == 0 {
			w.after(11 * time.Minute)
		}
		for i, c := range all {
			if i%5 == 0 {
				w.engine.set(func(live map[string]container.Container) { delete(live, c.ID) })
			} else {
				w.engine.die(c)
			}
			w.with(func() { delete(w.tasks, c.ID) })
		}
	}
}

// filled lists the maps and slices below v that hold anything, by the names of their fields.
func filled(name string, v reflect.Value) (found []string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.Name != "cfg" {
				found = append(found, filled(name+"."+field.Name, v.Field(i))...)
			}
		}
	case reflect.Map, reflect.Slice:
		if v.Len() > 0 {
			found = append(found, fmt.Sprintf("%s: %d", name, v.Len()))
		}
	}
	return found
}

// heap gives the bytes in use, without what the world itself remembers.
func (w *world) heap() uint64 {
	w.engine.make(func() { w.engine.events = nil })
	w.engine.interrupt() // the stream begins anew, with no past
	w.zone.mu.Lock()
	w.zone.batches = nil
	w.zone.mu.Unlock()
	w.zone.Forget()
	w.log.Reset()
	w.after(10 * time.Second)
	w.zone.mu.Lock()
	w.zone.batches = nil
	w.zone.mu.Unlock()
	w.zone.Forget()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestNothingIsLeftOfFiveThousandContainers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		rest := func() (goroutines int, heap uint64) {
			w.after(2 * time.Hour) // the longest that anything is remembered
			return runtime.NumGoroutine(), w.heap()
		}
		w.cycle(1, 500)
		goroutines, heap := rest()
		w.cycle(501, 4500)
		goroutinesNow, heapNow := rest()
		t.Logf("goroutines %d and %d, heap %d and %d kB", goroutines, goroutinesNow, heap>>10, heapNow>>10)
		assert.Equal(t, goroutines, goroutinesNow)
		assert.Less(t, heapNow, heap+512<<10, "bytes; 4,500 containers have come and gone since")

		assert.Empty(t, filled("model", reflect.ValueOf(*w.keeper.model)))
		assert.Empty(t, w.journal.Stops())
		assert.Len(t, w.journal.Records("Z1"), 1, "the host's name")
		assert.Len(t, w.zone.all(), 1)
	})
}

// On a busy host no moment is without an event.
func TestStopMarksReachTheDiskWhileEventsGoOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c, busy := web(1), web(2)
		c.Published = nil // no record of it takes the mark along
		w.engine.start(c)
		w.engine.start(busy)
		w.run()
		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.after(50 * time.Millisecond)
		for range 50 {
			w.engine.set(func(map[string]container.Container) {}, container.Hint{
				ContainerID: busy.ID,
				Action:      container.Other,
				Time:        time.Now(),
			})
			w.after(100 * time.Millisecond)
		}
		content, err := os.ReadFile(filepath.Join(w.dir, "records.json"))
		require.NoError(t, err)
		assert.Contains(t, string(content), c.ID)
	})
}
