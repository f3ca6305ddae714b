package hostcheck

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/statedir"
)

const instanceID = "i-0123456789abcdef0" // of the sandbox's metadata

func TestStandbyByHand(t *testing.T) {
	h := here(t, "unix:///nowhere/docker.sock")
	require.NoError(t, statedir.SetStandby(h.StateDir, "i-10", time.Now()))
	assert.Equal(t, doctor.Okf("this host is in traffic").Of("standby"), one(t, h, "standby"), "another host's")
	require.NoError(t, statedir.SetStandby(h.StateDir, "i-1", time.Now()))
	r := one(t, h, "standby")
	assert.Equal(t, doctor.Warn, r.State)
	assert.Regexp(t, `^this host is on standby by hand, .+: all its records have weight 0$`, r.Detail)
	assert.Equal(t, "ecssd standby --off", r.Hint)
}

// Where EC2 metadata does not answer, the journal says which host this is.
func TestStandbyOfAHostWithoutIdentity(t *testing.T) {
	h, s := onEC2(t)
	require.NoError(t, s.Metadata().SetMode(imds.Failing))
	require.NoError(t, statedir.SetStandby(h.StateDir, "i-1", time.Now()))
	j, err := journal.Open(h.StateDir, "i-1", "boot")
	require.NoError(t, err)
	require.NoError(t, j.Close())
	assert.Equal(t, doctor.Warn, one(t, h, "standby").State)
}

func TestStandbyUnknown(t *testing.T) {
	h := here(t, "unix:///nowhere/docker.sock")
	require.NoError(t, os.Mkdir(filepath.Join(h.StateDir, "standby"), 0o700))
	r := one(t, h, "standby")
	assert.Equal(t, doctor.Warn, r.State)
	assert.Contains(t, r.Detail, "cannot find out whether this host is on standby by hand: ")
	assert.Equal(t, "ecssd standby --off", r.Hint)
}

func TestStandbyOfAnInstance(t *testing.T) {
	h, s := onEC2(t)
	assert.Equal(t, doctor.Okf("this host is in traffic").Of("standby"), one(t, h, "standby"))
	s.Metadata().Set("meta-data/autoscaling/target-lifecycle-state", "Terminated")
	r := one(t, h, "standby")
	assert.Equal(t, doctor.Warn, r.State)
	assert.Contains(t, r.Detail, "this host is on standby, since it is about to end: the Auto Scaling group ")

	require.NoError(t, s.Metadata().SetMode(imds.Failing))
	again := New(h.Config)
	again.metadata.Get(func() metadata { // as it was before
		return metadata{identity: host.Identity{InstanceID: instanceID, EC2: true}}
	})
	r = one(t, again, "standby")
	assert.Equal(t, doctor.Warn, r.State)
	assert.Contains(t, r.Detail, "cannot find out whether this host is about to end: ")
	assert.Equal(t, "see metadata", r.Hint)
}
