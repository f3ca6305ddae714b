// Package event puts into words what has become of the endpoints of this host: of which container, and why. It
// remembers who the containers are, and decides nothing.
package event

import (
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/record"
)

// Event is what has become of one endpoint of this host.
type Event struct {
	Kind      outcome.Kind
	At        time.Time
	ZoneID    string
	Record    record.Record // SRV
	Container Container
	Reason    string // in words; empty where there is nothing to say
}

// Container is the container that an event is about. All but ID are empty where this agent never saw it.
type Container struct {
	ID      string
	Name    string // the Engine's
	Service string // its name in the task definition
	TaskARN string
	Cluster string
}

// remembered is how long a container that is gone is remembered, for the event of its record's removal.
const remembered = 10 * time.Minute

// known is a container, and since when it is gone; the zero time while it lives.
type known struct {
	Container
	gone time.Time
}

// Memory remembers the state of this host. Its methods may be called from several goroutines.
type Memory struct {
	mu         sync.Mutex
	state      *local.State
	containers map[string]known
}

// NewMemory returns a Memory of no container.
func NewMemory() *Memory { return &Memory{state: &local.State{}, containers: map[string]known{}} }

// Remember notes the present state.
func (m *Memory) Remember(s *local.State, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
	for id, c := range m.containers {
		if c.gone.IsZero() {
			c.gone = now
			m.containers[id] = c
		} else if now.Sub(c.gone) > remembered {
			delete(m.containers, id)
		}
	}
	for _, c := range s.Containers {
		m.containers[c.ID] = known{Container: Container{
			ID:      c.ID,
			Name:    c.Name,
			Service: c.Labels[container.LabelName],
			TaskARN: c.Labels[container.LabelTaskARN],
			Cluster: c.Labels[container.LabelCluster],
		}}
	}
}

// Event returns the event of an outcome in a zone.
func (m *Memory) Event(zoneID string, o outcome.Outcome, now time.Time) Event {
	id, _ := record.ParseSetID(o.Record.SetID)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.containers[id.Container].Container
	c.ID = id.Container
	return Event{
		Kind:      o.Kind,
		At:        now,
		ZoneID:    zoneID,
		Record:    o.Record,
		Container: c,
		Reason:    why(m.state, id.Container, o),
	}
}

// why returns in words what has led to an outcome.
func why(s *local.State, containerID string, o outcome.Outcome) string {
	switch o.Kind {
	case outcome.Refused:
		return o.Message
	case outcome.Registered:
		return ""
	}
	for _, c := range s.Containers {
		if c.ID == containerID {
			return whyOf(s, c, o)
		}
	}
	switch {
	case o.Kind != outcome.Deregistered:
		return ""
	case s.Containers == nil: // there was no snapshot: ecssd deregister
		return "all records of the host are removed"
	default:
		return "the container has ended"
	}
}

// whyOf returns what has led to an outcome other than a registration, of a live container.
func whyOf(s *local.State, c container.Container, o outcome.Outcome) string {
	switch {
	case s.Withheld[c.ID].Reason == local.Stopping:
		return "the container was asked to stop"
	case s.Withheld[c.ID].Reason == local.CrashLoop:
		return "containers of the service die soon after their start"
	case o.Kind == outcome.Deregistered:
		return "the container is no longer registered"
	case s.HostStandby != "":
		return "the host is on standby: " + s.HostStandby
	case c.State == container.Paused:
		return "the container is paused"
	case c.Health == container.Starting, c.Health == container.Unhealthy:
		return "the container's health check says " + string(c.Health)
	case o.Record.Marked():
		return "the sweeper's check of the container failed"
	}
	return ""
}
