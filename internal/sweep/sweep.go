// Package sweep deletes the records of hosts and containers that are gone, which their agents cannot delete: a host
// that fails cannot clean up after itself. A pass has three steps: evidence (what EC2 and ECS show about each record),
// decision (the action, or why none is taken), and change.
//
// It changes nothing where any reading fails. It never deletes the last record of a name, or many records at once,
// unless EC2 proves that the hosts are gone, and never a record that has changed since it was read.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/change"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
)

// Zone is what a sweep needs of a hosted zone.
type Zone interface {
	// Each passes on the weighted SRV and A records of the whole zone, page by page.
	Each(ctx context.Context, visit func(page []record.Record, listed int) error) error
	// Change makes all changes or none. It returns a *plan.Refusal or plan.ErrThrottled, possibly wrapped, where
	// nothing was changed; after any other error the outcome is not known.
	Change(ctx context.Context, changes []plan.Change) error
}

// Source reads EC2 and ECS: all that is asked for, or an error.
type Source interface {
	// Fleet reads every page of every cluster, and the given instances from EC2, beside those of the clusters.
	Fleet(ctx context.Context, instances []string) (evidence.Fleet, error)
	// States asks EC2 alone, without a cache, about instances. Those that EC2 does not know are left out.
	States(ctx context.Context, instances []string) (map[string]evidence.State, error)
}

// Config is what a sweep works with.
type Config struct {
	Zone   Zone
	Source Source
	Check  *httpcheck.Checker // nil: containers are not checked over HTTP
	// Stop asks ECS to stop a task of which a container fails its check; nil: such a container is only put on standby.
	Stop func(ctx context.Context, cluster, task, reason string) error
	// Budget is the greatest part of the records, 0 to 1, that is deleted without proof: more at once are more likely a
	// mistake of the sweeper, or of what it reads. Where a greater part of the checks fails, no task is stopped.
	Budget float64
	TTL    *int64 // seconds; every name whose records have another is rewritten, nil: none is
	DryRun bool
	Log    *logrus.Entry
	// Jitter returns random numbers in [0, 1), which spread retries; nil: rand.Float64.
	Jitter func() float64
}

const (
	// secondLook is after how long EC2 and ECS are read again before what ECS does not know is deleted: ECS learns of a
	// container some seconds after its agent has started it.
	secondLook = 90 * time.Second
	// longestCheck bounds the checking of all containers: the changes after it depend on what was read before.
	longestCheck = 90 * time.Second
	// reserve is the time kept for changes and the report before a deadline.
	reserve = 20 * time.Second
	// reportReserve is the time kept for the report where even reading takes too long.
	reportReserve = 3 * time.Second
	// leeway is how long checks may take to end once their time is over.
	leeway = 5 * time.Second
)

// pass is what one pass has read.
type pass struct {
	Config
	entries  []evidence.Entry
	listed   time.Time     // when the last of the records was read
	took     time.Duration // to read the fleet
	fleet    evidence.Fleet
	evidence []evidence.Evidence
	checked  results
}

// Sweep makes one pass: it reads the whole zone and all of EC2 and ECS, reads EC2 and ECS again before it deletes what
// ECS does not know, checks containers if it is to, and makes the changes that are called for. Where a reading fails it
// changes nothing. The report is filled beside an error too.
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
	readCtx, cancel := before(ctx, reportReserve)
	defer cancel()
	if err := p.gather(readCtx); err != nil {
		return report, fmt.Errorf("nothing is changed: %w", err)
	}
	decisions, refused := decide(p.evidence, p.entries, c.Budget)
	stops, spared := p.stops()
	report.decided(decisions, p.checked)
	report.Stuck = p.fleet.Stuck[:min(len(p.fleet.Stuck), maxStops)]
	report.Stops, report.TasksSpared = stops[:min(len(stops), maxStops)], spared
	c.log(report, decisions)
	if c.DryRun {
		return report, refused
	}
	changeCtx, cancel := before(ctx, reserve/2)
	defer cancel()
	units, hosts := units(decisions, p.entries, c.TTL)
	result, err := change.Make(changeCtx, change.Config{
		Change:  c.Zone.Change,
		Running: p.running,
		Jitter:  c.Jitter,
		Log:     c.Log,
	}, units, hosts)
	report.changed(result)
	report.TasksStopped = p.stop(changeCtx, stops)
	return report, errors.Join(refused, err)
}

