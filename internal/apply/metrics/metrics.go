// Package metrics counts what the writers of a host do: for Prometheus, and for people who look at one host.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Metrics counts what writers do. Several writers may share one; its methods may be called from several goroutines.
type Metrics struct {
	calls     *prometheus.HistogramVec
	changes   *prometheus.CounterVec
	delays    prometheus.Histogram
	readBacks *prometheus.CounterVec
	different prometheus.Counter
	tally     tally
}

// New registers the metrics of writers.
func New(registry prometheus.Registerer) *Metrics {
	auto := promauto.With(registry)
	seconds := []float64{.01, .025, .05, .075, .1, .15, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	m := &Metrics{
		calls: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ecssd_change_call_seconds", Buckets: seconds,
			Help: "Duration of ChangeResourceRecordSets calls by outcome: applied, throttled, refused, failed.",
		}, []string{"outcome"}),
		changes: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "ecssd_changes_applied_total", Help: "Record changes applied, by action and record type: CREATE, " +
				"UPSERT, DELETE; SRV, A.",
		}, []string{"action", "type"}),
		delays: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "ecssd_event_to_applied_seconds", Buckets: seconds,
			Help: "Time from an event of the Engine to the answer of Route 53 that its change is applied.",
		}),
		readBacks: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "ecssd_verifications_total", Help: "Pages of the zone with own records read back, by outcome: " +
				"right, mended, failed.",
		}, []string{"outcome"}),
		different: auto.NewCounter(prometheus.CounterOpts{
			Name: "ecssd_verification_differences_total", Help: "Records found other than this host had written them.",
		}),
	}
	// A series that begins only with its first event hides that event from rate().
	for _, outcome := range []string{"applied", "throttled", "refused", "failed"} {
		m.calls.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"right", "mended", "failed"} {
		m.readBacks.WithLabelValues(outcome)
	}
	for _, action := range []plan.Action{plan.Create, plan.Upsert, plan.Delete} {
		for _, t := range []record.Type{record.SRV, record.A} {
			m.changes.WithLabelValues(string(action), string(t))
		}
	}
	return m
}

// Call counts a ChangeResourceRecordSets call that took so long.
func (m *Metrics) Call(outcome plan.Outcome, took time.Duration) {
	label := "failed"
	switch {
	case outcome == plan.Applied:
		label = "applied"
	case outcome == plan.Rejected:
		label = "refused"
	case outcome.Busy():
		label = "throttled"
	}
	m.calls.WithLabelValues(label).Observe(took.Seconds())
	m.tally.call(label, took, time.Now())
}

// Applied counts a change that was applied.
func (m *Metrics) Applied(c plan.Change) {
	m.changes.WithLabelValues(string(c.Action), string(c.Record.Type)).Inc()
}

// Delay counts an event whose change was applied after so long.
func (m *Metrics) Delay(d time.Duration) {
	m.delays.Observe(d.Seconds())
	m.tally.delay(d)
}

// Verified counts a page that was read back, with so many records that were not as the host had written them.
func (m *Metrics) Verified(differences int) {
	outcome := "right"
	if differences > 0 {
		outcome = "mended"
	}
	m.readBacks.WithLabelValues(outcome).Inc()
	m.different.Add(float64(differences))
}

// VerificationFailed counts a page that could not be read back.
func (m *Metrics) VerificationFailed() { m.readBacks.WithLabelValues("failed").Inc() }
