package plan

import "strings"

// Limits of one change batch, over all its values; an UPSERT counts twice (Route 53 developer guide, "Quotas").
const (
	maxElements   = 1000
	maxCharacters = 32000
)

// Batch returns the length of the longest prefix of changes that one batch may carry: 0 only for no changes.
func Batch(changes []Change) int {
	elements, characters := 0, 0
	for i, c := range changes {
		factor := 1
		if c.Action == Upsert {
			factor = 2
		}
		values := strings.Count(c.Record.Value, "\n")
		elements += factor * (values + 1)
		characters += factor * (len(c.Record.Value) - values)
		if i > 0 && (elements > maxElements || characters > maxCharacters) {
			return i
		}
	}
	return len(changes)
}
