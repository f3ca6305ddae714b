package plan_test

import (
	"fmt"
	"testing"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// BenchmarkDiff is done once an event: one container of the host's has been replaced.
func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{10, 100, 500} {
		of := func(i int) record.Record {
			return record.Record{
				Name:   fmt.Sprintf("service-%d.servicediscovery.internal", i%20),
				Type:   record.SRV,
				SetID:  fmt.Sprintf("i-0123456789abcdef0:ecs:%064x:80/tcp", i),
				Weight: 1,
				Value:  fmt.Sprintf("1 1 %d ip-10-0-0-1.servicediscovery.internal", 32768+i),
			}
		}
		have := plan.Current{}
		var desired []record.Record
		for i := range n {
			have[of(i).Key()] = plan.Entry{Record: of(i)}
			desired = append(desired, of(i+1))
		}
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if changes := plan.Diff(have, desired); len(changes) != 2 || plan.Batch(changes) != 2 {
					b.Fatalf("%d changes", len(changes))
				}
			}
		})
	}
}
