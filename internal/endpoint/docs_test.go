package endpoint

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A setting that docs/reference.md lists is read, and one that is read is listed.
func TestReferenceListsTheSettings(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "| setting | meaning |\n| --- | --- |\n")
	require.True(t, found)
	table, _, _ := strings.Cut(rest, "\n\n")
	var listed []string
	for row := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, key := range regexp.MustCompile("`(SERVICE_[A-Z0-9_]+)=").FindAllStringSubmatch(cell, -1) {
			listed = append(listed, regexp.MustCompile(`_[0-9]+_`).ReplaceAllString(key[1], "_<port>_"))
		}
	}
	read := []string{"SERVICE_NAME", "SERVICE_WEIGHT", "SERVICE_IGNORE"} // readSettings, services
	kinds := regexp.MustCompile(`_\(([A-Z_|]+)\)\$$`).FindStringSubmatch(portSetting.String())
	require.NotNil(t, kinds)
	for kind := range strings.SplitSeq(kinds[1], "|") {
		read = append(read, "SERVICE_<port>_"+kind)
	}
	slices.Sort(read)
	slices.Sort(listed)
	assert.Equal(t, read, listed)
}
