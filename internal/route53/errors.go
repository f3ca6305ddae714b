package route53

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/plan"
)

// classify returns the error of any call as one that a caller distinguishes. Any other is to be tried again: 5xx,
// timeouts, lost connections, and credentials that have expired or are not there yet.
func classify(err error) error {
	var class error
	answer := awserr.AnswerOf(err)
	switch answer.Class() {
	case awserr.Throttled:
		class = plan.ErrThrottled
	case awserr.ZoneBusy: // the other change may be of any host or person
		class = plan.ErrZoneBusy
	case awserr.NotFound:
		class = plan.ErrNoSuchZone
	default:
		if len(err.Error()) > maxWords {
			return brief{err}
		}
		return err
	}
	return fmt.Errorf("%w: %s: %s", class, answer.Code, words(answer.Message))
}

// classifyChange does the same for a change batch, where Route 53 may also refuse for good.
func classifyChange(err error, changes []plan.Change) error {
	answer := awserr.AnswerOf(err)
	switch answer.Class() {
	case awserr.Rejected:
		if answer.Code != "InvalidChangeBatch" {
			return &plan.Refusal{Reason: plan.Invalid, Message: answer.Code + ": " + words(answer.Message)}
		}
		messages := []string{answer.Message}
		var batch *types.InvalidChangeBatch
		// The SDK fills Messages only from the document that the API answered with of old.
		if errors.As(err, &batch) && len(batch.Messages) > 0 {
			messages = batch.Messages
		}
		return Refusal(messages, changes)
	case awserr.Full:
		return &plan.Refusal{Reason: plan.ZoneFull, Message: answer.Code + ": " + words(answer.Message)}
	case awserr.Denied:
		return &plan.Refusal{Reason: plan.Denied, Message: words(answer.Message)}
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
