package agent

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/agent/event"
	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/container"
)

func TestEventsTellOfWhomAndWhy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var events []event.Event
		w.host.OnEvent = func(e event.Event) { w.with(func() { events = append(events, e) }) }
		set := w.leaving()
		w.run()
		next := func() event.Event {
			t.Helper()
			w.after(6 * time.Second)
			w.mu.Lock()
			defer w.mu.Unlock()
			require.Len(t, events, 1)
			e := events[0]
			events = nil
			assert.WithinDuration(t, time.Now(), e.At, 10*time.Second)
			assert.Equal(t, "Z1", e.ZoneID)
			assert.Equal(t, "web.sd.internal", e.Record.Name)
			return e
		}
		c := web(1)
		c.Labels[container.LabelCluster] = "shop"
		w.engine.start(c)
		e := next()
		assert.Equal(t, outcome.Registered, e.Kind)
		assert.Empty(t, e.Reason)
		who := event.Container{
			ID:      c.ID,
			Name:    "ecs-web-1",
			Service: "web",
			TaskARN: c.Labels[container.LabelTaskARN],
			Cluster: "shop",
		}
		assert.Equal(t, who, e.Container)

		unwell := c
		unwell.Health = container.Unhealthy
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = unwell }, container.Hint{
			ContainerID: c.ID,
			Action:      container.Other,
		})
		e = next()
		assert.Equal(t, outcome.Standby, e.Kind)
		assert.Equal(t, "the container's health check says unhealthy", e.Reason)

		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c }, container.Hint{
			ContainerID: c.ID,
			Action:      container.Other,
		})
		assert.Equal(t, outcome.Registered, next().Kind)

		set("scaled in", nil)
		e = next()
		assert.Equal(t, outcome.Standby, e.Kind)
		assert.Equal(t, "the host is on standby: scaled in", e.Reason)
		set("", errors.New("no answer")) // stays as it is

		w.after(time.Hour) // on a quiet host
		w.engine.kill(c, 15)
		e = next()
		assert.Equal(t, outcome.Deregistered, e.Kind)
		assert.Equal(t, "the container was asked to stop", e.Reason)
		assert.Equal(t, who, e.Container)
		w.engine.die(c)
		w.after(time.Minute)
		assert.Empty(t, events, "told once")

		crashing := web(2)
		w.engine.start(crashing)
		require.Equal(t, outcome.Standby, next().Kind)
		w.after(time.Hour)
		w.engine.die(crashing)
		e = next()
		assert.Equal(t, "the container has ended", e.Reason)
		assert.Equal(t, "ecs-web-2", e.Container.Name, "remembered for its end")
	})
}
