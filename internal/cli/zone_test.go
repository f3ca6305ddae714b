package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

// Where several private zones have one name, each command takes the one of this host's VPC, as the agent does.
func TestCommandsKnowTheVPC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.sandbox.CreateZone(zoneName, sandbox.Private("vpc-other", "eu-central-1"))
	require.NoError(t, err)
	w.seedService("web", 1, 1)
	for _, args := range [][]string{{"ls"}, {"sweep", "--dry-run"}} {
		out, err := w.command(args...).CombinedOutput()
		require.NoError(t, err, "%s: %s", args[0], out)
	}
	out, err := w.command("ls").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "web      10.0.0.1:1")

	elsewhere := w.command("ls") // where no VPC is known
	elsewhere.Env = append(elsewhere.Env, "AWS_EC2_METADATA_DISABLED=true")
	failed, err := elsewhere.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(failed), "several private zones have this name and the VPC of this host is not known: "+
		"choose one by --zone-id: ")
	assert.Equal(t, 1, strings.Count(string(failed), "\n"))
}