// gather reads everything, checks containers, and makes the evidence of it.
func (p *pass) gather(ctx context.Context) error {
	var records []record.Record
	err := p.Zone.Each(ctx, func(page []record.Record, _ int) error {
		records = append(records, page...)
		return nil
	})
	if err != nil {
		return err
	}
	p.listed, p.entries = time.Now(), evidence.Parse(records)
	if p.fleet, err = p.Source.Fleet(ctx, evidence.Instances(p.entries)); err != nil {
		return err
	}
	p.took = time.Since(p.listed)
	p.evidence = evidence.Judge(p.entries, p.fleet)
	twice := slices.ContainsFunc(p.evidence, func(e evidence.Evidence) bool { return e.Verdict.Unproven() })
	if p.Check != nil {
		p.check(ctx, twice)
	}
	if twice {
		if err := p.confirm(ctx); err != nil {
			return err
		}
	}
	p.evidence = withChecks(p.evidence, p.checked)
	return nil
}

// check checks containers, and leaves time for the second look where there is to be one.
func (p *pass) check(ctx context.Context, twice bool) {
	margin := 2 * reserve
	if twice && p.timeForSecondLook(ctx) {
		margin += p.took + leeway
	}
	ctx, cancel := before(ctx, margin)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, longestCheck)
	defer cancel()
	p.checked = check(ctx, p.Check, subjects(p.evidence, p.fleet, p.Check.Path))
}

// before returns a context that ends some time before ctx does.
func before(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-margin))
}

// confirm reads EC2 and ECS a second time: only what both readings show is deleted without proof. Where there is no
// time for it, those records are left for the next pass.
func (p *pass) confirm(ctx context.Context) error {
	if !p.timeForSecondLook(ctx) {
		p.evidence = evidence.Unconfirmed(p.evidence)
		return nil
	}
	wait := p.untilSecondLook()
	p.Log.WithField("wait", wait.Round(time.Second).String()).
		Info("some records have no container in ECS, or no instance in EC2; reading both again before deleting them")
	if backoff.Sleep(ctx, wait); ctx.Err() != nil {
		return fmt.Errorf("wait to read ECS and EC2 again: %w", ctx.Err())
	}
	var err error
	if p.fleet, err = p.Source.Fleet(ctx, evidence.Instances(p.entries)); err != nil {
		return err
	}
	p.evidence = evidence.Confirmed(p.evidence, evidence.Judge(p.entries, p.fleet))
	return nil
}

// untilSecondLook returns how long the second look has to wait.
func (p *pass) untilSecondLook() time.Duration { return max(secondLook-time.Since(p.listed), 0) }

// timeForSecondLook reports whether a second look that takes as long as the first leaves time for changes.
func (p *pass) timeForSecondLook(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) >= p.untilSecondLook()+p.took+2*reserve
}

// running asks EC2 which of the instances are running or starting.
func (p *pass) running(ctx context.Context, instances []string) (map[string]bool, error) {
	states, err := p.Source.States(ctx, instances)
	if err != nil {
		return nil, err
	}
	running := map[string]bool{}
	for id, state := range states {
		running[id] = state == evidence.Alive
	}
	return running, nil
}

// log logs every verdict but Keep, stuck tasks, and why no task is stopped.
func (c Config) log(report Report, decisions []decision) {
	for _, d := range decisions {
		verdict, reason := d.outcome()
		if verdict == evidence.Keep {
			continue
		}
		c.Log.WithFields(logrus.Fields{
			"verdict": verdict,
			"name":    d.Name,
			"type":    d.Type,
			"set_id":  d.SetID,
			"reason":  reason,
			"dry_run": c.DryRun,
		}).Info("sweeper finding")
	}
	for _, s := range report.Stuck {
		c.Log.WithFields(logrus.Fields{"task": s.Task, "container": s.Container, "instance": s.Instance}).
			Warn("task has a container without runtimeId long after it was created; see why the task does not start")
	}
	if report.TasksSpared != "" {
		c.Log.Warn(report.TasksSpared)
	}
}
