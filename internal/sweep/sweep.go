package sweep

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Zone is what a sweep needs of a hosted zone.
type Zone interface {
	// Each passes on the weighted SRV and A records of the whole zone, page by page.
	Each(ctx context.Context, visit func(page []record.Record, listed int) error) error
	// Change makes all changes or none. It returns a *plan.Refusal or plan.ErrThrottled, possibly wrapped, where
	// nothing was changed; after any other error the outcome is not known.
	Change(ctx context.Context, changes []plan.Change) error
}

// Config is what a sweep works with.
type Config struct {
	Zone   Zone
	Source Source
	Check  *Checker // nil: containers are not checked over HTTP
	// Stop asks ECS to stop a task of which a container fails its check; nil: such a container is only put on standby.
	Stop func(ctx context.Context, cluster, task, reason string) error
	// Budget is the part of the records, 0 to 1, above which all those are left that would go without proof: so many at
	// once are more likely a mistake, of the sweeper or of what it reads. Where a larger part of the checks fails, no
	// task is stopped.
	Budget float64
	TTL    *int64 // seconds; every name whose records have another is rewritten, nil: none is
	DryRun bool
	Log    *logrus.Entry
	// Jitter gives random numbers in [0, 1), by which retries are spread; nil: rand.Float64.
	Jitter func() float64
}

const (
	// secondLook is after how long a container that ECS did not know is looked for again: ECS learns of a container
	// some seconds after its agent on the host has started it.
	secondLook = 90 * time.Second
	// longestCheck bounds the checking of all containers: what is changed after it rests on what was read before.
	longestCheck = 90 * time.Second
	// reserve is the time kept for changes and the report when a deadline is near.
	reserve = 20 * time.Second
	// farewell is the time kept for the report where even reading takes too long.
	farewell = 3 * time.Second
	// leeway is how long checks may take to end once their time is over.
	leeway = 5 * time.Second
)

// pass is what one pass has read, and how it judges that.
type pass struct {
	Config
	records    []record.Record
	listed     time.Time     // when the last of the records was read
	took       time.Duration // to read the fleet
	fleet      Fleet
	judgements []Judgement
	checked    results
}

// Sweep makes one pass: it reads the whole zone and all of EC2 and ECS, looks a second time at what ECS did not know,
// checks containers if it is to, and changes what has to be changed. Where a reading fails nothing is changed. The
// report says what was found and done, beside an error too.
func Sweep(ctx context.Context, c Config) (report Report, err error) {
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	start := time.Now()
	report.DryRun = c.DryRun
	defer func() {
		report.Seconds = time.Since(start).Seconds()
		if err != nil {
			report.Error = err.Error()
		}
	}()
	p := pass{Config: c}
	readCtx, cancel := before(ctx, farewell)
	defer cancel()
	if err := p.look(readCtx); err != nil {
		return report, fmt.Errorf("nothing is changed: %w", err)
	}
	heed(p.judgements, p.checked)
	refused := settle(p.judgements, p.records, c.Budget)
	report.count(p.judgements, p.checked)
	c.tell(p.judgements)
	p.tellStuck(&report)
	stops, spared := p.stops()
	if spared != "" {
		c.Log.Warn(spared)
	}
	report.Stops, report.TasksSpared = stops[:min(len(stops), maxStops)], spared
	if c.DryRun {
		return report, refused
	}
	changeCtx, cancel := before(ctx, reserve/2)
	defer cancel()
	units, hosts := c.units(p.judgements, p.records)
	err = c.change(changeCtx, units, hosts, &report)
	p.stop(changeCtx, stops, &report)
	return report, errors.Join(refused, err)
}

