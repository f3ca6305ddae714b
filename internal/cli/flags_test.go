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

var update = flag.Bool("update", false, "rewrite what docs, packaged settings and pictures take from the program")

func TestReferenceListsTheFlags(t *testing.T) {
	head := "| flag | default | meaning |\n| --- | --- | --- |\n"
	assertTable(t, "reference.md", "\n## Flags\n", head, flagTable(t))
}

func TestReferenceListsTheCommands(t *testing.T) {
	parser, err := kong.New(&cli{})
	require.NoError(t, err)
	var rows strings.Builder
	for _, command := range parser.Model.Leaves(true) {
		fmt.Fprintf(&rows, "| `ecssd %s` | %s |\n", command.Name, command.Help)
	}
	assertTable(t, "reference.md", "\n## Commands\n", "| command | meaning |\n| --- | --- |\n", rows.String())
}

// assertTable asserts that a page in docs has, below a heading, a table of these rows. -update writes it there.
func assertTable(t *testing.T, page, heading, head, rows string) {
	t.Helper()
	path := "../../docs/" + page
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(content), heading)
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
	assert.Equal(t, want, table, "go test ./internal/cli -run Lists -update rewrites it")
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
