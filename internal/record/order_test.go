package record_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
)

func TestOrder(t *testing.T) {
	want := []string{
		"sd.internal", "a-b.sd.internal", "a.sd.internal", "x.a.sd.internal", "a1.sd.internal", "a_b.sd.internal",
		"ab.sd.internal",
		"_tcp.sd.internal", "ip-10-0-0-1.sd.internal", "ip-10-0-0-10.sd.internal", "web.sd.internal",
	}
	slices.SortFunc(want[1:], func(a, b string) int { return cmp.Compare(a, b) }) // another order, to begin with
	got := slices.Clone(want)
	slices.SortFunc(got, func(a, b string) int { return cmp.Compare(record.Order(a), record.Order(b)) })
	assert.Equal(t, []string{
		"sd.internal", "_tcp.sd.internal", "a-b.sd.internal", "a.sd.internal", "x.a.sd.internal", "a1.sd.internal",
		"a_b.sd.internal",
		"ab.sd.internal", "ip-10-0-0-1.sd.internal", "ip-10-0-0-10.sd.internal", "web.sd.internal",
	}, got)
	assert.Equal(t, record.Order("web.sd.internal"), record.Order("Web.SD.internal."))
}
