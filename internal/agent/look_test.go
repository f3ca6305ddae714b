package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
)

// hint makes the engine tell of something that changes nothing.
func (e *engine) hint(c container.Container) {
	e.set(func(map[string]container.Container) {}, container.Hint{
		ContainerID: c.ID,
		Action:      container.Other,
		Time:        time.Now(),
	})
}

// soon is long enough for a removal that waits for nothing.
const soon = 50 * time.Millisecond

// One container's signal took effect 2.9 s late while another was being inspected, 7 s while all were listed, and a
// second while the ECS agent hung.
func TestRemovalDoesNotWaitForWhatHangs(t *testing.T) {
	hangs := map[string]func(w *world, a container.Container){
		"an inspection": func(w *world, a container.Container) {
			w.engine.make(func() { w.engine.hangs = map[string]bool{a.ID: true} })
			w.engine.hint(a)
		},
		"a listing": func(w *world, a container.Container) {
			w.engine.make(func() { w.engine.listing = 7 * time.Second })
			w.after(time.Minute)
			for w.engine.snapshots() == 0 {
				w.after(time.Second)
			}
		},
		"a listing after the stream was lost": func(w *world, a container.Container) {
			w.engine.make(func() { w.engine.listing = 7 * time.Second })
			w.engine.interrupt()
			w.after(2500 * time.Millisecond)
		},
		"the ECS agent": func(w *world, a container.Container) {
			w.with(func() { w.ecsHangs = true })
			w.engine.interrupt() // it is asked what stops
			w.after(500 * time.Millisecond)
		},
		"a question for an address": func(w *world, a container.Container) {
			pause, c := task(50)
			w.with(func() { w.ecsHangs = true })
			w.engine.start(pause)
			w.engine.start(c)
			w.after(20 * time.Millisecond)
		},
	}
	ends := map[string]func(w *world, b container.Container){
		"a signal": func(w *world, b container.Container) { w.engine.kill(b, 15) },
		"a death":  func(w *world, b container.Container) { w.engine.die(b) },
		"an event and a signal": func(w *world, b container.Container) {
			w.engine.hint(b)
			w.after(time.Millisecond)
			w.engine.kill(b, 15)
		},
	}
	for what, hang := range hangs {
		for by, end := range ends {
			t.Run(what+" by "+by, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a, b := web(1), web(2)
					w.engine.start(a)
					w.engine.start(b)
					w.run()
					w.after(5 * time.Second)
					require.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services())
					hang(w, a)
					w.after(100 * time.Millisecond)
					end(w, b)
					w.after(soon)
					if what == "the ECS agent" { // within two seconds of a new stream an event may be of the past
						w.after(local.ReplayTime)
					}
					assert.Equal(t, weights{"web 1": 1}, w.zone.services())
					w.after(20 * time.Second)
					assert.NotContains(t, w.zone.services(), "web 2", "nor does it come back")
				})
			})
		}
	}
}

// Right after a new stream has begun its events may be of the past, and are held against a look, which may hang.
func TestSignalRightAfterTheStreamWasLostDoesNotWaitForALookThatHangs(t *testing.T) {
	for by, end := range map[string]func(w *world, b container.Container){
		"a signal": func(w *world, b container.Container) { w.engine.kill(b, 15) },
		"a death":  func(w *world, b container.Container) { w.engine.die(b) },
	} {
		t.Run(by, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := web(1), web(2)
				w.engine.start(a)
				w.engine.start(b)
				w.run()
				w.after(5 * time.Second)
				w.engine.make(func() { w.engine.listing = 7 * time.Second })
				w.engine.interrupt()
				w.after(500 * time.Millisecond)
				end(w, b)
				w.after(local.ReplayTime + soon)
				assert.Equal(t, weights{"web 1": 1}, w.zone.services())
			})
		})
	}
}

