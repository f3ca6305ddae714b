package zone_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/test/zone"
)

// BenchmarkChange makes and removes one record of a zone that has others. The simulation plays hundreds of such calls a
// day.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 9000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			z := zone.New(b, "example.internal")
			for i := range n {
				z.Put(srv(fmt.Sprintf("s%d", i/20), i))
			}
			r := srv("new", 1)
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, z.Change(b.Context(), []plan.Change{{Action: plan.Create, Record: r}}))
				require.NoError(b, z.Change(b.Context(), []plan.Change{{Action: plan.Delete, Record: r}}))
			}
		})
	}
}

// BenchmarkGroup reads a name of twenty records.
func BenchmarkGroup(b *testing.B) {
	z := zone.New(b, "example.internal")
	for i := range 1000 {
		z.Put(srv(fmt.Sprintf("s%d", i/20), i))
	}
	b.ReportAllocs()
	for b.Loop() {
		group, err := z.Group(b.Context(), "s7.example.internal", record.SRV)
		require.NoError(b, err)
		require.Len(b, group, 20)
	}
}

// srv is the n-th record of a host under a name.
func srv(name string, n int) record.Record {
	return record.Record{
		Name:   name + ".example.internal",
		Type:   record.SRV,
		SetID:  fmt.Sprintf("i-1:ecs:%064x:80/tcp", n),
		Weight: 1,
		Value:  fmt.Sprintf("1 1 %d ip-10-0-0-1.example.internal", 30000+n),
	}
}
