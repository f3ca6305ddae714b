package awserr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
)

func answered(code string) error {
	return &smithy.OperationError{
		ServiceID:     "Route 53",
		OperationName: "ListHostedZonesByName",
		Err:           fmt.Errorf("https response error: %w", &smithy.GenericAPIError{Code: code, Message: "words"}),
	}
}

// throughSTS is the error of a call whose credentials could not be renewed.
func throughSTS(code string) error {
	return &smithy.OperationError{
		ServiceID:     "Route 53",
		OperationName: "ListHostedZonesByName",
		Err: fmt.Errorf("get credentials: %w", &smithy.OperationError{
			ServiceID:     "STS",
			OperationName: "AssumeRole",
			Err:           &smithy.GenericAPIError{Code: code, Message: "words"},
		}),
	}
}

func TestClassOf(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want Class
	}{
		"none":                         {nil, Other},
		"not of AWS":                   {errors.New("Throttling"), Other},
		"a code that is not listed":    {answered("InternalFailure"), Other},
		"throttled by Route 53":        {answered("Throttling"), Throttled},
		"throttled by ECS":             {answered("ThrottlingException"), Throttled},
		"throttled by EC2":             {answered("RequestLimitExceeded"), Throttled},
		"a change in progress":         {answered("PriorRequestNotComplete"), ZoneBusy},
		"denied by IAM":                {answered("AccessDenied"), Denied},
		"denied by EC2":                {answered("UnauthorizedOperation"), Denied},
		"denied by STS":                {throughSTS("AccessDenied"), Denied},
		"expired":                      {answered("ExpiredToken"), Credentials},
		"signed with a wrong time":     {answered("SignatureDoesNotMatch"), Credentials},
		"unknown to EC2":               {answered("AuthFailure"), Credentials},
		"no zone":                      {answered("NoSuchHostedZone"), NotFound},
		"a zone that is full":          {answered("LimitsExceeded"), Full},
		"a batch with an error":        {answered("InvalidChangeBatch"), Rejected},
		"no answer in time":            {fmt.Errorf("list: %w", context.DeadlineExceeded), Unreachable},
		"no connection":                {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, Unreachable},
		"broken off by the caller":     {context.Canceled, Other},
		"no server of that name":       {&net.DNSError{Err: "no such host"}, Unreachable},
		"a code hidden in a long wrap": {fmt.Errorf("a: %w", fmt.Errorf("b: %w", answered("Throttling"))), Throttled},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, ClassOf(test.err)) })
	}
}

// The answer of STS to a call for credentials was once taken for Route 53's own, and records were quarantined as
// denied.
func TestAnswerOfAnotherServiceIsNotTheCalledOnes(t *testing.T) {
	assert.Equal(t, Answer{}, AnswerOf(throughSTS("AccessDenied")))
	assert.Equal(t, Answer{"AccessDenied", "words"}, AnswerOf(answered("AccessDenied")))
	assert.Equal(t, Denied, AnswerOf(answered("AccessDenied")).Class())
	assert.Equal(t, Answer{}, AnswerOf(context.DeadlineExceeded))
	assert.Equal(t, Other, AnswerOf(nil).Class())
	assert.Equal(t, "AccessDenied: words", AnswerOf(answered("AccessDenied")).String())
}
