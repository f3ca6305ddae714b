package journal_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/record"
)

// BenchmarkWrite is done twice a call of Route 53, on the disk that TMPDIR names: written, synced and renamed.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{10, 100, 500} {
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			var records []record.Record
			for i := range n {
				records = append(records, srv(fmt.Sprintf("%064x", i)))
			}
			known := knownOf(records...)
			j, err := journal.Open(b.TempDir(), "i-1", "boot-1")
			require.NoError(b, err)
			defer j.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := j.SetRecords("Z1", known); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
