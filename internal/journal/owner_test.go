package journal_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Root runs "ecssd deregister" over the state of the service, whose own user has to read the journal afterwards.
func TestJournalStaysTheServicesOwnWhenRootWritesIt(t *testing.T) {
	dir := t.TempDir()
	want := uint32(os.Geteuid())
	if want == 0 {
		want = 64000
		require.NoError(t, os.Chown(dir, int(want), int(want)))
	}
	j := open(t, dir)
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	require.NoError(t, j.Close())
	info, err := os.Stat(path(dir))
	require.NoError(t, err)
	assert.Equal(t, want, info.Sys().(*syscall.Stat_t).Uid)
}
