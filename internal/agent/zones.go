package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// leaveOtherZones removes what the host has in zones other than the present one, from a time when it was configured to
// use them. Where that is not permitted the records are kept in the journal and tried again about every minute.
func (a *Agent) leaveOtherZones(ctx context.Context, present string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, id := range a.cfg.Journal.ZonesWithRecords() {
		if id == present {
			continue
		}
		a.cfg.Log.WithField("zone_id", id).Info("removing this host's records from a zone that it no longer uses")
		group.Go(func() error {
			return a.leave(ctx, id, a.writer(id, a.cfg.OpenZone(id), apply.Config{}), (*apply.Writer).Run)
		})
	}
	return group.Wait()
}

// leave runs a writer that wants nothing in its zone. A zone that no longer exists has been left.
func (a *Agent) leave(
	ctx context.Context,
	id string,
	writer *apply.Writer,
	run func(*apply.Writer, context.Context) error,
) error {
	writer.SetDesired(nil, time.Time{})
	err := run(writer, ctx)
	if errors.Is(err, plan.ErrNoSuchZone) {
		_ = a.cfg.Journal.SetRecords(id, nil)
		return nil
	}
	return err
}

const (
	// A journal that was missing or old is made good by listing the zone once, at a random moment, so that a thousand
	// hosts that start together do not list together; slowly, since all hosts share the account's 5 to 10 calls a
	// second; and never a large zone, or one of many hosts: there the sweeper finds what is left over. Where many hosts
	// start at once each of them lists, and a page shows about how many they are, so that most find out with the first.
	listWithin  = 10 * time.Minute
	listAtMost  = 3000 // records
	listAmong   = 150  // hosts
	listingPace = time.Second
)

var errLargeZone = fmt.Errorf("more than %d records, or records of more than %d hosts", listAtMost, listAmong)

// listOnce lists the zone where the journal may lack records of this host, until that has worked once.
func (a *Agent) listOnce(ctx context.Context, zone Zone, writer *apply.Writer) error {
	wait := backoff{first: time.Minute, longest: time.Hour, jitter: a.cfg.Jitter}
	for a.cfg.Journal.ListingDue() {
		// Not in the first minutes, in which a host that starts has better things to ask for.
		sleep(ctx, listWithin/4+time.Duration(a.cfg.Jitter()*float64(listWithin*3/4)))
		if ctx.Err() != nil {
			return nil
		}
		adopted, err := a.list(ctx, zone, writer, listAtMost, listAmong, listingPace)
		switch {
		case errors.Is(err, errLargeZone):
			a.cfg.Log.WithError(err).
				Warn("the journal may lack records, and the zone is large: records of an earlier life of this host are left to the sweeper")
		case err != nil:
			if ctx.Err() == nil {
				a.cfg.Log.WithError(err).Warn("listing the zone failed, trying again later")
			}
			sleep(ctx, wait.next())
			continue
		default:
			a.cfg.Log.WithField("adopted", adopted).
				Info("listed the zone once, since the journal may have lacked records")
		}
		_ = a.cfg.Journal.Listed()
	}
	return nil
}

// list reads the zone and has the writer adopt this host's records. It gives up at so many records, or among so many
// hosts.
func (a *Agent) list(
	ctx context.Context,
	zone Zone,
	writer *apply.Writer,
	atMost, among int,
	pace time.Duration,
) (adopted int, err error) {
	seen, hosts := 0, map[string]bool{}
	var own []record.Record
	err = zone.Each(ctx, func(page []record.Record, listed int) error {
		seen += listed
		for _, r := range page {
			if id, ok := record.ParseSetID(r.SetID); ok {
				hosts[id.Instance] = true
			}
			if a.owns(r) {
				own = append(own, r)
			}
		}
		if seen > atMost || len(hosts) > among {
			return errLargeZone
		}
		sleep(ctx, pace)
		return ctx.Err()
	})
	if err != nil {
		return 0, err
	}
	return writer.Adopt(own), nil
}
