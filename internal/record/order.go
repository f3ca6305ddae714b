package record

import (
	"slices"
	"strings"
)

// Order returns a text by which names sort as Route 53 lists them: by ASCII, their labels reversed and each followed by
// a dot, so that web.sd.internal is internal.sd.web. (ListResourceRecordSets, Route 53 API reference). The name is
// plain or as it is listed.
func Order(name string) string {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}
