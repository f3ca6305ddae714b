package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/status"
)

func TestStatusTellsOfEachContainer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.openJournal()
		s := w.agent().State()
		assert.Equal(t, status.Counts{}, s.Counts, "before it runs")
		assert.Equal(t, status.Zone{Name: "sd.internal"}, s.Zone)
		assert.Equal(t, []string{"identity: not known yet", "agent: starting"}, s.Missing)
		require.NoError(t, w.journal.Close())
		w.run()
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

		s = w.present.State()
		assert.Equal(t, status.Counts{
			Serving:  1,
			Stopping: 1,
			Problems: 1,
			SRV:      1,
			A:        1,
		}, s.Counts)
		assert.Equal(t, status.Zone{Name: "sd.internal", ID: "Z1"}, s.Zone)
		require.Len(t, s.Containers, 3)
		assert.Equal(t, []string{"ecs-web-1", "ecs-web-2", "ecs-web-3"},
			[]string{s.Containers[0].Name, s.Containers[1].Name, s.Containers[2].Name})
		require.Len(t, s.Containers[0].Endpoints, 1)
		assert.Equal(t, "web", s.Containers[0].Endpoints[0].Name)
		assert.Nil(t, s.Containers[0].Withheld)
		assert.Empty(t, s.Containers[1].Endpoints)
		assert.Equal(t, string(local.Stopping), s.Containers[1].Withheld.Reason)
		assert.WithinDuration(t, time.Now().Add(local.StopTimeout), s.Containers[1].Withheld.Until, 10*time.Second)
		require.Len(t, s.Containers[2].Problems, 1)
		assert.Equal(t, "SERVICE_NAME", s.Containers[2].Problems[0].Subject)

		assert.Empty(t, s.Pending)
		require.NotEmpty(t, s.Recent)
		assert.Equal(t, "DELETE", s.Recent[0].Action, "newest first")
		assert.Contains(t, s.Recent[0].Record.SetID, stopped.ID)
		assert.WithinDuration(t, time.Now(), s.Recent[0].At, 5*time.Second)
	})
}
