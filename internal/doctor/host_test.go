package doctor

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/statedir"
)

// here makes a doctor of a host with a state directory.
func here(dir string) *doctor {
	return &doctor{
		Config:   Config{StateDir: dir},
		identity: func() identity { return identity{Identity: host.Identity{InstanceID: "i-1"}} },
	}
}

// A journal that came back with a snapshot of the disk said nothing of its age.
func TestOldJournalIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		asOf time.Time
		want string // empty: it is well
	}{
		"of now": {time.Now(), ""},
		"of last night": {
			time.Now().Add(-9*time.Hour - time.Second),
			"no agent has written the journal for 9h0m0s, so that it may lack records",
		},
		"of tomorrow": {
			time.Now().Add(24 * time.Hour),
			"no agent has written the journal for a time that is not known, since it has one of the future, so that it may lack records",
		},
		"of nobody says": {
			time.Time{},
			"no agent has written the journal for a time that is not known, so that it may lack records",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := `{"Version":1,"Instance":"i-1","Boot":"b","AsOf":"` + test.asOf.Format(
				time.RFC3339,
			) + `","Records":[]}`
			require.NoError(t, os.WriteFile(filepath.Join(dir, "records.json"), []byte(text), 0o640))
			found := here(dir).lookAtState().findings
			require.Len(t, found, 1)
			if test.want == "" {
				assert.Equal(t, OK, found[0].State, found[0].Detail)
				return
			}
			assert.Equal(t, Warn, found[0].State)
			assert.Equal(t, test.want, found[0].Detail)
			assert.Contains(t, found[0].Hint, "systemctl restart ecssd")
		})
	}
}

func TestStandbyOfAnotherHostIsNotThisOnes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, statedir.SetStandby(dir, "i-10", time.Now()))
	assert.Equal(t, OK, here(dir).lookAtStandby(t.Context()).State)
	require.NoError(t, statedir.SetStandby(dir, "i-1", time.Now()))
	assert.Equal(t, Warn, here(dir).lookAtStandby(t.Context()).State)
	unknown := here(dir)
	unknown.identity = func() identity { return identity{} }
	j, err := journal.Open(dir, "i-1", "b")
	require.NoError(t, err)
	require.NoError(t, j.Close())
	assert.Equal(
		t,
		Warn,
		unknown.lookAtStandby(t.Context()).State,
		"EC2 metadata does not answer, and the journal says which host this is",
	)
}
