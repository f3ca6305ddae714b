package health

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// reasons are those for which Route 53 refuses changes.
var reasons = []plan.Reason{
	plan.NameFull,
	plan.ZoneFull,
	plan.Conflict,
	plan.Denied,
	plan.Invalid,
	plan.Mismatch,
	plan.TTL,
}

// collector shows a state as gauges.
type collector struct{ state func() status.State }

// Collector returns a collector that asks for the state once a scrape. All gauges are of that one state.
func Collector(state func() status.State) prometheus.Collector { return collector{state} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	ready = desc("ecssd_ready", "1 while nothing keeps the agent from its work, as /readyz says.")
	parts = desc("ecssd_missing", "1 while this part of what the agent needs is missing, and /readyz says why: "+
		strings.Join(Parts, ", ")+".", "part")
	connected  = desc("ecssd_engine_connected", "1 while the Engine's events are followed.")
	endpoints  = desc("ecssd_endpoints", "Endpoints of this host by state: serving, standby.", "state")
	containers = desc("ecssd_containers_withheld",
		"Live containers that are not registered, by reason: stopping, crash_loop.", "reason")
	problems = desc("ecssd_announcement_problems",
		"Faults in what live containers ask to be registered as: names, ports, settings.")
	standby = desc("ecssd_host_standby", "1 while the whole host is on standby, since it is about to go or by hand.")
	pending = desc("ecssd_changes_pending", "Record changes to be made, those refused not counted.")
	applied = desc("ecssd_last_applied_timestamp_seconds",
		"Unix time of the last change batch applied; 0 before the first.")
	behind  = desc("ecssd_journal_behind", "1 while the journal could not be written.")
	records = desc("ecssd_records", "Records of this host in Route 53, as far as it knows, by type: SRV, A.", "type")
	refused = desc("ecssd_changes_refused", "Record changes that Route 53 refuses and that are held back, by reason: "+
		"name_full, zone_full, other_record_kind, denied, invalid, values_differ, ttl_differs.", "reason")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		ready, parts, connected, endpoints, containers, problems, standby, pending, applied, behind, records, refused,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.state()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(ready, oneIf(s.Ready))
	for _, part := range Parts {
		gauge(parts, oneIf(s.Misses(part)), part)
	}
	gauge(connected, oneIf(s.EngineConnected()))
	gauge(behind, oneIf(s.Misses("journal")))
	gauge(standby, oneIf(s.HostStandby != ""))
	gauge(endpoints, float64(s.Counts.Serving), "serving")
	gauge(endpoints, float64(s.Counts.Standby), "standby")
	gauge(containers, float64(s.Counts.Stopping), "stopping")
	gauge(containers, float64(s.Counts.CrashLoop), "crash_loop")
	gauge(problems, float64(s.Counts.Problems))
	gauge(pending, float64(len(s.Pending)))
	gauge(records, float64(s.Counts.SRV), string(record.SRV))
	gauge(records, float64(s.Counts.A), string(record.A))
	last := 0.0
	if s.Calls.LastApplied != nil {
		last = float64(s.Calls.LastApplied.UnixMilli()) / 1000
	}
	gauge(applied, last)
	byReason := map[string]float64{}
	for _, reason := range reasons {
		byReason[string(reason)] = 0
	}
	for _, r := range s.Refused {
		byReason[r.Reason]++
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		gauge(refused, byReason[reason], strings.ReplaceAll(reason, " ", "_"))
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