// What a look has found may be older than the events that came while it was on its way.
func TestLookDoesNotUndoWhatWasHeardMeanwhile(t *testing.T) {
	for _, routine := range []bool{false, true} {
		t.Run(fmt.Sprintf("routine %v", routine), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, killed, dies, again := web(1), web(2), web(3), web(4)
				for _, c := range []container.Container{a, killed, dies, again} {
					w.engine.start(c)
				}
				w.run()
				w.after(5 * time.Second)
				w.engine.make(func() { w.engine.holds = 2 * time.Second })
				if routine {
					looks := w.engine.snapshots()
					for w.engine.snapshots() == looks {
						w.after(100 * time.Millisecond)
					}
				} else {
					w.engine.hint(a)
					w.after(100 * time.Millisecond)
				}
				w.engine.make(func() { w.engine.holds = 0 })
				w.engine.kill(killed, 15)
				w.engine.die(dies)
				w.engine.die(again)
				started := web(5)
				w.engine.start(started)
				w.engine.kill(started, 15)
				w.after(time.Second)
				again = web(4) // in another run
				again.Labels["SERVICE_WEIGHT"] = "7"
				w.engine.start(again)
				before := w.zone.count()
				for range 60 {
					services := w.zone.services()
					assert.NotContains(t, services, "web 2")
					assert.NotContains(t, services, "web 3")
					assert.NotContains(t, services, "web 5")
					w.after(100 * time.Millisecond)
				}
				assert.Equal(t, weights{"web 1": 1, "web 4": 7}, w.zone.services())
				assert.Equal(
					t,
					before+1,
					w.zone.count(),
					"and the run of it that has ended was not announced once more",
				)
				for _, e := range w.log.AllEntries() {
					assert.NotContains(t, e.Message, "sent no event")
				}
			})
		})
	}
}

// A new stream has begun while everything was listed: what has changed without an event is no reason for another.
func TestStreamThatBeginsDuringALookIsKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		w.engine.make(func() {
			w.engine.during = func() {
				w.engine.make(func() { w.engine.live[web(1).ID], w.engine.events = web(1), nil })
				w.engine.interrupt()
				time.Sleep(2 * time.Second)
			}
		})
		w.after(2 * time.Minute)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		for _, e := range w.log.AllEntries() {
			assert.NotContains(t, e.Message, "sent no event")
		}
	})
}

// One listing failed, each look after it listed again and failed, and no event had any effect, though inspections
// worked.
func TestEventsHaveTheirEffectWhileContainersCannotBeListed(t *testing.T) {
	for name, takes := range map[string]time.Duration{"at once": time.Millisecond, "after 5 s": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.engine.start(web(1))
				w.run()
				w.after(5 * time.Second)
				w.engine.make(func() { w.engine.listing = takes })
				w.after(2 * time.Minute)
				for n := range 3 {
					w.engine.start(web(n + 2))
					w.after(takes + 100*time.Millisecond)
					assert.Len(t, w.zone.services(), n+2)
				}
				assert.Equal(t, []string{
					"containers: list containers: timeout",
				}, w.readiness.Missing(), "though that is told")
				w.engine.die(web(1))
				w.after(soon)
				assert.Equal(t, weights{"web 2": 1, "web 3": 1, "web 4": 1}, w.zone.services())
				w.engine.set(func(live map[string]container.Container) { live[web(5).ID] = web(5) })
				w.engine.make(func() { w.engine.listing = 0 })
				w.after(10 * time.Second)
				assert.Contains(t, w.zone.services(), "web 5", "listings are tried again")
				assert.Empty(t, w.readiness.Missing())
			})
		})
	}
}

// A container whose inspection failed, and which died meanwhile, kept its record for up to a minute.
func TestDeathOfAContainerThatCannotBeInspected(t *testing.T) {
	for name, still := range map[string]bool{"": false, "not even now": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := web(1)
				w.engine.start(c)
				w.run()
				w.after(5 * time.Second)
				w.engine.make(func() { w.engine.unread = map[string]bool{c.ID: true} })
				w.engine.hint(c)
				w.after(5 * time.Second)
				require.Equal(t, weights{"web 1": 1}, w.zone.services())
				if still {
					w.zone.fail(errors.New("out of order")) // and the removal has to wait
				}
				w.engine.set(func(live map[string]container.Container) {
					if !still {
						delete(live, c.ID)
					}
				}, container.Hint{ContainerID: c.ID, Action: container.Die, Time: time.Now()})
				w.after(soon)
				if still {
					w.zone.fail(nil)
					w.after(5 * time.Second)
				}
				assert.Empty(t, w.zone.services())
				w.after(2 * time.Minute)
				assert.Empty(t, w.zone.services())
				w.engine.make(func() { w.engine.unread = nil })
				c.StartedAt = time.Now()
				w.engine.start(c)
				w.after(soon)
				assert.Equal(t, weights{"web 1": 1}, w.zone.services(), "and its next run")
			})
		})
	}
}

