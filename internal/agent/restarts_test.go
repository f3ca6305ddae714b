package agent

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/plan"
)

// recordedEvents gives the hints of a family's containers in ../docker/testdata/ecs-agent/events.jsonl, which was
// recorded from Amazon ECS agent 1.105.1, Docker Engine 20.10.24.
func recordedEvents(t *testing.T, family string) (hints []container.Hint, of map[string]string) {
	t.Helper()
	file, err := os.Open("../docker/testdata/ecs-agent/events.jsonl")
	require.NoError(t, err)
	defer file.Close()
	of = map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var e struct {
			Action   container.Action
			TimeNano int64
			Actor    struct {
				ID         string
				Attributes map[string]string
			}
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		if e.Actor.Attributes[container.LabelFamily] != family || e.Action == "create" ||
			strings.HasPrefix(e.Actor.Attributes["name"], "~internal~") {
			continue
		}
		signal, _ := strconv.Atoi(e.Actor.Attributes["signal"])
		if e.Action == "stop" || strings.HasPrefix(string(e.Action), "health_status") {
			e.Action = container.Other
		}
		of[e.Actor.ID] = e.Actor.Attributes[container.LabelName]
		hints = append(hints, container.Hint{
			ContainerID: e.Actor.ID,
			Action:      e.Action,
			Signal:      signal,
			Time:        time.Unix(0, e.TimeNano),
		})
	}
	require.NotEmpty(t, hints)
	return hints, of
}

// play has the engine live through recorded events in their own time, and gives the history of each service: how often
// a record of it came and went. seen is called after each event.
func (w *world) play(hints []container.Hint, of map[string]string, seen func(h container.Hint)) {
	shift := time.Since(hints[0].Time)
	known := map[string]container.Container{}
	for _, h := range hints {
		h.Time = h.Time.Add(shift)
		w.after(time.Until(h.Time))
		c, again := known[h.ContainerID]
		if !again {
			c = web(len(known) + 1)
			c.ID, c.Labels[container.LabelName] = h.ContainerID, of[h.ContainerID]
		}
		w.engine.set(func(live map[string]container.Container) {
			switch h.Action {
			case container.Start:
				c.StartedAt = h.Time
				live[c.ID] = c
			case container.Die:
				delete(live, c.ID)
			}
		}, h)
		known[c.ID] = c
		w.after(20 * time.Millisecond)
		seen(h)
	}
}

// removals gives how many records were removed.
func (z *zone) removals() (n int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, batch := range z.batches {
		for _, c := range batch {
			if c.Action == plan.Delete {
				n++
			}
		}
	}
	return n
}

// The only record of a name was gone for a quarter of a second at each restart, and whoever asked then was told that
// there is none.
func TestRestartByTheECSAgentKeepsTheRecord(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		hints, of := recordedEvents(t, "restartlong")
		w.with(func() { w.tasks[hints[0].ContainerID] = Task{Restarts: true} })
		serves := weights{"long " + hints[0].ContainerID: 1}
		w.play(hints, of, func(h container.Hint) {
			assert.Equal(t, serves, w.zone.services(), "after %s", h.Action)
		})
		require.Len(t, hints, 3, "start, die, start")
		w.after(time.Hour)
		assert.Equal(t, serves, w.zone.services())
		assert.Zero(t, w.zone.removals())
	})
}

// The container ran for too short a time to be started again. The other of its task is stopped then.
func TestDeathThatTheECSAgentLeavesAtThat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		hints, of := recordedEvents(t, "restart")
		with := func(service string) (id string) {
			for id, name := range of {
				if name == service {
					return id
				}
			}
			return ""
		}
		w.with(func() {
			w.tasks[with("again")], w.tasks[with("keeper")] = Task{Restarts: true}, Task{}
		})
		w.play(hints, of, func(h container.Hint) {
			if h.Action == container.Kill {
				assert.Equal(t, weights{"again " + with("again"): 1}, w.zone.services())
			}
		})
		w.after(300 * time.Millisecond)
		assert.Empty(t, w.zone.services(), "500 ms after the death")
	})
}

// policy runs a container, and has the ECS agent say that it has a restart policy.
func (w *world) policy(c container.Container) {
	w.run()
	w.after(5 * time.Second)
	w.with(func() { w.tasks[c.ID] = Task{Restarts: true} })
	w.engine.start(c)
	w.after(2 * time.Minute)
	require.Equal(w.t, weights{"web 1": 1}, w.zone.services())
}

func TestDeathIsHeldForHalfASecondAtMost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.policy(c)
		w.engine.die(c)
		w.after(490 * time.Millisecond)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		w.after(20 * time.Millisecond)
		assert.Empty(t, w.zone.services())
	})
}

