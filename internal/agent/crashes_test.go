package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
)

// ends makes a container die by itself, with an exit status.
func (e *engine) ends(c container.Container, status int) {
	e.set(func(live map[string]container.Container) { delete(live, c.ID) }, container.Hint{
		ContainerID: c.ID,
		Action:      container.Die,
		ExitStatus:  status,
		Service:     c.Labels[container.LabelName],
		Time:        time.Now(),
	})
}

// An agent was started on a busy host, and what the Engine remembered began in the midst of a burst of stops: deaths
// without the signals before them. Containers that had just been started were kept out of DNS for 30 s.
func TestDeathsWhoseSignalsTheEngineHasForgottenAreNoCrashLoop(t *testing.T) {
	for name, running := range map[string]bool{"at the start": false, "after the stream was lost": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var stopped []container.Container
				for n := range 8 {
					stopped = append(stopped, web(n+1))
					w.engine.start(stopped[n])
				}
				if running {
					w.run()
					w.after(5 * time.Second)
					w.engine.make(func() { w.engine.closed = true })
					w.engine.interrupt()
					w.after(time.Second)
				}
				for _, c := range stopped {
					w.engine.kill(c, 15)
				}
				w.after(time.Second)
				w.engine.make(func() { w.engine.events = nil }) // it remembers 256, of whatever kind
				for _, c := range stopped {
					w.engine.ends(c, 143)
				}
				w.engine.start(web(9))
				if running {
					w.engine.make(func() { w.engine.closed = false })
				} else {
					w.run()
				}
				w.after(2 * time.Second)
				assert.Equal(t, weights{"web 9": 1}, w.zone.services())
			})
		})
	}
}

// What the Engine remembers from the start of a run on is known, also to an agent that was not there.
func TestCrashLoopBeforeTheAgentWasThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for n := range 3 {
			w.engine.start(web(n + 1))
			w.engine.ends(web(n+1), 1)
		}
		w.engine.start(web(9))
		w.run()
		w.after(20 * time.Second)
		assert.Empty(t, w.zone.services())
		w.after(15 * time.Second)
		assert.Equal(t, weights{"web 9": 1}, w.zone.services())
	})
}

// Three one-off tasks of a service's definition, which ended well, took the one that served out of DNS.
func TestContainersThatEndWellAreNoCrashLoop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		for n := range 5 {
			c := web(n + 1)
			w.engine.start(c)
			w.after(time.Second)
			w.engine.ends(c, 0)
			w.after(time.Second)
		}
		w.engine.start(web(9))
		w.after(time.Second)
		assert.Equal(t, weights{"web 9": 1}, w.zone.services())
	})
}

// The last container of a service was taken out of DNS, since others of it had died soon after it had been started.
func TestContainerThatServesIsNotWithdrawnForTheDeathsOfOthers(t *testing.T) {
	for name, again := range map[string]bool{"": false, "nor by an agent that is started anew": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.run()
				w.after(5 * time.Second)
				w.engine.start(web(9))
				w.after(time.Second)
				require.Equal(t, weights{"web 9": 1}, w.zone.services())
				for n := range 5 {
					c := web(n + 1)
					w.engine.start(c)
					w.after(time.Second)
					w.engine.ends(c, 1)
					w.after(time.Second)
					assert.Contains(t, w.zone.services(), "web 9", "after %d deaths", n+1)
				}
				if again {
					w.end()
					w.run()
				}
				for range 30 {
					w.after(time.Second)
					assert.Equal(t, weights{"web 9": 1}, w.zone.services())
				}
			})
		})
	}
}

// Its record is of a run that has died, and more than once.
func TestContainerThatDiesAgainAndAgainWhileTheAgentIsAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.end()
		for range 3 {
			w.engine.ends(c, 1)
			w.after(time.Second)
			c.StartedAt = time.Now()
			w.engine.start(c)
			w.after(time.Second)
		}
		w.run()
		w.after(time.Second)
		assert.Empty(t, w.zone.services())
		w.after(30 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

// A container that reads its configuration anew at a signal, and dies of it, was not asked to end.
func TestDeathAfterAnotherSignalIsACrash(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		for n := range 3 {
			c := web(n + 1)
			w.engine.start(c)
			w.after(time.Second)
			w.engine.kill(c, 1)
			w.engine.ends(c, 1)
			w.after(time.Second)
		}
		w.engine.start(web(9))
		w.after(10 * time.Second)
		assert.Empty(t, w.zone.services())
	})
}

// Of a container that is gone nobody can tell which signal was to stop it.
func TestDeathAfterASignalToAContainerThatIsGone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for n := range 3 {
			w.engine.start(web(n + 1))
			w.engine.kill(web(n+1), 3)
			w.engine.ends(web(n+1), 131)
		}
		w.engine.start(web(9))
		w.run()
		w.after(time.Second)
		assert.Equal(t, weights{"web 9": 1}, w.zone.services())
	})
}
