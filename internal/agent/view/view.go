// Package view makes the answer to /state of what the agent's parts know: the model of this host, the writer of the
// zone, the journal. It is pure, and the one place where an endpoint's state is decided.
package view

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
	"github.com/ecssd/ecssd/internal/status"
)

// Input is what the agent's parts know.
type Input struct {
	Version string
	Now     time.Time
	Owner   record.Owner // the zero Owner while it is not known
	Zone    record.Zone
	ZoneID  string // empty while it is not known
	Missing []string
	Local   *local.State
	Writer  apply.Status
	Current plan.Current // what the host has in the zone, as far as it knows
	// Journal holds the host's records of all zones, by zone ID.
	Journal map[string]plan.Current
	Calls   metrics.Calls
}

// State returns the answer to /state.
func State(in Input) status.State {
	s := status.State{
		Version:     in.Version,
		Now:         in.Now.UTC(),
		Instance:    in.Owner.InstanceID,
		Zone:        status.Zone{Name: in.Zone.Name, ID: in.ZoneID},
		Missing:     []string{},
		HostStandby: status.Printable(in.Local.HostStandby),
		Containers:  []status.Container{},
		Pending:     []status.Change{},
		Refused:     []status.RefusedChange{},
		Recent:      []status.AppliedChange{},
		Calls:       calls(in),
	}
	if in.Owner.Address.IsValid() {
		s.Address = in.Owner.Address.String()
	}
	for _, line := range in.Missing {
		s.Missing = append(s.Missing, status.Printable(line))
	}
	s.Ready = len(s.Missing) == 0
	unsettled := addChanges(&s, in.Writer)
	for _, c := range containers(in) {
		s.Containers = append(s.Containers, containerState(c, in, unsettled))
	}
	s.Counts = counts(in)
	return s
}

func counts(in Input) status.Counts {
	from := in.Local.Counts()
	c := status.Counts{
		Serving:   from.Serving,
		Standby:   from.Standby,
		Stopping:  from.Stopping,
		CrashLoop: from.Held,
		Problems:  in.Local.Faults,
	}
	for _, zone := range in.Journal {
		for key := range zone {
			if key.Type == record.SRV {
				c.SRV++
			} else {
				c.A++
			}
		}
	}
	return c
}

// addChanges adds the changes that are pending, refused and made. It returns status.Pending or status.Refused for each
// record that is to be changed.
func addChanges(s *status.State, from apply.Status) (unsettled map[record.Key]string) {
	unsettled = map[record.Key]string{}
	for _, c := range from.Pending {
		s.Pending = append(s.Pending, change(c))
		unsettled[c.Record.Key()] = status.Pending
	}
	for _, r := range from.Refused {
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
	for _, done := range from.Recent {
		s.Recent = append(s.Recent, status.AppliedChange{Change: change(done.Change), At: done.At.UTC()})
	}
	return unsettled
}

// hosted is a container of this host, and what is registered of it.
type hosted struct {
	container.Container
	endpoints []registration
	problems  []endpoint.Problem
	withheld  local.Withheld
	kept      []record.Record // that stay as they are, while too little is known of the container
}

// registration is an endpoint and its record.
type registration struct {
	endpoint.Endpoint
	desired record.Record
	current plan.Entry // the zero Entry where there is none
}

// containers returns the containers of the host by name.
func containers(in Input) []hosted {
	byID := make(map[string]*hosted, len(in.Local.Containers))
	for _, c := range in.Local.Containers {
		byID[c.ID] = &hosted{Container: c, withheld: in.Local.Withheld[c.ID]}
	}
	srv := slices.DeleteFunc(record.Desired(in.Zone, in.Owner, in.Local.Endpoints), func(r record.Record) bool {
		return r.Type != record.SRV
	})
	for i, e := range in.Local.Endpoints {
		c := byID[e.ContainerID]
		c.endpoints = append(c.endpoints, registration{e, srv[i], in.Current[srv[i].Key()]})
	}
	for _, p := range in.Local.Problems {
		c := byID[p.ContainerID]
		c.problems = append(c.problems, p)
	}
	for _, d := range in.Local.Kept {
		id, _ := record.ParseSetID(d.Record.SetID)
		if c := byID[id.Container]; c != nil { // nil between its death and its start by the ECS agent
			c.kept = append(c.kept, d.Record)
		}
	}
	sorted := make([]hosted, 0, len(byID))
	for _, c := range byID {
		slices.SortFunc(c.kept, func(a, b record.Record) int {
			return cmp.Or(-cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
		})
		sorted = append(sorted, *c)
	}
	slices.SortFunc(sorted, func(a, b hosted) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return sorted
}

// containerState returns the state of a container. unsettled has status.Pending or status.Refused for each record that
// is to be changed.
func containerState(c hosted, in Input, unsettled map[record.Key]string) status.Container {
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
	if c.withheld.Reason != "" {
		s.Withheld = &status.Withheld{
			Reason: string(c.withheld.Reason),
			Since:  moment(c.withheld.Since),
			Until:  c.withheld.Until.UTC(),
		}
	}
	for _, r := range c.kept {
		s.Kept = append(s.Kept, recordState(r))
	}
	for _, p := range c.problems {
		s.Problems = append(s.Problems, status.Problem{Subject: p.Subject, Reason: p.Reason, Chosen: p.Chosen})
	}
	for _, e := range c.endpoints {
		key := e.desired.Key()
		s.Endpoints = append(s.Endpoints,
			endpointState(e, in.Owner, whyStandby(c, e, in.Local.HostStandby), unsettled[key], in.Writer.Waiting[key]))
	}
	return s
}

// endpointState returns the state of an endpoint. why is empty unless it is on standby, unsettled unless its record is
// to be changed, waitsFor unless Route 53 refuses the A record of that name.
func endpointState(e registration, owner record.Owner, why, unsettled, waitsFor string) status.Endpoint {
	s := status.Endpoint{
		Name:     e.Name,
		Port:     e.Port.String(),
		Address:  owner.Address.String(),
		HostPort: e.HostPort,
		Asked:    e.Weight,
		State:    status.Serving,
		Weight:   e.current.Record.Weight,
		WaitsFor: waitsFor,
	}
	if e.Address.IsValid() {
		s.Address = e.Address.String()
	}
	if e.current.Record.Name != "" {
		current := recordState(e.current.Record)
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
func whyStandby(c hosted, e registration, hostStandby string) string {
	switch {
	case hostStandby != "":
		return "the host is on standby"
	case c.State == container.Paused:
		return "the container is paused"
	case e.Standby:
		return "its health check reports " + string(c.Health)
	case e.current.Record.Marked():
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

func calls(in Input) status.Calls {
	c := status.Calls{
		Applied:          in.Calls.Applied,
		Throttled:        in.Calls.Throttled,
		Refused:          in.Calls.Refused,
		Failed:           in.Calls.Failed,
		LastMinute:       in.Calls.LastMinute,
		MeanSeconds:      in.Calls.Mean.Seconds(),
		MeanDelaySeconds: in.Calls.Delay.Seconds(),
		LastApplied:      moment(in.Writer.LastGood),
	}
	if in.Writer.Err != nil {
		c.Error, c.Retry = status.Printable(in.Writer.Err.Error()), moment(in.Writer.Retry)
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
