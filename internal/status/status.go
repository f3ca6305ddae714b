// Package status holds what an agent answers to GET /state, and the client that asks for it. The page at / and ecssd
// explain, doctor and standby are made from it.
//
// JSON names stay once they are released; others may be added. Times are RFC 3339 in UTC. Texts are Printable. Of a
// container's environment and labels, which hold secrets, the answer has only the service name that was read from them
// and what is wrong with the settings for ecssd.
package status

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is the answer to GET /state.
type State struct {
	Version  string    `json:"version"`
	Now      time.Time `json:"now"`
	Instance string    `json:"instance,omitempty"` // empty while the agent waits for its identity, as Address is
	Address  string    `json:"address,omitempty"`  // where consumers reach ports that are published on the host
	Zone     Zone      `json:"zone"`
	Ready    bool      `json:"ready"`
	Missing  []string  `json:"missing"` // why the agent is not ready, one line for each part, as at /readyz
	// HostStandby is why all records of the host have weight 0; empty where they have not.
	HostStandby string          `json:"host_standby,omitempty"`
	Counts      Counts          `json:"counts"`
	Containers  []Container     `json:"containers"` // running or paused, sorted by name
	Pending     []Change        `json:"pending"`    // still to be made, without those refused
	Refused     []RefusedChange `json:"refused"`    // by Route 53; the others go on
	Recent      []AppliedChange `json:"recent"`     // newest first, at most 100
	Calls       Calls           `json:"calls"`
}

// Misses reports whether a part of what the agent needs is missing, such as "zone".
func (s State) Misses(part string) bool {
	return slices.ContainsFunc(s.Missing, func(line string) bool { return strings.HasPrefix(line, part+": ") })
}

// EngineConnected reports whether the agent follows the Engine's events. It begins to when it knows who the host is.
func (s State) EngineConnected() bool { return !s.Misses("engine") && !s.Misses("identity") }

// Zone is the hosted zone of the records.
type Zone struct {
	Name string `json:"name"`
	ID   string `json:"id,omitempty"` // empty until the zone is found
}

// Counts are numbers of endpoints (Serving, Standby), of withheld containers (Stopping, CrashLoop), of faults in what
// containers ask for (Problems), and of this host's records in Route 53, as far as it knows (SRV, A).
type Counts struct {
	Serving   int `json:"serving"`
	Standby   int `json:"standby"`
	Stopping  int `json:"stopping"`
	CrashLoop int `json:"crash_loop"`
	Problems  int `json:"problems"`
	SRV       int `json:"srv_records"`
	A         int `json:"a_records"`
}

// Container is a container that runs or is paused.
type Container struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Service string `json:"service,omitempty"`  // SERVICE_NAME, or the name in the task definition
	TaskARN string `json:"task_arn,omitempty"` // empty where ECS did not start it
	State   string `json:"state"`              // running or paused
	// Health is starting, healthy or unhealthy; empty where the container has no health check.
	Health    string     `json:"health,omitempty"`
	Started   time.Time  `json:"started"`
	Endpoints []Endpoint `json:"endpoints"`
	Problems  []Problem  `json:"problems"` // why it, or a part of it, is not registered
	Withheld  *Withheld  `json:"withheld,omitempty"`
	// Kept are its records that stay unchanged while too little is known of the container.
	Kept []Record `json:"kept,omitempty"`
}

// Values of Endpoint.State.
const (
	Serving = "serving" // consumers are sent to it; with weight 0 as asked, only where all others have 0
	Standby = "standby" // weight 0, though it asks for more
	Pending = "pending" // a change of its record is still to be made
	Refused = "refused" // Route 53 refuses the change of its record, or of the A record that it points to
)

// Endpoint is one name for one port of a container.
type Endpoint struct {
	Name    string `json:"name"` // below the zone
	Port    string `json:"port"` // inside the container: 80/tcp
	Address string `json:"address,omitempty"`
	// HostPort is the port that consumers connect to at Address.
	HostPort uint16 `json:"host_port"`
	Asked    int    `json:"asked"`         // the weight that the container asks for
	Weight   int64  `json:"weight"`        // the weight in Route 53; 0 where there is no record
	State    string `json:"state"`         // Serving, Standby, Pending or Refused
	Why      string `json:"why,omitempty"` // it is not serving
	// WaitsFor is the name of the A record that its SRV record points to, where Route 53 refuses that.
	WaitsFor string  `json:"waits_for,omitempty"`
	Record   *Record `json:"record,omitempty"` // that the zone holds, as far as the host knows
}

// Record is a weighted record set.
type Record struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	SetID  string `json:"set_id"`
	TTL    int64  `json:"ttl"`
	Weight int64  `json:"weight"`
	Value  string `json:"value"`
}

// Problem is why a container, or a part of it, is not registered.
type Problem struct {
	Subject string `json:"subject"`
	Reason  string `json:"reason"`
	Chosen  bool   `json:"chosen"` // by a setting, or because it is one of ECS's own containers
}

// Withheld is why a live container is not registered for a while.
type Withheld struct {
	Reason string     `json:"reason"`          // stopping or crash_loop
	Since  *time.Time `json:"since,omitempty"` // the stop signal
	Until  time.Time  `json:"until"`           // it is registered then, if it is still alive
}

// Change is a change of a record.
type Change struct {
	Action string `json:"action"` // CREATE, UPSERT or DELETE
	Record Record `json:"record"`
}

// String returns the change as it is printed: CREATE web.example SRV weight 1.
func (c Change) String() string {
	return fmt.Sprintf("%s %s %s weight %d", c.Action, c.Record.Name, c.Record.Type, c.Record.Weight)
}

// RefusedChange is a change that Route 53 refuses.
type RefusedChange struct {
	Change
	Reason  string    `json:"reason"`
	Message string    `json:"message"` // from Route 53
	Advice  string    `json:"advice,omitempty"`
	Times   int       `json:"times"` // in a row
	Retry   time.Time `json:"retry"`
}

// AppliedChange is a change that Route 53 has accepted.
type AppliedChange struct {
	Change
	At time.Time `json:"at"`
}

// Calls counts the calls of ChangeResourceRecordSets since the agent's start.
type Calls struct {
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
