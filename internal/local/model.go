// Package local is the model of this host: which containers run on it, and which records they should have. It takes
// what the Engine's events said, snapshots of the Engine, and what the ECS agent knows of tasks, and returns the
// desired records, the containers that are withheld and why, what is to be asked next, and when the result may differ
// without any input.
//
// An event is a hint that something has changed; a snapshot is the truth, from which everything is computed anew. What
// events add to a snapshot is that a container was asked to stop, or has died, and when.
//
// The package reads no clock, asks nobody and logs nothing: the time is an argument, questions and what is to be logged
// are results.
package local

import (
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Config is for whom, where and under which rules records are made.
type Config struct {
	Owner  record.Owner
	Zone   record.Zone
	Policy endpoint.Policy
	Stops  []Stop // as they were last saved
}

// Input is what has come since the last step.
type Input struct {
	Hints  []Hint
	Oldest time.Time // when the first of the hints came
	// Gap: hints may be missing, since the stream was opened or too many waited.
	Gap       bool
	Connected time.Time // when the stream of events was opened; the zero time while there is none
	Resync    bool      // list all containers, though no hint asks for it
	Standby   string    // why the whole host is to be on standby; empty where it is not
	Snapshot  *Snapshot // the answer to Output.Query
	Tasks     *Tasks    // the answer to Output.TaskQuery
}

// Output is what follows from an input.
type Output struct {
	State *State    // nil where nothing has changed
	Since time.Time // when the oldest hint came that State answers; the zero time where there is none

	// What is to be asked now, each nil for nothing. There is one query of each kind at a time.
	Query     *Query
	TaskQuery *TaskQuery
	Next      Deadline // of the next step, if there is no input before

	// Stops are the marks of stop signals, to be saved where they have changed. They have to be saved with the records
	// that were removed for them, or before.
	Stops        []Stop
	StopsChanged bool

	Missed   bool                  // containers have changed and no event said so
	Outlived []container.Container // are registered again though they were asked to stop
	Problems []endpoint.Problem    // that are new, except those that somebody chose
}

// Failure is why snapshots of the Engine fail.
type Failure struct {
	Err   error // of the last one; nil where it did not fail
	Since time.Time
}

// Model is what is known of this host. It is not safe for concurrent use.
type Model struct {
	cfg           Config
	containers    map[string]container.Container // live, by ID; nil before the first snapshot
	queries       queries
	unmatched     unmatched
	introspection introspection
	stops         stops
	crashes       crashes
	restarts      restarts
	standby       string
	failure       Failure
	reported      map[endpoint.Problem]bool // without the containers' names
	differs       Deadline                  // when the state may differ without input

	// During a step.
	out     Output
	current func() plan.Current
}

// New returns a model that knows nothing of the Engine yet.
func New(cfg Config, now time.Time) *Model {
	m := &Model{
		cfg:           cfg,
		introspection: newIntrospection(),
		stops:         loadStops(cfg.Stops, now),
		crashes:       newCrashes(),
		restarts:      restarts{},
		reported:      map[endpoint.Problem]bool{},
		unmatched:     unmatched{deaths: map[string]death{}},
	}
	m.Restart()
	return m
}

// Restart has everything asked anew. An answer to an earlier query is ignored.
func (m *Model) Restart() {
	m.containers, m.differs, m.introspection.under = nil, Deadline{}, nil
	m.queries = queries{scope: Everything, dirty: map[string]int{}, begun: m.queries.begun}
	m.unmatched.kills, m.unmatched.at = nil, Deadline{}
}

// Complete reports whether the state is that of a snapshot, and no answer of the ECS agent is awaited.
func (m *Model) Complete() bool { return m.containers != nil && m.introspection.under == nil }

// Asked reports whether a query of the Engine has begun.
func (m *Model) Asked() bool { return m.queries.begun > 0 }

// Waits returns for how long the query under way has not been answered; 0 where there is none.
func (m *Model) Waits(now time.Time) time.Duration {
	if m.queries.under == nil {
		return 0
	}
	return now.Sub(m.queries.under.Began)
}

// Failure returns why snapshots fail.
func (m *Model) Failure() Failure { return m.failure }

// Step takes in what has come and returns what follows. current returns what the host has in the zone, as far as it
// knows; it is called where that matters.
func (m *Model) Step(in Input, current func() plan.Current, now time.Time) Output {
	m.out, m.current = Output{}, once(current)
	changed := m.take(in, now)
	if (changed || m.differs.Due(now)) && m.containers != nil {
		m.out.State = m.state(now)
	}
	m.ask(!in.Connected.IsZero(), now)
	if m.out.StopsChanged = m.stops.changed; m.out.StopsChanged {
		m.out.Stops = m.stops.save()
	}
	out := m.out
	m.out, m.current = Output{}, nil
	return out
}

// take takes in what has come, and reports whether the state may have changed.
func (m *Model) take(in Input, now time.Time) (changed bool) {
	if in.Gap {
		m.queries.need(Everything)
		m.queries.listAfter = time.Time{}
	}
	if in.Resync {
		m.queries.need(Listed)
	}
	m.queries.since = older(m.queries.since, in.Oldest)
	changed = m.takeHints(in, now)
	if in.Standby != m.standby {
		m.standby, changed = in.Standby, true
	}
	if in.Tasks != nil && in.Tasks.Query == m.introspection.under {
		m.introspection.under = nil
		m.takeTasks(in.Tasks, now)
		changed = true
	}
	m.out.Since = m.queries.since
	if in.Snapshot != nil && in.Snapshot.Query == m.queries.under {
		m.out.Since = older(m.out.Since, in.Snapshot.Query.since)
		changed = m.takeSnapshot(in.Snapshot, now) || changed
	}
	if m.unmatched.at.Due(now) {
		m.unmatched.at = Deadline{}
		changed = m.match(now) || changed
	}
	return changed
}

// ask begins the queries that are due, and notes when there is more to do.
func (m *Model) ask(connected bool, now time.Time) {
	m.out.TaskQuery = m.introspection.begin(m.containers, now)
	m.out.Query, m.out.Next = m.queries.begin(m.containers != nil, connected, now)
	m.out.Next = Earliest(m.out.Next, m.unmatched.at, m.differs)
	if m.Complete() {
		m.out.Next = Earliest(m.out.Next, m.introspection.next())
	}
}

// once returns a function that calls f at most once.
func once(f func() plan.Current) func() plan.Current {
	var result plan.Current
	called := false
	return func() plan.Current {
		if !called {
			result, called = f(), true
		}
		return result
	}
}