// The Engine was well again and said so by an event, and the container was registered up to a minute later.
func TestEventOfAContainerThatCouldNotBeInspected(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		c := web(1)
		w.engine.make(func() { w.engine.unread = map[string]bool{c.ID: true} })
		w.engine.start(c)
		w.after(500 * time.Millisecond)
		require.Empty(t, w.zone.services())
		w.engine.make(func() { w.engine.unread = nil })
		w.engine.kill(c, 1) // whichever event
		w.after(soon)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

// The host's watchdog ends an agent that hangs, and none whose Engine hangs.
func TestLookThatNeverEndsIsNoLife(t *testing.T) {
	for name, takes := range map[string]time.Duration{
		"a look hangs":      time.Hour,
		"listings time out": 10 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				alive := 0
				w.config.Alive = func() { w.with(func() { alive++ }) }
				w.engine.start(web(1))
				w.run()
				w.after(5 * time.Second)
				w.engine.make(func() {
					w.engine.listing = takes
					if takes == time.Hour {
						w.engine.during = func() { time.Sleep(takes) } // and does not mind its context
					}
				})
				w.after(10 * time.Minute)
				var before, after int
				w.with(func() { before = alive })
				w.after(2 * time.Minute)
				w.with(func() { after = alive })
				assert.Equal(t, takes == time.Hour, before == after)
			})
		})
	}
}

// A start of the agent, and a mark of an earlier run whose end and whose successor's start nobody heard of.
func TestStopMarkOfARunThatEndedUnheard(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.after(5 * time.Second)
		require.NotEmpty(t, w.journal.Stops())
		w.end()
		c.StartedAt = time.Now()
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c })
		w.engine.make(func() { w.engine.events = nil })
		w.run()
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		assert.Empty(t, w.journal.Stops())

		w.engine.kill(c, 15)
		w.after(time.Second)
		require.Empty(t, w.zone.services())
		w.engine.make(func() { w.engine.deaf = true })
		c.StartedAt = time.Now()
		w.engine.start(c)
		w.after(time.Second)
		w.engine.make(func() { w.engine.deaf, w.engine.events = false, nil })
		w.engine.interrupt()
		w.after(time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services(), "nor does the agent that runs keep it")
	})
}

// A container was asked to stop by a signal of its own while nobody could tell which one that is.
func TestSignalOfAContainerThatCouldNotBeInspected(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		c := web(1)
		c.StopSignal = 3
		w.engine.make(func() { w.engine.unread = map[string]bool{c.ID: true} })
		w.engine.start(c)
		w.after(5 * time.Second)
		w.engine.kill(c, 3)
		w.after(10 * time.Second)
		w.engine.make(func() { w.engine.unread = nil })
		w.after(10 * time.Second)
		assert.Empty(t, w.zone.services())
		w.after(local.StopTimeout)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services(), "it has outlived the signal")
	})
}

// Events go on while the ECS agent hangs: it is asked one question at a time.
func TestECSAgentThatHangsIsNotAskedByEachEvent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, c := task(50)
		w.engine.start(pause)
		w.run()
		w.after(5 * time.Second)
		w.with(func() { w.ecsHangs = true })
		w.engine.start(c)
		w.after(10 * time.Millisecond)
		var before, after int
		w.with(func() { before = w.asked })
		for range 50 {
			w.engine.hint(pause)
			w.after(10 * time.Millisecond)
		}
		w.with(func() { after = w.asked })
		assert.Equal(t, before, after)
	})
}
