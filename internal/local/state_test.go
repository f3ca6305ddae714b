package local

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
)

func TestSignals(t *testing.T) {
	for name, test := range map[string]struct {
		signal int
		after  time.Duration // of the signal, relative to the start of the run
		want   string
	}{
		"the stop signal":      {15, time.Second, ""},
		"SIGKILL":              {9, time.Second, ""},
		"another signal":       {1, time.Second, "a=1"},
		"one of a run before":  {15, -time.Second, "a=1"},
		"at the very start":    {15, 0, ""},
		"another, of a before": {1, -time.Second, "a=1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.live[id("a")] = h.web(id("a"))
			later := func(hint *container.Hint) { hint.Time = h.now.Add(test.after) }
			h.event(id("a"), container.Kill, signal(test.signal), later)
			h.connect()
			assert.Equal(t, test.want, h.registered(), "an event of the past")
		})
	}
}

func TestStopMark(t *testing.T) {
	h := newHost(t).connect()
	h.runs(id("a"))
	h.now = h.now.Add(time.Second)
	h.event(id("a"), container.Kill, signal(15))
	h.settle()
	stopped := h.now
	require.True(t, h.last.StopsChanged)
	assert.Equal(t, []Stop{{ContainerID: id("a"), Run: start.Add(replay), At: stopped}}, h.last.Stops)
	assert.Equal(t, map[string]Withheld{
		id("a"): {Reason: Stopping, Since: stopped, Until: stopped.Add(StopTimeout)},
	}, h.state.Withheld)
	assert.Equal(t, Counts{Stopping: 1}, h.state.Counts())

	t.Run("is restored", func(t *testing.T) {
		again := newHost(t, h.last.Stops...)
		again.live = h.live
		again.connect()
		assert.Empty(t, again.registered())
	})
	t.Run("falls at the next start", func(t *testing.T) {
		again := newHost(t, h.last.Stops...)
		again.live[id("a")] = again.web(id("a"), func(c *container.Container) {
			c.StartedAt = stopped.Add(time.Second)
		})
		again.connect()
		assert.Equal(t, "a=1", again.registered())
	})
	t.Run("stays while ECS wants the task stopped", func(t *testing.T) {
		h.tasks[id("a")] = Task{Stopping: true}
		h.pass(StopTimeout + time.Second)
		assert.Empty(t, h.registered())
		h.tasks[id("a")] = Task{}
		h.pass(StopTimeout + time.Second)
		assert.Equal(t, "a=1", h.registered())
	})
}

func TestTaskThatECSWantsStoppedIsNotRegisteredAfterAGap(t *testing.T) {
	h := newHost(t)
	h.live[id("a")], h.live[id("b")] = h.web(id("a")), h.web(id("b"))
	h.tasks[id("a")] = Task{Stopping: true}
	h.connect()
	assert.Equal(t, "b=1", h.registered())
	assert.Equal(t, 1, h.asked, "at the same time as the Engine")
}

func TestCrashLoop(t *testing.T) {
	for name, test := range map[string]struct {
		exit   int
		deaths int
		apart  time.Duration
		asked  bool
		want   string
	}{
		"two deaths":              {1, 2, time.Second, false, "f=1"},
		"three deaths":            {1, 3, time.Second, false, ""},
		"three that ended well":   {0, 3, time.Second, false, "f=1"},
		"three over five minutes": {1, 3, 100 * time.Second, false, "f=1"},
		"three that were asked":   {1, 3, time.Second, true, "f=1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t).connect()
			for n := range test.deaths {
				c := id(string(rune('a' + n)))
				h.runs(c)
				h.pass(test.apart)
				if test.asked {
					h.event(c, container.Kill, signal(15))
					h.settle()
				}
				h.dies(c, test.exit)
			}
			h.runs(id("f"))
			assert.Equal(t, test.want, h.registered())
			h.pass(proof)
			h.settle()
			assert.Equal(t, "f=1", h.registered(), "once it has run for a while")
		})
	}
}

