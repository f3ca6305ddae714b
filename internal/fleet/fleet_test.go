package fleet

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var try = flag.Bool("try", false, "")

func (r result) line() string {
	return fmt.Sprintf("%-24s %-24s %5d %-18s p50 %8.2fs p99 %8.2fs max %8.2fs right %8.1fs ok %d thr %d prior %d ref %d lists %d/%d changes %d bytes %d waiting %d missing %d surplus %d removed p50 %.1fs max %.1fs",
		r.scene.name, r.kind, r.hosts, r.rules, quantile(r.delays, .5).Seconds(), quantile(r.delays, .99).Seconds(), quantile(r.delays, 1).Seconds(), r.right.Seconds(),
		r.calls[call{change, accepted}], r.calls[call{change, throttled}], r.calls[call{change, prior}], r.calls[call{change, refused}],
		r.calls[call{list, accepted}], r.calls[call{list, throttled}], r.changes, r.bytes, r.waiting, r.missing, r.surplus, quantile(r.removed, .5).Seconds(), quantile(r.removed, 1).Seconds())
}

// A small fleet that starts cold has its zone right with one call a host.
func TestSmallFleet(t *testing.T) {
	r := run(t, setup{cold, ecssd, 10, current, 1})
	assert.Zero(t, r.waiting)
	assert.Zero(t, r.missing+r.surplus)
	t.Log(r.line())
}

func TestTry(t *testing.T) {
	if !*try {
		return
	}
	for _, s := range []setup{
		{cold, ecssd, 100, current, 1},
		{cold, ecssd, 1000, current, 1},
		{cold, ecssd, 1000, current.withPrior(), 1},
		{cold, ecssd, 100, current.costing(), 1},
		{idle, ecssd, 100, current, 1},
		{churn, ecssd, 1000, current, 1},
		{deploy, ecssd, 100, current, 1},
		{deploy, ecssd, 1000, current, 1},
		{lost, ecssd, 1000, current, 1},
		{listing, ecssd, 1000, current, 1},
		{cold, stubborn, 1000, current, 1},
	} {
		began := time.Now()
		r := run(t, s)
		fmt.Println(r.line(), "took", time.Since(began).Round(time.Millisecond))
	}
}
