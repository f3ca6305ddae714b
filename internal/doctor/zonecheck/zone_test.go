package zonecheck

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sandbox"
)

func TestJudgeZone(t *testing.T) {
	z := New(Config{Name: "a.internal"})
	private := route53.Hosted{
		ID:      "Z1",
		Name:    "a.internal",
		Private: true,
		VPCs:    []string{"vpc-1", "vpc-2"},
	}
	with := func(change func(*route53.Hosted)) route53.Hosted {
		h := private
		change(&h)
		return h
	}
	for name, c := range map[string]struct {
		zone   route53.Hosted
		err    error
		vpc    string
		want   doctor.Result
		usable bool
	}{
		"of this VPC": {
			zone:   private,
			vpc:    "vpc-2",
			want:   doctor.Okf("a.internal is Z1, private, in this VPC"),
			usable: true,
		},
		"of VPCs unknown": {
			zone:   private,
			want:   doctor.Okf("a.internal is Z1, private, associated with vpc-1 vpc-2"),
			usable: true,
		},
		"of other VPCs": {
			zone: private,
			vpc:  "vpc-3",
			want: doctor.Failf("a.internal is Z1, associated with vpc-1 vpc-2 and not with vpc-3, where this host " +
				"is: " +
				"nothing here can look it up").
				Hintf("aws route53 associate-vpc-with-hosted-zone --hosted-zone-id Z1 --vpc VPCRegion=r,VPCId=vpc-3"),
			usable: true,
		},
		"public": {
			zone: with(func(h *route53.Hosted) { h.Private, h.VPCs = false, nil }),
			vpc:  "vpc-1",
			want: doctor.Failf("a.internal is Z1, and public: everybody can look up addresses of this network").
				Hintf("make a private zone of this name: cloudformation/privatedns.cform"),
			usable: true,
		},
		"of Cloud Map": {
			zone: with(func(h *route53.Hosted) { h.Owner = "servicediscovery.amazonaws.com" }),
			vpc:  "vpc-1",
			want: doctor.Failf("Z1 belongs to servicediscovery.amazonaws.com, which alone may change it").
				Hintf("make a zone of another name for ecssd, or remove the Cloud Map namespace"),
		},
		"of another name": {
			zone: with(func(h *route53.Hosted) { h.Name = "b.internal" }),
			vpc:  "vpc-1",
			want: doctor.Failf("Z1 is the zone b.internal, and not a.internal").
				Hintf("correct --zone (ECSSD_ZONE) or --zone-id (ECSSD_ZONE_ID)"),
		},
		"that may not be asked": {
			err: &smithy.GenericAPIError{Code: "AccessDenied"},
			want: doctor.Skipf("Z1; whether it is private and of this VPC is not checked: " +
				"these credentials lack the permission route53:GetHostedZone").
				Hintf("allow route53:GetHostedZone to the role of this host; the agent does without"),
			usable: true,
		},
		"that does not exist": {
			err: fmt.Errorf("describe: %w", plan.ErrNoSuchZone),
			want: doctor.Failf("there is no hosted zone Z1").Hintf("correct --zone-id (ECSSD_ZONE_ID), " +
				"or leave it out to have the zone found by its name"),
		},
		"that is not answered for": {
			err: &smithy.GenericAPIError{Code: "InternalError", Message: "odd"},
			want: doctor.Failf("Route 53 does not let this host look at hosted zone Z1: InternalError: odd").
				Hintf("see https://health.aws.amazon.com, and journalctl -u ecssd"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := z.judgeZone("Z1", c.zone, c.err, host.Identity{VPC: c.vpc, Region: "r"})
			assert.Equal(t, c.want, r)
			assert.Equal(t, c.usable, err == nil)
		})
	}
}

func TestNoZone(t *testing.T) {
	z := New(Config{Name: "a.internal"})
	for name, c := range map[string]struct {
		err  error
		want doctor.Result
	}{
		"two of the name": {
			fmt.Errorf("find: %w", route53.ZoneError{Why: "two", Hint: "choose 100%"}),
			doctor.Failf("a.internal: two").Hintf("choose 100%%"),
		},
		"none of the name": {
			fmt.Errorf("find: %w", plan.ErrNoSuchZone),
			doctor.Failf("this account has no private hosted zone a.internal").
				Hintf("make one (cloudformation/privatedns.cform), or name another by --zone or --zone-id " +
					"(ECSSD_ZONE, ECSSD_ZONE_ID)"),
		},
		"denied": {
			&smithy.GenericAPIError{Code: "AccessDenied", Message: "no, because nothing allows it"},
			doctor.Failf("these credentials may not look for the zone by its name: nothing allows it").
				Hintf("give the zone by --zone-id (ECSSD_ZONE_ID), or allow route53:ListHostedZonesByName and " +
					"route53:GetHostedZone to the role of this host"),
		},
		"anything else": {
			errors.New("odd"),
			doctor.Failf("Route 53 does not let this host look for the zone: odd").
				Hintf("see https://health.aws.amazon.com, and journalctl -u ecssd"),
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, z.noZone(c.err)) })
	}
}

// What is not usable is not asked for records.
func TestUnusableZones(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(w *world)
		want    string // of the zone's line, its beginning
	}{
		"none": {func(w *world) { w.sandbox.RemoveZone(w.zone) }, "FAIL zone: this account has no private " +
			"hosted zone ZONE"},
		"none of the ID": {func(w *world) { w.ID = "ZNONE" }, "FAIL zone: there is no hosted zone ZNONE"},
		"of another name": {
			func(w *world) { w.ID, w.Name = w.zone, "other.internal" },
			"FAIL zone: Z1 is the zone ZONE, and not other.internal",
		},
		"throttled": {
			func(w *world) { w.fails("Throttling", "") },
			"warn zone: not checked: Route 53 throttles this account (Throttling: Rate exceeded)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			lines := w.found()
			assert.Contains(t, of("zone", lines)[0], c.want)
			for _, check := range []string{"read", "write", "records", "names"} {
				assert.Equal(t, []string{"skip " + check + ": not checked: see zone"}, of(check, lines))
			}
			assert.Empty(t, w.sandbox.Calls("ListResourceRecordSets", "ChangeResourceRecordSets", "GetHostedZoneLimit"))
		})
	}
}

func TestZoneByID(t *testing.T) {
	w := newWorld(t)
	w.ID = w.zone
	_, err := w.sandbox.CreateZone(zoneName, sandbox.Private("vpc-other", "eu-central-1"))
	assert.NoError(t, err)
	assert.Equal(t, []string{"ok zone: ZONE is Z1, private, in this VPC"}, of("zone", w.found()))
	assert.Empty(t, w.sandbox.Calls("ListHostedZonesByName"))
}
