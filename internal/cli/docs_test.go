package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each of our commands in the manual, in a block or in a sentence, is one that ecssd accepts. A sentence may name a
// command without its arguments.
func TestTheManualShowsCommandsThatExist(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Exit(func(int) {}))
	require.NoError(t, err)
	var names []string
	for _, command := range parser.Model.Leaves(true) {
		names = append(names, command.Name)
	}
	fence := regexp.MustCompile("(?ms)^```sh[^\n]*\n(.*?)^```$")
	inBlock := regexp.MustCompile(`(?m)^(?:sudo )?(?:bin/)?ecssd (.+)$`)
	inSentence := regexp.MustCompile("`(?:sudo )?ecssd ([a-z][^`\n]*)`")
	checked := 0
	for _, pattern := range []string{"README.md", "docs/*.md", ".github/*.md"} {
		pages, err := filepath.Glob("../../" + pattern)
		require.NoError(t, err)
		for _, page := range pages {
			content, err := os.ReadFile(page)
			require.NoError(t, err)
			shown := inSentence.FindAllStringSubmatch(string(content), -1)
			for _, block := range fence.FindAllStringSubmatch(string(content), -1) {
				shown = append(shown, inBlock.FindAllStringSubmatch(block[1], -1)...)
			}
			for _, match := range shown {
				checked++
				line := notPassedOn.ReplaceAllString(match[1], "")
				if strings.HasPrefix(match[0], "`") && slices.Contains(names, line) {
					continue
				}
				_, err := parser.Parse(strings.Fields(line))
				assert.NoError(t, err, "%s: %s", page, match[0])
			}
		}
	}
	assert.Greater(t, checked, 20)
}
