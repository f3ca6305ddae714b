package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// task is a container of a task with a network interface of its own, and the one that holds its network.
func task(n int) (pause, c container.Container) {
	pause, c = web(n+7), web(n)
	pause.Labels = map[string]string{container.LabelName: "~internal~ecs~pause", container.LabelTaskARN: "arn"}
	pause.Mode, pause.Published = container.None, nil
	c.Mode, c.SharedWith, c.Published = container.Shared, pause.ID, nil
	c.Exposed = []container.Port{{Number: 80, Proto: container.TCP}}
	return pause, c
}

// silent makes the ECS agent one that does not answer, or answers again.
func (w *world) silent(is bool) { w.with(func() { w.ecsSilent = is }) }

// An update restarted the ECS agent and ecssd together; ecssd came first, knew no address, and took its live tasks out
// of DNS.
func TestTasksStayWhileTheECSAgentDoesNotTellTheirAddresses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, c := task(1)
		w.tasks[c.ID] = Task{Address: w.owner.Address.Next()}
		w.engine.start(pause)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		require.Equal(t, weights{"web 1": 1}, w.zone.services())
		before, batches := w.zone.all(), w.zone.count()
		w.end()

		w.silent(true)
		w.run()
		w.after(10 * time.Minute)
		assert.Equal(t, before, w.zone.all())
		assert.Equal(t, batches, w.zone.count())
		w.silent(false)
		w.after(5 * time.Second)
		assert.Equal(t, before, w.zone.all())
		assert.Equal(t, batches, w.zone.count())

		w.end()
		w.silent(true)
		w.run()
		w.engine.kill(c, 15)
		w.after(5 * time.Second)
		assert.Empty(t, w.zone.services(), "what is to stop goes all the same")
	})
}

// The answer of an ECS agent that has just started lacks what it has not looked at yet.
func TestTasksStayWhileTheECSAgentKnowsThemOnlyInPart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, c := task(1)
		w.tasks[c.ID] = Task{Address: w.owner.Address.Next()}
		w.engine.start(pause)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		secondPause, second := task(2)
		w.with(func() { delete(w.tasks, c.ID) })
		w.engine.start(secondPause)
		w.engine.start(second) // for which the ECS agent is asked
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

// A task came while the address of another was not known, and was asked about when it was the other's turn, seconds
// later.
func TestNewTaskIsAskedAboutAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, c := task(1)
		w.engine.start(pause)
		w.engine.start(c)
		w.run()
		w.after(30 * time.Second)
		asked := func() (n int) {
			w.with(func() { n = w.asked })
			return n
		}
		before := asked()
		w.after(time.Minute)
		assert.InDelta(t, 15, asked()-before, 1, "every 4 s while an address is not known")
		for n := 2; n <= 4; n++ {
			w.after(1100 * time.Millisecond) // another moment between two questions each time
			pause, c := task(10 * n)
			w.with(func() { w.tasks[c.ID] = Task{Address: w.owner.Address.Next()} })
			w.engine.start(pause)
			w.engine.start(c)
			w.after(20 * time.Millisecond)
			assert.Len(t, w.zone.services(), n-1)
		}
		third, late := task(50)
		w.engine.start(third)
		w.engine.start(late)
		w.after(500 * time.Millisecond)
		w.with(func() { w.tasks[late.ID] = Task{Address: w.owner.Address.Next()} })
		w.after(600 * time.Millisecond)
		assert.Len(t, w.zone.services(), 4, "again after a second")
	})
}

// The health check turned bad while the ECS agent was away, and the weight stayed.
func TestTaskWhoseAddressOnlyItsRecordKnows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, c := task(1)
		w.tasks[c.ID] = Task{Address: w.owner.Address.Next()}
		w.engine.start(pause)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.end()
		before, batches := w.zone.all(), w.zone.count()

		w.silent(true)
		w.run()
		w.after(5 * time.Second)
		assert.Equal(t, before, w.zone.all())
		assert.Equal(t, batches, w.zone.count())
		assert.NotContains(
			t,
			w.reasons(),
			"the address of its task's network interface is not known yet from ECS introspection",
		)
		s := w.present.State()
		assert.Equal(t, 1, s.Counts.Serving)
		i := slices.IndexFunc(s.Containers, func(shown status.Container) bool { return shown.ID == c.ID })
		told := s.Containers[i]
		require.Len(t, told.Endpoints, 1)
		assert.Equal(t, before[key(*told.Endpoints[0].Record)].Value, told.Endpoints[0].Record.Value)

		c.Health = container.Unhealthy
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c }, container.Hint{
			ContainerID: c.ID,
			Action:      container.Other,
			Time:        time.Now(),
		})
		w.after(50 * time.Millisecond)
		assert.Equal(t, weights{"web 1": 0}, w.zone.services())
		c.Health = container.Healthy
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c }, container.Hint{
			ContainerID: c.ID,
			Action:      container.Other,
			Time:        time.Now(),
		})
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())

		w.with(func() { w.tasks[c.ID] = Task{Address: w.owner.Address.Next().Next()} })
		w.silent(false)
		w.after(5 * time.Second)
		for _, r := range w.zone.all() {
			if r.Type == record.A && strings.Contains(r.SetID, ":eni:") {
				assert.Equal(t, "10.0.0.3", r.Value, "the ECS agent knows better")
			}
		}
	})
}

