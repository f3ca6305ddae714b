package doctor

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/ecssd/ecssd/internal/plan"
)

// Error codes of AWS's services, of which each has words of its own for the same.
var (
	deniedCodes = []string{
		"AccessDenied",
		"AccessDeniedException",
		"NotAuthorizedException",
		"UnauthorizedOperation",
	}
	throttledCodes   = []string{"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
	credentialsCodes = []string{
		"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure",
		"SignatureDoesNotMatch", "InvalidSignatureException", "MissingAuthenticationToken", "InvalidAccessKeyId",
	}
)

// trouble is what kept a call of AWS from success.
type trouble int

const (
	other trouble = iota
	denied
	throttled
	busy        // the zone, with another change
	unauthentic // the credentials are no good
	unreachable
)

func troubleOf(err error) trouble {
	if err == nil {
		return other
	}
	var refusal *plan.Refusal
	var answer smithy.APIError
	code := ""
	if errors.As(err, &answer) {
		code = answer.ErrorCode()
	}
	switch {
	case errors.As(err, &refusal):
		if refusal.Reason == plan.Denied {
			return denied
		}
		return other
	case errors.Is(err, plan.ErrThrottled) && strings.Contains(err.Error(), "PriorRequestNotComplete"):
		return busy
	case errors.Is(err, plan.ErrThrottled), slices.Contains(throttledCodes, code):
		return throttled
	case slices.Contains(deniedCodes, code):
		return denied
	case slices.Contains(credentialsCodes, code):
		return unauthentic
	case code != "", errors.Is(err, plan.ErrNoSuchZone):
		return other
	}
	var sending net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &sending) {
		return unreachable
	}
	return other
}

// why gives the heart of an error: what AWS says, or what became of the connection.
func why(err error) string {
	var answer smithy.APIError
	var sending net.Error
	var connection *net.OpError
	var request *url.Error
	switch {
	case errors.As(err, &answer):
		return answer.ErrorCode() + ": " + answer.ErrorMessage()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &sending) && sending.Timeout(),
		// the SDK's metadata client hides the error itself
		strings.HasSuffix(err.Error(), "net/http: timeout awaiting response headers"):
		return "no answer in time"
	case errors.As(err, &connection):
		return connection.Error()
	case errors.As(err, &request):
		return request.Err.Error()
	}
	return err.Error()
}

const (
	throttleHint = "wait a minute and run this again; where it stays so, find in CloudTrail who calls so often: the limit is the whole account's"
	wayHint      = "let this host reach AWS: NAT gateway, public address or VPC endpoint; behind a proxy, HTTPS_PROXY in /etc/ecssd/ecssd.conf"
)

// optional tells of a check that takes a permission which the agent does without.
func optional(check, permission string, err error) Finding {
	f := bad(check, Skip, "not checked: %s", why(err))
	switch troubleOf(err) {
	case denied:
		return bad(check, Skip, "not checked: these credentials lack the permission %s", permission).
			hint("allow %s to the role of this host; the agent does without", permission)
	case throttled:
		f.State = Warn
		f.Detail = "not checked: AWS throttles this account (" + why(err) + ")"
		return f.hint(throttleHint)
	case unreachable:
		return f.hint(wayHint)
	case unauthentic:
		return f.hint("see credentials")
	}
	return f
}
