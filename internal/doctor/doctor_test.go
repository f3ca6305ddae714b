package doctor

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// Checks wait for each other, so each has to run while the others do.
func TestRunRunsChecksAtOnceAndReportsInOrder(t *testing.T) {
	last := make(chan struct{})
	results := Run(t.Context(), []Check{
		{Name: "first", Run: func(context.Context) []Result {
			<-last
			return []Result{Okf("fine"), Warnf("%d of them", 2).Hintf("type %s", "this").Of("other")}
		}},
		{Name: "silent", Run: func(context.Context) []Result { return nil }},
		{Name: "last", Run: One(func(context.Context) Result {
			close(last)
			return Failf("broken")
		})},
		{Name: "unasked", Run: One(func(context.Context) Result { return Skipf("not checked") })},
	})
	assert.Equal(t, []Result{
		{Check: "first", State: OK, Detail: "fine"},
		{
			Check:  "other",
			State:  Warn,
			Detail: "2 of them",
			Hint:   "type this",
		},
		{Check: "last", State: Fail, Detail: "broken"},
		{Check: "unasked", State: Skip, Detail: "not checked"},
	}, results)
}

func TestFactIsFoundOutOnce(t *testing.T) {
	var fact Fact[int]
	times := 0
	find := func() int { times++; return 7 }
	assert.Equal(t, 7, fact.Get(find))
	assert.Equal(t, 7, fact.Get(find))
	assert.Equal(t, 1, times)
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := Limit(t.Context())
		defer cancel()
		<-ctx.Done()
		assert.Equal(t, context.DeadlineExceeded, ctx.Err())
	})
}

func TestCount(t *testing.T) {
	assert.Equal(t, "0 records", Count(0, "record"))
	assert.Equal(t, "1 record", Count(1, "record"))
	assert.Equal(t, "2 records", Count(2, "record"))
}
