// Package change makes the changes of one sweep. It sends them in batches, drops a change whose record is no longer as
// it was read, and asks EC2 again before it deletes the records of an instance that was stopped or terminated. It
// decides nothing: each unit of changes is made whole or not at all, and none is invented.
package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/plan"
)

// Effect is what a unit does.
type Effect string

// The effects.
const (
	Delete  Effect = "delete"
	Standby Effect = "standby"
	Restore Effect = "restore"
	TTL     Effect = "ttl" // of all records of one name
)

// Unit is changes that are made together or not at all. They repeat records as they were listed, and none is an UPSERT,
// so that what an agent has changed since then is neither overwritten nor brought back.
type Unit struct {
	Effect   Effect
	Changes  []plan.Change
	Instance string // the host whose record is deleted; empty where none is
	Gone     string // the instance that EC2 must not report as running; empty where the unit does not depend on EC2
}

// Config is what changes are made with.
type Config struct {
	// Change makes all changes or none. It returns a *plan.Refusal or plan.ErrThrottled, possibly wrapped, where
	// nothing was changed; after any other error the outcome is not known.
	Change func(ctx context.Context, changes []plan.Change) error
	// Running asks EC2, without a cache, which of the instances are running or starting.
	Running func(ctx context.Context, instances []string) (map[string]bool, error)
	Jitter  func() float64 // random numbers in [0, 1)
	Log     *logrus.Entry
}

// Result counts units.
type Result struct {
	Done      map[Effect]int
	Conflicts int // dropped: the record has changed since it was read, or its instance is running again
	NotDone   int
}

// batchUnits is how many units go into one call at the most: where one of them conflicts, the others are sent again.
const batchUnits = 100

// attempts is how often a batch is sent without a definite answer, over a minute and a half or so.
const attempts = 25

// retries spaces the attempts, with full jitter.
var retries = backoff.Interval{First: 400 * time.Millisecond, Longest: 10 * time.Second}

// maker is one Make.
type maker struct {
	Config
	result  Result
	kept    map[string]bool   // instances of which a record that was to be deleted may still exist
	answers map[string]answer // the last answer of EC2, by instance
	askErr  error             // why EC2 could not be asked; it is not asked again
}

// Make makes the units, and then those of hosts: the A record of a host names its account and region, without which
// the host's other records could not be deleted once EC2 has forgotten the instance. So it is deleted last, and only
// if no other record of the host is left.
func Make(ctx context.Context, c Config, units, hosts []Unit) (Result, error) {
	m := &maker{
		Config:  c,
		result:  Result{Done: map[Effect]int{}},
		kept:    map[string]bool{},
		answers: map[string]answer{},
	}
	m.result.NotDone = len(units) + len(hosts)
	err := m.sendAll(ctx, units)
	if err == nil {
		err = m.sendAll(ctx, slices.DeleteFunc(slices.Clone(hosts), func(u Unit) bool { return m.kept[u.Instance] }))
	}
	if err = errors.Join(err, m.askErr); err != nil {
		return m.result, fmt.Errorf("%d changes are left for the next pass: %w", m.result.NotDone, err)
	}
	return m.result, nil
}

func (m *maker) done(units []Unit) {
	for _, u := range units {
		m.result.Done[u.Effect]++
	}
	m.result.NotDone -= len(units)
}

func (m *maker) conflicts(units int) {
	m.result.Conflicts += units
	m.result.NotDone -= units
}

func (m *maker) sendAll(ctx context.Context, units []Unit) error {
	for len(units) > 0 {
		n := batch(units)
		if err := m.send(ctx, units[:n]); err != nil {
			return err
		}
		units = units[n:]
	}
	return nil
}

// batch returns how many units fit into the next call.
func batch(units []Unit) int {
	var changes []plan.Change
	for i, u := range units {
		changes = append(changes, u.Changes...)
		if i > 0 && (plan.Batch(changes) < len(changes) || i == batchUnits) {
			return i
		}
	}
	return len(units)
}

func changesOf(units []Unit) (changes []plan.Change) {
	for _, u := range units {
		changes = append(changes, u.Changes...)
	}
	return changes
}

// send makes one batch. It returns an error where there is no time left, or where every other batch would fail too.
func (m *maker) send(ctx context.Context, units []Unit) error {
	var failed error
	for failures := 0; len(units) > 0; {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, failed)
		}
		if units = m.confirm(ctx, units); len(units) == 0 {
			return nil
		}
		err := m.Change(ctx, changesOf(units))
		var refusal *plan.Refusal
		switch {
		case err == nil:
			m.done(units)
			return nil
		case errors.As(err, &refusal) && !(len(units) == 1 && deniesAll(refusal)):
			kept := m.without(units, refusal)
			if len(kept) == len(units) {
				return m.bisect(ctx, units, err)
			}
			m.Log.WithError(err).WithField("changes", len(units)-len(kept)).
				Info("records have changed since they were read; keeping them")
			m.conflicts(len(units) - len(kept))
			units = kept
		case refusal != nil || errors.Is(err, plan.ErrNoSuchZone):
			return err
		default:
			// The change may have been made. To send it again is harmless, since it names the record that it replaces.
			failed = err
			if failures++; failures == attempts {
				return err
			}
			backoff.Sleep(ctx, backoff.Full(retries.After(failures), m.Jitter()))
		}
	}
	return nil
}

// deniesAll reports whether permission is refused and no single change is named as the reason.
func deniesAll(r *plan.Refusal) bool { return r.Reason == plan.Denied && len(r.Named) == 0 }

// without returns the units that a refusal does not name.
func (m *maker) without(units []Unit, refusal *plan.Refusal) (rest []Unit) {
	for _, u := range units {
		named := false
		for _, change := range u.Changes {
			if reason, ok := refusal.Named[change]; ok {
				named = true
				m.kept[u.Instance] = m.kept[u.Instance] || reason != plan.NotFound
			}
		}
		if !named {
			rest = append(rest, u)
		}
	}
	return rest
}

// bisect finds the bad unit of a batch that was refused with an error that names none.
func (m *maker) bisect(ctx context.Context, units []Unit, refused error) error {
	if len(units) == 1 {
		m.Log.WithError(refused).WithField("record", units[0].Changes[0].Record.Key()).
			Warn("Route 53 refuses a change; skipping it in this pass")
		m.conflicts(1)
		m.kept[units[0].Instance] = true
		return nil
	}
	half := len(units) / 2
	if err := m.send(ctx, units[:half]); err != nil {
		return err
	}
	return m.send(ctx, units[half:])
}