func TestSyncKeepsTasksWhoseAddressesAreNotKnown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, c := task(1)
		w.tasks[c.ID] = Task{Address: w.owner.Address.Next()}
		w.engine.start(pause)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.end()
		w.silent(true)
		w.openJournal()
		require.NoError(t, w.agent().Sync(t.Context()))
		require.NoError(t, w.journal.Close())
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

// One container's shim hung, the Engine told of all others, and the whole host stood still.
func TestContainerOfWhichTheEngineDoesNotTellKeepsItsRecord(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.end()
		before, batches := w.zone.all(), w.zone.count()

		stuck := container.Container{
			ID:     c.ID,
			Name:   c.Name,
			Labels: c.Labels,
			State:  container.Running,
			Unread: "timeout",
		}
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = stuck })
		w.run()
		w.after(time.Minute)
		assert.Equal(t, before, w.zone.all())
		assert.Equal(t, batches, w.zone.count())
		w.engine.start(web(2))
		w.after(time.Second)
		assert.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services(), "others come")
		assert.Contains(t, w.reasons(), "its records stay as they are, since inspect fails: timeout")
		s := w.present.State()
		assert.Equal(t, 2, s.Counts.Serving)
		for _, told := range s.Containers {
			if told.ID == c.ID {
				require.Len(t, told.Kept, 1)
				assert.Equal(t, before[key(told.Kept[0])].Value, told.Kept[0].Value)
				assert.Equal(t, "SRV", told.Kept[0].Type)
			} else {
				assert.Empty(t, told.Kept)
			}
		}
		w.engine.die(stuck)
		w.after(time.Second)
		assert.Equal(t, weights{"web 2": 1}, w.zone.services(), "it ends")
	})
}

// A container that was asked to stop before the agent was started is not announced because it cannot be looked at.
func TestMarkOfAContainerOfWhichTheEngineDoesNotTell(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.after(5 * time.Second)
		w.end()
		w.engine.make(func() { w.engine.events = nil })
		w.engine.set(func(live map[string]container.Container) {
			live[c.ID] = container.Container{
				ID:     c.ID,
				Labels: c.Labels,
				State:  container.Running,
				Unread: "timeout",
			}
		})
		w.run()
		w.after(5 * time.Second)
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c })
		w.after(2 * time.Minute)
		assert.Empty(t, w.zone.services())
	})
}

// Whoever looks at /readyz learns that the Engine lists nothing, though its events go on.
func TestEngineThatDoesNotSayWhatRunsIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		w.engine.make(func() { w.engine.down = true })
		w.after(3 * time.Minute)
		assert.Equal(t, []string{"containers: connection refused"}, w.readiness.Missing())
		said := 0
		for _, e := range w.log.AllEntries() {
			if e.Message == "cannot list containers; keeping existing records" {
				said++
			}
		}
		assert.InDelta(t, 2, said, 1, "once a minute")
		w.engine.make(func() { w.engine.down = false })
		w.after(5 * time.Second)
		assert.Empty(t, w.readiness.Missing())
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

// A container outlived its signal, and was out of DNS for 10 minutes anew at each start of the agent: the Engine
// replayed the event.
func TestOldSignalIsNoReasonToDoubtAContainerAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.after(local.StopTimeout + time.Minute)
		require.Equal(t, weights{"web 1": 1}, w.zone.services())
		w.end()
		batches := w.zone.count()
		w.run()
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		assert.Equal(t, batches, w.zone.count())
	})
}

// The ECS agent, started together with ours, answers some seconds later which of its tasks are to stop.
func TestWhatStopsIsAskedUntilItIsAnswered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.tasks[c.ID] = Task{Stopping: true}
		w.silent(true)
		w.run()
		w.after(10 * time.Second)
		require.Equal(t, weights{"web 1": 1}, w.zone.services())
		w.silent(false)
		w.after(10 * time.Second)
		assert.Empty(t, w.zone.services())
		var before, after int
		w.with(func() { before = w.asked })
		w.after(9 * time.Minute)
		w.with(func() { after = w.asked })
		assert.Equal(t, before, after, "and then no more")
	})
}

