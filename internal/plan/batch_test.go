package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func TestBatch(t *testing.T) {
	of := func(n int, action plan.Action, value string) []plan.Change {
		changes := make([]plan.Change, n)
		for i := range changes {
			changes[i] = plan.Change{Action: action, Record: record.Record{SetID: fmt.Sprint(i), Value: value}}
		}
		return changes
	}
	chars := func(n int) string { return strings.Repeat("x", n) }
	for name, test := range map[string]struct {
		changes []plan.Change
		want    int
	}{
		"none":                   {nil, 0},
		"one":                    {of(1, plan.Upsert, "v"), 1},
		"1,000 removals":         {of(1000, plan.Delete, "v"), 1000},
		"1,001 removals":         {of(1001, plan.Delete, "v"), 1000},
		"1,000 creations":        {of(1000, plan.Create, "v"), 1000},
		"1,001 creations":        {of(1001, plan.Create, "v"), 1000},
		"an upsert counts twice": {of(501, plan.Upsert, "v"), 500},
		"removals and upserts": {
			slices.Concat(of(400, plan.Delete, "v"), of(400, plan.Upsert, "v")),
			700,
		},
		"each value counts":                    {of(501, plan.Delete, "a\nb"), 500},
		"each value of an upsert counts twice": {of(251, plan.Upsert, "a\nb"), 250},
		"32,000 characters":                    {of(320, plan.Delete, chars(100)), 320},
		"32,001 characters":                    {of(321, plan.Delete, chars(100)), 320},
		"characters of an upsert count twice":  {of(161, plan.Upsert, chars(100)), 160},
		"line breaks between values do not":    {of(321, plan.Delete, chars(50)+"\n"+chars(50)), 320},
		"exactly 32,000": {
			slices.Concat(of(1, plan.Delete, chars(31999)), of(2, plan.Delete, "x")),
			2,
		},
		"one too large alone is sent as it is": {of(2, plan.Delete, chars(40000)), 1},
		"one too large ends the batch before it": {
			slices.Concat(of(3, plan.Delete, "v"), of(1, plan.Upsert, chars(16000))),
			3,
		},
		"characters do not count against values": {
			slices.Concat(of(999, plan.Delete, ""), of(1, plan.Upsert, "")),
			999,
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, plan.Batch(test.changes)) })
	}
}

func TestRefusalSaysWhy(t *testing.T) {
	change := plan.Change{Action: plan.Delete, Record: srv("web", "i-1:a", 1)}
	named := &plan.Refusal{Named: map[plan.Change]plan.Reason{change: plan.NotFound}, Message: "was not found"}
	assert.EqualError(t, named, "change batch refused (not found): was not found")
	assert.EqualError(t, &plan.Refusal{Reason: plan.Denied, Message: "no"}, "change batch refused (denied): no")
}
