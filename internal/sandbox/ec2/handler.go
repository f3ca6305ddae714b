// Package ec2 answers the services whose requests are forms and whose answers are XML, over an account.Store: of EC2,
// DescribeInstances, DescribeInstanceStatus, DescribeVpcAttribute, and what terminates, stops and starts instances; of
// STS, GetCallerIdentity. Anything else is refused in words. It wants requests to be signed, for any region and with
// any key, but does not check the signature.
package ec2

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/history"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

// Handler serves the path /.
type Handler struct {
	store *account.Store
	gate  *gate.Gate

	mu         sync.Mutex
	page       int
	transition time.Duration
	moving     map[*time.Timer]bool // from one state of an instance to the next
	closed     bool
}

// New makes a Handler. Close ends it.
func New(store *account.Store, g *gate.Gate) *Handler {
	return &Handler{
		store:  store,
		gate:   g,
		moving: map[*time.Timer]bool{},
	}
}

// SetTransition is how long an instance is pending, stopping or shutting-down.
func (h *Handler) SetTransition(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.transition = d
}

// Close leaves instances that are between two states where they are.
func (h *Handler) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for timer := range h.moving {
		timer.Stop()
	}
}

// SetPage makes pages shorter than AWS's 1,000, whatever is asked for. 0: as AWS.
func (h *Handler) SetPage(most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.page = most
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.gate.Serve(w, r, h) }

const (
	ec2Version = "2016-11-15"
	stsVersion = "2011-06-15"
	ec2XML     = "http://ec2.amazonaws.com/doc/" + ec2Version + "/"
	stsXML     = "https://sts.amazonaws.com/doc/" + stsVersion + "/"
)

// operation returns what carries an operation out; nil where it is not imitated.
func (h *Handler) operation(name string) func(url.Values, string) (gate.Answer, *gate.Failure) {
	switch name {
	case "ec2:DescribeInstances":
		return h.describeInstances
	case "ec2:DescribeInstanceStatus":
		return h.describeInstanceStatus
	case "ec2:DescribeVpcAttribute":
		return h.describeVPCAttribute
	case "ec2:TerminateInstances":
		return h.terminateInstances
	case "ec2:StopInstances":
		return h.stopInstances
	case "ec2:StartInstances":
		return h.startInstances
	case "sts:GetCallerIdentity":
		return h.getCallerIdentity
	}
	return nil
}

// Understand reads a request as far as its form goes.
func (h *Handler) Understand(r *http.Request, body []byte, record *history.Call) (*gate.Call, *gate.Failure) {
	form, err := url.ParseQuery(string(body))
	service := "ec2"
	if form.Get("Version") == stsVersion {
		service = "sts"
	}
	key, signed := gate.AccessKey(r, service)
	action := form.Get("Action")
	record.AccessKey, record.Operation, record.Query = key, service+":"+action, map[string]string{}
	for k := range form {
		record.Query[k] = form.Get(k)
	}
	bucket := action
	perform := h.operation(record.Operation)
	switch {
	case r.Method != http.MethodPost || err != nil:
		return nil, gate.Refuse(400, "MalformedQueryString", "The query string contains a syntax error.")
	case form.Get("Version") != ec2Version && form.Get("Version") != stsVersion:
		return nil, gate.Refuse(400, "NoSuchVersion", "The requested version (%s) of service AmazonEC2 does not exist",
			form.Get("Version"))
	case perform == nil:
		return nil, gate.Refuse(400, "InvalidAction", "The sandbox does not imitate %s", record.Operation)
	}
	if !signed {
		return nil, gate.Refuse(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
	}
	if len(listed(form, "InstanceId.")) == 0 && len(filters(form)) == 0 && form.Get("MaxResults") == "" {
		bucket = throttle.Unpaged(action)
	}
	return &gate.Call{
		Fault:  fault.Call{Operation: record.Operation},
		Bucket: bucket,
		Denial: "You are not authorized to perform this operation. " + gate.Denial(
			h.store.Account,
			record.Operation,
			"",
		),
		Changing: strings.HasSuffix(action, "Instances") && action != "DescribeInstances",
		Perform:  func(requestID string) (gate.Answer, *gate.Failure) { return perform(form, requestID) },
	}, nil
}

// Refuse words a failure.
func (h *Handler) Refuse(f *gate.Failure, operation, requestID string) gate.Answer {
	type detail struct {
		Type    string `xml:"Type,omitempty"` // STS only
		Code    string
		Message string
	}
	if strings.HasPrefix(operation, "sts:") {
		kind := "Sender"
		if f.Status >= 500 {
			kind = "Receiver"
		}
		return answer(f.Status, xml.Name{Space: stsXML, Local: "ErrorResponse"}, struct {
			Error     detail
			RequestID string `xml:"RequestId"`
		}{detail{kind, f.Code, f.Message}, requestID})
	}
	return answer(f.Status, xml.Name{Local: "Response"}, struct {
		Errors    []detail `xml:"Errors>Error"`
		RequestID string
	}{[]detail{{"", f.Code, f.Message}}, requestID})
}

func answer(status int, root xml.Name, document any) gate.Answer {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	if err := xml.NewEncoder(&b).EncodeElement(document, xml.StartElement{Name: root}); err != nil {
		status = http.StatusInternalServerError // no document has what XML cannot say
	}
	return gate.Answer{Status: status, Header: http.Header{"Content-Type": {"text/xml;charset=UTF-8"}}, Body: b.Bytes()}
}

// getCallerIdentity needs no permission.
func (h *Handler) getCallerIdentity(_ url.Values, requestID string) (gate.Answer, *gate.Failure) {
	type result struct {
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string `xml:"Account"`
	}
	return answer(200, xml.Name{Space: stsXML, Local: "GetCallerIdentityResponse"}, struct {
		Result    result `xml:"GetCallerIdentityResult"`
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{result{gate.Caller(h.store.Account), "AROASANDBOX:i-0123456789abcdef0", h.store.Account}, requestID}), nil
}

// listed returns the values of a list, such as InstanceId.1, InstanceId.2, as far as the numbers go on.
func listed(form url.Values, prefix string) []string {
	var result []string
	for n := 1; form.Has(prefix + strconv.Itoa(n)); n++ {
		result = append(result, form.Get(prefix+strconv.Itoa(n)))
	}
	return result
}
