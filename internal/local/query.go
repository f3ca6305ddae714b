package local

import (
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

const (
	// QueryTimeout bounds a query as a whole.
	QueryTimeout = 10 * time.Second
	// queryRetry is the wait after a query that failed, unless a hint comes. Listings that keep failing are up to
	// listingRetry apart.
	queryRetry, listingRetry = time.Second, 4 * time.Second
	// unreadRetry is the wait before containers whose inspection failed are inspected again.
	unreadRetry = 2 * time.Second
)

// Query is what the Engine is to be asked.
type Query struct {
	Scope Scope           // Named, Listed or Everything
	Named map[string]bool // containers to be inspected in any case
	Began time.Time

	number int       // from 1 on
	since  time.Time // when the oldest hint came that it answers
}

// Snapshot is the Engine's answer to a query.
type Snapshot struct {
	Query      *Query
	Containers []container.Container
	Err        error
	Tasks      *Tasks // the answer to TaskQuery; nil where there was no such query
}

// TaskQuery returns what the ECS agent is to be asked before the snapshot is taken in; nil for nothing. After a gap in
// the stream of events signals may have been missed, and a container that is to stop must not be registered first.
func (s *Snapshot) TaskQuery() *TaskQuery {
	if s.Query.Scope < Everything || s.Err != nil || !slices.ContainsFunc(s.Containers, ofECS) {
		return nil
	}
	q := &TaskQuery{containers: make(map[string]bool, len(s.Containers))}
	for _, c := range s.Containers {
		q.containers[c.ID] = true
	}
	return q
}

// queries decides what the Engine is asked, and when. Queries are numbered: what a hint asks for is answered by the
// next query that begins, not by the one under way.
type queries struct {
	scope Scope          // of the next listing: Nothing where none is due
	dirty map[string]int // containers that hints named, and how many queries had begun then
	since time.Time      // when the oldest of those hints came
	begun int            // how many queries
	under *Query         // the one under way; nil: none is

	listAfter, inspectAfter time.Time // after a failure: not before
	failedListings          int       // in a row
	unread                  Deadline  // when containers whose inspection failed are inspected again
}

// need raises the scope of the next listing.
func (q *queries) need(s Scope) { q.scope = max(q.scope, s) }

// name asks for an inspection of a container, now.
func (q *queries) name(id string) {
	q.dirty[id] = q.begun
	q.inspectAfter = time.Time{}
}

// named reports whether a container waits for its inspection.
func (q *queries) named(id string) bool {
	_, dirty := q.dirty[id]
	return dirty
}

// begin returns the query to begin now, or nil and when there will be one. known: the containers have been listed
// before; connected: the Engine's events are followed.
func (q *queries) begin(known, connected bool, now time.Time) (*Query, Deadline) {
	if q.under != nil {
		return nil, Deadline{}
	}
	scope, lists, inspects := Named, q.scope > Nothing, len(q.dirty) > 0 && known
	switch {
	case !known && !connected: // the events of the past come first, stop signals among them
		return nil, At(now.Add(queryRetry))
	case lists && !q.listAfter.After(now):
		scope, q.scope = q.scope, Nothing
	case inspects && !q.inspectAfter.After(now), q.unread.Due(now):
	default:
		next := q.unread
		if lists {
			next = Earliest(next, At(q.listAfter))
		}
		if inspects {
			next = Earliest(next, At(q.inspectAfter))
		}
		if !lists && !inspects {
			q.since = time.Time{}
		}
		return nil, next
	}
	q.begun++
	q.under = &Query{
		Scope:  scope,
		Named:  make(map[string]bool, len(q.dirty)),
		Began:  now,
		number: q.begun,
		since:  q.since,
	}
	for id := range q.dirty {
		q.under.Named[id] = true
	}
	q.since, q.unread = time.Time{}, Deadline{}
	return q.under, Deadline{}
}

// ended notes how the query under way ended. After a listing that failed what hints name is inspected all the same.
func (q *queries) ended(s *Snapshot, now time.Time) {
	q.under = nil
	lists := s.Query.Scope > Named
	switch {
	case s.Err == nil && lists:
		q.failedListings = 0
	case s.Err == nil:
	case lists:
		q.need(s.Query.Scope)
		q.listAfter = now.Add(min(queryRetry<<min(q.failedListings, 10), listingRetry))
		q.failedListings++
	default:
		q.inspectAfter = now.Add(queryRetry)
	}
	if s.Err != nil {
		q.since = older(q.since, s.Query.since)
	}
}

// answered forgets what hints asked for before a query began.
func (q *queries) answered(number int) {
	for id, begun := range q.dirty {
		if begun < number {
			delete(q.dirty, id)
		}
	}
	if len(q.dirty) == 0 {
		q.dirty = map[string]int{} // a map keeps the memory that it once needed
	}
}

// older returns the earlier of two times, of which the zero time is none.
func older(a, b time.Time) time.Time { return Earliest(At(a), At(b)).Time() }
