package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/agent/listing"
	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/local"
)

// Sync brings the zone in step with this host once. It returns when that is done, with an error that names what Route
// 53 refuses, or when ctx ends. Where there was no journal it lists the zone, however large, instead of some minutes
// later: that is how a host is moved over from the original agent in one step.
func (a *Agent) Sync(ctx context.Context) error { return a.with(ctx, (*keeper).sync) }

func (k *keeper) sync(ctx context.Context) error {
	id, err := k.zoneID(ctx)
	if err != nil {
		return fmt.Errorf("find hosted zone %s: %w", k.cfg.ZoneName, waited(err, k.cfg.Readiness.Why("zone")))
	}
	zone := k.OpenZone(id)
	writer := k.writer(id, zone, apply.Config{})
	k.shown.enterZone(id, writer)
	standbyCtx, cancel := context.WithTimeout(ctx, standbyWait)
	k.askStandby(standbyCtx)
	cancel()
	followCtx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { k.follow(followCtx) })
	err = k.lookOnce(ctx, writer)
	stop()
	following.Wait()
	if err != nil {
		return err // nothing is known to be desired, and so nothing may be removed
	}
	if k.Journal.ListingDue() {
		if err := k.adopt(ctx, id, zone, writer); err != nil {
			return err
		}
		_ = k.Journal.Listed() // what was found is in the journal now, or the journal says why not
	}
	return writer.Settle(ctx)
}

// waited adds what was waited for to the error of a context that has ended meanwhile.
func waited(err error, why string) error {
	if why == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, why)
}

// adopt lists a zone, however large, and has the writer take over this host's records.
func (k *keeper) adopt(ctx context.Context, id string, zone Zone, writer *apply.Writer) error {
	own, err := listing.Find(ctx, zone, k.owns, listing.Unlimited)
	if err != nil {
		return fmt.Errorf("list hosted zone %s: %w", id, err)
	}
	writer.Adopt(own)
	return nil
}

// lookOnce takes one snapshot, and asks the ECS agent what is to be asked then.
func (k *keeper) lookOnce(ctx context.Context, writer *apply.Writer) error {
	defer k.beside.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next <-chan time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-k.inbox.Wake():
			if !k.model.Asked() {
				backoff.Sleep(ctx, local.ReplayTime)
			}
		case <-next:
		}
		deadline := k.round(ctx, writer, false)
		if k.model.Complete() {
			return nil
		}
		if next = nil; deadline.Set() {
			next = time.After(time.Until(deadline.Time()))
		}
	}
	why := k.cfg.Readiness.Why("engine")
	if err := k.model.Failure().Err; err != nil {
		why = err.Error()
	}
	return fmt.Errorf("list containers: %w", waited(ctx.Err(), why))
}

// Deregister removes all records of this host: from every zone that the journal knows of, and, where there was no
// journal, from the present zone as it is listed.
func (a *Agent) Deregister(ctx context.Context) error { return a.with(ctx, (*keeper).deregister) }

func (k *keeper) deregister(ctx context.Context) error {
	var errs []error
	for _, id := range k.Journal.ZonesWithRecords() { // first, since a listing takes long, and may not be allowed
		errs = append(errs, k.leave(ctx, id, k.writer(id, k.OpenZone(id), apply.Config{}), (*apply.Writer).Settle))
	}
	if k.Journal.ListingDue() {
		errs = append(errs, k.leaveListed(ctx))
	}
	return errors.Join(errs...)
}

// leaveListed removes from the present zone what a listing of it shows to be this host's.
func (k *keeper) leaveListed(ctx context.Context) error {
	id, err := k.zoneID(ctx)
	if err != nil {
		return fmt.Errorf("find hosted zone %s: %w", k.cfg.ZoneName, waited(err, k.cfg.Readiness.Why("zone")))
	}
	zone := k.OpenZone(id)
	writer := k.writer(id, zone, apply.Config{})
	if err := k.adopt(ctx, id, zone, writer); err != nil {
		return err
	}
	return k.leave(ctx, id, writer, (*apply.Writer).Settle)
}
