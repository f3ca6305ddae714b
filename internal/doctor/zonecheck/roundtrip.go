package zonecheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/doctor/awscheck"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

// trip is how long a round trip waits for what.
type trip struct {
	longest      time.Duration // that a record may take to be resolvable
	lookEvery    time.Duration
	reportEvery  time.Duration
	removeWithin time.Duration // also after a signal to end
	removeEvery  time.Duration
}

// usualTrip returns that of the command. Route 53 generally needs less than 60 s to bring a record to its servers
// (Route
// 53 API reference, ChangeResourceRecordSets).
func usualTrip() trip {
	return trip{
		longest:      90 * time.Second,
		lookEvery:    time.Second,
		reportEvery:  10 * time.Second,
		removeWithin: 30 * time.Second,
		removeEvery:  2 * time.Second,
	}
}

const interrupted = "interrupted; no record is left"

// checkRoundTrip writes a record, waits until it can be looked up here, and removes it. The record is a wildcard, and
// every look-up is for another name below it: resolvers cache the answer that a name does not exist.
func (z *Zone) checkRoundTrip(ctx context.Context) doctor.Result {
	h := z.lookForZone(ctx)
	if h.stop != "" || z.Host.Identity(ctx).InstanceID == "" {
		return doctor.Skipf("not tried: see zone and metadata")
	}
	zone, below := h.client.Zone(h.id), "ecssd-doctor-"+random(8)+"."+z.Name
	probe := z.probe(ctx, "*."+below)
	began := time.Now()
	if r, written := z.write(ctx, zone, probe); !written {
		return r
	}
	seen, last := z.await(ctx, below, began)
	took := time.Since(began).Round(100 * time.Millisecond)
	if r, left := z.remove(ctx, zone, probe); left {
		return r
	}
	switch {
	case ctx.Err() != nil:
		return doctor.Skipf(interrupted)
	case !seen:
		return doctor.Failf("a record was written, and not resolvable here within %s: %s",
			z.trip.longest, z.lookupError(last)).
			Hintf("see dns, zone and vpc; https://health.aws.amazon.com")
	}
	return doctor.Okf("a record was written, resolvable here after %s, and removed", took)
}

// write writes the record, and returns why where it is not written.
func (z *Zone) write(ctx context.Context, zone *route53.Zone, probe record.Record) (r doctor.Result, written bool) {
	limited, cancel := doctor.Limit(ctx)
	defer cancel()
	err := whileBusy(limited, func() error {
		return zone.Change(limited, []plan.Change{{Action: plan.Upsert, Record: probe}})
	})
	if err == nil {
		return doctor.Result{}, true
	}
	var refusal *plan.Refusal
	if !errors.As(err, &refusal) && !errors.Is(err, plan.ErrThrottled) { // it may have been written all the same
		if r, left := z.remove(ctx, zone, probe); left {
			return r, false
		}
	}
	if ctx.Err() != nil {
		return doctor.Skipf(interrupted), false
	}
	return awscheck.Required("write a record",
		"route53:ChangeResourceRecordSets for SRV records below "+z.Name+" on hosted zone "+zone.ID, err), false
}

// await waits until a name can be looked up.
func (z *Zone) await(ctx context.Context, below string, began time.Time) (seen bool, last error) {
	ctx, cancel := context.WithTimeout(ctx, z.trip.longest)
	defer cancel()
	reported := began
	for n := 0; ; n++ {
		lookup, done := doctor.Limit(ctx)
		_, targets, err := z.Resolver.LookupSRV(lookup, "", "", fmt.Sprintf("look-%d.%s.", n, below))
		done()
		if err == nil && len(targets) > 0 {
			return true, nil
		}
		last = err
		if time.Since(reported) >= z.trip.reportEvery {
			reported = time.Now()
			z.Progress(fmt.Sprintf("waiting for the record to be resolvable, for %s so far",
				time.Since(began).Round(time.Second)))
		}
		select {
		case <-ctx.Done():
			return false, last
		case <-time.After(z.trip.lookEvery):
		}
	}
}

// remove removes the record, also after a signal to end, and returns which record is left where it cannot.
func (z *Zone) remove(ctx context.Context, zone *route53.Zone, probe record.Record) (r doctor.Result, left bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), z.trip.removeWithin)
	defer cancel()
	for {
		removing, done := doctor.Limit(ctx)
		err := zone.Change(removing, []plan.Change{{Action: plan.Delete, Record: probe}})
		done()
		var refusal *plan.Refusal
		if err == nil || errors.As(err, &refusal) && absent(refusal) {
			return doctor.Result{}, false
		}
		z.Progress("removing the record again: " + doctor.Cause(err))
		select {
		case <-ctx.Done():
			return doctor.Failf("the record %s is left over: %s",
				strings.TrimPrefix(probe.Name, "*."), doctor.Cause(err)).
				Hintf("run this again; the sweeper removes it when this host is gone, or delete in the console %s "+
					"SRV with the identifier %s",
					record.Escape(probe.Name), probe.SetID), true
		case <-time.After(z.trip.removeEvery):
		}
	}
}
