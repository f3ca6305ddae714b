package local

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// start is when tests begin.
var start = time.Unix(1_800_000_000, 0)

// host is a model with an Engine and an ECS agent that answer as the test says. What is desired is in the zone at once.
type host struct {
	t       *testing.T
	model   *Model
	now     time.Time
	input   Input // of the next step
	live    map[string]container.Container
	fails   error // of the Engine
	tasks   map[string]Task
	silent  error // of the ECS agent
	current plan.Current
	last    Output
	state   *State
	scopes  []Scope // of the queries begun
	asked   int     // queries to the ECS agent
}

func newHost(t *testing.T, stops ...Stop) *host {
	h := &host{
		t:       t,
		now:     start,
		live:    map[string]container.Container{},
		tasks:   map[string]Task{},
		current: plan.Current{},
		state:   &State{},
	}
	h.model = New(Config{
		Owner: record.Owner{InstanceID: "i-1", Address: netip.MustParseAddr("10.0.0.1")},
		Zone:  record.Zone{Name: "sd.internal"},
		Policy: endpoint.Policy{
			Zone:          "sd.internal",
			DefaultWeight: 1,
			MaxWeight:     255,
			Address:       netip.MustParseAddr("10.0.0.1"),
		},
		Stops: stops,
	}, start)
	return h
}

// connect opens the stream of events.
func (h *host) connect() *host {
	h.input.Connected, h.input.Gap = h.now, true
	h.settle()
	h.pass(replay)
	return h
}

// step takes one step, and notes what follows.
func (h *host) step() Output {
	out := h.model.Step(h.input, func() plan.Current { return h.current }, h.now)
	h.input = Input{Connected: h.input.Connected, Standby: h.input.Standby}
	if out.State != nil {
		h.state = out.State
		for _, d := range out.State.Desired {
			h.current[d.Record.Key()] = plan.Entry{Record: d.Record, Run: d.Run}
		}
	}
	if out.Query != nil {
		h.scopes = append(h.scopes, out.Query.Scope)
	}
	if out.TaskQuery != nil {
		h.asked++
	}
	h.last = out
	return out
}

// settle takes steps, and answers what is asked, until nothing is.
func (h *host) settle() {
	h.t.Helper()
	for range 10 {
		out := h.step()
		if out.Query == nil && out.TaskQuery == nil {
			return
		}
		if out.Query != nil {
			h.input.Snapshot = h.snapshot(out.Query)
		}
		if out.TaskQuery != nil {
			h.input.Tasks = h.answer(out.TaskQuery)
		}
	}
	require.Fail(h.t, "it asks for ever")
}

func (h *host) snapshot(q *Query) *Snapshot {
	s := &Snapshot{Query: q, Err: h.fails}
	if h.fails == nil {
		s.Containers = slices.Collect(maps.Values(h.live))
	}
	if tasks := s.TaskQuery(); tasks != nil {
		h.asked++
		s.Tasks = h.answer(tasks)
	}
	return s
}

func (h *host) answer(q *TaskQuery) *Tasks {
	if h.silent != nil {
		return &Tasks{Query: q, Err: h.silent}
	}
	return &Tasks{Query: q, ByContainer: maps.Clone(h.tasks)}
}

// pass lets time pass, and takes a step at each deadline.
func (h *host) pass(d time.Duration) {
	h.t.Helper()
	end := h.now.Add(d)
	for range 1000 {
		next := h.last.Next
		if !next.Set() || next.Time().After(end) {
			h.now = end
			return
		}
		h.now = next.Time()
		h.settle()
	}
	require.Fail(h.t, "deadlines without end")
}

// event passes a hint on.
func (h *host) event(id string, action container.Action, more ...func(*container.Hint)) {
	h.t.Helper()
	hint := Hint{Hint: container.Hint{ContainerID: id, Action: action, Time: h.now}, Stream: 1}
	for _, change := range more {
		change(&hint.Hint)
	}
	h.input.Hints = append(h.input.Hints, hint)
	h.input.Oldest = h.now
}

func signal(n int) func(*container.Hint) { return func(h *container.Hint) { h.Signal = n } }
func status(n int) func(*container.Hint) { return func(h *container.Hint) { h.ExitStatus = n } }

// runs starts a container of the service web.
func (h *host) runs(id string, different ...func(*container.Container)) {
	h.t.Helper()
	h.live[id] = h.web(id, different...)
	h.event(id, container.Start)
	h.settle()
}

func (h *host) web(id string, different ...func(*container.Container)) container.Container {
	c := container.Container{
		ID:         id,
		Name:       "ecs-web-" + id,
		State:      container.Running,
		StartedAt:  h.now,
		StopSignal: 15,
		Labels:     map[string]string{container.LabelName: "web", container.LabelTaskARN: "arn"},
		Mode:       container.Bridge,
		Published: []container.Binding{{
			Port:     container.Port{Number: 80, Proto: container.TCP},
			HostIP:   netip.IPv4Unspecified(),
			HostPort: 32768,
		}},
	}
	for _, change := range different {
		change(&c)
	}
	return c
}

// dies ends a container.
func (h *host) dies(id string, exit int) {
	h.t.Helper()
	delete(h.live, id)
	h.event(id, container.Die, status(exit))
	h.settle()
}

// registered returns the weights of the desired SRV records by container, "a=1 b=0".
func (h *host) registered() string {
	var found []string
	for _, d := range h.state.Desired {
		if id, ok := record.ParseSetID(d.Record.SetID); ok && d.Record.Type == record.SRV {
			found = append(found, fmt.Sprintf("%s=%d", strings.TrimLeft(id.Container, "0"), d.Record.Weight))
		}
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// id returns a container's ID.
func id(s string) string { return strings.Repeat("0", 64-len(s)) + s }
