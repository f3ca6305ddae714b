package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/agent/listing"
	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// findTimeout bounds one attempt at finding the zone: a few calls.
const findTimeout = 30 * time.Second

// inZones keeps the zone in step, and looks for it again where it turns out not to exist, until ctx ends.
func (k *keeper) inZones(ctx context.Context) error {
	for {
		id, err := k.zoneID(ctx)
		if err != nil {
			return nil // ctx has ended
		}
		err = k.inZone(ctx, id)
		if !errors.Is(err, plan.ErrNoSuchZone) {
			return err
		}
		k.shown.leaveZone()
		k.cfg.Readiness.NotReady("zone", noSuchZone(id).Error())
		_ = k.Journal.SetZoneID(k.cfg.ZoneName, "")
		if k.cfg.ZoneID == "" {
			k.cfg.Log.WithField("zone_id", id).Error("hosted zone does not exist; looking for it again by its name")
		}
		backoff.Sleep(ctx, backoff.Half(10*time.Second, k.cfg.Jitter()))
		if k.cfg.ZoneID != "" {
			k.awaitZone(ctx, id)
		}
	}
}

// await waits for the zone. Its only error is ctx's.
func (k *keeper) await(ctx context.Context, try func(context.Context) error) error {
	return health.Await(ctx, k.cfg.Log, k.cfg.Readiness, "zone", func(ctx context.Context) error {
		k.cfg.Alive()
		ctx, cancel := context.WithTimeout(ctx, findTimeout)
		defer cancel()
		return try(ctx)
	})
}

// awaitZone waits until the zone that was chosen by its ID exists, as far as reading it shows.
func (k *keeper) awaitZone(ctx context.Context, id string) {
	_ = k.await(ctx, func(ctx context.Context) error {
		if _, err := k.OpenZone(id).Group(ctx, k.cfg.ZoneName, record.A); errors.Is(err, plan.ErrNoSuchZone) {
			return noSuchZone(id)
		}
		return nil
	})
}

func noSuchZone(id string) error {
	return fmt.Errorf("hosted zone %s does not exist (hint: create it, or correct --zone-id)", id)
}

// zoneID returns the ID of the hosted zone; it waits for a zone that is not there yet. Its only error is that ctx has
// ended.
func (k *keeper) zoneID(ctx context.Context) (id string, err error) {
	if k.cfg.ZoneID != "" {
		return k.cfg.ZoneID, ctx.Err()
	}
	if id := k.Journal.ZoneID(k.cfg.ZoneName); id != "" {
		return id, ctx.Err()
	}
	err = k.await(ctx, func(ctx context.Context) (err error) {
		id, err = k.FindZone(ctx)
		return err
	})
	if err == nil {
		_ = k.Journal.SetZoneID(k.cfg.ZoneName, id)
	}
	return id, err
}

// inZone keeps one zone in step until ctx ends, or the zone turns out not to exist.
func (k *keeper) inZone(ctx context.Context, id string) error {
	zone := k.OpenZone(id)
	writer := k.writer(id, zone, apply.Config{
		VerifyEvery: k.cfg.VerifyEvery,
		Proof:       permission.Proof(zoneOf(k.cfg), k.owner),
	})
	if k.Journal.Rebooted() {
		writer.MarkAllUnconfirmed()
	}
	k.shown.enterZone(id, writer)
	k.cfg.Readiness.Check("route53", unwritable(writer, time.Now()))
	k.cfg.Readiness.Ready("agent")
	k.cfg.Readiness.Ready("zone")

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return writer.Run(ctx) })
	group.Go(func() error {
		k.observe(ctx, writer)
		return nil
	})
	group.Go(func() error {
		k.watchAddress(ctx, writer)
		return nil
	})
	group.Go(func() error { return k.leaveOtherZones(ctx, id) })
	group.Go(func() error { return k.listOnce(ctx, zone, writer) })
	return group.Wait()
}

// leaveOtherZones removes what the host has in zones other than the present one, from a time when it was configured to
// use them. Where that is not permitted the records are kept in the journal and tried again about every minute.
func (k *keeper) leaveOtherZones(ctx context.Context, present string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, id := range k.Journal.ZonesWithRecords() {
		if id == present {
			continue
		}
		k.cfg.Log.WithField("zone_id", id).Info("removing this host's records from a zone that it no longer uses")
		group.Go(func() error {
			return k.leave(ctx, id, k.writer(id, k.OpenZone(id), apply.Config{}), (*apply.Writer).Run)
		})
	}
	return group.Wait()
}

// leave runs a writer that desires nothing in its zone. A zone that no longer exists has been left.
func (k *keeper) leave(
	ctx context.Context,
	id string,
	writer *apply.Writer,
	run func(*apply.Writer, context.Context) error,
) error {
	writer.SetDesired(nil, time.Time{})
	err := run(writer, ctx)
	if errors.Is(err, plan.ErrNoSuchZone) {
		_ = k.Journal.SetRecords(id, nil)
		return nil
	}
	return err
}

// listWithin is when the zone is listed where the journal was missing or old: at a random moment, so that a thousand
// hosts that start together do not list together.
const listWithin = 10 * time.Minute

// listOnce lists the zone where the journal may lack records of this host, until that has worked once.
func (k *keeper) listOnce(ctx context.Context, zone Zone, writer *apply.Writer) error {
	wait := backoff.Backoff{
		Interval: backoff.Interval{First: time.Minute, Longest: time.Hour},
		Jitter:   k.cfg.Jitter,
	}
	for k.Journal.ListingDue() {
		// Not in the first minutes, in which a host that starts has better things to ask for.
		backoff.Sleep(ctx, listWithin/4+backoff.Full(listWithin*3/4, k.cfg.Jitter()))
		if ctx.Err() != nil {
			return nil
		}
		own, err := listing.Find(ctx, zone, k.owns, listing.Slow)
		var large listing.LargeError
		switch {
		case errors.As(err, &large):
			k.cfg.Log.WithError(err).
				Warn("zone is too large to list; records that the journal lacks are left to the sweeper")
		case err != nil:
			if ctx.Err() == nil {
				k.cfg.Log.WithError(err).Warn("cannot list the zone; retrying later")
			}
			backoff.Sleep(ctx, wait.Next())
			continue
		default:
			k.cfg.Log.WithField("adopted", writer.Adopt(own)).
				Info("listed the zone once, since the journal may have lacked records")
		}
		_ = k.Journal.Listed()
	}
	return nil
}
