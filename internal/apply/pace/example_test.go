package pace_test

import (
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/apply/pace"
	"github.com/ecssd/ecssd/internal/plan"
)

func Example() {
	var p pace.Pace
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	fmt.Println("first change:", !p.Next(now, false).After(now))
	p.Sent(now)
	p.Failed(now, plan.Throttled, 0.5)
	fmt.Println("right after a throttled call:", !p.Next(now, false).After(now))
	removal, addition := p.Next(now, true), p.Next(now, false)
	fmt.Println("a removal waits no longer than an addition:", !removal.After(addition))
	// Output:
	// first change: true
	// right after a throttled call: false
	// a removal waits no longer than an addition: true
}
