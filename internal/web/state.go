package web

import (
	"time"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// StateOf returns the answer to /state of an agent; a is nil where it has not started yet.
func StateOf(version, zone string, missing []string, a *agent.Agent, now time.Time) status.State {
	s := status.State{
		Version:    version,
		Now:        now.UTC(),
		Zone:       status.Zone{Name: zone},
		Missing:    []string{},
		Containers: []status.Container{},
		Pending:    []status.Change{},
		Refused:    []status.RefusedChange{},
		Recent:     []status.AppliedChange{},
	}
	for _, line := range missing {
		s.Missing = append(s.Missing, status.Printable(line))
	}
	s.Ready = len(s.Missing) == 0
	if a != nil {
		fill(&s, a.Owner(), a.Status())
	}
	return s
}

// fill adds what the agent knows.
func fill(s *status.State, owner record.Owner, from agent.Status) {
	s.Instance, s.Address = owner.InstanceID, owner.Address.String()
	s.Zone.ID = from.ZoneID
	s.HostStandby = status.Printable(from.HostStandby)
	s.Counts = status.Counts{
		Serving:   from.Serving,
		Standby:   from.Standby,
		Stopping:  from.Stopping,
		CrashLoop: from.Held,
	}
	s.Calls = calls(from)
	unsettled := map[record.Key]string{}
	for _, c := range from.Zone.Pending {
		s.Pending = append(s.Pending, change(c))
		unsettled[c.Record.Key()] = status.Pending
	}
	for _, r := range from.Zone.Refused {
		s.Refused = append(s.Refused, status.RefusedChange{
			Change:  change(r.Change),
			Reason:  string(r.Reason),
			Message: status.Printable(r.Message),
			Advice:  r.Advice,
			Times:   r.Times,
			Retry:   r.Retry.UTC(),
		})
		unsettled[r.Change.Record.Key()] = status.Refused
	}
	for _, done := range from.Zone.Recent {
		s.Recent = append(s.Recent, status.AppliedChange{Change: change(done.Change), At: done.At.UTC()})
	}
	for _, c := range from.Containers {
		s.Containers = append(s.Containers, containerState(c, owner, from, unsettled))
	}
}

// containerState returns the state of a container. unsettled has status.Pending or status.Refused for each record that
// is to be changed.
func containerState(
	c agent.Container,
	owner record.Owner,
	from agent.Status,
	unsettled map[record.Key]string,
) status.Container {
	s := status.Container{
		ID:        c.ID,
		Name:      status.Printable(c.Name),
		Service:   status.Printable(endpoint.Service(c.Container)),
		TaskARN:   status.Printable(c.Labels[container.LabelTaskARN]),
		State:     string(c.State),
		Health:    string(c.Health),
		Started:   c.StartedAt.UTC(),
		Endpoints: []status.Endpoint{},
		Problems:  []status.Problem{},
	}
	if c.Withheld.Reason != "" {
		s.Withheld = &status.Withheld{
			Reason: string(c.Withheld.Reason),
			Since:  moment(c.Withheld.Since),
			Until:  c.Withheld.Until.UTC(),
		}
	}
	for _, r := range c.Kept {
		s.Kept = append(s.Kept, recordState(r))
	}
	for _, p := range c.Problems {
		s.Problems = append(s.Problems, status.Problem{Subject: p.Subject, Reason: p.Reason, Chosen: p.Chosen})
	}
	for _, e := range c.Endpoints {
		key := e.Wanted.Key()
		s.Endpoints = append(s.Endpoints,
			endpointState(e, owner, whyStandby(c, e, from.HostStandby), unsettled[key], from.Zone.Waiting[key]))
	}
	return s
}

// endpointState returns the state of an endpoint. why is empty unless it is on standby, unsettled unless its record is to
// be changed, waitsFor unless Route 53 refuses the A record of that name.
func endpointState(e agent.Endpoint, owner record.Owner, why, unsettled, waitsFor string) status.Endpoint {
	s := status.Endpoint{
		Name:     e.Name,
		Port:     e.Port.String(),
		Address:  owner.Address.String(),
		HostPort: e.HostPort,
		Asked:    e.Weight,
		State:    status.Serving,
		Weight:   e.Known.Record.Weight,
		WaitsFor: waitsFor,
	}
	if e.Address.IsValid() {
		s.Address = e.Address.String()
	}
	if e.Known.Record.Name != "" {
		current := recordState(e.Known.Record)
		s.Record = &current
	}
	switch {
	case waitsFor != "":
		s.State, s.Why = status.Refused, "Route 53 refuses the A record "+waitsFor+" that it points to"
	case unsettled == status.Refused:
		s.State, s.Why = status.Refused, "Route 53 refuses the change"
	case unsettled == status.Pending,
		s.Record == nil: // the zone is not found yet, or the change has just been computed
		s.State, s.Why = status.Pending, "its record is not written yet"
	case why != "":
		s.State, s.Why = status.Standby, why
	}
	return s
}

// whyStandby returns why an endpoint has weight 0 that its container has not asked for; empty where it has not.
func whyStandby(c agent.Container, e agent.Endpoint, hostStandby string) string {
	switch {
	case hostStandby != "":
		return "the host is on standby"
	case c.State == container.Paused:
		return "the container is paused"
	case e.Standby:
		return "its health check reports " + string(c.Health)
	case e.Known.Record.Marked():
		return "the sweeper has put it on standby: its HTTP check fails, or its host is impaired"
	}
	return ""
}

func change(c plan.Change) status.Change {
	return status.Change{Action: string(c.Action), Record: recordState(c.Record)}
}

func recordState(r record.Record) status.Record {
	return status.Record{
		Name:   record.Escape(r.Name),
		Type:   string(r.Type),
		SetID:  r.SetID,
		TTL:    r.TTL,
		Weight: r.Weight,
		Value:  status.Printable(r.Value),
	}
}

func calls(from agent.Status) status.Calls {
	c := status.Calls{
		Applied:          from.Calls.Applied,
		Throttled:        from.Calls.Throttled,
		Refused:          from.Calls.Refused,
		Failed:           from.Calls.Failed,
		LastMinute:       from.Calls.LastMinute,
		MeanSeconds:      from.Calls.Mean.Seconds(),
		MeanDelaySeconds: from.Calls.Delay.Seconds(),
		LastApplied:      moment(from.Zone.LastGood),
	}
	if from.Zone.Err != nil {
		c.Error, c.Retry = status.Printable(from.Zone.Err.Error()), moment(from.Zone.Retry)
	}
	return c
}

// moment returns t in UTC; nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
