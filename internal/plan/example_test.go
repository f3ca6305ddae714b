package plan_test

import (
	"fmt"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Removals come first. What was never written is created; what may exist in another form is written over.
func ExampleDiff() {
	srv := func(name string, weight int64) record.Record {
		return record.Record{
			Name:   name + ".sd.internal",
			Type:   record.SRV,
			SetID:  "i-1:ecs:2f3c:80/tcp",
			Weight: weight,
			Value:  "1 1 32768 ip-10-0-0-1.sd.internal",
		}
	}
	current := plan.Current{}
	for _, r := range []record.Record{srv("stopped", 1), srv("unhealthy", 1)} {
		current[r.Key()] = plan.Entry{Record: r}
	}
	for _, change := range plan.Diff(current, []record.Record{srv("started", 1), srv("unhealthy", 0)}) {
		fmt.Println(change.Action, change.Record.Name, "weight", change.Record.Weight)
	}
	// Output:
	// DELETE stopped.sd.internal weight 1
	// CREATE started.sd.internal weight 1
	// UPSERT unhealthy.sd.internal weight 0
}
