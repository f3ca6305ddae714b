package cli

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite what README, packaged settings and pictures take from the program")

// The table of flags in the README is this.
func TestREADMEListsTheFlags(t *testing.T) {
	assertTable(t, "\n## The agent\n", "| flag | default | meaning |\n| --- | --- | --- |\n", flagTable(t))
}

// assertTable asserts that the README has, below a heading, a table of these rows; -update writes it there.
func assertTable(t *testing.T, heading, head, rows string) {
	t.Helper()
	const path = "../../README.md"
	readme, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(readme), heading)
	require.True(t, found, "no heading %q", heading)
	text, rest, found := strings.Cut(rest, head)
	require.True(t, found, "no table %q", head)
	require.NotContains(t, text, "\n#", "the table stands in another section")
	table, after, found := strings.Cut(rest, "\n\n")
	require.True(t, found)
	want := strings.TrimSuffix(rows, "\n")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+heading+text+head+want+"\n\n"+after), 0o644))
		return
	}
	assert.Equal(t, want, table, "go test ./internal/cli -run README -update writes it anew")
}

// flags gives the flags of Settings.
func flags(t *testing.T) []*kong.Flag {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.DefaultEnvars("ECSSD"))
	require.NoError(t, err)
	return slices.DeleteFunc(parser.Model.Flags, func(f *kong.Flag) bool { return f.Name == "help" })
}

// flagTable gives a row for each flag.
func flagTable(t *testing.T) string {
	t.Helper()
	var rows strings.Builder
	for _, f := range flags(t) {
		assert.Equal(t, []string{"ECSSD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))}, f.Envs, f.Name)
		value := ""
		if f.Default != "" {
			value = "`" + f.Default + "`"
		}
		fmt.Fprintf(&rows, "| `--%s` | %s | %s |\n", f.Name, value, strings.ReplaceAll(f.Help, "|", `\|`))
	}
	return rows.String()
}