// A look that began before the death finds the container as it was, some time after it.
func TestDeathIsHeldNoLongerForALookThatWasUnderWay(t *testing.T) {
	for _, late := range []time.Duration{300 * time.Millisecond, time.Second} {
		inWorld(t, func(t *testing.T, w *world) {
			c := web(1)
			w.policy(c)
			w.engine.make(func() { w.engine.holds = late })
			w.engine.set(func(map[string]container.Container) {}, container.Hint{
				ContainerID: c.ID,
				Action:      container.Other,
				Time:        time.Now(),
			})
			w.after(10 * time.Millisecond)
			w.engine.make(func() { w.engine.holds = 0 })
			w.engine.die(c)
			w.after(490 * time.Millisecond)
			assert.Equal(t, weights{"web 1": 1}, w.zone.services())
			w.after(20 * time.Millisecond)
			assert.Empty(t, w.zone.services())
			w.after(time.Minute)
			assert.Empty(t, w.zone.services())
			assert.Equal(t, 1, w.zone.removals())
		})
	}
}

func TestStopThatWasAskedForIsNotHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.policy(c)
		w.engine.kill(c, 15)
		w.after(10 * time.Millisecond)
		assert.Empty(t, w.zone.services())
		w.engine.die(c)
		w.after(10 * time.Millisecond)
		assert.Empty(t, w.zone.services())
	})
}

// The signal and the death are heard of together, or only after the stream of events was interrupted.
func TestStopThatIsHeardOfLateIsNotHeld(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			c := web(1)
			w.policy(c)
			if interrupted {
				w.engine.interrupt()
			}
			w.engine.set(func(live map[string]container.Container) { delete(live, c.ID) },
				container.Hint{
					ContainerID: c.ID,
					Action:      container.Kill,
					Signal:      15,
					Time:        time.Now(),
				},
				container.Hint{ContainerID: c.ID, Action: container.Die, Time: time.Now()})
			w.after(150 * time.Millisecond)
			assert.Empty(t, w.zone.services())
		})
	}
}

// What was started again is asked to stop before a look has found it.
func TestStopThatComesRightAfterTheStartIsNotHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.policy(c)
		w.engine.die(c)
		w.after(340 * time.Millisecond)
		w.engine.make(func() { w.engine.holds = 2 * time.Second })
		c.StartedAt = time.Now()
		w.engine.start(c)
		w.engine.kill(c, 1)
		w.after(10 * time.Millisecond)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services(), "a signal that does not end it")
		w.engine.kill(c, 15)
		w.after(10 * time.Millisecond)
		assert.Empty(t, w.zone.services())
	})
}

func TestDeathWithoutAPolicyIsNotHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.policy(c)
		other := web(2)
		w.engine.start(other)
		w.after(time.Minute)
		w.engine.die(other)
		w.after(10 * time.Millisecond)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

// A task that ECS wants stopped is not started again, though its container dies before the signal.
func TestDeathInATaskThatIsToStopIsNotHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.policy(c)
		w.with(func() { w.tasks[c.ID] = Task{Restarts: true, Stopping: true} })
		w.engine.start(web(2)) // of which the ECS agent is asked
		w.after(20 * time.Second)
		w.engine.die(c)
		w.after(10 * time.Millisecond)
		assert.Equal(t, weights{"web 2": 1}, w.zone.services())
	})
}

// A start is believed until a look has found it, however long that takes; a second death counts as the first did.
func TestStartAfterADeathIsWaitedFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.policy(c)
		w.engine.die(c)
		w.after(340 * time.Millisecond)
		w.engine.make(func() { w.engine.holds = 2 * time.Second })
		c.StartedAt = time.Now()
		w.engine.start(c)
		w.after(time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		w.engine.make(func() { w.engine.holds = 0 })
		w.after(time.Minute)
		assert.Zero(t, w.zone.removals())

		w.engine.die(c)
		w.after(340 * time.Millisecond)
		c.StartedAt = time.Now()
		w.engine.start(c)
		w.engine.die(c)
		w.after(490 * time.Millisecond)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		w.after(30 * time.Millisecond)
		assert.Empty(t, w.zone.services())
	})
}

// It is learnt for all containers at the start of the agent, and for a new one before its policy begins to count.
func TestPolicyIsKnownAfterARestartOfTheAgent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.policy(c)
		w.end()
		w.run()
		w.after(5 * time.Second)
		w.engine.die(c)
		w.after(400 * time.Millisecond)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		w.after(200 * time.Millisecond)
		assert.Empty(t, w.zone.services())
	})
}
