package route53

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/ecssd/ecssd/internal/plan"
)

const accessDenied = "AccessDenied"

// code gives the code of an error that Route 53 has answered, and "" for every other: a lost connection, an answer that
// cannot be read, or what another service has answered when the credentials were to be renewed.
func code(err error) string {
	var call, inner *smithy.OperationError
	if errors.As(err, &call) && errors.As(call.Err, &inner) {
		return ""
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return ""
	}
	return answer.ErrorCode()
}

// classify says of the error of any call what a caller tells apart. What is not told apart is to be tried again: 5xx,
// timeouts, lost connections, and credentials that have expired or are not there yet.
func classify(err error) error {
	var class error
	switch code(err) {
	case "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException":
		class = plan.ErrThrottled
	case "PriorRequestNotComplete": // the change in the way may be anybody's
		class = plan.ErrZoneBusy
	case "NoSuchHostedZone":
		class = plan.ErrNoSuchZone
	default:
		if len(err.Error()) > maxWords {
			return brief{err}
		}
		return err
	}
	var answer smithy.APIError
	errors.As(err, &answer)
	return fmt.Errorf("%w: %s: %s", class, answer.ErrorCode(), words(answer.ErrorMessage()))
}

// classifyChange does the same for a change batch, where Route 53 may also refuse for good.
func classifyChange(err error, changes []plan.Change) error {
	var answer smithy.APIError
	errors.As(err, &answer)
	switch code(err) {
	case "InvalidChangeBatch":
		messages := []string{answer.ErrorMessage()}
		var batch *types.InvalidChangeBatch
		// The SDK fills Messages only from the document that the API answered with of old.
		if errors.As(err, &batch) && len(batch.Messages) > 0 {
			messages = batch.Messages
		}
		return Refusal(messages, changes)
	case "InvalidInput", "InvalidArgument", "InvalidDomainName":
		return &plan.Refusal{Reason: plan.Invalid, Message: answer.ErrorCode() + ": " + words(answer.ErrorMessage())}
	case "LimitsExceeded":
		return &plan.Refusal{Reason: plan.ZoneFull, Message: answer.ErrorCode() + ": " + words(answer.ErrorMessage())}
	case accessDenied, "AccessDeniedException", "NotAuthorizedException":
		return &plan.Refusal{Reason: plan.Denied, Message: words(answer.ErrorMessage())}
	}
	return classify(err)
}

// Refusal reads the messages of InvalidChangeBatch, which has no codes of its own: which changes they name, and why.
func Refusal(messages []string, changes []plan.Change) *plan.Refusal {
	r := &plan.Refusal{
		Reason:  plan.Invalid,
		Message: words(strings.Join(messages, ", ")),
		Named:   map[plan.Change]plan.Reason{},
	}
	for _, whole := range messages {
		for _, message := range split(whole) {
			reason := reasonOf(message)
			named := subjects(message, reason, changes)
			for _, c := range named {
				if _, already := r.Named[c]; !already {
					r.Named[c] = reason
				}
			}
			if len(named) == 0 && r.Reason == plan.Invalid && concerns(reason, changes) {
				r.Reason = reason
			}
		}
	}
	return r
}
