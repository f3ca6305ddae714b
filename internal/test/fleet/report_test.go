package fleet

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// attempts gives how many calls were made to change records.
func (r result) attempts() int {
	return r.calls[call{
		change,
		accepted,
	}] + r.calls[call{
		change,
		throttled,
	}] + r.calls[call{
		change,
		prior,
	}] + r.calls[call{
		change,
		refused,
	}]
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
	"hosts", "quota", "software", "p50", "p99", "max", "all right after", "least", "missed", "calls", "throttled", "busy", "tries a host", "reads",
	"calls a change", "MB sent", "swept after",
}

// row gives a run as a row of a table.
func (r result) row() []string {
	right, swept := seconds(r.right), ""
	if r.waiting > 0 {
		right = "never"
	}
	if len(r.removed) > 0 {
		swept = seconds(quantile(r.removed, 1))
	}
	return []string{
		number(r.hosts), r.rules.String(), string(r.kind),
		seconds(
			quantile(r.delays, .5),
		), seconds(quantile(r.delays, .99)), seconds(quantile(r.delays, 1)), right, seconds(r.bound()), number(r.waiting),
		number(r.calls[call{
			change,
			accepted,
		}]), number(r.calls[call{
			change,
			throttled,
		}]), number(r.calls[call{
			change,
			prior,
		}]),
		fmt.Sprintf("%.1f", float64(r.attempts())/float64(r.hosts)),
		number(r.calls[call{list, accepted}] + r.calls[call{list, throttled}]),
		fmt.Sprintf("%.2f", float64(r.calls[call{
			change,
			accepted,
		}])/float64(max(1, r.changes))), fmt.Sprintf("%.1f", float64(r.bytes)/1e6), swept,
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

// table gives runs in Markdown, one table a scene.
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

// The plot: how much of a cold start is in the zone, over time on a logarithmic scale.
const (
	width, height            = 860, 440
	left, top, right, bottom = 60, 46, 250, 50
	earliest, latest         = .05, 5000. // seconds
)

func x(at time.Duration) float64 {
	part := math.Log(max(at.Seconds(), earliest)/earliest) / math.Log(latest/earliest)
	return left + part*(width-left-right)
}

func y(part float64) float64 { return top + (1-part)*(height-top-bottom) }

// line is one curve of the plot.
type line struct {
	label, color string
	result       result
}

func plot(title string, lines []line) string {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	p(
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`,
		width,
		height,
	)
	p(`<rect width="%d" height="%d" fill="white"/>`, width, height)
	p(`<text x="%d" y="24" font-size="15" font-weight="bold">%s</text>`, left, title)
	for _, percent := range []int{0, 25, 50, 75, 100} {
		at := y(float64(percent) / 100)
		p(
			`<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%d %%</text>`,
			left,
			at,
			width-right,
			left-8,
			at+4,
			percent,
		)
	}
	for _, tick := range []struct {
		at    time.Duration
		label string
	}{
		{
			100 * time.Millisecond,
			"0.1 s",
		}, {
			time.Second,
			"1 s",
		}, {
			10 * time.Second,
			"10 s",
		}, {
			time.Minute,
			"1 min",
		}, {
			10 * time.Minute,
			"10 min",
		},
		{time.Hour, "1 h"},
	} {
		p(
			`<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x(tick.at),
			top,
			height-bottom,
			x(tick.at),
			height-bottom+20,
			tick.label,
		)
	}
	p(`<text x="%d" y="%d" text-anchor="middle">after the start</text>`, (left+width-right)/2, height-8)
	for i, l := range lines {
		all := l.result.hosts * perHost
		var path strings.Builder
		fmt.Fprintf(&path, "M%.1f %.1f", x(0), y(0))
		drawn := 0.
		for n, point := range l.result.curve {
			if part := float64(point.applied) / float64(all); part-drawn >= .004 || n == len(l.result.curve)-1 {
				fmt.Fprintf(&path, "L%.1f %.1f", x(point.at), y(part))
				drawn = part
			}
		}
		fmt.Fprintf(&path, "H%d", width-right)
		p(`<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"/>`, path.String(), l.color)
		at := top + 20 + 24*i
		p(
			`<path d="M%d %dh22" stroke="%s" stroke-width="3"/><text x="%d" y="%d">%s</text>`,
			width-right+14,
			at-4,
			l.color,
			width-right+42,
			at,
			l.label,
		)
	}
	p(`</svg>`)
	return out.String()
}