// look reads everything, judges it, and checks containers.
func (p *pass) look(ctx context.Context) error {
	err := p.Zone.Each(ctx, func(page []record.Record, _ int) error {
		p.records = append(p.records, page...)
		return nil
	})
	if err != nil {
		return err
	}
	p.listed = time.Now()
	if p.fleet, err = p.Source.Fleet(ctx, instances(p.records)); err != nil {
		return err
	}
	p.took = time.Since(p.listed)
	p.judgements = judge(p.records, p.fleet)
	twice := slices.ContainsFunc(p.judgements, func(j Judgement) bool { return j.Verdict.unproven() })
	if p.Check != nil {
		margin := 2 * reserve
		if twice && p.timeToLookAgain(ctx) {
			margin += p.took + leeway // so that there still is the time once the checks have been cut short
		}
		checkCtx, cancel := before(ctx, margin)
		defer cancel()
		checkCtx, cancel = context.WithTimeout(checkCtx, longestCheck)
		defer cancel()
		p.checked = p.Check.check(checkCtx, p.Check.subjects(p.judgements, p.fleet))
	}
	if twice {
		return p.lookAgain(ctx)
	}
	return nil
}

// before gives a context that ends some time before ctx does.
func before(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-margin))
}

// instances gives the instance IDs that records name, sorted.
func instances(records []record.Record) []string {
	var ids []string
	for _, r := range records {
		if id, ok := record.ParseSetID(r.SetID); ok && id.Kind != record.Legacy {
			ids = append(ids, id.Instance)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// lookAgain judges by a second look at EC2 and ECS; what both looks find the same is deleted, and nothing else without
// proof. Where there is no time for it, those records are left for the next pass.
func (p *pass) lookAgain(ctx context.Context) error {
	first := p.judgements
	wait := p.untilSecondLook()
	if !p.timeToLookAgain(ctx) {
		for i := range first {
			if first[i].Verdict.unproven() {
				first[i].is(Skipped, "no time was left to look twice ("+first[i].Reason+")")
			}
		}
		return nil
	}
	p.Log.WithField("wait", wait.Round(time.Second).String()).Info("looking a second time at what ECS does not know")
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for the second look: %w", ctx.Err())
	case <-time.After(wait):
	}
	var err error
	if p.fleet, err = p.Source.Fleet(ctx, instances(p.records)); err != nil {
		return err
	}
	p.judgements = judge(p.records, p.fleet)
	for i := range p.judgements {
		if j := &p.judgements[i]; j.Verdict.unproven() && j.Verdict != first[i].Verdict {
			j.is(Keep, "")
		}
	}
	return nil
}

// untilSecondLook gives for how long the second look has to wait.
func (p *pass) untilSecondLook() time.Duration { return max(secondLook-time.Since(p.listed), 0) }

// timeToLookAgain reports whether a second look that takes as long as the first leaves time for changes.
func (p *pass) timeToLookAgain(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) >= p.untilSecondLook()+p.took+2*reserve
}

// heed puts on standby what fails its check, and leaves marked what does, or what there was no time to check.
func heed(judgements []Judgement, checked results) {
	for i := range judgements {
		j := &judgements[i]
		if j.Verdict != Keep && j.Verdict != Restore {
			continue
		}
		switch err := checked[j.Record.Key()]; {
		case err == nil:
		case errors.Is(err, errUnchecked):
			j.is(Keep, "")
		default:
			j.standby(err.Error())
		}
	}
}

// tellStuck logs and reports containers that are stuck.
func (p *pass) tellStuck(report *Report) {
	report.Stuck = p.fleet.Stuck[:min(len(p.fleet.Stuck), maxStops)]
	for _, s := range report.Stuck {
		p.Log.WithFields(logrus.Fields{"task": s.Task, "container": s.Container, "instance": s.Instance}).
			Warn("ECS has not learnt the container ID of a task that is no longer new; see why the task does not start")
	}
}

// tell logs every verdict that changes something, or calls for a person.
func (c Config) tell(judgements []Judgement) {
	for _, j := range judgements {
		if j.Verdict == Keep {
			continue
		}
		c.Log.WithFields(logrus.Fields{
			"verdict": j.Verdict, "name": j.Record.Name, "type": j.Record.Type, "set_id": j.Record.SetID, "reason": j.Reason, "dry_run": c.DryRun,
		}).Info("record out of order")
	}
}
