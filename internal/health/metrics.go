package health

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/ecssd/ecssd/internal/container"
)

// Metrics counts what the agent hears and sees of the Engine.
type Metrics struct{ events, snapshots *prometheus.CounterVec }

// NewMetrics registers the counters.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	auto := promauto.With(registry)
	m := &Metrics{
		events: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "ecssd_engine_events_total",
			Help: "Events of the Engine received, by action: start, kill, die, network, other.",
		}, []string{"action"}),
		snapshots: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "ecssd_snapshots_total",
			Help: "Looks at the Engine's containers, by outcome: ok, failed.",
		}, []string{"outcome"}),
	}
	// A series that begins only with its first event hides that event from rate().
	for _, action := range []container.Action{
		container.Start,
		container.Kill,
		container.Die,
		container.Network,
		container.Other,
	} {
		m.events.WithLabelValues(string(action))
	}
	for _, outcome := range []string{"ok", "failed"} {
		m.snapshots.WithLabelValues(outcome)
	}
	return m
}

// Hint counts an event of the Engine.
func (m *Metrics) Hint(h container.Hint) { m.events.WithLabelValues(string(h.Action)).Inc() }

// Snapshot counts a look at the Engine's containers; err is nil where it succeeded.
func (m *Metrics) Snapshot(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.snapshots.WithLabelValues(outcome).Inc()
}
