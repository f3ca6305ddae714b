package agent

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Status is how an agent stands.
type Status struct {
	local.Counts
	HostStandby string // why the whole host is on standby; empty where it is not
	Containers  []Container
	ZoneID      string // empty where the zone has not been found yet
	Zone        apply.Status
	Calls       metrics.Calls
}

// Container is a live container of this host and what is announced of it.
type Container struct {
	container.Container
	Endpoints []Endpoint
	Problems  []endpoint.Problem
	Withheld  local.Withheld
	// Kept are its records that stay as they are, while it is not known what is to be announced of it.
	Kept []record.Record
}

// Endpoint is one name for one port of a container, and its record.
type Endpoint struct {
	endpoint.Endpoint
	Wanted record.Record
	Known  plan.Entry // what the host believes to have in the zone; the zero Entry where that is nothing
}

// publish notes the state for whoever asks, and to recognize records of the original agent.
func (a *Agent) publish(s *local.State, now time.Time) {
	registered := map[string]bool{}
	for _, e := range s.Endpoints {
		registered[e.ContainerID] = true
	}
	a.mu.Lock()
	a.registered, a.state = registered, s
	if a.cfg.OnEvent != nil {
		a.remember(s.Containers, now)
	}
	a.mu.Unlock()
	a.cfg.Metrics.show(s)
}

// Summary returns how many endpoints and containers are in which state, and why the whole host is on standby, if it is.
func (a *Agent) Summary() (counts local.Counts, hostStandby string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state.Counts(), a.state.HostStandby
}

// Owner gives the host that the agent works for.
func (a *Agent) Owner() record.Owner { return a.cfg.Owner }

// Status tells how the agent stands now, containers by name.
func (a *Agent) Status() Status {
	a.mu.Lock()
	p, s, writer := a.state, Status{ZoneID: a.zoneNow}, a.writerNow
	a.mu.Unlock()
	s.Counts, s.HostStandby = p.Counts(), p.HostStandby
	s.Calls = a.cfg.Metrics.Writer.Calls()
	var known plan.Current
	if writer != nil {
		s.Zone, known = writer.Status(), writer.Current()
	}
	byID := make(map[string]*Container, len(p.Containers))
	for _, c := range p.Containers {
		byID[c.ID] = &Container{Container: c, Withheld: p.Withheld[c.ID]}
	}
	wanted := a.srvRecords(p.Endpoints)
	for i, e := range p.Endpoints {
		told := byID[e.ContainerID]
		told.Endpoints = append(told.Endpoints, Endpoint{e, wanted[i], known[wanted[i].Key()]})
	}
	for _, problem := range p.Problems {
		told := byID[problem.ContainerID]
		told.Problems = append(told.Problems, problem)
	}
	for _, w := range p.Kept {
		id, _ := record.ParseSetID(w.Record.SetID)
		if told := byID[id.Container]; told != nil { // nil between its death and its start by the ECS agent
			told.Kept = append(told.Kept, w.Record)
		}
	}
	for _, told := range byID {
		slices.SortFunc(
			told.Kept,
			func(a, b record.Record) int { return cmp.Or(-cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name)) },
		)
		s.Containers = append(s.Containers, *told)
	}
	slices.SortFunc(
		s.Containers,
		func(a, b Container) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) },
	)
	return s
}

// srvRecords returns the SRV record of each endpoint, in their order.
func (a *Agent) srvRecords(endpoints []endpoint.Endpoint) []record.Record {
	return slices.DeleteFunc(record.Desired(a.zone(), a.cfg.Owner, endpoints), func(r record.Record) bool {
		return r.Type != record.SRV
	})
}

func (a *Agent) zone() record.Zone { return record.Zone{Name: a.cfg.ZoneName, TTL: a.cfg.TTL} }
