package agent

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
)

func TestStatusTellsOfEachContainer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.openJournal()
		require.NoError(t, w.journal.Listed())
		a := w.agent()
		assert.Equal(t, Status{}, a.Status(), "before it runs")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		serving, stopped, badName := web(1), web(2), web(3)
		badName.Labels["SERVICE_NAME"] = "no name"
		for _, c := range []struct{ start func() }{
			{
				func() { w.engine.start(serving) },
			}, {
				func() { w.engine.start(stopped) },
			}, {
				func() { w.engine.start(badName) },
			},
		} {
			c.start()
			w.after(time.Second)
		}
		w.engine.kill(stopped, 15)
		w.after(5 * time.Second)

		s := a.Status()
		assert.Equal(t, local.Counts{Serving: 1, Stopping: 1}, s.Counts)
		assert.Equal(t, "Z1", s.ZoneID)
		require.Len(t, s.Containers, 3)
		assert.Equal(t, []string{"ecs-web-1", "ecs-web-2", "ecs-web-3"},
			[]string{s.Containers[0].Name, s.Containers[1].Name, s.Containers[2].Name})
		require.Len(t, s.Containers[0].Endpoints, 1)
		assert.Equal(t, "web", s.Containers[0].Endpoints[0].Name)
		assert.Zero(t, s.Containers[0].Withheld)
		assert.Empty(t, s.Containers[1].Endpoints)
		assert.Equal(t, local.Stopping, s.Containers[1].Withheld.Reason)
		assert.WithinDuration(t, time.Now().Add(local.StopTimeout), s.Containers[1].Withheld.Until, 10*time.Second)
		require.Len(t, s.Containers[2].Problems, 1)
		assert.Equal(t, "SERVICE_NAME", s.Containers[2].Problems[0].Subject)

		assert.Empty(t, s.Zone.Pending)
		require.NotEmpty(t, s.Zone.Recent)
		assert.Equal(t, plan.Delete, s.Zone.Recent[0].Change.Action, "newest first")
		assert.Contains(t, s.Zone.Recent[0].Change.Record.SetID, stopped.ID)
		assert.WithinDuration(t, time.Now(), s.Zone.Recent[0].At, 5*time.Second)
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, w.journal.Close())
	})
}
