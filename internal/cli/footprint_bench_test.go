package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// BenchmarkFootprint tells what the agent, as it is released, takes of a host with so many containers, all on the real
// Engine:
//
//   - MiB-idle: resident, when nothing has happened for a while
//   - s-CPU/1000-events: while 300 containers come and go, 16 at a time
//   - MiB-busy: resident at the end of that, and MiB-peak the most since the agent was started
//   - s-CPU/h-idle: when nothing happens; the resync and its look at the Engine every minute are most of it
func BenchmarkFootprint(b *testing.B) {
	program := released(b)
	const shortLived = 300
	for _, containers := range []int{0, 50, 300} {
		b.Run(fmt.Sprintf("containers=%d", containers), func(b *testing.B) {
			w := newWorld(b)
			w.program = program
			w.resident(containers)
			w.start()
			require.Eventually(b, func() bool { return w.announced() == containers }, time.Minute, 10*time.Millisecond)

			time.Sleep(20 * time.Second) // in which the agent gives back what it needed to start
			begun, cpu := time.Now(), w.holding().cpu
			time.Sleep(65 * time.Second) // one resync at least
			idle := w.memory("VmRSS")
			perHour := (w.holding().cpu - cpu) / time.Since(begun).Hours()

			before, events := w.holding(), w.events()
			b.ResetTimer()
			for range b.N { // 1 by -benchtime 1x
				w.cycle(shortLived)
			}
			b.StopTimer()
			busy, peak := w.memory("VmRSS"), w.memory("VmHWM")
			used, told := w.holding().cpu-before.cpu, w.events()-events
			assert.GreaterOrEqual(b, told, 2*shortLived*b.N)
			b.ReportMetric(idle, "MiB-idle")
			b.ReportMetric(perHour, "s-CPU/h-idle")
			b.ReportMetric(busy, "MiB-busy")
			b.ReportMetric(peak, "MiB-peak")
			b.ReportMetric(used/float64(told)*1000, "s-CPU/1000-events")
		})
	}
}

// resident runs so many containers, some of them at a time.
func (w *world) resident(n int) {
	var starting sync.WaitGroup
	places := make(chan bool, 8)
	for i := range n {
		places <- true
		starting.Go(func() {
			o := enginetest.OnHost()
			o.Labels = enginetest.ECSLabels(fmt.Sprintf("%sresident%d", w.prefix, i%20))
			enginetest.Create(w.t, o).Start()
			<-places
		})
	}
	starting.Wait()
}

// announced counts the SRV records of the agent.
func (w *world) announced() (n int) {
	for _, s := range w.own() {
		if s.Type == "SRV" {
			n++
		}
	}
	return n
}

// memory gives a figure of the agent's, such as VmRSS, in MiB.
func (w *world) memory(figure string) float64 {
	w.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.agent.Process.Pid))
	require.NoError(w.t, err)
	_, rest, _ := strings.Cut(string(status), "\n"+figure+":")
	var kib float64
	_, err = fmt.Sscanf(rest, "%g kB", &kib)
	require.NoError(w.t, err)
	return kib / 1024
}

// events tells how many of the Engine's events the agent has received.
func (w *world) events() (n int) {
	w.t.Helper()
	for _, line := range strings.Split(w.metrics(), "\n") {
		var some int
		if _, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(line, "ecssd_engine_events_total{") {
			_, err := fmt.Sscan(value, &some)
			require.NoError(w.t, err)
			n += some
		}
	}
	return n
}
