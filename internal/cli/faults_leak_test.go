package cli

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// cycles is for those who want to know it better: go test ./internal/cli -run Leak -v -args -cycles 2000
var cycles = flag.Int("cycles", 150, "how many containers come and go in TestNothingLeaks")

// holding is what a process has taken.
type holding struct {
	goroutines, files int
	rss               float64 // MiB
	cpu               float64 // seconds
}

// holding reads what the agent has taken, of which idle connections to the Engine are a part.
func (w *world) holding() (h holding) {
	w.t.Helper()
	response, err := http.Get("http://" + w.listen + "/metrics")
	require.NoError(w.t, err)
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "go_goroutines %d", &h.goroutines)
		_, _ = fmt.Sscanf(lines.Text(), "process_cpu_seconds_total %g", &h.cpu)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.agent.Process.Pid))
	require.NoError(w.t, err)
	h.files = len(files)
	h.rss = w.memory("VmRSS")
	require.NotZero(w.t, h.goroutines)
	return h
}

// cycle lets n containers come and go, some at a time; each stays until it is announced.
func (w *world) cycle(n int) {
	var left atomic.Int64
	left.Store(int64(n))
	var working sync.WaitGroup
	for worker := range 16 {
		name := fmt.Sprintf("web%d", worker)
		working.Go(func() {
			for left.Add(-1) >= 0 {
				o := enginetest.OnHost()
				o.Labels, o.AutoRemove = enginetest.ECSLabels(w.prefix+name), true
				c := enginetest.Create(w.t, o)
				c.Start()
				w.has(name, 1)
				c.Kill("KILL")
				w.has(name, 0)
			}
		})
	}
	working.Wait()
}

func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program = released(t)
	w.start()
	warmUp := 50
	w.cycle(warmUp)
	before := w.holding()
	begun := time.Now()
	w.cycle(*cycles - warmUp)
	const few = 16 // connections to the Engine, of which there are now more, now fewer
	var after holding
	patience.Until(func() bool { // a busy machine gives back later what it has taken
		after = w.holding()
		return after.goroutines <= before.goroutines+few && after.files <= before.files+few
	})
	t.Logf("after %d containers: %+v; after %d, in %s: %+v", warmUp, before, *cycles, time.Since(begun), after)
	assert.LessOrEqual(t, after.goroutines, before.goroutines+few)
	assert.LessOrEqual(t, after.files, before.files+few)
	assert.LessOrEqual(t, after.rss, before.rss+8)
	assert.Empty(t, w.told())
}
