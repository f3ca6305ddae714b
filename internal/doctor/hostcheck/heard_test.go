package hostcheck

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// started returns a container of a name, started so long before noon.
func started(name string, before time.Duration) container.Container {
	return container.Container{ID: name, Name: name, StartedAt: noon.Add(-before)}
}

func TestUnheardOf(t *testing.T) {
	state := status.State{Now: noon, Containers: []status.Container{{ID: "known"}}}
	old, known, late := started("old", 6*time.Second), started("known", time.Hour), started("late", 5*time.Second)
	assert.Equal(t, []container.Container{old}, unheardOf([]container.Container{late, known, old}, state))
}

func TestStillRunning(t *testing.T) {
	same, again, gone := started("same", time.Minute), started("again", time.Minute), started("gone", time.Minute)
	now := []container.Container{started("again", time.Second), same, started("new", time.Minute)}
	assert.Equal(t, []container.Container{same}, stillRunning([]container.Container{same, again, gone}, now))
}

func TestUnheardResult(t *testing.T) {
	containers := []container.Container{started("b", time.Minute), started("a", time.Hour), started("c", time.Second)}
	assert.Equal(t, "the agent has not heard of b, which started 1m0s ago", unheardResult(containers[:1], noon).Detail)
	r := unheardResult(containers, noon)
	assert.Equal(t, "the agent has not heard of a, which started 1h0m0s ago, nor of 2 more", r.Detail)
	assert.Equal(t, doctor.Fail, r.State)
	assert.Contains(t, r.Hint, "systemctl restart ecssd")
}

// The agent's answer is made up, and what it is compared with runs on a real Engine.
func TestHeard(t *testing.T) {
	t.Parallel()
	engine := enginetest.NewOwn(t)
	c := enginetest.Run(t, enginetest.Options{
		Engine:  engine,
		Publish: []string{"8080"},
		Labels:  enginetest.ECSLabels("web"),
	})
	patience.Eventually(t, "the container has run longer than an agent needs", func() bool {
		in, err := engine.Client().ContainerInspect(t.Context(), c.ID)
		if err != nil {
			return false
		}
		began, err := time.Parse(time.RFC3339Nano, in.State.StartedAt)
		return err == nil && time.Since(began) > heardWithin
	})
	for name, test := range map[string]struct {
		state string
		want  string // empty: no result
	}{
		"known": {`"ready": true, "containers": [{"id": "` + c.ID + `"}]`, "ok the agent knows every container " +
			"that is to be registered"},
		"unheard":   {`"ready": true`, "FAIL the agent has not heard of " + c.Name + ", which started "},
		"not ready": {`"ready": false`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now().Format(time.RFC3339Nano)
			agent := withAgent(t, answers{"/state": fmt.Sprintf(`{"version": "v1", "now": %q, %s}`, now, test.state)})
			h := here(t, engine.Host())
			h.agent = agent.agent
			results := found(t, h, "heard")
			if test.want == "" {
				assert.Empty(t, results)
				return
			}
			assert.Len(t, results, 1)
			assert.Contains(t, string(results[0].State)+" "+results[0].Detail, test.want)
		})
	}
}
