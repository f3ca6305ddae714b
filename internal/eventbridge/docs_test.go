package eventbridge

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tables of events in docs/reference.md have every detail type and every field of the detail.
func TestReferenceListsTheEvents(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference.md")
	require.NoError(t, err)
	assert.Equal(t, slices.Sorted(maps.Values(detailTypes)), firstCells(t, string(page), "| detail type | when |"))

	var fields []string
	for field := range reflect.TypeFor[Detail]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	slices.Sort(fields)
	assert.Equal(t, fields, firstCells(t, string(page), "| field of `detail` | meaning |"))
}

// firstCells returns what stands in backquotes in the first cells of the table below a head, sorted.
func firstCells(t *testing.T, page, head string) (found []string) {
	t.Helper()
	_, rest, ok := strings.Cut(page, head+"\n| --- | --- |\n")
	require.True(t, ok, head)
	table, _, _ := strings.Cut(rest, "\n\n")
	for row := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			found = append(found, name[1])
		}
	}
	slices.Sort(found)
	return found
}
