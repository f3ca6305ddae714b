package agent

import (
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
	Container Subject
	Reason    string // in words; empty where there is nothing to say
}

// Subject is the container that an event is about. All but ID are empty where this agent never saw it.
type Subject struct {
	ID      string
	Name    string // the Engine's
	Service string // its name in the task definition
	TaskARN string
	Cluster string
}

// remembered is how long a container that is gone is known yet, for the event of its record's removal.
const remembered = 10 * time.Minute

// subject is a Subject and since when it is gone; the zero time while it lives.
type subject struct {
	Subject
	gone time.Time
}

// remember notes who the live containers are. The caller holds mu.
func (a *Agent) remember(live []container.Container, now time.Time) {
	for id, s := range a.subjects {
		if s.gone.IsZero() {
			s.gone = now
			a.subjects[id] = s
		} else if now.Sub(s.gone) > remembered {
			delete(a.subjects, id)
		}
	}
	for _, c := range live {
		a.subjects[c.ID] = subject{Subject: Subject{
			ID:      c.ID,
			Name:    c.Name,
			Service: c.Labels[container.LabelName],
			TaskARN: c.Labels[container.LabelTaskARN],
			Cluster: c.Labels[container.LabelCluster],
		}}
	}
}

// tell makes an event of what has become of a record in a zone.
func (a *Agent) tell(zoneID string, o outcome.Outcome) {
	id, _ := record.ParseSetID(o.Record.SetID)
	a.mu.Lock()
	s, known := a.subjects[id.Container]
	reason := why(a.state, id.Container, o)
	a.mu.Unlock()
	if !known {
		s.ID = id.Container
	}
	a.cfg.OnEvent(Event{
		Kind:      o.Kind,
		At:        time.Now(),
		ZoneID:    zoneID,
		Record:    o.Record,
		Container: s.Subject,
		Reason:    reason,
	})
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
		switch {
		case c.ID != containerID:
		case s.Withheld[c.ID].Reason == local.Stopping:
			return "the container was asked to stop"
		case s.Withheld[c.ID].Reason == local.CrashLoop:
			return "containers of the service die soon after their start"
		case o.Kind == outcome.Deregistered:
			return "the container is no longer announced"
		case s.HostStandby != "":
			return "the host is on standby: " + s.HostStandby
		case c.State == container.Paused:
			return "the container is paused"
		case c.Health == container.Starting, c.Health == container.Unhealthy:
			return "the container's health check says " + string(c.Health)
		case o.Record.Marked():
			return "the sweeper's check of the container failed"
		}
	}
	switch {
	case o.Kind != outcome.Deregistered:
		return ""
	case s.Containers == nil: // nobody has looked: ecssd deregister
		return "all records of the host are removed"
	default:
		return "the container has ended"
	}
}
