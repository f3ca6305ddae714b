package zonecheck

import (
	"context"
	"errors"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/doctor/awscheck"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/route53"
)

// step is one of the questions about records. Its error is that of the call, and the results are complete with it.
type step struct {
	check string
	ask   func(context.Context, *route53.Zone) ([]doctor.Result, error)
}

// checkRecords asks Route 53 one thing after the other, and nothing more once it is not to be asked.
func (z *Zone) checkRecords(ctx context.Context) []doctor.Result {
	h := z.lookForZone(ctx)
	var zone *route53.Zone
	if h.id != "" {
		zone = h.client.Zone(h.id)
	}
	return inTurn(ctx, zone, h.stop, []step{
		{"read", z.checkRead}, {"write", z.checkWrite}, {"records", z.checkQuota}, {"names", z.checkNames},
	})
}

func inTurn(ctx context.Context, zone *route53.Zone, stop string, steps []step) (results []doctor.Result) {
	unreadable := false
	for _, step := range steps {
		reason := stop
		if reason == "" && unreadable && step.check == "names" {
			reason = "see read"
		}
		if reason != "" {
			results = append(results, doctor.Skipf("not checked: %s", reason).Of(step.check))
			continue
		}
		found, err := step.ask(ctx, zone)
		for _, r := range found {
			if r.Check == "" {
				r.Check = step.check
			}
			results = append(results, r)
		}
		switch awscheck.ClassOf(err) {
		case awserr.Throttled, awserr.Credentials, awserr.Unreachable, awserr.NotFound:
			stop = "see " + step.check
		case awserr.Denied:
			unreadable = unreadable || step.check == "read"
		}
		if errors.Is(err, route53.ErrOtherZone) {
			stop = "see " + step.check
		}
	}
	return results
}

// longNegative is how long resolvers may cache NXDOMAIN before a consumer that was started first suffers, in seconds.
const longNegative = 60

func (z *Zone) checkRead(ctx context.Context, zone *route53.Zone) ([]doctor.Result, error) {
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	ttl, err := zone.NegativeTTL(ctx, z.Name)
	switch {
	case errors.Is(err, plan.ErrNoSuchZone):
		return []doctor.Result{noSuchZone(zone.ID)}, err
	case errors.Is(err, route53.ErrOtherZone):
		return []doctor.Result{doctor.Failf("%v", err).Hintf(otherZone)}, err
	case err != nil:
		return []doctor.Result{unread(zone.ID, err)}, err
	}
	return []doctor.Result{
		doctor.Okf("these credentials may read the zone's records"),
		judgeNegative(ttl).Of("negative"),
	}, nil
}

func unread(zoneID string, err error) doctor.Result {
	return awscheck.Required("read the zone", "route53:ListResourceRecordSets on hosted zone "+zoneID, err)
}

func judgeNegative(ttl int64) doctor.Result {
	if ttl > longNegative {
		return doctor.Warnf("resolvers cache NXDOMAIN for %d s: a consumer that looks too early fails that long", ttl).
			Hintf("give the sweeper NEGATIVE_TTL=60 (parameter NegativeTtl of sweeper.cform)")
	}
	return doctor.Okf("resolvers cache NXDOMAIN for %d s", ttl)
}

// nearlyFull is the part of a limit from which there is a warning.
const nearlyFull = 0.8

func (z *Zone) checkQuota(ctx context.Context, zone *route53.Zone) ([]doctor.Result, error) {
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	quota, err := zone.Quota(ctx)
	switch {
	case awscheck.ClassOf(err) == awserr.Denied:
		return []doctor.Result{awscheck.Optional("route53:GetHostedZoneLimit", err)}, nil
	case err != nil:
		return []doctor.Result{awscheck.Required("ask for the zone's limit", "route53:GetHostedZoneLimit", err)}, err
	}
	return []doctor.Result{judgeQuota(quota)}, nil
}

func judgeQuota(quota route53.Quota) doctor.Result {
	const hint = "ask AWS for a higher quota of records in a hosted zone (Service Quotas, Route 53), or remove what " +
		"nobody needs"
	switch {
	case quota.Records >= quota.Limit:
		return doctor.Failf("the zone is full: %d of %d records", quota.Records, quota.Limit).Hintf(hint)
	case float64(quota.Records) >= nearlyFull*float64(quota.Limit):
		return doctor.Warnf("the zone is nearly full: %d of %d records", quota.Records, quota.Limit).Hintf(hint)
	}
	return doctor.Okf("the zone holds %d of at most %d records", quota.Records, quota.Limit)
}
