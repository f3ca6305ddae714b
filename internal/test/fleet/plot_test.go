package fleet

import (
	"fmt"
	"math"
	"strings"
	"time"
)

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

// drawing is an SVG.
type drawing struct{ strings.Builder }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

// plot returns an SVG of how much of a cold start is in the zone over time.
func plot(title string, lines []line) string {
	var d drawing
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`,
		width, height)
	d.add(`<rect width="%d" height="%d" fill="white"/>`, width, height)
	d.add(`<text x="%d" y="24" font-size="15" font-weight="bold">%s</text>`, left, title)
	d.axes()
	for i, l := range lines {
		d.add(`<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"/>`, l.path(), l.color)
		at := top + 20 + 24*i
		d.add(`<path d="M%d %dh22" stroke="%s" stroke-width="3"/><text x="%d" y="%d">%s</text>`,
			width-right+14, at-4, l.color, width-right+42, at, l.label)
	}
	d.add(`</svg>`)
	return d.String()
}

// ticks of the time axis.
var ticks = []struct {
	at    time.Duration
	label string
}{
	{100 * time.Millisecond, "0.1 s"},
	{time.Second, "1 s"},
	{10 * time.Second, "10 s"},
	{time.Minute, "1 min"},
	{10 * time.Minute, "10 min"},
	{time.Hour, "1 h"},
}

func (d *drawing) axes() {
	for _, percent := range []int{0, 25, 50, 75, 100} {
		at := y(float64(percent) / 100)
		d.add(`<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%d %%</text>`,
			left, at, width-right, left-8, at+4, percent)
	}
	for _, tick := range ticks {
		d.add(`<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x(tick.at), top, height-bottom, x(tick.at), height-bottom+20, tick.label)
	}
	d.add(`<text x="%d" y="%d" text-anchor="middle">after the start</text>`, (left+width-right)/2, height-8)
}

// path returns the curve as the d attribute of an SVG path. Points closer than 0.4 % are left out.
func (l line) path() string {
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
	return path.String()
}
