package agent

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Metrics shows what an agent does.
type Metrics struct {
	Writer *metrics.Metrics

	events     *prometheus.CounterVec
	snapshots  *prometheus.CounterVec
	engine     prometheus.Gauge
	endpoints  *prometheus.GaugeVec
	containers *prometheus.GaugeVec
	problems   prometheus.Gauge
	standby    prometheus.Gauge

	mu      sync.Mutex
	writer  *apply.Writer
	journal *journal.Journal
}

// NewMetrics registers the metrics of an agent.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	auto := promauto.With(registry)
	m := &Metrics{
		Writer: metrics.New(registry),
		events: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "ecssd_engine_events_total", Help: "Events of the Engine received, by action: start, kill, die, network, other.",
		}, []string{"action"}),
		snapshots: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "ecssd_snapshots_total", Help: "Looks at the Engine's containers, by outcome: ok, failed.",
		}, []string{"outcome"}),
		engine: auto.NewGauge(prometheus.GaugeOpts{
			Name: "ecssd_engine_connected", Help: "1 while the Engine's events are followed.",
		}),
		endpoints: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ecssd_endpoints", Help: "Endpoints of this host by state: serving, standby.",
		}, []string{"state"}),
		containers: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ecssd_containers_withheld", Help: "Live containers that are not announced, by reason: stopping, crash_loop.",
		}, []string{"reason"}),
		problems: auto.NewGauge(prometheus.GaugeOpts{
			Name: "ecssd_announcement_problems", Help: "Faults in what live containers ask to be announced as: names, ports, settings.",
		}),
		standby: auto.NewGauge(prometheus.GaugeOpts{
			Name: "ecssd_host_standby", Help: "1 while the whole host is on standby, since it is about to go or by hand.",
		}),
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
	m.show(&local.State{})
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ecssd_changes_pending", Help: "Record changes to be made, those refused not counted.",
	}, m.gauge(func(w *apply.Writer, _ *journal.Journal) float64 { return float64(len(w.Status().Pending)) }))
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ecssd_last_applied_timestamp_seconds", Help: "Unix time of the last change batch applied; 0 before the first.",
	}, m.gauge(func(w *apply.Writer, _ *journal.Journal) float64 {
		if last, _ := w.LastCall(); !last.IsZero() {
			return float64(last.UnixMilli()) / 1000
		}
		return 0
	}))
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ecssd_journal_behind", Help: "1 while the journal could not be written.",
	}, m.gauge(func(_ *apply.Writer, j *journal.Journal) float64 {
		return oneIf(j.Err() != nil)
	}))
	for _, t := range []record.Type{record.SRV, record.A} {
		auto.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ecssd_records", Help: "Records of this host in Route 53, as far as it knows, by type: SRV, A.",
			ConstLabels: prometheus.Labels{"type": string(t)},
		}, m.gauge(func(_ *apply.Writer, j *journal.Journal) float64 {
			n := 0
			for _, zone := range j.ZonesWithRecords() {
				for key := range j.Records(zone) {
					if key.Type == t {
						n++
					}
				}
			}
			return float64(n)
		}))
	}
	for _, reason := range []plan.Reason{
		plan.NameFull,
		plan.ZoneFull,
		plan.Conflict,
		plan.Denied,
		plan.Invalid,
		plan.Mismatch,
		plan.TTL,
	} {
		auto.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ecssd_changes_refused",
			Help: "Record changes that Route 53 refuses and that are held back, by reason: name_full, zone_full, other_record_kind, " +
				"denied, invalid, values_differ, ttl_differs.",
			ConstLabels: prometheus.Labels{"reason": strings.ReplaceAll(string(reason), " ", "_")},
		}, m.gauge(func(w *apply.Writer, _ *journal.Journal) float64 {
			n := 0.0
			for _, r := range w.Status().Refused {
				if r.Reason == reason {
					n++
				}
			}
			return n
		}))
	}
	return m
}

// gauge reads from the present writer and journal; 0 before there is one.
func (m *Metrics) gauge(read func(*apply.Writer, *journal.Journal) float64) func() float64 {
	return func() float64 {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.writer == nil {
			return 0
		}
		return read(m.writer, m.journal)
	}
}

func (m *Metrics) watch(writer *apply.Writer, journal *journal.Journal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writer, m.journal = writer, journal
}

func (m *Metrics) hint(h container.Hint) { m.events.WithLabelValues(string(h.Action)).Inc() }

func (m *Metrics) snapshot(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.snapshots.WithLabelValues(outcome).Inc()
}

func (m *Metrics) connected(yes bool) { m.engine.Set(oneIf(yes)) }

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// show has the gauges show a state.
func (m *Metrics) show(s *local.State) {
	c := s.Counts()
	m.endpoints.WithLabelValues("serving").Set(float64(c.Serving))
	m.endpoints.WithLabelValues("standby").Set(float64(c.Standby))
	m.containers.WithLabelValues("stopping").Set(float64(c.Stopping))
	m.containers.WithLabelValues("crash_loop").Set(float64(c.Held))
	m.problems.Set(float64(s.Faults))
	m.standby.Set(oneIf(s.HostStandby != ""))
}

// Register shows by metrics what Missing tells in words, from the start of the program on.
func (r *Readiness) Register(registry prometheus.Registerer) {
	auto := promauto.With(registry)
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ecssd_ready", Help: "1 while nothing keeps the agent from its work, as /readyz says.",
	}, func() float64 { return oneIf(len(r.missingParts()) == 0) })
	for _, part := range parts {
		auto.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ecssd_missing",
			Help: "1 while this part of what the agent needs is missing, and /readyz says why: " + strings.Join(
				parts,
				", ",
			) + ".",
			ConstLabels: prometheus.Labels{"part": part},
		}, func() float64 {
			return oneIf(slices.ContainsFunc(r.missingParts(), func(m missing) bool { return m.part == part }))
		})
	}
}
