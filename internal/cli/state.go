package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// state is the answer to GET /state, from which the page at / is made and ecssd explain tells. Names that have once
// been given stay; others may come. Times are of RFC 3339, in UTC. Texts hold nothing that a terminal takes for more
// than text.
//
// It says nothing of a container's environment and labels, which hold secrets, but the service name read from them and
// what is wrong with the settings for ecssd.
type state struct {
	Version  string    `json:"version"`
	Now      time.Time `json:"now"`
	Instance string    `json:"instance,omitempty"` // empty while the agent waits to learn it, as address is
	Address  string    `json:"address,omitempty"`  // where consumers reach ports that are published on the host
	Zone     zoneState `json:"zone"`
	Ready    bool      `json:"ready"`
	Missing  []string  `json:"missing"` // what keeps the agent from its work, a line each, as /readyz has them
	// HostStandby is why all of the host has weight 0; empty where it has not.
	HostStandby string           `json:"host_standby,omitempty"`
	Counts      countState       `json:"counts"`
	Containers  []containerState `json:"containers"` // those that run or are paused, by name
	Pending     []changeState    `json:"pending"`    // to be made, those refused left out
	Refused     []refusedState   `json:"refused"`    // by Route 53; the others go on
	Recent      []appliedState   `json:"recent"`     // made, the newest first, at most 100
	Calls       callState        `json:"calls"`
}

type zoneState struct {
	Name string `json:"name"`
	ID   string `json:"id,omitempty"` // empty while it is looked for
}

type countState struct {
	Serving   int `json:"serving"`    // endpoints
	Standby   int `json:"standby"`    // endpoints
	Stopping  int `json:"stopping"`   // containers
	CrashLoop int `json:"crash_loop"` // containers
}

type containerState struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Service string `json:"service,omitempty"`  // of SERVICE_NAME, or the container definition
	TaskARN string `json:"task_arn,omitempty"` // empty where ECS did not start it
	State   string `json:"state"`              // running or paused
	// starting, healthy or unhealthy; empty where nothing is checked
	Health    string          `json:"health,omitempty"`
	Started   time.Time       `json:"started"`
	Endpoints []endpointState `json:"endpoints"`
	Problems  []problemState  `json:"problems"` // why it, or a part of it, is not announced
	Withheld  *withheldState  `json:"withheld,omitempty"`
	// Kept are its records that stay as they are, while it is not known what is to be announced of it.
	Kept []recordState `json:"kept,omitempty"`
}

// The values of endpointState.State.
const (
	isServing = "serving" // consumers are sent to it; with weight 0 as asked only where all others have 0
	isStandby = "standby" // weight 0, though it asks for more
	isPending = "pending" // a change of its record is still to be made
	isRefused = "refused" // Route 53 refuses the change of its record, or of the A record that it points to
)

type endpointState struct {
	Name    string `json:"name"` // below the zone
	Port    string `json:"port"` // inside the container: 80/tcp
	Address string `json:"address,omitempty"`
	// HostPort is what consumers connect to at Address.
	HostPort uint16 `json:"host_port"`
	Asked    int    `json:"asked"`         // the weight that the container asks for
	Weight   int64  `json:"weight"`        // what Route 53 goes by now; 0 where there is no record
	State    string `json:"state"`         // serving, standby, pending or refused
	Why      string `json:"why,omitempty"` // it is not serving
	// name of the A record that it points to, where Route 53 refuses that
	WaitsFor string       `json:"waits_for,omitempty"`
	Record   *recordState `json:"record,omitempty"` // that the zone holds, as far as the host knows
}

type recordState struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	SetID  string `json:"set_id"`
	TTL    int64  `json:"ttl"`
	Weight int64  `json:"weight"`
	Value  string `json:"value"`
}

type problemState struct {
	Subject string `json:"subject"`
	Reason  string `json:"reason"`
	Chosen  bool   `json:"chosen"` // by a setting, or one of ECS's own containers
}

type withheldState struct {
	Reason string     `json:"reason"`          // stopping or crash_loop
	Since  *time.Time `json:"since,omitempty"` // of the stop signal
	Until  time.Time  `json:"until"`           // it is announced then, if it lives
}

type changeState struct {
	Action string      `json:"action"` // CREATE, UPSERT or DELETE
	Record recordState `json:"record"`
}

type refusedState struct {
	changeState
	Reason  string    `json:"reason"`
	Message string    `json:"message"` // Route 53's own words
	Advice  string    `json:"advice,omitempty"`
	Times   int       `json:"times"` // in a row
	Retry   time.Time `json:"retry"`
}

type appliedState struct {
	changeState
	At time.Time `json:"at"`
}

type callState struct {
	Applied          int        `json:"applied"`
	Throttled        int        `json:"throttled"`
	Refused          int        `json:"refused"`
	Failed           int        `json:"failed"`
	LastMinute       int        `json:"last_minute"`
	MeanSeconds      float64    `json:"mean_seconds"`       // of a call that was applied
	MeanDelaySeconds float64    `json:"mean_delay_seconds"` // from an event of the Engine to its change applied
	LastApplied      *time.Time `json:"last_applied,omitempty"`
	Error            string     `json:"error,omitempty"` // of the last call, where it failed
	Retry            *time.Time `json:"retry,omitempty"` // the call after that
}

