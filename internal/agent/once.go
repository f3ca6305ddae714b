package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/local"
)

// Sync brings the zone in step with this host once. It returns when that is done, with an error that says what Route 53
// refuses, or when ctx ends. Where there was no journal it lists the zone, however large, instead of some minutes
// later: that is how a host is moved over from the original agent at one blow.
func (a *Agent) Sync(ctx context.Context) error {
	id, err := a.zoneID(ctx)
	if err != nil {
		return fmt.Errorf("find hosted zone %s: %w", a.cfg.ZoneName, err)
	}
	zone := a.cfg.OpenZone(id)
	writer := a.writer(id, zone, apply.Config{})
	standbyCtx, cancel := context.WithTimeout(ctx, standbyWait)
	a.askStandby(standbyCtx)
	cancel()
	followCtx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { a.follow(followCtx) })
	err = a.lookOnce(ctx, writer)
	stop()
	following.Wait()
	if err != nil {
		return err // nothing is known to be wanted, and so nothing may be removed
	}
	if a.cfg.Journal.ListingDue() {
		if _, err := a.list(ctx, zone, writer, math.MaxInt, math.MaxInt, 0); err != nil {
			return fmt.Errorf("list hosted zone %s: %w", id, err)
		}
		_ = a.cfg.Journal.Listed() // what was found is in the journal now, or the journal says why not
	}
	return writer.Settle(ctx)
}

// lookOnce takes one snapshot, and asks the ECS agent what is to be asked then.
func (a *Agent) lookOnce(ctx context.Context, writer *apply.Writer) error {
	defer a.beside.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next <-chan time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-a.inbox.wake:
			if !a.model.Asked() {
				sleep(ctx, local.ReplayTime)
			}
		case <-next:
		}
		deadline := a.round(ctx, writer, false)
		if a.model.Complete() {
			return nil
		}
		if next = nil; deadline.Set() {
			next = time.After(time.Until(deadline.Time()))
		}
	}
	why := a.cfg.Readiness.why("engine")
	if err := a.model.Failure().Err; err != nil {
		why = err.Error()
	}
	return fmt.Errorf("list containers: %w: %s", ctx.Err(), why)
}

// Deregister removes all records of this host: from every zone that the journal knows of, and, where there was no
// journal, from the present zone as it is listed.
func (a *Agent) Deregister(ctx context.Context) error {
	var errs []error
	for _, id := range a.cfg.Journal.ZonesWithRecords() { // first, since a listing takes long, and may not be allowed
		errs = append(errs, a.leave(ctx, id, a.writer(id, a.cfg.OpenZone(id), apply.Config{}), (*apply.Writer).Settle))
	}
	if a.cfg.Journal.ListingDue() {
		errs = append(errs, a.leaveListed(ctx))
	}
	return errors.Join(errs...)
}

// leaveListed removes from the present zone what a listing of it shows to be this host's.
func (a *Agent) leaveListed(ctx context.Context) error {
	id, err := a.zoneID(ctx)
	if err != nil {
		return fmt.Errorf("find hosted zone %s: %w", a.cfg.ZoneName, err)
	}
	zone := a.cfg.OpenZone(id)
	writer := a.writer(id, zone, apply.Config{})
	if _, err := a.list(ctx, zone, writer, math.MaxInt, math.MaxInt, 0); err != nil {
		return fmt.Errorf("list hosted zone %s: %w", id, err)
	}
	return a.leave(ctx, id, writer, (*apply.Writer).Settle)
}
