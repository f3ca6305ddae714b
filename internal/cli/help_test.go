package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	exampleLine = regexp.MustCompile(`(?m)^    (?:sudo )?ecssd (.+)$`)
	// What a shell does not pass on: a comment, or explanation, and the commands after this one.
	notPassedOn  = regexp.MustCompile(`  .*| [#|&].*`)
	substitution = regexp.MustCompile(`\$\([^)]*\)`)
)

// Every command explains itself with an example of it, and each example is one that the command takes.
func TestHelpHasExamples(t *testing.T) {
	parser, err := kong.New(&cli{})
	require.NoError(t, err)
	for _, command := range parser.Model.Leaves(true) {
		shown := 0
		for _, example := range exampleLine.FindAllStringSubmatch(command.Detail, -1) {
			line := substitution.ReplaceAllString(notPassedOn.ReplaceAllString(example[1], ""), "x")
			parsed, err := parser.Parse(strings.Fields(line))
			if assert.NoError(t, err, "ecssd %s --help: %s", command.Name, example[0]) &&
				parsed.Selected().Name == command.Name {
				shown++
			}
		}
		assert.Positive(t, shown, "ecssd %s --help has no example: a line of 4 spaces and the command", command.Name)
	}
}

// The help of a command begins with its own flags; those of all commands are in ecssd --help, with the file that sets
// them.
func TestHelpHasOwnFlagsOnly(t *testing.T) {
	help := func(args ...string) string {
		var out bytes.Buffer
		require.NoError(t, Run(t.Context(), "", append(args, "--help"), &out, &out))
		return out.String()
	}
	own := help("ls")
	assert.Contains(t, own, "--watch")
	assert.NotContains(t, own, "--zone-id")
	assert.Contains(t, own, "/etc/ecssd/ecssd.conf: ecssd --help\n")
	all := help()
	assert.Contains(t, all, "--zone-id")
	assert.Contains(t, strings.Join(strings.Fields(all), " "), "or on a host in /etc/ecssd/ecssd.conf; a flag wins")
}
