package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The packages' file of settings says of each flag what --help does, with its default commented out.
func TestThePackagedSettingsAreTheFlags(t *testing.T) {
	const path, begin, end = "../../packaging/ecssd.conf", "\n\n", "\n# ---"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	settings, after, found := strings.Cut(rest, end)
	require.True(t, found)
	var want strings.Builder
	for _, f := range flags(t) {
		fmt.Fprintf(&want, "# %s\n#%s=%s\n\n", f.Help, f.Envs[0], f.Default)
	}
	if *update {
		require.NoError(
			t,
			os.WriteFile(path, []byte(before+begin+strings.TrimSuffix(want.String(), "\n")+end+after), 0o644),
		)
		return
	}
	assert.Equal(
		t,
		strings.TrimSuffix(want.String(), "\n"),
		settings,
		"go test ./internal/cli -run Packaged -update writes it anew",
	)
}
