package cli

import (
	"fmt"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// ownEngine makes a world whose agent follows an Engine of its own, and runs it.
func ownEngine(t *testing.T, flags ...string) (*world, *enginetest.Own) {
	t.Helper()
	engine := enginetest.NewOwn(t, flags...)
	w := newWorld(t, "--docker-host", engine.Host())
	w.start()
	return w, engine
}

// apart runs one container each of n services, the first few with the restart policy "always". (Several deaths of one
// service would be a crash loop.)
func (w *world) apart(engine *enginetest.Own, n, always int) (all []*enginetest.Container) {
	w.t.Helper()
	for i := range n {
		o := enginetest.Options{Engine: engine}
		if i < always {
			o.Restart = api.RestartPolicyAlways
		}
		all = append(all, w.container(fmt.Sprintf("web%d", i), o))
	}
	return all
}

func TestEngineCrashesAndContainersDieMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags   []string
		running int // of ten, when the Engine is back
	}{
		"containers live on":                {[]string{"--live-restore"}, 6},
		"the next Engine ends the others's": {nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, engine := ownEngine(t, c.flags...)
			containers := w.apart(engine, 10, 3)
			w.settles(engine.Client())
			before := w.told()
			require.Len(t, before, 10)
			var processes []int
			for _, c := range containers[2:7] { // one of them is to be started again
				processes = append(processes, engine.Process(c))
			}

			engine.Crash()
			for _, p := range processes {
				engine.KillProcess(p)
			}
			w.eventually("not ready without the Engine", func() bool { return !w.ready() })
			assert.Equal(t, before, w.told(), "while nothing is known the records stay")
			engine.Start()
			answers := time.Now()
			w.eventually(
				"what is to run runs",
				func() bool { return len(w.truth(engine.Client())) == c.running },
			)
			w.settles(engine.Client())
			t.Logf("right %s after the Engine answered", time.Since(answers))
			w.eventually("ready again", w.ready)
		})
	}
}

func TestEngineStopsInOrder(t *testing.T) {
	t.Parallel()
	w, engine := ownEngine(t)
	w.apart(engine, 6, 2)
	w.settles(engine.Client())
	require.Len(t, w.told(), 6)

	engine.Stop()
	w.eventually(
		"no records of what was stopped, while no Engine answers",
		func() bool { return len(w.told()) == 0 },
	)
	engine.Start()
	w.eventually(
		"two of the containers start with the Engine",
		func() bool { return len(w.truth(engine.Client())) == 2 },
	)
	w.settles(engine.Client())
}

func TestEngineIsReplacedUnderItsContainers(t *testing.T) {
	t.Parallel()
	w, engine := ownEngine(t, "--live-restore")
	w.apart(engine, 3, 0)
	w.settles(engine.Client())
	before := w.told()
	w.sandbox.ClearCalls()

	engine.Stop()
	w.eventually("not ready without the Engine", func() bool { return !w.ready() })
	engine.Start()
	w.container("witness", enginetest.Options{Engine: engine})
	w.has("witness", 1)
	assert.Len(t, w.changes(), 1, "that of the witness")
	assert.Subset(t, w.told(), before)
}

func TestEngineCrashesAgainAndAgain(t *testing.T) {
	t.Parallel()
	w, engine := ownEngine(t, "--live-restore")
	name := 0
	some := func() *enginetest.Container {
		name++
		return w.container(fmt.Sprintf("web%d", name), enginetest.Options{Engine: engine})
	}
	var live []*enginetest.Container
	for range 4 {
		live = append(live, some(), some(), some())
		process := engine.Process(live[0])
		live[1].Kill("KILL") // the Engine may or may not tell of it before it crashes
		engine.Crash()
		engine.KillProcess(process)
		live = live[2:]
		engine.Start()
	}
	w.settles(engine.Client())
	assert.Len(t, w.told(), 4)
}