func TestRestartPolicy(t *testing.T) {
	for name, test := range map[string]struct {
		task  Task
		asked bool
		want  string // right after the death
	}{
		"none":               {Task{}, false, ""},
		"one":                {Task{Restarts: true}, false, "a=1"},
		"asked to stop":      {Task{Restarts: true}, true, ""},
		"the task is to end": {Task{Restarts: true, Stopping: true}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t).connect()
			h.tasks[id("a")] = test.task
			h.runs(id("a"))
			h.pass(tasksDelay) // in which the ECS agent is asked
			require.Equal(t, "a=1", h.registered())
			if test.asked {
				h.event(id("a"), container.Kill, signal(15))
			}
			h.dies(id("a"), 1)
			assert.Equal(t, test.want, h.registered())
			h.pass(restartTimeout)
			assert.Empty(t, h.registered())
		})
	}
}

// The address of a task is asked for at once, and then again after 1, 2, 4, 4 s.
func TestAddressOfATask(t *testing.T) {
	pause := func(c *container.Container) {
		c.Labels[container.LabelName] = "~internal~ecs~pause"
		c.Mode, c.Published = container.None, nil
	}
	in := func(c *container.Container) {
		c.Mode, c.SharedWith, c.Published = container.Shared, id("f"), nil
		c.Exposed = []container.Port{{Number: 80, Proto: container.TCP}}
	}
	h := newHost(t).connect()
	h.runs(id("f"), pause)
	h.runs(id("a"), in)
	began, at := h.now, []time.Duration{}
	for range 4 {
		before := h.asked
		h.now = h.last.Next.Time()
		h.settle()
		require.Equal(t, before+1, h.asked)
		at = append(at, h.now.Sub(began))
	}
	assert.Equal(t, []time.Duration{1 * time.Second, 3 * time.Second, 7 * time.Second, 11 * time.Second}, at)
	assert.Empty(t, h.registered())
	assert.Equal(t, 1, h.state.Faults)

	h.tasks[id("a")] = Task{Address: netip.MustParseAddr("10.0.7.7")}
	h.pass(4 * time.Second)
	assert.Equal(t, "a=1", h.registered())
	assert.Zero(t, h.state.Faults)

	t.Run("is that of its record while the ECS agent does not answer", func(t *testing.T) {
		again := newHost(t)
		again.live, again.current, again.silent = h.live, h.current, assert.AnError
		again.connect()
		assert.Equal(t, "a=1", again.registered())
	})
}

func TestStandbyOfTheHost(t *testing.T) {
	h := newHost(t).connect()
	h.runs(id("a"))
	h.input.Standby = "spot"
	h.settle()
	assert.Equal(t, "a=0", h.registered())
	assert.Equal(t, Counts{Standby: 1}, h.state.Counts())
	h.input.Standby = ""
	h.settle()
	assert.Equal(t, "a=1", h.registered())
}

// A container that cannot be inspected keeps the records it has.
func TestRecordsOfAnUnreadContainerAreKept(t *testing.T) {
	h := newHost(t).connect()
	h.runs(id("a"))
	again := newHost(t)
	again.current = h.current
	again.live[id("a")] = container.Container{ID: id("a"), State: container.Running, Unread: "timeout"}
	again.connect()
	assert.Equal(t, "a=1", again.registered())
	assert.Len(t, again.state.Kept, 1)
	assert.Equal(t, Counts{Serving: 1}, again.state.Counts())
}

func TestTheHostsOwnAddressOutlivesItsContainers(t *testing.T) {
	h := newHost(t).connect()
	require.Len(t, h.state.Desired, 1)
	assert.Equal(t, record.A, h.state.Desired[0].Record.Type)
	assert.True(t, h.state.Desired[0].IfKnown, "it is not written for no container")
	h.runs(id("a"))
	require.Len(t, h.state.Desired, 2)
	for _, d := range h.state.Desired {
		assert.False(t, d.IfKnown)
	}
}

// Each problem is logged once; what somebody chose never.
func TestProblemsAreNewOnce(t *testing.T) {
	h := newHost(t).connect()
	h.live[id("a")] = h.web(id("a"), func(c *container.Container) { c.Labels["SERVICE_NAME"] = "no name" })
	h.live[id("b")] = h.web(id("b"), func(c *container.Container) { c.Labels["SERVICE_IGNORE"] = "1" })
	logged := 0
	for range 3 {
		h.input.Gap = true
		out := h.step()
		h.input.Snapshot = h.snapshot(out.Query)
		logged += len(h.step().Problems)
		h.settle()
	}
	assert.Equal(t, 1, logged)
	assert.Equal(t, 1, h.state.Faults)
	assert.Len(t, h.state.Problems, 2)
}
