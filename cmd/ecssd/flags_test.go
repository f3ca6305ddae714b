package main

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

var update = flag.Bool("update", false, "rewrite the README's table of flags")

// The table of flags in the README is this, between the heading of its section and the first line after it.
func TestREADMEListsTheFlags(t *testing.T) {
	const path, section, head = "../../README.md", "\n## The agent\n", "| flag | default | meaning |\n| --- | --- | --- |\n"
	readme, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(readme), section)
	require.True(t, found, "no section %q", section)
	text, rest, found := strings.Cut(rest, head)
	require.True(t, found, "no table of flags")
	require.NotContains(t, text, "\n## ", "the table stands in another section")
	table, after, found := strings.Cut(rest, "\n\n")
	require.True(t, found)
	want := strings.TrimSuffix(flagTable(t), "\n")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+section+text+head+want+"\n\n"+after), 0o644))
		return
	}
	assert.Equal(t, want, table, "go test ./cmd/ecssd -run README -update writes it anew")
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
