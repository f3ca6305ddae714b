package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/journal"
)

// planted is a journal that would have the agent delete a record, were it believed.
const planted = `{"Version":1,"Instance":"i-1","Records":[{"Zone":"Z1","Record":{"Name":"web","Type":"SRV","SetID":"i-1:ecs:x"}}]}`

// assertSetAside opens the journal and asserts that what stood in its place was not used, and another one now is.
func assertSetAside(t *testing.T, dir, notice string) {
	t.Helper()
	_, err := journal.Read(dir)
	assert.ErrorContains(t, err, notice)
	j := open(t, dir)
	assert.Contains(t, j.Notice(), notice)
	assert.Empty(t, j.ZonesWithRecords(), "nothing may be deleted on its word")
	assert.True(t, j.ListingDue())
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	require.NoError(t, j.Close())
	known, err := journal.Read(dir)
	require.NoError(t, err)
	assert.Equal(t, knownOf(srv("a")), known["Z1"])
}

func TestJournalThatOthersMayWriteToIsNotUsed(t *testing.T) {
	for _, mode := range []os.FileMode{0o602, 0o620, 0o666} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(path(dir), []byte(planted), 0o600))
			require.NoError(t, os.Chmod(path(dir), mode))
			assertSetAside(t, dir, "users other than its owner may write to it")
		})
	}
}

// Opening a pipe waits for whoever writes to it: the agent would hang before it can say anything.
func TestPipeInPlaceOfTheJournalDoesNotHang(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, unix.Mkfifo(path(dir), 0o600))
	assertSetAside(t, dir, "not a regular file")
}

// Whoever may write to the directory can guess no name that the agent writes to next: it makes each file anew.
func TestLinksAboutTheDirectoryAreNotWrittenThrough(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	require.NoError(t, os.WriteFile(target, []byte("precious"), 0o600))
	require.NoError(t, os.Chmod(dir, 0o777))
	for _, name := range []string{"records.json", ".records.json123", "records.json.unreadable", "lock"} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	j := open(t, dir)
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	require.NoError(t, j.Close())
	left, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(left))
	info, err := os.Lstat(path(dir))
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())
	assert.Equal(t, os.FileMode(0o640), info.Mode().Perm(), "others may not write to it, whatever the directory allows")
}

func TestHalfWrittenFilesAreRemovedFromADirectoryNamedLikeAPattern(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state[1]")
	require.NoError(t, os.Mkdir(dir, 0o700))
	half := filepath.Join(dir, ".records.json123")
	require.NoError(t, os.WriteFile(half, []byte("{"), 0o600))
	require.NoError(t, open(t, dir).Close())
	assert.NoFileExists(t, half)
}
