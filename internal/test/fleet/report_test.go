package fleet

import (
	"fmt"
	"strings"
	"time"
)

// count returns how many calls had an outcome.
func (r result) count(operation string, o outcome) int { return r.calls[call{operation, o}] }

// attempts returns how many calls were made to change records.
func (r result) attempts() (all int) {
	for _, o := range []outcome{accepted, throttled, prior, refused} {
		all += r.count(change, o)
	}
	return all
}

// bound returns the shortest time in which the quotas let through one call of each host that had something to change,
// and the changes.
func (r result) bound() time.Duration {
	seconds := max(0, float64(r.callers)-r.rules.quota.burst) / r.rules.quota.perSecond
	if r.rules.changes != (quota{}) {
		seconds = max(seconds, (float64(r.cost)-r.rules.changes.burst)/r.rules.changes.perSecond)
	}
	return time.Duration(seconds * float64(time.Second))
}

var columns = []string{
	"hosts", "quota", "software", "p50", "p99", "max", "all right after", "least", "missed",
	"calls", "throttled", "busy", "tries a host", "reads",
	"calls a change", "MB sent", "swept after",
}

// row returns a run as a row of a table.
func (r result) row() []string {
	right, swept := seconds(r.right), ""
	if r.waiting > 0 {
		right = "never"
	}
	if len(r.removed) > 0 {
		swept = seconds(quantile(r.removed, 1))
	}
	return []string{
		number(r.hosts),
		r.rules.String(),
		string(r.kind),
		seconds(quantile(r.delays, .5)),
		seconds(quantile(r.delays, .99)),
		seconds(quantile(r.delays, 1)),
		right,
		seconds(r.bound()),
		number(r.waiting),
		number(r.count(change, accepted)),
		number(r.count(change, throttled)),
		number(r.count(change, prior)),
		fmt.Sprintf("%.1f", float64(r.attempts())/float64(r.hosts)),
		number(r.count(list, accepted) + r.count(list, throttled)),
		fmt.Sprintf("%.2f", float64(r.count(change, accepted))/float64(max(1, r.changes))),
		fmt.Sprintf("%.1f", float64(r.bytes)/1e6),
		swept,
	}
}

func seconds(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 100:
		return fmt.Sprintf("%.1f s", s)
	default:
		return fmt.Sprintf("%.0f s", s)
	}
}

func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// table returns runs in Markdown, one table a scene.
func table(results []result) string {
	var out strings.Builder
	last := ""
	for _, r := range results {
		if r.scene.name != last {
			last = r.scene.name
			fmt.Fprintf(&out, "\n### %s\n\n%s\n\n", strings.ToUpper(last[:1])+last[1:], r.scene.text)
			fmt.Fprintf(&out, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
		}
		fmt.Fprintf(&out, "| %s |\n", strings.Join(r.row(), " | "))
	}
	return out.String()
}
