package doctor

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
)

// NoAnswer is the Cause of a call that was not answered within its time.
const NoAnswer = "no answer in time"

// Cause returns what an error comes down to: the answer of AWS, or what became of the connection.
func Cause(err error) string {
	var answer smithy.APIError
	var network net.Error
	var connection *net.OpError
	var request *url.Error
	switch {
	case errors.As(err, &answer):
		return answer.ErrorCode() + ": " + answer.ErrorMessage()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout(),
		// The SDK's metadata client hides the error itself.
		strings.HasSuffix(err.Error(), "net/http: timeout awaiting response headers"):
		return NoAnswer
	case errors.As(err, &connection):
		return connection.Error()
	case errors.As(err, &request):
		return request.Err.Error()
	}
	return err.Error()
}
