package agent

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Status is how an agent stands.
type Status struct {
	Counts
	HostStandby string // why the whole host is on standby; empty where it is not
	Containers  []Container
	ZoneID      string // empty where the zone has not been found yet
	Zone        apply.Status
	Calls       apply.Calls
}

// Counts says how many endpoints of this host are in which state, and how many containers are withheld.
type Counts struct {
	Serving, Standby int // endpoints
	Stopping, Held   int // containers: asked to stop; in a crash loop
}

// Container is a live container of this host and what is announced of it.
type Container struct {
	container.Container
	Endpoints []Endpoint
	Problems  []endpoint.Problem
	Withheld  Withheld
	// Kept are its records that stay as they are, while it is not known what is to be announced of it.
	Kept []record.Record
}

// Endpoint is one name for one port of a container, and its record.
type Endpoint struct {
	endpoint.Endpoint
	Wanted record.Record
	Known  plan.Entry // what the host believes to have in the zone; the zero Entry where that is nothing
}

// Withheld is why a live container is not announced for a while, whatever its settings; the zero value where it is.
type Withheld struct {
	Reason WithheldReason
	Until  time.Time // when it will be, if it lives
	Since  time.Time // of the stop signal; the zero time in a crash loop
}

// WithheldReason is why a live container is not announced for a while.
type WithheldReason string

// The reasons.
const (
	Stopping  WithheldReason = "stopping"   // it was asked to stop
	CrashLoop WithheldReason = "crash_loop" // others of its service have died soon after their start
)

// published is what the last wishes were made of. It is never changed.
type published struct {
	containers []container.Container
	endpoints  []endpoint.Endpoint
	problems   []endpoint.Problem
	withheld   map[string]Withheld
	kept       []apply.Desired // of containers of which it is not known what is announced
	standby    string
}

func (p published) counts() Counts {
	var counts Counts
	for _, e := range p.endpoints {
		if e.Standby {
			counts.Standby++
		} else {
			counts.Serving++
		}
	}
	for _, w := range p.kept {
		switch {
		case w.Record.Type != record.SRV:
		case w.Record.Weight == 0:
			counts.Standby++
		default:
			counts.Serving++
		}
	}
	for _, w := range p.withheld {
		if w.Reason == Stopping {
			counts.Stopping++
		} else {
			counts.Held++
		}
	}
	return counts
}

// announce notes what is announced, for telling and for recognizing records of the original agent.
func (a *Agent) announce(p published) {
	announced := map[string]bool{}
	for _, e := range p.endpoints {
		announced[e.ContainerID] = true
	}
	a.mu.Lock()
	a.announced, a.published = announced, p
	if a.cfg.OnEvent != nil {
		a.remember(p.containers, time.Now())
	}
	a.mu.Unlock()
	a.cfg.Metrics.count(p.counts())
	a.cfg.Metrics.hostStandby(p.standby != "")
}

// Summary tells how many of what the agent announces, and why the whole host is on standby, if it is.
func (a *Agent) Summary() (counts Counts, hostStandby string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.published.counts(), a.published.standby
}

// Owner gives the host that the agent works for.
func (a *Agent) Owner() record.Owner { return a.cfg.Owner }

// Status tells how the agent stands now, containers by name.
func (a *Agent) Status() Status {
	a.mu.Lock()
	p, s, writer := a.published, Status{ZoneID: a.zoneNow}, a.writerNow
	a.mu.Unlock()
	s.Counts, s.HostStandby = p.counts(), p.standby
	s.Calls = a.cfg.Metrics.Writer.Calls()
	var known plan.Current
	if writer != nil {
		s.Zone, known = writer.Status(), writer.Current()
	}
	byID := make(map[string]*Container, len(p.containers))
	for _, c := range p.containers {
		byID[c.ID] = &Container{Container: c, Withheld: p.withheld[c.ID]}
	}
	wanted := slices.DeleteFunc(a.records(p.endpoints), func(r record.Record) bool { return r.Type != record.SRV })
	for i, e := range p.endpoints {
		told := byID[e.ContainerID]
		told.Endpoints = append(told.Endpoints, Endpoint{e, wanted[i], known[wanted[i].Key()]})
	}
	for _, problem := range p.problems {
		told := byID[problem.ContainerID]
		told.Problems = append(told.Problems, problem)
	}
	for _, w := range p.kept {
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
