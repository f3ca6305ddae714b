package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/sweep"
)

// namespace of the metrics in CloudWatch; their one dimension is the zone's name.
const namespace = "ecssd"

// emit writes the report's numbers in CloudWatch's embedded metric format: one line of JSON, of which CloudWatch Logs
// makes metrics. It is written for a pass that failed too, so that an alarm can tell a failing sweeper from one that
// does not run.
func emit(out io.Writer, zone string, r sweep.Report) error {
	counts := map[string]int{
		"Seen":      r.Seen,
		"Stale":     r.Stale,
		"Deleted":   r.Deleted,
		"Refused":   r.Refused,
		"Unhealthy": r.Unhealthy,
		"Standby":   r.Standby,
		"Restored":  r.Restored,
		"Left":      r.Skipped,
		"NotDone":   r.NotDone,
		"Failed":    0,
	}
	if r.Error != "" {
		counts["Failed"] = 1
	}
	type metric struct{ Name, Unit string }
	metrics := []metric{{"Duration", "Seconds"}}
	line := map[string]any{"Zone": zone, "Duration": r.Seconds}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		metrics = append(metrics, metric{name, "Count"})
		line[name] = counts[name]
	}
	if r.ZoneQuota > 0 {
		metrics = append(metrics, metric{"QuotaUsed", "Percent"})
		line["QuotaUsed"] = 100 * float64(r.ZoneRecords) / float64(r.ZoneQuota)
	}
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	line["_aws"] = struct {
		Timestamp         int64
		CloudWatchMetrics []directive
	}{time.Now().UnixMilli(), []directive{{namespace, [][]string{{"Zone"}}, metrics}}}
	content, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", content); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}
