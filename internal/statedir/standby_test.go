package statedir_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/statedir"
)

func TestStandbyByHand(t *testing.T) {
	dir := t.TempDir()
	since, err := statedir.Standby(dir, "i-1")
	require.NoError(t, err)
	assert.Empty(t, since)
	was, err := statedir.EndStandby(dir)
	require.NoError(t, err)
	assert.False(t, was)

	require.NoError(t, statedir.SetStandby(dir, "i-1", time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)))
	since, err = statedir.Standby(dir, "i-1")
	require.NoError(t, err)
	assert.Equal(t, "since 2026-11-23T03:00:00Z", since)
	info, err := os.Stat(filepath.Join(dir, "standby"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), info.Mode().Perm(), "root writes it, the service's own user reads it")

	was, err = statedir.EndStandby(dir)
	require.NoError(t, err)
	assert.True(t, was)
	since, err = statedir.Standby(dir, "i-1")
	require.NoError(t, err)
	assert.Empty(t, since)
}

func TestStandbyWhoseFileSaysNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "standby"), []byte("\x1b[2J"), 0o644))
	since, err := statedir.Standby(dir, "i-1")
	require.NoError(t, err)
	assert.Equal(t, "since an unknown time", since)
}

func TestStandbyNeedsAStateDirectory(t *testing.T) {
	err := statedir.SetStandby(filepath.Join(t.TempDir(), "none"), "i-1", time.Now())
	assert.ErrorContains(t, err, "none")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestStandbyHangsOnNoPipe(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "standby"), 0o600))
	since, err := statedir.Standby(dir, "i-1")
	require.NoError(t, err)
	assert.Equal(t, "since an unknown time", since)
}

// The state directory is read-only: another host's standby cannot be set aside, and does not count all the same.
func TestStandbyOfAnotherHostThatCannotBeSetAside(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, statedir.SetStandby(dir, "i-0", time.Now()))
	since, err := statedir.Standby(dir, "i-1")
	require.NoError(t, err)
	assert.Empty(t, since)
}
