package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
)

func network(c container.Container) container.Hint {
	return container.Hint{ContainerID: c.ID, Action: container.Network, Time: time.Now()}
}

// srvValues gives the values of all SRV records.
func (z *zone) srvValues() (values []string) {
	for _, r := range z.all() {
		if r.Type == "SRV" {
			values = append(values, r.Value)
		}
	}
	return values
}

// docker network connect and disconnect give a container's published ports other ports of the host, or none, while it
// runs on.
func TestPortsMoveWithTheNetwork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		c := web(1)
		w.engine.start(c)
		w.after(50 * time.Millisecond)
		assert.Len(t, w.zone.srvValues(), 1)
		moved := c
		moved.Published = []container.Binding{
			{Port: c.Published[0].Port, HostIP: c.Published[0].HostIP, HostPort: 33727},
		}
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = moved }, network(c))
		w.after(50 * time.Millisecond)
		assert.Equal(t, []string{"1 1 33727 ip-10-0-0-1.sd.internal"}, w.zone.srvValues())
		alone := c
		alone.Published = nil
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = alone }, network(c), network(c))
		w.after(time.Second)
		assert.Empty(t, w.zone.srvValues())
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = moved }, network(c))
		w.after(time.Second)
		assert.Equal(t, []string{"1 1 33727 ip-10-0-0-1.sd.internal"}, w.zone.srvValues())
	})
}

// Each start connects a container to its network before, and each end disconnects it after. Both have events of their
// own.
func TestNetworksOfStartAndEndCostNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		c := web(1)
		before := w.engine.snapshots()
		w.engine.set(func(map[string]container.Container) {}, network(c))
		w.after(20 * time.Millisecond)
		assert.Equal(t, before, w.engine.snapshots(), "it does not run yet")
		w.engine.start(c)
		w.after(20 * time.Millisecond)
		assert.Equal(t, before+1, w.engine.snapshots())
		w.engine.die(c)
		w.after(20 * time.Millisecond)
		w.engine.set(func(map[string]container.Container) {}, network(c))
		w.after(20 * time.Millisecond)
		assert.Equal(t, before+2, w.engine.snapshots(), "it has ended")
	})
}
