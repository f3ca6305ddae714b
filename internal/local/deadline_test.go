package local

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDeadline(t *testing.T) {
	soon, later := At(start.Add(time.Second)), At(start.Add(time.Minute))
	var never Deadline
	assert.Equal(t, never, Earliest())
	assert.Equal(t, never, Earliest(never, never))
	assert.Equal(t, soon, Earliest(never, later, soon, never))

	assert.False(t, never.Set())
	assert.False(t, never.Due(start), "not even at the end of time")
	assert.False(t, soon.Due(start))
	assert.True(t, soon.Due(soon.Time()), "at the very time")
	assert.True(t, soon.Due(start.Add(time.Hour)))
}

func TestScopesAreInOrder(t *testing.T) {
	var q queries
	for _, s := range []Scope{Listed, Everything, Listed, Nothing} {
		q.need(s)
	}
	assert.Equal(t, Everything, q.scope, "what is needed never shrinks")
	assert.IsIncreasing(t, []int{int(Nothing), int(Named), int(Listed), int(Everything)})
}
