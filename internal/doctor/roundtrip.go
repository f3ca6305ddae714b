package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

const (
	// longestTrip is how long a record may take to be resolvable: Route 53 generally needs less than 60 s to tell its
	// servers (Route 53 API reference, ChangeResourceRecordSets).
	longestTrip = 90 * time.Second
	lookEvery   = time.Second
	tellEvery   = 10 * time.Second
	// goodbye is how long the removal is tried for, whatever else ends.
	goodbye     = 30 * time.Second
	removeEvery = 2 * time.Second

	brokenOff = "broken off; no record is left"
)

// roundTrip writes a record, waits until it can be resolved here, and removes it. The record is a wildcard, and every
// look is for another name below it: resolvers keep the answer that a name does not exist.
func (d *doctor) roundTrip(ctx context.Context) Finding {
	const check = "round-trip"
	h := d.zoneFound()
	if h.stop != "" || d.identity().InstanceID == "" {
		return bad(check, Skip, "not tried: see zone and metadata")
	}
	zone, below := h.client.Zone(h.id), "ecssd-doctor-"+random(8)+"."+d.Zone
	probe := d.probe("*." + below)
	began := time.Now()
	writing, cancel := limited(ctx)
	err := patiently(writing, func() error {
		return zone.Change(writing, []plan.Change{
			{Action: plan.Upsert, Record: probe},
		})
	})
	cancel()
	if err != nil {
		var refusal *plan.Refusal
		if !errors.As(err, &refusal) && !errors.Is(err, plan.ErrThrottled) { // it may have been written all the same
			if f, left := d.remove(ctx, zone, probe); left {
				return f
			}
		}
		if ctx.Err() != nil {
			return bad(check, Skip, brokenOff)
		}
		return required(
			check,
			"write a record",
			"route53:ChangeResourceRecordSets for SRV records below "+d.Zone+" on hosted zone "+h.id,
			err,
		)
	}
	seen, last := d.await(ctx, below, began)
	if f, left := d.remove(ctx, zone, probe); left {
		return f
	}
	switch {
	case ctx.Err() != nil:
		return bad(check, Skip, brokenOff)
	case !seen:
		return bad(
			check,
			Fail,
			"a record was written, and not resolvable here within %s: %s",
			longestTrip,
			d.lookupError(last),
		).
			hint("see dns, zone and vpc; https://health.aws.amazon.com")
	}
	return ok(
		check,
		"a record was written, resolvable here after %s, and removed",
		time.Since(began).Round(100*time.Millisecond),
	)
}

// await waits until a name is resolvable.
func (d *doctor) await(ctx context.Context, below string, began time.Time) (seen bool, last error) {
	ctx, cancel := context.WithTimeout(ctx, longestTrip)
	defer cancel()
	told := began
	for n := 0; ; n++ {
		lookup, done := limited(ctx)
		_, targets, err := d.Resolver.LookupSRV(lookup, "", "", fmt.Sprintf("look-%d.%s.", n, below))
		done()
		if err == nil && len(targets) > 0 {
			return true, nil
		}
		last = err
		if time.Since(told) >= tellEvery {
			told = time.Now()
			d.Progress(
				fmt.Sprintf(
					"waiting for the record to be resolvable, for %s so far",
					time.Since(began).Round(time.Second),
				),
			)
		}
		select {
		case <-ctx.Done():
			return false, last
		case <-time.After(lookEvery):
		}
	}
}

// remove removes the record, also where the whole is broken off, and says where it is left over.
func (d *doctor) remove(ctx context.Context, zone *route53.Zone, r record.Record) (f Finding, left bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	for {
		removing, done := limited(ctx)
		err := zone.Change(removing, []plan.Change{{Action: plan.Delete, Record: r}})
		done()
		var refusal *plan.Refusal
		if err == nil || errors.As(err, &refusal) && absent(refusal) {
			return Finding{}, false
		}
		d.Progress("removing the record again: " + why(err))
		select {
		case <-ctx.Done():
			return bad(
					"round-trip",
					Fail,
					"the record %s is left over: %s",
					strings.TrimPrefix(r.Name, "*."),
					why(err),
				).
					hint("run this again; the sweeper removes it when this host is gone, or delete in the console %s SRV with the identifier %s", record.Escape(r.Name), r.SetID),
				true
		case <-time.After(removeEvery):
		}
	}
}
