package awscheck

import (
	"errors"
	"strings"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/plan"
)

// ClassOf returns the class of an error of AWS, also where package route53 has given it a type of its own.
func ClassOf(err error) awserr.Class {
	var refusal *plan.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Denied():
		return awserr.Denied
	case errors.As(err, &refusal):
		return awserr.Rejected
	case errors.Is(err, plan.ErrZoneBusy):
		return awserr.ZoneBusy
	case errors.Is(err, plan.ErrThrottled):
		return awserr.Throttled
	case errors.Is(err, plan.ErrNoSuchZone):
		return awserr.NotFound
	}
	return awserr.ClassOf(err)
}

const (
	throttleHint = "wait a minute and run this again; where it stays so, find in CloudTrail who calls so often: the " +
		"limit is the whole account's"
	wayHint = "let this host reach AWS: NAT gateway, public address or VPC endpoint; behind a proxy, " +
		"HTTPS_PROXY in /etc/ecssd/ecssd.conf"
)

// Optional returns the result of a check that needs a permission which the agent does without.
func Optional(permission string, err error) doctor.Result {
	r := doctor.Skipf("not checked: %s", doctor.Cause(err))
	switch ClassOf(err) {
	case awserr.Denied:
		return doctor.Skipf("not checked: these credentials lack the permission %s", permission).
			Hintf("allow %s to the role of this host; the agent does without", permission)
	case awserr.Throttled:
		return doctor.Warnf("not checked: AWS throttles this account (%s)", doctor.Cause(err)).Hintf(throttleHint)
	case awserr.Unreachable:
		return r.Hintf(wayHint)
	case awserr.Credentials:
		return r.Hintf("see credentials")
	}
	return r
}

// Required returns the result of a call of Route 53 that failed and that the agent needs, too: what it was to do, and
// the permission that it takes.
func Required(what, permission string, err error) doctor.Result {
	switch ClassOf(err) {
	case awserr.Denied:
		return doctor.Failf("these credentials may not %s: %s", what, Because(err)).
			Hintf("allow %s to the role of this host; cloudformation/environment.cform has the policy", permission)
	case awserr.ZoneBusy:
		return doctor.Warnf("not checked: the zone was busy with changes of others").Hintf("run this again")
	case awserr.Throttled:
		return doctor.Warnf("not checked: Route 53 throttles this account (%s)", throttling(err)).Hintf(throttleHint)
	case awserr.Credentials:
		return doctor.Failf("Route 53 does not accept the credentials: %s", doctor.Cause(err)).
			Hintf("see credentials and clock")
	case awserr.Unreachable:
		return doctor.Failf("Route 53 cannot be reached: %s", doctor.Cause(err)).Hintf(wayHint)
	}
	return doctor.Failf("Route 53 does not let this host %s: %s", what, doctor.Cause(err)).
		Hintf("see https://health.aws.amazon.com, and journalctl -u ecssd")
}

// Because returns the end of a denial, which says whose policy denies or does not allow.
func Because(err error) string {
	var refusal *plan.Refusal
	text := doctor.Cause(err)
	if errors.As(err, &refusal) {
		text = refusal.Message
	}
	if _, reason, found := strings.Cut(text, " because "); found {
		return reason
	}
	return text
}

// throttling returns Route 53's own words.
func throttling(err error) string {
	_, words, found := strings.Cut(err.Error(), plan.ErrThrottled.Error()+": ")
	if !found {
		return doctor.Cause(err)
	}
	return words
}
