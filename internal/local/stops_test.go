package local

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
)

// The ECS agent wanted a container stopped that the Engine could not inspect yet. Once it could, the container was
// registered.
func TestMarkBeforeTheContainerCouldBeInspected(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	stuck := container.Container{ID: "a", Unread: "timeout"}
	for name, test := range map[string]struct {
		started time.Time
		want    bool
	}{
		"that run":    {at.Add(-time.Second), true},
		"a later run": {at.Add(time.Second), false},
	} {
		t.Run(name, func(t *testing.T) {
			marks := loadStops(nil, at)
			assert.True(t, marks.mark(stuck, at, at))
			marks.save()
			marks.prune(map[string]container.Container{"a": stuck})
			assert.False(t, marks.changed)
			assert.True(t, marks.marked("a"))
			found := container.Container{ID: "a", StartedAt: test.started}
			marks.prune(map[string]container.Container{"a": found})
			assert.True(t, marks.changed)
			marks.save()
			assert.Equal(t, test.want, marks.marked("a"))
			marks.prune(map[string]container.Container{"a": found})
			assert.False(t, marks.changed)
		})
	}
}
