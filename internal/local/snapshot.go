package local

import (
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// takeSnapshot takes in a snapshot, and reports whether the state may have changed.
func (m *Model) takeSnapshot(s *Snapshot, now time.Time) (changed bool) {
	m.noteFailure(s, now)
	m.queries.ended(s, now)
	if s.Err != nil {
		m.inspectUnread(now)
		return m.match(now)
	}
	before := m.containers
	m.containers = make(map[string]container.Container, len(s.Containers))
	for _, c := range s.Containers {
		m.containers[c.ID] = c
	}
	m.inspectUnread(now)
	for id, c := range before {
		if _, lives := m.containers[id]; !lives {
			m.mayRestart(c, now)
		}
	}
	// After a gap in the events it is no wonder that some were missed.
	if s.Query.Scope == Listed && m.queries.scope < Everything && before != nil {
		m.out.Missed = m.missed(before)
	}
	if s.Query.Scope == Everything {
		m.introspection.stopping = attempts{}
		if s.Tasks != nil {
			m.introspection.stopping.next = At(now)
			m.takeTasks(s.Tasks, now)
		}
	}
	m.forget(s.Query.number, now)
	return true
}

// forget drops what the snapshot of a query has answered.
func (m *Model) forget(number int, now time.Time) {
	m.unmatched.forgetDeaths(number, m.containers)
	m.restarts.prune(m.containers, now)
	m.introspection.forget(func(id string) bool {
		return m.containers[id].ID == "" && m.restarts[id].container.ID == ""
	})
	m.match(now) // what happened after the query had begun may have been found as it was before
	m.stops.prune(m.containers)
	m.queries.answered(number)
	m.unmatched.forgetKills(number, m.containers)
}

// noteFailure notes since when snapshots fail. While listings fail an inspection that succeeds proves nothing.
func (m *Model) noteFailure(s *Snapshot, now time.Time) {
	switch {
	case s.Err != nil && m.failure.Err != nil:
		m.failure.Err = s.Err
	case s.Err != nil:
		m.failure = Failure{s.Err, now}
	case s.Query.Scope > Named || m.queries.failedListings == 0:
		m.failure = Failure{}
	}
}

// inspectUnread has containers inspected again whose inspection failed.
func (m *Model) inspectUnread(now time.Time) {
	for _, c := range m.containers {
		if c.Unread != "" {
			m.queries.unread = At(now.Add(unreadRetry))
			return
		}
	}
}

// missed reports whether containers have changed without a hint.
func (m *Model) missed(before map[string]container.Container) bool {
	for id, c := range m.containers {
		old, ok := before[id]
		changed := !ok || !old.StartedAt.Equal(c.StartedAt) || old.State != c.State || old.Health != c.Health
		if changed && !m.queries.named(id) {
			return true
		}
	}
	for id := range before {
		if _, lives := m.containers[id]; !lives && !m.queries.named(id) {
			return true
		}
	}
	return false
}
