package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

// hosted is the hosted zone that the agent works in.
type hosted struct {
	findings []Finding
	client   *route53.Client
	id       string // empty where there is none that will do
	// stop is why Route 53 is asked for nothing more: a throttled account is left alone, and what cannot be reached or
	// does not believe the credentials once will not do so a moment later. It is empty where it may be asked.
	stop string
}

// findZone finds the zone as the agent does, and looks at it.
func (d *doctor) findZone(ctx context.Context) hosted {
	const check = "zone"
	host, a := d.identity(), d.access()
	if a.failed != nil {
		return hosted{findings: []Finding{bad(check, Skip, "not checked: no credentials")}, stop: "no credentials"}
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	h := hosted{client: route53.New(a.config), id: d.ZoneID}
	not := func(f Finding) hosted {
		h.findings, h.id, h.stop = []Finding{f}, "", "see zone"
		return h
	}
	if h.id == "" {
		found, err := h.client.FindZone(ctx, d.Zone, host.VPC)
		if err != nil {
			return not(d.noZone(err))
		}
		h.id = found.ID
	}
	zone, err := h.client.Describe(ctx, h.id)
	switch {
	case troubleOf(err) == denied:
		h.findings = []Finding{
			bad(
				check,
				Skip,
				"%s; whether it is private and of this VPC is not checked: these credentials lack the permission route53:GetHostedZone",
				h.id,
			).
				hint("allow route53:GetHostedZone to the role of this host; the agent does without"),
		}
		return h
	case errors.Is(err, plan.ErrNoSuchZone):
		return not(noSuchZone(check, h.id))
	case err != nil:
		return not(required(check, "look at hosted zone "+h.id, "route53:GetHostedZone", err))
	case zone.Owner != "":
		return not(bad(check, Fail, "%s belongs to %s, which alone may change it", h.id, zone.Owner).
			hint("make a zone of another name for ecssd, or remove the Cloud Map namespace"))
	case zone.Name != d.Zone:
		return not(bad(check, Fail, "%s is the zone %s, and not %s", h.id, zone.Name, d.Zone).hint(otherZone))
	case !zone.Private:
		h.findings = []Finding{
			bad(check, Fail, "%s is %s, and public: addresses of this network are told to everybody", zone.Name, h.id).
				hint("make a private zone of this name: cloudformation/privatedns.cform"),
		}
	case host.VPC != "" && !slices.Contains(zone.VPCs, host.VPC):
		h.findings = []Finding{
			bad(
				check,
				Fail,
				"%s is %s, associated with %s and not with %s, where this host is: nothing here can look it up",
				zone.Name,
				h.id,
				strings.Join(zone.VPCs, " "),
				host.VPC,
			).
				hint("aws route53 associate-vpc-with-hosted-zone --hosted-zone-id %s --vpc VPCRegion=%s,VPCId=%s", h.id, host.Region, host.VPC),
		}
	case host.VPC == "":
		h.findings = []Finding{
			ok(check, "%s is %s, private, associated with %s", zone.Name, h.id, strings.Join(zone.VPCs, " ")),
		}
	default:
		h.findings = []Finding{ok(check, "%s is %s, private, in this VPC", zone.Name, h.id)}
	}
	return h
}

const otherZone = "correct --zone (ECSSD_ZONE) or --zone-id (ECSSD_ZONE_ID)"

func noSuchZone(check, id string) Finding {
	return bad(check, Fail, "there is no hosted zone %s", id).
		hint("correct --zone-id (ECSSD_ZONE_ID), or leave it out to have the zone found by its name")
}

// noZone tells why no zone of the name will do.
func (d *doctor) noZone(err error) Finding {
	const check = "zone"
	var unfit route53.ZoneError
	switch {
	case errors.As(err, &unfit):
		return bad(check, Fail, "%s: %s", d.Zone, unfit.Why).hint("%s", unfit.Hint)
	case errors.Is(err, plan.ErrNoSuchZone):
		return bad(check, Fail, "this account has no private hosted zone %s", d.Zone).
			hint("make one (cloudformation/privatedns.cform), or name another by --zone or --zone-id (ECSSD_ZONE, ECSSD_ZONE_ID)")
	case troubleOf(err) == denied:
		return bad(check, Fail, "these credentials may not look for the zone by its name: %s", because(err)).
			hint("give the zone by --zone-id (ECSSD_ZONE_ID), or allow route53:ListHostedZonesByName and route53:GetHostedZone to the role of this host")
	}
	return required(check, "look for the zone", "route53:ListHostedZonesByName", err)
}

// required tells of a call that the agent needs, too.
func required(check, what, permission string, err error) Finding {
	switch troubleOf(err) {
	case denied:
		return bad(check, Fail, "these credentials may not %s: %s", what, because(err)).
			hint("allow %s to the role of this host; cloudformation/environment.cform has the policy", permission)
	case busy:
		return bad(check, Warn, "not checked: the zone was busy with changes of others").hint("run this again")
	case throttled:
		return bad(check, Warn, "not checked: Route 53 throttles this account (%s)", throttling(err)).hint(throttleHint)
	case unauthentic:
		return bad(
			check,
			Fail,
			"Route 53 does not believe the credentials: %s",
			why(err),
		).hint("see credentials and clock")
	case unreachable:
		return bad(check, Fail, "Route 53 cannot be reached: %s", why(err)).hint(wayHint)
	}
	return bad(
		check,
		Fail,
		"Route 53 does not let this host %s: %s",
		what,
		why(err),
	).hint("see https://health.aws.amazon.com, and journalctl -u ecssd")
}

// because gives the end of a denial, which says whose policy denies or does not allow.
func because(err error) string {
	var refusal *plan.Refusal
	text := why(err)
	if errors.As(err, &refusal) {
		text = refusal.Message
	}
	if _, reason, found := strings.Cut(text, " because "); found {
		return reason
	}
	return text
}

// throttling gives Route 53's own words.
func throttling(err error) string {
	_, words, found := strings.Cut(err.Error(), plan.ErrThrottled.Error()+": ")
	if !found {
		return why(err)
	}
	return words
}

// lookAtRecords asks Route 53 one thing after the other, and no more once it is not to be asked.
func (d *doctor) lookAtRecords(ctx context.Context) []Finding {
	h := d.zoneFound()
	zone := (*route53.Zone)(nil)
	if h.id != "" {
		zone = h.client.Zone(h.id)
	}
	var findings []Finding
	unreadable := false
	for _, step := range []struct {
		check string
		look  func(context.Context, *route53.Zone) ([]Finding, error)
	}{{"read", d.lookAtSOA}, {"write", d.lookAtWriting}, {"records", d.lookAtQuota}, {"names", d.lookAtNames}} {
		stop := h.stop
		if unreadable && step.check == "names" {
			stop = "see read"
		}
		if stop != "" {
			findings = append(findings, bad(step.check, Skip, "not checked: %s", stop))
			continue
		}
		found, err := func() ([]Finding, error) {
			ctx, cancel := limited(ctx)
			defer cancel()
			return step.look(ctx, zone)
		}()
		findings = append(findings, found...)
		switch troubleOf(err) {
		case throttled, unauthentic, unreachable:
			h.stop = "see " + step.check
		case denied:
			unreadable = unreadable || step.check == "read"
		}
		if errors.Is(err, route53.ErrOtherZone) || errors.Is(err, plan.ErrNoSuchZone) {
			h.stop = "see " + step.check
		}
	}
	return findings
}

// longNegative is how long a negative answer may be kept without a consumer that was started first noticing much, in
// seconds.
const longNegative = 60

func (d *doctor) lookAtSOA(ctx context.Context, zone *route53.Zone) ([]Finding, error) {
	ttl, err := zone.NegativeTTL(ctx, d.Zone)
	switch {
	case errors.Is(err, plan.ErrNoSuchZone):
		return []Finding{noSuchZone("read", zone.ID)}, err
	case errors.Is(err, route53.ErrOtherZone):
		return []Finding{bad("read", Fail, "%v", err).hint(otherZone)}, err
	case err != nil:
		return []Finding{
			required("read", "read the zone", "route53:ListResourceRecordSets on hosted zone "+zone.ID, err),
		}, err
	}
	findings := []Finding{ok("read", "these credentials may read the zone's records")}
	if ttl > longNegative {
		return append(
			findings,
			bad(
				"negative",
				Warn,
				"that a name does not exist is kept by resolvers for %d s: so long a consumer that asks too early does not find it",
				ttl,
			).
				hint("give the sweeper NEGATIVE_TTL=60 (parameter NegativeTtl of sweeper.cform)"),
		), nil
	}
	return append(findings, ok("negative", "that a name does not exist is kept by resolvers for %d s", ttl)), nil
}

// againAfter is how long a zone that is busy is left alone.
const againAfter = time.Second

// lookAtWriting sends a change that may be made and cannot be: the removal of records that do not exist. Route 53 looks
// at the permission first and says AccessDenied, or InvalidChangeBatch and "not found", where it would have made
// another change. The names and types are such that the condition keys of the agent's policy take them
// (route53:ChangeResourceRecordSetsNormalizedRecordNames and …RecordTypes).
func (d *doctor) lookAtWriting(ctx context.Context, zone *route53.Zone) ([]Finding, error) {
	const check = "write"
	name := "ecssd-doctor-" + random(8) + "." + d.Zone
	srv := d.probe(name)
	a := record.Record{
		Name:   name,
		Type:   record.A,
		SetID:  srv.SetID,
		TTL:    d.TTL,
		Weight: 1,
		Value:  "127.0.0.1",
	}
	err := patiently(ctx, func() error {
		return zone.Change(ctx, []plan.Change{{Action: plan.Delete, Record: a}, {Action: plan.Delete, Record: srv}})
	})
	var refusal *plan.Refusal
	switch {
	case errors.As(err, &refusal) && absent(refusal):
		return []Finding{
			ok(check, "these credentials may change SRV and A records (tried with one that does not exist)"),
		}, nil
	case errors.As(err, &refusal) && refusal.Reason != plan.Denied:
		return []Finding{
			bad(
				check,
				Fail,
				"Route 53 refuses any change: %s",
				refusal.Message,
			).hint("check that --zone (ECSSD_ZONE) is the name of the zone"),
		}, nil
	case err != nil:
		return []Finding{
			required(
				check,
				"change the zone",
				"route53:ChangeResourceRecordSets for SRV and A records below "+d.Zone+" on hosted zone "+zone.ID,
				err,
			),
		}, err
	}
	return []Finding{ok(check, "these credentials may change SRV and A records")}, nil
}

// patiently repeats a change while others are being made to the zone, which takes moments.
func patiently(ctx context.Context, change func() error) error {
	for {
		err := change()
		if troubleOf(err) != busy {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(againAfter):
		}
	}
}

// absent says whether a batch was refused for nothing but that its records are not there.
func absent(r *plan.Refusal) bool {
	for _, reason := range r.Named {
		if reason != plan.NotFound {
			return false
		}
	}
	return len(r.Named) > 0 || r.Reason == plan.NotFound
}

// probe gives a record of this host that no container has: with a set identifier that the agent takes for one of its
// own, should it ever list the zone, and the sweeper for that of a container on this host, so that what is left over
// goes with the host.
func (d *doctor) probe(name string) record.Record {
	id := record.SetID{
		Kind:      record.Docker,
		Instance:  d.identity().InstanceID,
		Container: random(32),
		Port:      9,
		Proto:     "tcp",
	}
	return record.Record{
		Name:   name,
		Type:   record.SRV,
		SetID:  id.String(),
		TTL:    d.TTL,
		Weight: 1,
		Value: record.Target{
			Priority: 1,
			Weight:   1,
			Port:     9,
			Host:     d.Zone,
		}.String(),
	}
}

// random gives so many bytes in hexadecimal digits.
func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// nearlyFull is the part of a limit from which one is told.
const nearlyFull = 0.8

func (d *doctor) lookAtQuota(ctx context.Context, zone *route53.Zone) ([]Finding, error) {
	const check = "records"
	quota, err := zone.Quota(ctx)
	switch {
	case troubleOf(err) == denied:
		return []Finding{optional(check, "route53:GetHostedZoneLimit", err)}, nil
	case err != nil:
		return []Finding{required(check, "ask for the zone's limit", "route53:GetHostedZoneLimit", err)}, err
	}
	const hint = "ask AWS for a higher quota of records in a hosted zone (Service Quotas, Route 53), or remove what nobody needs"
	switch {
	case quota.Records >= quota.Limit:
		return []Finding{
			bad(check, Fail, "the zone is full: %d of %d records", quota.Records, quota.Limit).hint(hint),
		}, nil
	case float64(quota.Records) >= nearlyFull*float64(quota.Limit):
		return []Finding{
			bad(check, Warn, "the zone is nearly full: %d of %d records", quota.Records, quota.Limit).hint(hint),
		}, nil
	}
	return []Finding{ok(check, "%d of %d that the zone may hold", quota.Records, quota.Limit)}, nil
}
