package journal_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/journal"
)

func TestStandbyByHand(t *testing.T) {
	dir := t.TempDir()
	since, err := journal.Standby(dir)
	require.NoError(t, err)
	assert.Empty(t, since)
	was, err := journal.EndStandby(dir)
	require.NoError(t, err)
	assert.False(t, was)

	require.NoError(t, journal.SetStandby(dir, time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)))
	since, err = journal.Standby(dir)
	require.NoError(t, err)
	assert.Equal(t, "since 2026-11-23T03:00:00Z", since)
	info, err := os.Stat(filepath.Join(dir, "standby"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), info.Mode().Perm(), "root writes it, the service's own user reads it")

	was, err = journal.EndStandby(dir)
	require.NoError(t, err)
	assert.True(t, was)
	since, err = journal.Standby(dir)
	require.NoError(t, err)
	assert.Empty(t, since)
}

func TestStandbyWhoseFileSaysNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "standby"), []byte("\x1b[2J"), 0o644))
	since, err := journal.Standby(dir)
	require.NoError(t, err)
	assert.Equal(t, "since an unknown time", since)
}

func TestStandbyNeedsAStateDirectory(t *testing.T) {
	err := journal.SetStandby(filepath.Join(t.TempDir(), "none"), time.Now())
	assert.ErrorContains(t, err, "none")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestStandbyHangsOnNoPipe(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "standby"), 0o600))
	since, err := journal.Standby(dir)
	require.NoError(t, err)
	assert.Equal(t, "since an unknown time", since)
}
