// Package throttle counts API requests against token buckets as AWS does. It only allows or refuses.
package throttle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bucket holds at most Burst tokens and gains PerSecond of them each second. The zero Bucket never runs out.
type Bucket struct {
	Burst     float64 `json:"burst"`
	PerSecond float64 `json:"perSecond"`
}

// Policy is the buckets that a request draws from; it needs a token in each of them.
type Policy struct {
	Account Bucket            `json:"account"`           // one for all requests
	Action  Bucket            `json:"action"`            // one for each operation
	Special map[string]Bucket `json:"special,omitempty"` // operations whose bucket differs from Action
	// of change batches: two tokens an UPSERT, one a CREATE or DELETE
	Changes Bucket `json:"changes"`
	// CountValues draws these for each value of a record set in place of each set. AWS is silent about it.
	CountValues bool `json:"countValues"`
	// ChargeRefused takes the tokens of a refused request too, as far as there are any. AWS is silent about it.
	ChargeRefused bool `json:"chargeRefused"`
}

// Current is what the Route 53 developer guide says since 2026-07-30 (throttling-api-requests): requests, and changes.
// What a change costs is second-hand.
func Current() Policy {
	return Policy{
		Account: Bucket{50, 10},
		Action:  Bucket{50, 10},
		Special: map[string]Bucket{"CreateHostedZone": {40, 2}},
		Changes: Bucket{1500, 100},
	}
}

// Legacy is what it said before (DNSLimitations): five requests per second and account.
func Legacy() Policy { return Policy{Account: Bucket{5, 5}} }

// ECS begins with 50 tokens for DescribeClusters and 100 for the others, and gains 20 a second. AWS publishes the 50
// (Amazon ECS API reference, request-throttling) and says of the rest that it depends.
func ECS() Policy {
	return Policy{Action: Bucket{100, 20}, Special: map[string]Bucket{"DescribeClusters": {50, 20}}}
}

// EC2 is what the Amazon EC2 developer guide says of actions that only read (ec2-api-throttling): 100 tokens and 20 a
// second, but 50 and 10 where a call has neither a filter nor a page size. Unpaged names the bucket of those.
func EC2() Policy {
	return Policy{Action: Bucket{100, 20}, Special: map[string]Bucket{
		Unpaged("DescribeInstances"): {50, 10}, Unpaged("DescribeInstanceStatus"): {50, 10},
	}}
}

// Unpaged names the bucket of calls without filter and page size.
func Unpaged(operation string) string { return operation + " unpaged" }

// None throttles nothing.
func None() Policy { return Policy{} }

// Named returns the policy of that name: current, legacy, none.
func Named(name string) (Policy, error) {
	switch strings.ToLower(name) {
	case "current":
		return Current(), nil
	case "legacy":
		return Legacy(), nil
	case "none":
		return None(), nil
	}
	return Policy{}, fmt.Errorf("find throttle policy %q: there are current, legacy, none", name)
}

// Limiter applies a Policy.
type Limiter struct {
	mu     sync.Mutex
	policy Policy
	levels map[string]level
}

type level struct {
	tokens float64
	at     time.Time
}

// New makes a Limiter whose buckets are full.
func New(p Policy) *Limiter { return &Limiter{policy: p, levels: map[string]level{}} }

// SetPolicy begins anew with full buckets.
func (l *Limiter) SetPolicy(p Policy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.policy, l.levels = p, map[string]level{}
}

// Policy in force.
func (l *Limiter) Policy() Policy {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.policy
}

// Level is how full a bucket is.
type Level struct {
	Name   string // account, changes, action X, or any other action
	Tokens float64
	Bucket Bucket
}

// Levels returns the buckets of the policy, those that were drawn from by name; a bucket that never runs out is none.
func (l *Limiter) Levels(now time.Time) (all []Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add := func(name string, b Bucket) {
		if b != (Bucket{}) {
			all = append(all, Level{name, l.fill(name, b, now), b})
		}
	}
	add("account", l.policy.Account)
	add("changes", l.policy.Changes)
	for _, name := range slices.Sorted(maps.Keys(l.levels)) {
		if operation, ok := strings.CutPrefix(name, "action "); ok {
			bucket, special := l.policy.Special[operation]
			if !special {
				bucket = l.policy.Action
			}
			add(name, bucket)
		}
	}
	if l.policy.Action != (Bucket{}) {
		all = append(all, Level{"any other action", l.policy.Action.Burst, l.policy.Action})
	}
	return all
}

// Cost is what the changes of a request count for, an UPSERT twice.
type Cost struct{ Sets, Values int }

// Allow draws the tokens of one request, or reports that one bucket lacks them.
func (l *Limiter) Allow(operation string, cost Cost, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	changes := cost.Sets
	if l.policy.CountValues {
		changes = cost.Values
	}
	action, ok := l.policy.Special[operation]
	if !ok {
		action = l.policy.Action
	}
	draws := []struct {
		name   string
		bucket Bucket
		tokens float64
	}{
		{"account", l.policy.Account, 1},
		{"action " + operation, action, 1},
		{"changes", l.policy.Changes, float64(changes)},
	}
	allowed := true
	for _, d := range draws {
		if d.bucket != (Bucket{}) && l.fill(d.name, d.bucket, now) < d.tokens {
			allowed = false
		}
	}
	if !allowed && !l.policy.ChargeRefused {
		return false
	}
	for _, d := range draws {
		if d.bucket != (Bucket{}) {
			v := l.levels[d.name]
			v.tokens = max(0, v.tokens-d.tokens)
			l.levels[d.name] = v
		}
	}
	return allowed
}

// fill adds what has flowed in since last time and returns the level.
func (l *Limiter) fill(name string, b Bucket, now time.Time) float64 {
	v, ok := l.levels[name]
	if !ok {
		v = level{b.Burst, now}
	}
	if passed := now.Sub(v.at); passed > 0 {
		v.tokens, v.at = min(b.Burst, v.tokens+passed.Seconds()*b.PerSecond), now
	}
	l.levels[name] = v
	return v.tokens
}
