package journal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
)

// While the disk was at a write, whoever asked the journal anything waited for it: the agent's loop, /readyz, and the
// metrics.
func TestNobodyWaitsForADiskThatIsBusy(t *testing.T) {
	j, err := Open(t.TempDir(), "i-1", "boot-1")
	require.NoError(t, err)
	j.writing.Lock() // as while the file is written
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		j.SetStops([]Stop{{ContainerID: "1"}})
		assert.Len(t, j.Stops(), 1)
		assert.Empty(t, j.Records("Z1"))
		assert.Empty(t, j.ZonesWithRecords())
		assert.Empty(t, j.ZoneID("sd.internal"))
		assert.True(t, j.ListingDue())
		assert.NoError(t, j.Err())
	}()
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Error("it waits")
	}
	written := make(chan error, 2)
	go func() { written <- j.SetRecords("Z1", plan.Current{}) }()
	go func() { written <- j.Flush() }()
	select {
	case <-written:
		t.Error("it says that it is on disk, and it is not")
	case <-time.After(50 * time.Millisecond):
	}
	j.mu.Lock()
	j.began = time.Now().Add(-longestWrite)
	j.mu.Unlock()
	assert.ErrorContains(t, j.Err(), "the disk has not answered for 30s")
	j.writing.Unlock()
	<-asked
	require.NoError(t, <-written)
	require.NoError(t, <-written)
	assert.NoError(t, j.Err())
	require.NoError(t, j.Close())
	found, err := read(j.dir)
	require.NoError(t, err)
	assert.Len(t, found.Stops, 1)
}
