package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// unit is changes that are made together or not at all: the removal of a record, its replacement, or a name's new TTL.
// Each repeats records as they were listed, and none is an UPSERT, so that what an agent has changed meanwhile is
// neither overwritten nor brought back.
type unit struct {
	verdict  Verdict
	changes  []plan.Change
	instance string // the host whose record is deleted
	gone     string // the instance on whose end, by EC2, the deletion rests; empty where it rests on none
}

// rewrite is the verdict on a name whose TTL is changed.
const rewrite Verdict = "rewrite"

func replace(old, with record.Record) []plan.Change {
	return []plan.Change{{Action: plan.Delete, Record: old}, {Action: plan.Create, Record: with}}
}

// units gives what the judgements call for, and apart from it the deletion of hosts' own records. What changes one name
// stands together.
func (c Config) units(judgements []Judgement, all []record.Record) (units, hosts []unit) {
	touched := map[record.Group]bool{}
	for _, j := range judgements {
		g := j.Record.Group()
		switch {
		case j.Verdict.deletes():
			u := unit{j.Verdict, []plan.Change{{Action: plan.Delete, Record: j.Record}}, j.ID.Instance, j.Gone}
			if j.ID.Kind == record.Host {
				hosts = append(hosts, u)
			} else {
				units = append(units, u)
			}
		case j.Verdict == Standby:
			units = append(units, unit{verdict: Standby, changes: replace(j.Record, j.Record.Mark())})
		case j.Verdict == Restore:
			units = append(units, unit{verdict: Restore, changes: replace(j.Record, j.Record.Unmark())})
		default:
			continue
		}
		touched[g] = true
	}
	if c.TTL != nil {
		units = append(units, retimed(all, *c.TTL, touched)...)
	}
	return units, hosts
}

// retimed gives each name whose records have another TTL a new one: the records of a name must share one, so that all
// are replaced in one batch. Names in which something else changes wait for the next pass. Names with records that are
// not ecssd's are left, and so are the A records of hosts and tasks: agents write them with a TTL of their own, and
// would write it again.
func retimed(all []record.Record, ttl int64, touched map[record.Group]bool) []unit {
	var order []record.Group
	byGroup := map[record.Group][]plan.Change{}
	for _, r := range all {
		g := r.Group()
		if id, ours := record.ParseSetID(r.SetID); !ours || id.Kind == record.Host || id.Kind == record.ENI {
			touched[g] = true
		}
		if r.TTL == ttl || touched[g] {
			continue
		}
		if byGroup[g] == nil {
			order = append(order, g)
		}
		with := r
		with.TTL = ttl
		byGroup[g] = append(byGroup[g], replace(r, with)...)
	}
	var units []unit
	for _, g := range order {
		if !touched[g] {
			units = append(units, unit{verdict: rewrite, changes: byGroup[g]})
		}
	}
	return units
}

// batchUnits is how many units go into one call at the most: where one of them has been overtaken by an agent, the
// others of the batch have to be sent again.
const batchUnits = 100

const (
	longestBackoff = 10 * time.Second
	// attempts is how often a batch is sent without a definite answer, a minute and a half or so.
	attempts = 25
)

// changing is the changes of one pass under way.
type changing struct {
	Config
	report  *Report
	stays   map[string]bool   // instances of which a record that was to go may still be there
	answers map[string]answer // what EC2 last said of instances, by their IDs
	askErr  error             // why EC2 could not be asked; it is not asked again in this pass
}

// change makes all changes that can be made, and counts them. A host's own record says whose the others are, should EC2
// forget the host: it goes after them, and stays while one of them does.
func (c Config) change(ctx context.Context, units, hosts []unit, report *Report) error {
	all := len(units) + len(hosts)
	under := &changing{
		Config:  c,
		report:  report,
		stays:   map[string]bool{},
		answers: map[string]answer{},
	}
	err := under.sendAll(ctx, units)
	if err == nil {
		err = under.sendAll(ctx, slices.DeleteFunc(hosts, func(u unit) bool { return under.stays[u.instance] }))
	}
	err = errors.Join(err, under.askErr)
	report.NotDone = all - report.Deleted - report.Standby - report.Restored - report.Rewritten - report.Conflicts
	if err != nil {
		return fmt.Errorf("%d changes are left for the next pass: %w", report.NotDone, err)
	}
	return nil
}

func (c *changing) sendAll(ctx context.Context, units []unit) error {
	for len(units) > 0 {
		n := first(units)
		if err := c.send(ctx, units[:n]); err != nil {
			return err
		}
		units = units[n:]
	}
	return nil
}

// first gives how many units fit into the next batch.
func first(units []unit) int {
	var changes []plan.Change
	for i, u := range units {
		changes = append(changes, u.changes...)
		if i > 0 && (plan.Batch(changes) < len(changes) || i == batchUnits) {
			return i
		}
	}
	return len(units)
}

// send makes one batch of units. Units that are refused are dropped: somebody has changed the record since it was read.
// Its error is that there was no time left, or one that would meet every other batch too.
func (c *changing) send(ctx context.Context, units []unit) error {
	var failed error
	for failures := 0; len(units) > 0; {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, failed)
		}
		if units = c.confirm(ctx, units); len(units) == 0 {
			return nil
		}
		var changes []plan.Change
		for _, u := range units {
			changes = append(changes, u.changes...)
		}
		err := c.Zone.Change(ctx, changes)
		var refusal *plan.Refusal
		switch {
		case err == nil:
			for _, u := range units {
				c.report.done(u.verdict)
			}
			return nil
		case errors.As(err, &refusal) && refusal.Reason == plan.Denied && len(refusal.Named) == 0 && len(units) == 1:
			return err
		case errors.As(err, &refusal):
			kept := c.without(units, refusal)
			if len(kept) == len(units) {
				return c.bisect(ctx, units, err)
			}
			c.Log.WithError(err).
				WithField("changes", len(units)-len(kept)).
				Info("records have changed since they were read, and are left")
			c.report.Conflicts += len(units) - len(kept)
			units = kept
		case errors.Is(err, plan.ErrNoSuchZone):
			return err
		default:
			// Not known to be made, perhaps made: the same again is harmless, since every change names what it
			// replaces.
			failed = err
			if failures++; failures == attempts {
				return err
			}
			pause(ctx, failures, c.Jitter)
		}
	}
	return nil
}

// without gives the units that a refusal does not name.
func (c *changing) without(units []unit, refusal *plan.Refusal) (kept []unit) {
	for _, u := range units {
		named := false
		for _, change := range u.changes {
			if reason, ok := refusal.Named[change]; ok {
				named = true
				c.stays[u.instance] = c.stays[u.instance] || reason != plan.NotFound
			}
		}
		if !named {
			kept = append(kept, u)
		}
	}
	return kept
}

// bisect finds the bad unit of a batch that was refused with an error which names none.
func (c *changing) bisect(ctx context.Context, units []unit, refused error) error {
	if len(units) == 1 {
		c.Log.WithError(refused).
			WithField("record", units[0].changes[0].Record.Key()).
			Warn("a change was refused, and is not made")
		c.report.Conflicts++
		c.stays[units[0].instance] = true
		return nil
	}
	half := len(units) / 2
	if err := c.send(ctx, units[:half]); err != nil {
		return err
	}
	return c.send(ctx, units[half:])
}

// pause waits before a call is repeated: a random part of an interval that doubles with each failure.
func pause(ctx context.Context, failures int, jitter func() float64) {
	longest := min(200*time.Millisecond<<min(failures, 10), longestBackoff)
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(jitter() * float64(longest))):
	}
}
