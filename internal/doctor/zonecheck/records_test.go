package zonecheck

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sandbox"
)

// Once Route 53 is not to be asked, it is asked nothing more.
func TestInTurn(t *testing.T) {
	code := func(code string) error { return &smithy.GenericAPIError{Code: code} }
	otherZone, noZone := fmt.Errorf("x: %w", route53.ErrOtherZone), fmt.Errorf("x: %w", plan.ErrNoSuchZone)
	all := []string{"ok read", "ok write", "ok records", "ok names"}
	after := func(n int, check string) []string {
		lines := append([]string{}, all[:n]...)
		for _, line := range all[n:] {
			lines = append(lines, "skip "+line[3:]+" not checked: see "+check)
		}
		return lines
	}
	for name, c := range map[string]struct {
		stop string
		errs map[string]error
		want []string
	}{
		"well":            {want: all},
		"stopped before":  {stop: "see zone", want: after(0, "zone")},
		"throttled":       {errs: map[string]error{"read": code("Throttling")}, want: after(1, "read")},
		"expired":         {errs: map[string]error{"write": code("ExpiredToken")}, want: after(2, "write")},
		"not reached":     {errs: map[string]error{"records": context.DeadlineExceeded}, want: after(3, "records")},
		"another zone":    {errs: map[string]error{"read": otherZone}, want: after(1, "read")},
		"no zone":         {errs: map[string]error{"write": noZone}, want: after(2, "write")},
		"denied to read":  {errs: map[string]error{"read": code("AccessDenied")}, want: after(3, "read")},
		"denied to write": {errs: map[string]error{"write": code("AccessDenied")}, want: all},
		"an odd error":    {errs: map[string]error{"read": errors.New("odd")}, want: all},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []step
			for _, check := range []string{"read", "write", "records", "names"} {
				steps = append(steps, step{check, func(context.Context, *route53.Zone) ([]doctor.Result, error) {
					return []doctor.Result{doctor.Okf("")}, c.errs[check]
				}})
			}
			var lines []string
			for _, r := range inTurn(t.Context(), nil, c.stop, steps) {
				line := string(r.State) + " " + r.Check
				if r.Detail != "" {
					line += " " + r.Detail
				}
				lines = append(lines, line)
			}
			assert.Equal(t, c.want, lines)
		})
	}
}

func TestJudgeNegative(t *testing.T) {
	assert.Equal(t, doctor.Okf("resolvers cache NXDOMAIN for 60 s"), judgeNegative(60))
	assert.Equal(t, doctor.Warnf("resolvers cache NXDOMAIN for 61 s: a consumer that looks too early fails that long").
		Hintf("give the sweeper NEGATIVE_TTL=60 (parameter NegativeTtl of sweeper.cform)"), judgeNegative(61))
}

func TestJudgeQuota(t *testing.T) {
	const hint = "ask AWS for a higher quota of records in a hosted zone (Service Quotas, Route 53), " +
		"or remove what nobody needs"
	for quota, want := range map[route53.Quota]doctor.Result{
		{Records: 79, Limit: 100}:  doctor.Okf("the zone holds 79 of at most 100 records"),
		{Records: 80, Limit: 100}:  doctor.Warnf("the zone is nearly full: 80 of 100 records").Hintf(hint),
		{Records: 99, Limit: 100}:  doctor.Warnf("the zone is nearly full: 99 of 100 records").Hintf(hint),
		{Records: 100, Limit: 100}: doctor.Failf("the zone is full: 100 of 100 records").Hintf(hint),
		{Records: 101, Limit: 100}: doctor.Failf("the zone is full: 101 of 100 records").Hintf(hint),
	} {
		assert.Equal(t, want, judgeQuota(quota))
	}
}

func TestReadAndQuotaThatFail(t *testing.T) {
	const policy = "on hosted zone Z1 to the role of this host; cloudformation/environment.cform has the policy"
	for name, c := range map[string]struct {
		prepare func(w *world)
		want    []string
	}{
		"denied to read": {
			func(w *world) { w.fails("AccessDenied", "ListResourceRecordSets") },
			[]string{
				"FAIL read: these credentials may not read the zone: no identity-based policy allows the " +
					"route53:ListResourceRecordSets action -> allow route53:ListResourceRecordSets " + policy,
			},
		},
		"of a zone that is gone": {
			func(w *world) { w.fails("NoSuchHostedZone", "ListResourceRecordSets") },
			[]string{
				"FAIL read: there is no hosted zone Z1 -> correct --zone-id (ECSSD_ZONE_ID), or leave it out to have " +
					"the zone found by its name",
				"skip write: not checked: see read",
			},
		},
		"of another zone": {
			func(w *world) {
				w.fails("AccessDenied", "GetHostedZone")
				w.ID, w.Name = w.zone, "other.internal"
			},
			[]string{
				"FAIL read: read the SOA record of other.internal: zone Z1 has none of this name: " +
					"is it a zone of another name? -> correct --zone (ECSSD_ZONE) or --zone-id (ECSSD_ZONE_ID)",
				"skip write: not checked: see read",
			},
		},
		"denied to ask for the quota": {
			func(w *world) { w.fails("AccessDenied", "GetHostedZoneLimit") },
			[]string{
				"skip records: not checked: these credentials lack the permission route53:GetHostedZoneLimit -> " +
					"allow route53:GetHostedZoneLimit to the role of this host; the agent does without",
				"ok names: this host registers nothing",
			},
		},
		"throttled when asking for the quota": {
			func(w *world) { w.fails("Throttling", "GetHostedZoneLimit") },
			[]string{"skip names: not checked: see records"},
		},
		"a full zone": {
			func(w *world) { w.sandbox.Configure(func(s *sandbox.Settings) { s.MaxSets = 2 }) },
			[]string{
				"FAIL records: the zone is full: 2 of 2 records -> ask AWS for a higher quota of records in a hosted " +
					"zone (Service Quotas, Route 53), or remove what nobody needs",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			lines := w.found()
			for _, want := range c.want {
				assert.Contains(t, lines, want)
			}
		})
	}
}
