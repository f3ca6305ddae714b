package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
)

// A look at the Engine for another container's sake may show the next run of a container before the signal that ended
// the last one is heard of. The mark then fell on the new run, and kept it out of DNS for 10 minutes.
func TestSignalHeardOfAfterTheNextRunWasSeen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		killed := time.Now()
		w.after(time.Second)
		c.StartedAt = time.Now()
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c })
		w.engine.start(web(2)) // of which the Engine tells first
		w.after(time.Second)
		hint := container.Hint{
			ContainerID: c.ID,
			Action:      container.Kill,
			Signal:      15,
			Time:        killed,
		}
		w.engine.set(func(map[string]container.Container) {}, hint)
		hint.Action, hint.Signal = container.Die, 0
		w.engine.set(func(map[string]container.Container) {}, hint)
		hint.Action, hint.Time = container.Start, c.StartedAt
		w.engine.set(func(map[string]container.Container) {}, hint)
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services())
		require.Empty(t, w.journal.Stops(), "nor is it so after a restart of the agent")
	})
}
