package awscheck

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/plan"
)

func answer(code, message string) error { return &smithy.GenericAPIError{Code: code, Message: message} }

// The errors that the tables below have in common.
var (
	deniedChange = &plan.Refusal{
		Reason:  plan.Denied,
		Message: "User: u is not authorized to perform: a because no identity-based policy allows it",
	}
	errDeniedRead = answer("AccessDenied", "User: u is not authorized to perform: a because no service control policy "+
		"allows it")
	errThrottled = fmt.Errorf("list: %w: Throttling: Rate exceeded", plan.ErrThrottled)
	errZoneBusy  = fmt.Errorf("change: %w: PriorRequestNotComplete: wait", plan.ErrZoneBusy)
	errExpired   = answer("ExpiredToken", "expired")
	errLost      = fmt.Errorf("call: %w", context.DeadlineExceeded)
)

func TestClassOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want awserr.Class
	}{
		{nil, awserr.Other},
		{errors.New("odd"), awserr.Other},
		{answer("Odd", ""), awserr.Other},
		{deniedChange, awserr.Denied},
		{errDeniedRead, awserr.Denied},
		{&plan.Refusal{Reason: plan.NameFull}, awserr.Rejected},
		{errThrottled, awserr.Throttled},
		{answer("Throttling", ""), awserr.Throttled},
		{errZoneBusy, awserr.ZoneBusy},
		{fmt.Errorf("x: %w", plan.ErrNoSuchZone), awserr.NotFound},
		{errExpired, awserr.Credentials},
		{errLost, awserr.Unreachable},
	} {
		assert.Equal(t, c.want, ClassOf(c.err), "%v", c.err)
	}
}

func TestOptional(t *testing.T) {
	for _, c := range []struct {
		err  error
		want doctor.Result
	}{
		{
			errDeniedRead,
			doctor.Skipf("not checked: these credentials lack the permission p").
				Hintf("allow p to the role of this host; the agent does without"),
		},
		{
			answer("Throttling", "Rate exceeded"),
			doctor.Warnf("not checked: AWS throttles this account (Throttling: Rate exceeded)").Hintf(throttleHint),
		},
		{errLost, doctor.Skipf("not checked: no answer in time").Hintf(wayHint)},
		{errExpired, doctor.Skipf("not checked: ExpiredToken: expired").Hintf("see credentials")},
		{answer("InternalError", "odd"), doctor.Skipf("not checked: InternalError: odd")},
	} {
		assert.Equal(t, c.want, Optional("p", c.err), "%v", c.err)
	}
}

func TestRequired(t *testing.T) {
	const policy = "allow p to the role of this host; cloudformation/environment.cform has the policy"
	for _, c := range []struct {
		err  error
		want doctor.Result
	}{
		{
			deniedChange,
			doctor.Failf("these credentials may not do it: no identity-based policy allows it").Hintf(policy),
		},
		{
			errDeniedRead,
			doctor.Failf("these credentials may not do it: no service control policy allows it").Hintf(policy),
		},
		{
			answer("AccessDenied", "no"),
			doctor.Failf("these credentials may not do it: AccessDenied: no").Hintf(policy),
		},
		{errZoneBusy, doctor.Warnf("not checked: the zone was busy with changes of others").Hintf("run this again")},
		{
			errThrottled,
			doctor.Warnf("not checked: Route 53 throttles this account (Throttling: Rate exceeded)").
				Hintf(throttleHint),
		},
		{
			answer("Throttling", "Rate exceeded"),
			doctor.Warnf("not checked: Route 53 throttles this account (Throttling: Rate exceeded)").
				Hintf(throttleHint),
		},
		{
			errExpired,
			doctor.Failf("Route 53 does not accept the credentials: ExpiredToken: expired").
				Hintf("see credentials and clock"),
		},
		{errLost, doctor.Failf("Route 53 cannot be reached: no answer in time").Hintf(wayHint)},
		{
			answer("InternalError", "odd"),
			doctor.Failf("Route 53 does not let this host do it: InternalError: odd").
				Hintf("see https://health.aws.amazon.com, and journalctl -u ecssd"),
		},
	} {
		assert.Equal(t, c.want, Required("do it", "p", c.err), "%v", c.err)
	}
}
