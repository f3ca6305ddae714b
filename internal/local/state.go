package local

import (
	"slices"
	"strconv"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// State is what runs on this host and what it should have in DNS. It is never changed.
type State struct {
	Desired    []plan.Desired
	Containers []container.Container // live
	Endpoints  []endpoint.Endpoint
	Withheld   map[string]Withheld // by container ID
	Problems   []endpoint.Problem
	Faults     int // problems that nobody chose
	// Kept are those of Desired that stay as they are, while it is not known what is to be registered of a container.
	Kept        []plan.Desired
	HostStandby string // why the whole host is on standby; empty where it is not
}

// Withheld is why a live container is not registered for a while, whatever its settings; the zero value where it is.
type Withheld struct {
	Reason WithheldReason
	Until  time.Time // when it will be, if it lives
	Since  time.Time // of the stop signal; the zero time in a crash loop
}

// WithheldReason is why a live container is not registered for a while.
type WithheldReason string

// The reasons.
const (
	Stopping  WithheldReason = "stopping"   // it was asked to stop
	CrashLoop WithheldReason = "crash_loop" // others of its service died soon after their start
)

// Counts says how many endpoints of this host are in which state, and how many containers are withheld.
type Counts struct {
	Serving, Standby int // endpoints
	Stopping, Held   int // containers: asked to stop; in a crash loop
}

// Counts counts endpoints and containers.
func (s *State) Counts() Counts {
	var counts Counts
	for _, e := range s.Endpoints {
		if e.Standby {
			counts.Standby++
		} else {
			counts.Serving++
		}
	}
	for _, d := range s.Kept {
		switch {
		case d.Record.Type != record.SRV:
		case d.Record.Weight == 0:
			counts.Standby++
		default:
			counts.Serving++
		}
	}
	for _, w := range s.Withheld {
		if w.Reason == Stopping {
			counts.Stopping++
		} else {
			counts.Held++
		}
	}
	return counts
}

// state computes the state from all that is known, and notes when it may differ without any input.
func (m *Model) state(now time.Time) *State {
	m.crashes.update(m.containers, func(id string) bool { return registered(m.current(), id) }, now)
	m.fillIn(now)
	m.differs = m.restarts.next(now)
	s := &State{
		Containers:  make([]container.Container, 0, len(m.containers)),
		Withheld:    map[string]Withheld{},
		HostStandby: m.standby,
	}
	for id, c := range m.containers {
		s.Containers = append(s.Containers, c)
		w := m.withheld(id, now)
		if w.Reason != "" {
			s.Withheld[id] = w
		}
		if w.Until.After(now) {
			m.differs = Earliest(m.differs, At(w.Until))
		}
	}
	s.Endpoints, s.Problems = m.cfg.Policy.Map(s.Containers)
	s.Endpoints = slices.DeleteFunc(s.Endpoints, func(e endpoint.Endpoint) bool {
		return s.Withheld[e.ContainerID].Reason != ""
	})
	if m.standby != "" {
		for i := range s.Endpoints {
			s.Endpoints[i].Standby = true
		}
	}
	s.Faults = m.report(s.Problems)
	s.Kept = m.kept(s.Withheld, now)
	s.Desired = append(m.desired(s.Endpoints), s.Kept...)
	return s
}

// withheld returns why a container is not registered now.
func (m *Model) withheld(id string, now time.Time) Withheld {
	if m.stops.marked(id) {
		if c := m.containers[id]; !m.outlived(c, now) {
			return Withheld{Reason: Stopping, Until: m.stops.expires(id, c.StopTimeout), Since: m.stops.marks[id].At}
		}
	}
	if until := m.crashes.held(id, now); !until.IsZero() {
		return Withheld{Reason: CrashLoop, Until: until}
	}
	return Withheld{}
}

// desired returns the records of the endpoints, and the host's own A record, which outlives the last that points to it.
func (m *Model) desired(endpoints []endpoint.Endpoint) []plan.Desired {
	records := record.Desired(m.cfg.Zone, m.cfg.Owner, endpoints)
	desired := make([]plan.Desired, len(records), len(records)+1)
	for i, r := range records {
		desired[i].Record = r
		if id, ok := record.ParseSetID(r.SetID); ok && r.Type == record.SRV {
			desired[i].Run = runOf(m.containers[id.Container])
		}
	}
	if host := m.cfg.Zone.HostRecord(m.cfg.Owner); m.cfg.Owner.DNSName == "" && !slices.Contains(records, host) {
		desired = append(desired, plan.Desired{Record: host, IfKnown: true})
	}
	return desired
}

// kept returns the records of containers of which it is not known yet what is to be registered: after a start of this
// agent or of the ECS agent that takes a moment, and meanwhile they serve. It returns those of containers that are to
// be started again, too.
func (m *Model) kept(withheld map[string]Withheld, now time.Time) (kept []plan.Desired) {
	pending := map[string]bool{}
	for id, c := range m.containers {
		if endpoint.Pending(c, m.containers[c.SharedWith]) && c.Live() && withheld[id].Reason == "" {
			pending[id] = true
		}
	}
	for id, r := range m.restarts {
		if _, lives := m.containers[id]; !lives && r.keeps(now) {
			pending[id] = true
		}
	}
	if len(pending) == 0 {
		return nil
	}
	for key, e := range m.current() {
		id, ok := record.ParseSetID(key.SetID)
		if !ok || !pending[id.Container] || id.Kind == record.Legacy {
			continue
		}
		r := e.Record
		r.TTL = m.cfg.Zone.TTLOf(r.Type) // which all records of a name share
		if m.standby != "" && r.Type == record.SRV {
			r.Weight = 0
		}
		kept = append(kept, plan.Desired{Record: r, Run: e.Run})
	}
	return kept
}

// registered reports whether there is a record of a container by which it may be found.
func registered(current plan.Current, id string) bool {
	for key, e := range current {
		setID, ok := record.ParseSetID(key.SetID)
		if ok && setID.Container == id && e.Record.Type == record.SRV && e.Record.Weight > 0 {
			return true
		}
	}
	return false
}

// runOf names the present run and health of a container.
func runOf(c container.Container) string {
	return strconv.FormatInt(c.StartedAt.UnixNano(), 36) + " " + string(c.State) + " " + string(c.Health)
}

// report returns the number of problems that nobody chose, and passes on those that are new. That the address of a task
// is unknown is none before the ECS agent has been asked.
func (m *Model) report(problems []endpoint.Problem) (faults int) {
	present := make(map[endpoint.Problem]bool, len(problems))
	for _, p := range problems {
		if address, asked := m.introspection.addresses[p.ContainerID]; asked && address.failed == 0 {
			continue
		}
		known := p
		known.ContainerName = "" // a container can be renamed
		present[known] = true
		if p.Chosen {
			continue
		}
		faults++
		if !m.reported[known] {
			m.out.Problems = append(m.out.Problems, p)
		}
	}
	m.reported = present
	return faults
}
