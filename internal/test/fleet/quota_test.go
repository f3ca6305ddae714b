package fleet

import (
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
)

// quota is a token bucket.
type quota struct{ burst, perSecond float64 }

// rules are the quotas of an account, and what AWS leaves open about them.
type rules struct {
	quota              quota // of calls
	changes            quota // an UPSERT takes 2, a CREATE or a DELETE 1; the zero value: none
	perAction          bool  // each action has a bucket of calls, too
	throttledCallsCost bool  // a throttled call empties the buckets of calls
	oneChangeAtATime   bool  // a change is refused while another is being processed
}

var (
	currentQuota = rules{quota: quota{50, 10}, changes: quota{1500, 100}, perAction: true}
	oldQuota     = rules{quota: quota{5, 5}}
)

func (r rules) withCost() rules { r.throttledCallsCost = true; return r }

func (r rules) withPrior() rules { r.oneChangeAtATime = true; return r }

func (r rules) callsOnly() rules { r.changes = quota{}; return r }

func (r rules) String() string {
	text := fmt.Sprintf("%g/s", r.quota.perSecond)
	if r.changes != (quota{}) {
		text += fmt.Sprintf(" and %g changes", r.changes.perSecond)
	}
	if r.throttledCallsCost {
		text += ", costly"
	}
	if r.oneChangeAtATime {
		text += ", prior"
	}
	return text
}

// bucket holds tokens.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token from each bucket of calls and what the changes cost from that of changes, or reports that one has
// too few.
func (a *account) take(operation string, cost int) bool {
	calls := []*bucket{a.bucket("account", a.rules.quota)}
	if a.rules.perAction {
		calls = append(calls, a.bucket(operation, a.rules.quota))
	}
	enough := true
	for _, b := range calls {
		enough = enough && b.tokens >= 1
	}
	changes := a.bucket("changes", a.rules.changes)
	if a.rules.changes != (quota{}) {
		enough = enough && changes.tokens >= float64(cost)
	}
	if enough {
		changes.tokens -= float64(cost)
	}
	if enough || a.rules.throttledCallsCost {
		for _, b := range calls {
			b.tokens = max(0, b.tokens-1)
		}
	}
	return enough
}

// bucket returns a bucket as full as it is now.
func (a *account) bucket(name string, q quota) *bucket {
	b, ok := a.buckets[name]
	if !ok {
		b = &bucket{tokens: q.burst, at: a.start}
		a.buckets[name] = b
	}
	b.tokens = min(q.burst, b.tokens+time.Since(b.at).Seconds()*q.perSecond)
	b.at = time.Now()
	return b
}

// cost is what changes take of the quota on changes.
func cost(changes []plan.Change) (all int) {
	for _, c := range changes {
		all++
		if c.Action == plan.Upsert {
			all++
		}
	}
	return all
}
