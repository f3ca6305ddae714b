package agent

import (
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/agent/view"
	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// shown is what an agent shows of itself. Its parts come one after the other. Its methods may be called from several
// goroutines.
type shown struct {
	mu      sync.Mutex
	owner   record.Owner
	local   *local.State
	zoneID  string
	writer  func() (apply.Status, plan.Current)
	journal func() map[string]plan.Current
}

func newShown() *shown {
	s := &shown{local: &local.State{}, journal: func() map[string]plan.Current { return nil }}
	s.leaveZone()
	return s
}

// set changes what is shown.
func (s *shown) set(change func(*shown)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// knowHost shows the host and what its journal holds.
func (s *shown) knowHost(owner record.Owner, j *journal.Journal) {
	s.set(func(s *shown) {
		s.owner = owner
		s.journal = func() map[string]plan.Current { return j.State().Records }
	})
}

// enterZone shows the writer of a zone.
func (s *shown) enterZone(id string, writer *apply.Writer) {
	s.set(func(s *shown) {
		s.zoneID = id
		s.writer = func() (apply.Status, plan.Current) { return writer.Status(), writer.Current() }
	})
}

// leaveZone shows that there is no zone.
func (s *shown) leaveZone() {
	s.set(func(s *shown) {
		s.zoneID = ""
		s.writer = func() (apply.Status, plan.Current) { return apply.Status{}, nil }
	})
}

// registered reports whether a container has an endpoint.
func (s *shown) registered(containerID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.local.Endpoints {
		if e.ContainerID == containerID {
			return true
		}
	}
	return false
}

// state returns the answer to /state.
func (s *shown) state(cfg Config) status.State {
	missing := cfg.Readiness.Missing()
	s.mu.Lock()
	in := view.Input{
		Version: cfg.Version,
		Owner:   s.owner,
		Zone:    zoneOf(cfg),
		ZoneID:  s.zoneID,
		Missing: missing,
		Local:   s.local,
	}
	writer, journal := s.writer, s.journal
	s.mu.Unlock()
	in.Writer, in.Current = writer()
	in.Journal, in.Calls, in.Now = journal(), cfg.Writer.Calls(), time.Now()
	return view.State(in)
}

func zoneOf(cfg Config) record.Zone { return record.Zone{Name: cfg.ZoneName, TTL: cfg.TTL} }
