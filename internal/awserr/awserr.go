// Package awserr sorts the errors of calls to AWS into classes. Each service has error codes of its own for the same
// thing; the table here is the only place that lists them. What a class means for a caller is the caller's to decide,
// and so is what the text of an error says: package route53 reads the messages of InvalidChangeBatch itself.
package awserr

import (
	"context"
	"errors"
	"net"

	"github.com/aws/smithy-go"
)

// Class is what kind of error a call ended with.
type Class int

// The classes.
const (
	Other       Class = iota // an error that is not in the table
	Throttled                // the account calls too often; the same call succeeds later
	ZoneBusy                 // Route 53 is still processing another change of the hosted zone; it takes moments
	Denied                   // an IAM policy does not allow the call
	Credentials              // the credentials are expired, unknown, or sign with a wrong key or time
	NotFound                 // the hosted zone does not exist
	Full                     // the hosted zone holds as many records as its quota allows
	Rejected                 // the input is invalid
	Unreachable              // no answer: a timeout, a refused or a lost connection
)

// classes has the class of each code. Sources: "Common Errors" in the API reference of Route 53, ECS, EC2, STS and
// EventBridge, and the errors of ChangeResourceRecordSets.
var classes = map[string]Class{
	"Throttling":               Throttled,
	"ThrottlingException":      Throttled,
	"RequestLimitExceeded":     Throttled,
	"TooManyRequestsException": Throttled,

	"PriorRequestNotComplete": ZoneBusy,

	"AccessDenied":           Denied,
	"AccessDeniedException":  Denied,
	"NotAuthorizedException": Denied,
	"UnauthorizedOperation":  Denied, // EC2

	"ExpiredToken":                Credentials,
	"ExpiredTokenException":       Credentials,
	"RequestExpired":              Credentials,
	"InvalidClientTokenId":        Credentials,
	"UnrecognizedClientException": Credentials,
	"AuthFailure":                 Credentials, // EC2
	"SignatureDoesNotMatch":       Credentials,
	"InvalidSignatureException":   Credentials,
	"MissingAuthenticationToken":  Credentials,
	"InvalidAccessKeyId":          Credentials,

	"NoSuchHostedZone": NotFound,

	"LimitsExceeded": Full,

	"InvalidChangeBatch": Rejected,
	"InvalidInput":       Rejected,
	"InvalidArgument":    Rejected,
	"InvalidDomainName":  Rejected,
}

// ClassOf returns the class of an error, by the innermost answer of a service in it: where credentials had to be
// renewed for a call, that is the answer of the service that issues them. The class of nil is Other.
func ClassOf(err error) Class {
	if code := codeOf(err); code != "" {
		return classes[code]
	}
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) {
		return Unreachable
	}
	return Other
}

// Answer is how the service that was called has answered.
type Answer struct {
	Code, Message string // both empty where it has not answered
}

// AnswerOf returns the error that the called service itself has answered. It is the zero Answer for every other
// error: a lost connection, an answer that cannot be read, or the answer of another service that was to renew the
// credentials for the call.
func AnswerOf(err error) Answer {
	var call, inner *smithy.OperationError
	if errors.As(err, &call) && errors.As(call.Err, &inner) {
		return Answer{}
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return Answer{}
	}
	return Answer{answer.ErrorCode(), answer.ErrorMessage()}
}

// Class returns the class of an answer, never Unreachable.
func (a Answer) Class() Class { return classes[a.Code] }

// String returns the answer as AWS's command line prints it: Throttling: Rate exceeded.
func (a Answer) String() string { return a.Code + ": " + a.Message }

func codeOf(err error) string {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return ""
	}
	return answer.ErrorCode()
}
