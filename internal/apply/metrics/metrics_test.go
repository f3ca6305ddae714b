package metrics

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func TestCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(prometheus.NewRegistry())
		assert.Zero(t, m.Calls())
		m.Call(plan.Applied, 100*time.Millisecond)
		m.Delay(time.Second)
		first := Calls{
			Applied:    1,
			LastMinute: 1,
			Mean:       100 * time.Millisecond,
			Delay:      time.Second,
		}
		assert.Equal(t, first, m.Calls())
		time.Sleep(40 * time.Second)
		m.Call(plan.Applied, 200*time.Millisecond)
		m.Call(plan.Throttled, time.Hour)
		m.Call(plan.Rejected, time.Hour)
		m.Call(plan.Unknown, time.Hour)
		m.Delay(2 * time.Second)
		want := Calls{
			Applied:    2,
			Throttled:  1,
			Refused:    1,
			Failed:     1,
			LastMinute: 5,
			Mean:       150 * time.Millisecond,
			Delay:      1500 * time.Millisecond,
		}
		assert.Equal(t, want, m.Calls())
		time.Sleep(30 * time.Second)
		want.LastMinute = 4
		assert.Equal(t, want, m.Calls(), "the first call is more than a minute past")
		time.Sleep(time.Minute)
		want.LastMinute = 0
		assert.Equal(t, want, m.Calls())
	})
}

func TestCallsOfAMinuteAreForgottenWhileNobodyReadsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(prometheus.NewRegistry())
		for range 10 {
			m.Call(plan.Applied, time.Millisecond)
			time.Sleep(time.Minute + time.Second)
		}
		assert.Len(t, m.tally.lately, 1)
	})
}

// Writers of several zones share one Metrics.
func TestSeveralWritersCount(t *testing.T) {
	m := New(prometheus.NewRegistry())
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 1000 {
				m.Call(plan.Applied, time.Second)
				m.Delay(time.Second)
				_ = m.Calls()
			}
		})
	}
	writers.Wait()
	calls := m.Calls()
	assert.Equal(t, 8000, calls.Applied)
	assert.Equal(t, time.Second, calls.Mean)
	assert.Equal(t, time.Second, calls.Delay)
}

func TestPrometheus(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := New(registry)
	for _, outcome := range []plan.Outcome{plan.Applied, plan.Rejected, plan.Throttled, plan.ZoneBusy, plan.Unknown} {
		m.Call(outcome, 100*time.Millisecond)
	}
	m.Applied(plan.Change{Action: plan.Upsert, Record: record.Record{Type: record.SRV}})
	m.Delay(2 * time.Second)
	m.Verified(0)
	m.Verified(1)
	m.Verified(3)
	m.VerificationFailed()
	found, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range found {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			if h := metric.GetHistogram(); h != nil {
				values[name] = float64(h.GetSampleCount())
				values[name+" seconds"] = h.GetSampleSum()
			} else if value := metric.GetCounter().GetValue(); value != 0 {
				values[name] = value
			}
		}
	}
	assert.Equal(t, map[string]float64{
		"ecssd_change_call_seconds applied":           1,
		"ecssd_change_call_seconds applied seconds":   .1,
		"ecssd_change_call_seconds failed":            1,
		"ecssd_change_call_seconds failed seconds":    .1,
		"ecssd_change_call_seconds refused":           1,
		"ecssd_change_call_seconds refused seconds":   .1,
		"ecssd_change_call_seconds throttled":         2,
		"ecssd_change_call_seconds throttled seconds": .2,
		"ecssd_changes_applied_total UPSERT SRV":      1,
		"ecssd_event_to_applied_seconds":              1,
		"ecssd_event_to_applied_seconds seconds":      2,
		"ecssd_verification_differences_total":        4,
		"ecssd_verifications_total failed":            1,
		"ecssd_verifications_total mended":            2,
		"ecssd_verifications_total right":             1,
	}, values)
	for _, family := range found {
		for _, metric := range family.GetMetric() {
			if h := metric.GetHistogram(); h != nil {
				var bounds []float64
				for _, bucket := range h.GetBucket() {
					bounds = append(bounds, bucket.GetUpperBound())
				}
				assert.Equal(t, []float64{.01, .025, .05, .075, .1, .15, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}, bounds,
					"dashboards and alerts depend on them")
			}
		}
	}
}
