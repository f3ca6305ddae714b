package agent

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shows gives the values of gauges and counters as the present agent shows them, by name and label values:
// "ecssd_snapshots_total ok".
func (w *world) shows() map[string]float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	require.NoError(w.t, err)
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := []string{family.GetName()}
			for _, label := range metric.GetLabel() {
				name = append(name, label.GetValue())
			}
			values[strings.Join(name, " ")] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	return values
}

// is asserts what some of the metrics show.
func (w *world) is(want map[string]float64, when string) {
	w.t.Helper()
	got := w.shows()
	for name, value := range want {
		shown, there := got[name]
		assert.True(w.t, there, "%s, %s", name, when)
		assert.Equal(w.t, value, shown, "%s, %s", name, when)
	}
}

func TestMetricsOfContainersAndProblems(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		set := w.leaving()
		w.run()
		w.after(time.Second) // in which Route 53 has been asked whether the host may write
		w.is(map[string]float64{
			"ecssd_announcement_problems":          0,
			"ecssd_endpoints serving":              0,
			"ecssd_endpoints standby":              0,
			"ecssd_host_standby":                   0,
			"ecssd_containers_withheld stopping":   0,
			"ecssd_containers_withheld crash_loop": 0,
			"ecssd_engine_connected":               1,
			"ecssd_ready":                          1,
			"ecssd_journal_behind":                 0,
			"ecssd_records SRV":                    0,
			"ecssd_last_applied_timestamp_seconds": 0,
		}, "at first")

		bad, worse := web(2), web(3)
		bad.Labels["SERVICE_NAME"] = "no name"
		worse.Labels["SERVICE_NAME"], worse.Labels["SERVICE_WEIGHT"] = "good,no name", "-1"
		worse.Labels["SERVICE_0_NAME"] = "x"
		ignored := web(4)
		ignored.Labels["SERVICE_IGNORE"] = "1"
		stopping := web(5)
		w.engine.start(web(1))
		w.engine.start(bad)
		w.engine.start(worse)
		w.engine.start(ignored)
		w.engine.start(stopping)
		w.after(5 * time.Second)
		w.engine.kill(stopping, 15)
		w.after(5 * time.Second)
		now := float64(time.Now().Unix())
		w.is(map[string]float64{
			"ecssd_announcement_problems":          4,
			"ecssd_endpoints serving":              2,
			"ecssd_endpoints standby":              0,
			"ecssd_containers_withheld stopping":   1,
			"ecssd_containers_withheld crash_loop": 0,
			"ecssd_records SRV":                    2,
			"ecssd_records A":                      1,
			"ecssd_changes_pending":                0,
			"ecssd_engine_events_total start":      5,
			"ecssd_engine_events_total kill":       1,
			"ecssd_engine_events_total die":        0,
		}, "what somebody has chosen is no fault")
		assert.InDelta(t, now, w.shows()["ecssd_last_applied_timestamp_seconds"], 10)

		set("scaled in", nil)
		w.after(5 * time.Second)
		w.is(map[string]float64{
			"ecssd_host_standby":      1,
			"ecssd_endpoints serving": 0,
			"ecssd_endpoints standby": 2,
		}, "about to go")
		set("", nil)
		w.engine.die(worse)
		w.engine.die(bad)
		w.after(10 * time.Second)
		w.is(map[string]float64{
			"ecssd_host_standby":            0,
			"ecssd_announcement_problems":   0,
			"ecssd_endpoints serving":       1,
			"ecssd_engine_events_total die": 2,
		}, "withdrawn, and what was at fault is gone")
	})
}

func TestMetricsOfTheEngine(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(time.Second)
		before := w.shows()
		assert.NotZero(t, before["ecssd_snapshots_total ok"])
		assert.Zero(t, before["ecssd_snapshots_total failed"])

		w.engine.make(func() { w.engine.down, w.engine.streams = true, true })
		w.after(90 * time.Second)
		failing := w.shows()
		assert.Equal(t, before["ecssd_snapshots_total ok"], failing["ecssd_snapshots_total ok"])
		assert.NotZero(t, failing["ecssd_snapshots_total failed"])
		assert.Equal(t, 1.0, failing["ecssd_engine_connected"], "the events are still followed")

		w.engine.make(func() { w.engine.closed = true })
		w.engine.interrupt()
		w.after(5 * time.Second)
		w.is(map[string]float64{
			"ecssd_engine_connected": 0,
			"ecssd_ready":            0,
			"ecssd_missing engine":   1,
			"ecssd_missing zone":     0,
		}, "the stream has ended")

		w.engine.make(func() { w.engine.down, w.engine.closed = false, false })
		w.after(time.Minute)
		w.is(map[string]float64{
			"ecssd_engine_connected": 1,
			"ecssd_ready":            1,
			"ecssd_missing engine":   0,
		}, "the Engine is back")
		back := w.shows()
		assert.Greater(t, back["ecssd_snapshots_total ok"], failing["ecssd_snapshots_total ok"])
		w.after(10 * time.Minute)
		assert.Equal(t, back["ecssd_snapshots_total failed"], w.shows()["ecssd_snapshots_total failed"])
	})
}

func TestMetricsOfTheJournalAndRoute53(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.engine.start(web(1))
		w.after(5 * time.Second)
		w.is(map[string]float64{"ecssd_journal_behind": 0, "ecssd_changes_pending": 0}, "at first")
		w.zone.fail(errors.New("no route to host"))
		w.engine.start(web(2))
		w.after(2 * time.Minute)
		w.is(map[string]float64{
			"ecssd_changes_pending": 1,
			"ecssd_ready":           0,
			"ecssd_missing route53": 1,
		}, "Route 53 does not answer")
		w.zone.fail(nil)
		w.after(time.Minute)
		w.is(map[string]float64{
			"ecssd_changes_pending": 0,
			"ecssd_ready":           1,
			"ecssd_missing route53": 0,
			"ecssd_records SRV":     2,
		}, "and answers again")

		require.NoError(t, os.Rename(w.dir, w.dir+".away"))
		w.engine.start(web(3))
		w.after(10 * time.Second)
		w.is(map[string]float64{"ecssd_journal_behind": 1}, "the directory is gone")
		require.NoError(t, os.Rename(w.dir+".away", w.dir))
		w.engine.start(web(4))
		w.after(2 * time.Minute)
		w.is(map[string]float64{"ecssd_journal_behind": 0, "ecssd_records SRV": 4}, "and is back")
	})
}