// tell gives the state of an agent; a is nil where it has not started yet.
func tell(settings *Settings, readiness *agent.Readiness, a *agent.Agent, now time.Time) state {
	s := state{
		Version:    settings.version,
		Now:        now.UTC(),
		Zone:       zoneState{Name: settings.Zone},
		Missing:    []string{},
		Containers: []containerState{},
		Pending:    []changeState{},
		Refused:    []refusedState{},
		Recent:     []appliedState{},
	}
	for _, line := range readiness.Missing() {
		s.Missing = append(s.Missing, printable(line))
	}
	s.Ready = len(s.Missing) == 0
	if a == nil {
		return s
	}
	owner, status := a.Owner(), a.Status()
	s.Instance, s.Address, s.Zone.ID, s.HostStandby = owner.InstanceID, owner.Address.String(), status.ZoneID, printable(
		status.HostStandby,
	)
	s.Counts = countState{status.Serving, status.Standby, status.Stopping, status.Held}
	s.Calls = tellCalls(status)
	unsettled := map[record.Key]string{}
	for _, c := range status.Zone.Pending {
		s.Pending = append(s.Pending, tellChange(c))
		unsettled[c.Record.Key()] = isPending
	}
	for _, r := range status.Zone.Refused {
		s.Refused = append(s.Refused, refusedState{
			tellChange(r.Change), string(r.Reason), printable(r.Message), r.Advice, r.Times, r.Retry.UTC(),
		})
		unsettled[r.Change.Record.Key()] = isRefused
	}
	for _, done := range status.Zone.Recent {
		s.Recent = append(s.Recent, appliedState{tellChange(done.Change), done.At.UTC()})
	}
	for _, c := range status.Containers {
		s.Containers = append(s.Containers, tellContainer(c, owner, status, unsettled))
	}
	return s
}

func tellContainer(
	c agent.Container,
	owner record.Owner,
	status agent.Status,
	unsettled map[record.Key]string,
) containerState {
	s := containerState{
		ID:        c.ID,
		Name:      printable(c.Name),
		Service:   printable(endpoint.Service(c.Container)),
		TaskARN:   printable(c.Labels[container.LabelTaskARN]),
		State:     string(c.State),
		Health:    string(c.Health),
		Started:   c.StartedAt.UTC(),
		Endpoints: []endpointState{},
		Problems:  []problemState{},
	}
	if c.Withheld.Reason != "" {
		s.Withheld = &withheldState{string(c.Withheld.Reason), moment(c.Withheld.Since), c.Withheld.Until.UTC()}
	}
	for _, r := range c.Kept {
		s.Kept = append(s.Kept, tellRecord(r))
	}
	for _, p := range c.Problems {
		s.Problems = append(s.Problems, problemState{p.Subject, p.Reason, p.Chosen})
	}
	for _, e := range c.Endpoints {
		told := endpointState{
			Name:     e.Name,
			Port:     e.Port.String(),
			Address:  owner.Address.String(),
			HostPort: e.HostPort,
			Asked:    e.Weight,
			State:    isServing,
			Weight:   e.Known.Record.Weight,
		}
		if e.Address.IsValid() {
			told.Address = e.Address.String()
		}
		if e.Known.Record.Name != "" {
			held := tellRecord(e.Known.Record)
			told.Record = &held
		}
		if told.Why = whyStandby(c, e, status.HostStandby); told.Why != "" {
			told.State = isStandby
		}
		switch change := unsettled[e.Wanted.Key()]; {
		case change == isRefused:
			told.State, told.Why = isRefused, "Route 53 refuses the change"
		case change == isPending,
			told.Record == nil: // where the zone is not there yet, or what is to be written is just being worked out
			told.State, told.Why = isPending, "its record is still to be written"
		}
		if name := status.Zone.Waiting[e.Wanted.Key()]; name != "" {
			told.State, told.Why = isRefused, "Route 53 refuses the A record "+name+" that it points to"
			told.WaitsFor = name
		}
		s.Endpoints = append(s.Endpoints, told)
	}
	return s
}

// whyStandby says why an endpoint has weight 0 that its container has not asked for; empty where it has not.
func whyStandby(c agent.Container, e agent.Endpoint, hostStandby string) string {
	switch {
	case hostStandby != "":
		return "the host is on standby"
	case c.State == container.Paused:
		return "the container is paused"
	case e.Standby:
		return "its health check says " + string(c.Health)
	case e.Known.Record.Marked():
		return "the sweeper has put it on standby: its HTTP check fails, or its host is impaired"
	}
	return ""
}

func tellChange(c plan.Change) changeState {
	return changeState{string(c.Action), tellRecord(c.Record)}
}

func tellRecord(r record.Record) recordState {
	return recordState{record.Escape(r.Name), string(r.Type), r.SetID, r.TTL, r.Weight, printable(r.Value)}
}

func tellCalls(s agent.Status) callState {
	told := callState{
		Applied:          s.Calls.Applied,
		Throttled:        s.Calls.Throttled,
		Refused:          s.Calls.Refused,
		Failed:           s.Calls.Failed,
		LastMinute:       s.Calls.LastMinute,
		MeanSeconds:      s.Calls.Mean.Seconds(),
		MeanDelaySeconds: s.Calls.Delay.Seconds(),
		LastApplied:      moment(s.Zone.LastGood),
	}
	if s.Zone.Err != nil {
		told.Error, told.Retry = printable(s.Zone.Err.Error()), moment(s.Zone.Retry)
	}
	return told
}

// moment gives a time in UTC, or nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func serveState(tell func() state) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(tell()) // whoever asked has gone away
	}
}

// largestState bounds the answer of whatever listens at --listen, in bytes.
const largestState = 32 << 20

// askState gives the state of the agent that listens at --listen.
func askState(ctx context.Context, s *Settings) (state, error) {
	var told state
	err := askAgent(ctx, s, "/state", func(response *http.Response) error {
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", response.Status)
		}
		if err := json.NewDecoder(io.LimitReader(response.Body, largestState)).Decode(&told); err != nil {
			return fmt.Errorf("its answer is not that of ecssd: %w", err)
		}
		return nil
	})
	return told, err
}