// A container that has only the names of ports, restarted by its policy again and again, sent consumers to what was
// gone.
func TestCrashLoopOfAContainerWithoutAName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		c := web(1)
		c.Labels = map[string]string{"SERVICE_80_NAME": "web"}
		for range 3 {
			c.StartedAt = time.Now()
			w.engine.start(c)
			w.after(2 * time.Second)
			w.engine.die(c)
			w.after(2 * time.Second)
		}
		c.StartedAt = time.Now()
		w.engine.start(c)
		w.after(20 * time.Second)
		assert.Empty(t, w.zone.services())
		w.after(15 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

// While the zone was looked for anew, a mark that was due had the agent turn in circles on a whole core.
func TestNothingIsDueBeforeTheFirstLook(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.ZoneID = ""
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.after(5 * time.Second)
		w.zone.mu.Lock()
		w.zone.gone = true
		w.zone.mu.Unlock()
		w.engine.start(web(2)) // so that the zone is found to be missing
		w.after(time.Second)
		w.engine.make(func() { w.engine.down, w.engine.streams = true, true })
		w.after(time.Second)
		w.addZone("Z2")
		w.after(local.StopTimeout + time.Minute)
		assert.Less(t, w.engine.snapshots(), 2000, "looks at an Engine that does not answer")
	})
}

// The zone of an ID is not there yet: that is said at times, and /readyz does not say that all is well in between.
func TestZoneOfAnIDThatDoesNotExistYet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.zone.gone = true
		w.engine.start(web(1))
		w.run()
		w.after(15 * time.Second)
		ready := 0
		for range 600 {
			w.after(time.Second)
			if len(w.readiness.Missing()) == 0 {
				ready++
			}
		}
		assert.Zero(t, ready, "seconds in which the agent called itself ready")
		assert.LessOrEqual(t, len(w.log.AllEntries()), 2+11, "once a minute: %v", w.log.AllEntries())
		w.zone.mu.Lock()
		w.zone.gone = false
		w.zone.mu.Unlock()
		w.after(30 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		assert.Empty(t, w.readiness.Missing())
	})
}

// A host goes in its first minutes, before it has listed the zone, and may not list it.
func TestDeregisterRemovesWhatTheJournalHasWhereTheZoneCannotBeListed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.runUnlisted()
		w.after(5 * time.Second)
		w.end()
		require.NotEmpty(t, w.zone.services())
		w.zone.mu.Lock()
		w.zone.unlistable = errors.New("AccessDenied")
		w.zone.mu.Unlock()
		w.openJournal()
		assert.ErrorContains(t, w.agent().Deregister(t.Context()), "AccessDenied")
		require.NoError(t, w.journal.Close())
		assert.Empty(t, w.zone.all())
	})
}

// One look at the Engine fails, on a host where nothing happens: sync looks again.
func TestSyncLooksAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.engine.make(func() { w.engine.down = true; w.engine.streams = true })
		time.AfterFunc(3*time.Second, func() { w.engine.mu.Lock(); w.engine.down = false; w.engine.mu.Unlock() })
		w.openJournal()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.NoError(t, w.agent().Sync(ctx))
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		require.NoError(t, w.journal.Close())

		w.engine.make(func() { w.engine.down = true })
		w.openJournal()
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.ErrorContains(
			t,
			w.agent().Sync(ctx),
			"list containers: context deadline exceeded: connection refused",
		)
		require.NoError(t, w.journal.Close())
	})
}

// A container that started while everything was looked at, as is done each minute, passed for one of which no event had
// come, and the stream of events was opened anew.
func TestEventOnItsWayIsNotMissed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		for n := range 3 {
			w.engine.make(func() { w.engine.during = func() { w.engine.start(web(n + 2)) } })
			w.after(time.Minute)
		}
		assert.Len(t, w.zone.services(), 4)
		for _, e := range w.log.AllEntries() {
			assert.NotContains(t, e.Message, "sent no event")
		}
	})
}

// The Engine told nothing of a container for as long as it took to pause it in the middle of a health check.
func TestContainerOfWhichTheEngineTellsAgainIsLookedAt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		unread := c
		unread.Unread = "timeout"
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = unread },
			container.Hint{ContainerID: c.ID, Action: container.Other, Time: time.Now()})
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		c.State = container.Paused
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c })
		w.after(3 * time.Second)
		assert.Equal(t, weights{"web 1": 0}, w.zone.services())
		looks := w.engine.snapshots()
		w.after(30 * time.Second)
		assert.LessOrEqual(t, w.engine.snapshots(), looks+1, "and then no more")
	})
}

// The Engine refused the second look at a container that could not be inspected, and there was no third one before the
// resync.
func TestContainerThatCouldNotBeInspectedIsLookedAtAgainAfterTheEngineWasAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.run()
		w.after(5 * time.Second)
		w.engine.make(func() { w.engine.unread = map[string]bool{c.ID: true} })
		w.engine.start(c)
		w.after(time.Second)
		w.engine.make(func() { w.engine.down, w.engine.streams = true, true })
		w.after(3 * time.Second)
		w.engine.make(func() { w.engine.down, w.engine.unread[c.ID] = false, false })
		w.after(3 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}
