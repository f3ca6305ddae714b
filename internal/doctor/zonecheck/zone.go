package zonecheck

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/doctor/awscheck"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/route53"
)

// hosted is the hosted zone that the agent works in.
type hosted struct {
	result doctor.Result
	client *route53.Client
	id     string // empty where there is none that can be used
	// stop is why Route 53 is asked for nothing more: a throttled account is left alone, and what cannot be reached or
	// does not accept the credentials once will not a moment later. It is empty where it may be asked.
	stop string
}

// lookForZone finds the zone as the agent does, and looks at it.
func (z *Zone) lookForZone(ctx context.Context) hosted {
	return z.hosted.Get(func() hosted {
		id := z.Host.Identity(ctx)
		config, there := z.AWS.Access(ctx)
		if !there {
			return hosted{result: doctor.Skipf("not checked: no credentials"), stop: "no credentials"}
		}
		ctx, cancel := doctor.Limit(ctx)
		defer cancel()
		h := hosted{client: route53.New(config), id: z.ID}
		if h.id == "" {
			found, err := h.client.FindZone(ctx, z.Name, id.VPC)
			if err != nil {
				return hosted{result: z.noZone(err), stop: "see zone"}
			}
			h.id = found.ID
		}
		zone, err := h.client.Describe(ctx, h.id)
		if h.result, err = z.judgeZone(h.id, zone, err, id); err != nil {
			h.id, h.stop = "", "see zone"
		}
		return h
	})
}

// errUnusable is the error of a zone in which the agent cannot work.
var errUnusable = errors.New("unusable zone")

// judgeZone returns what there is to say about a zone as Route 53 describes it, or about the error of asking, and
// errUnusable where the agent cannot work in it.
func (z *Zone) judgeZone(id string, zone route53.Hosted, err error, host host.Identity) (doctor.Result, error) {
	switch {
	case awscheck.ClassOf(err) == awserr.Denied:
		return doctor.Skipf("%s; whether it is private and of this VPC is not checked: these credentials lack the "+
			"permission route53:GetHostedZone", id).
			Hintf("allow route53:GetHostedZone to the role of this host; the agent does without"), nil
	case errors.Is(err, plan.ErrNoSuchZone):
		return noSuchZone(id), errUnusable
	case err != nil:
		return awscheck.Required("look at hosted zone "+id, "route53:GetHostedZone", err), errUnusable
	case zone.Owner != "":
		return doctor.Failf("%s belongs to %s, which alone may change it", id, zone.Owner).
			Hintf("make a zone of another name for ecssd, or remove the Cloud Map namespace"), errUnusable
	case zone.Name != z.Name:
		return doctor.Failf("%s is the zone %s, and not %s", id, zone.Name, z.Name).Hintf(otherZone), errUnusable
	case !zone.Private:
		return doctor.Failf("%s is %s, and public: everybody can look up addresses of this network", zone.Name, id).
			Hintf("make a private zone of this name: cloudformation/privatedns.cform"), nil
	case host.VPC == "":
		return doctor.Okf("%s is %s, private, associated with %s", zone.Name, id, strings.Join(zone.VPCs, " ")), nil
	case !slices.Contains(zone.VPCs, host.VPC):
		return doctor.Failf("%s is %s, associated with %s and not with %s, where this host is: nothing here can "+
				"look it up",
				zone.Name, id, strings.Join(zone.VPCs, " "), host.VPC).
				Hintf("aws route53 associate-vpc-with-hosted-zone --hosted-zone-id %s --vpc "+
					"VPCRegion=%s,VPCId=%s", id, host.Region, host.VPC),
			nil
	}
	return doctor.Okf("%s is %s, private, in this VPC", zone.Name, id), nil
}

const otherZone = "correct --zone (ECSSD_ZONE) or --zone-id (ECSSD_ZONE_ID)"

func noSuchZone(id string) doctor.Result {
	return doctor.Failf("there is no hosted zone %s", id).
		Hintf("correct --zone-id (ECSSD_ZONE_ID), or leave it out to have the zone found by its name")
}

// noZone returns why no zone of the name can be used.
func (z *Zone) noZone(err error) doctor.Result {
	var unusable route53.ZoneError
	switch {
	case errors.As(err, &unusable):
		return doctor.Failf("%s: %s", z.Name, unusable.Why).Hintf("%s", unusable.Hint)
	case errors.Is(err, plan.ErrNoSuchZone):
		return doctor.Failf("this account has no private hosted zone %s", z.Name).
			Hintf("make one (cloudformation/privatedns.cform), or name another by --zone or --zone-id (ECSSD_ZONE, " +
				"ECSSD_ZONE_ID)")
	case awscheck.ClassOf(err) == awserr.Denied:
		return doctor.Failf("these credentials may not look for the zone by its name: %s", awscheck.Because(err)).
			Hintf("give the zone by --zone-id (ECSSD_ZONE_ID), or allow route53:ListHostedZonesByName and " +
				"route53:GetHostedZone to the role of this host")
	}
	return awscheck.Required("look for the zone", "route53:ListHostedZonesByName", err)
}
