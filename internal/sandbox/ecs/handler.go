// Package ecs answers what of the ECS API reads clusters, container instances, tasks and task definitions, and
// StopTask, over a account.Store, in JSON 1.1. Anything else is refused in words. It wants requests to be signed, for
// any region and with any key, but does not check the signature.
package ecs

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/history"
)

// TargetPrefix is what the header X-Amz-Target begins with.
const TargetPrefix = "AmazonEC2ContainerServiceV20141113."

// Handler serves the path /.
type Handler struct {
	store *account.Store
	gate  *gate.Gate

	mu   sync.Mutex
	page int
}

// New makes a Handler.
func New(store *account.Store, g *gate.Gate) *Handler { return &Handler{store: store, gate: g} }

// SetPage makes pages shorter than AWS's 100, whatever is asked for. 0: as AWS.
func (h *Handler) SetPage(most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.page = most
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.gate.Serve(w, r, h) }

// operation returns the decoder of an operation's request, which returns what carries it out; nil where it is not
// imitated.
func (h *Handler) operation(
	name string,
) func(body []byte) (perform func() (any, *gate.Failure), malformed *gate.Failure) {
	switch name {
	case "ListClusters":
		return decode(h.listClusters)
	case "DescribeClusters":
		return decode(h.describeClusters)
	case "ListContainerInstances":
		return decode(h.listContainerInstances)
	case "DescribeContainerInstances":
		return decode(h.describeContainerInstances)
	case "ListTasks":
		return decode(h.listTasks)
	case "DescribeTasks":
		return decode(h.describeTasks)
	case "DescribeTaskDefinition":
		return decode(h.describeTaskDefinition)
	case "StopTask":
		return decode(h.stopTask)
	}
	return nil
}

// decode reads JSON as AWS does: members that are not known are passed over.
func decode[T any](f func(T) (any, *gate.Failure)) func([]byte) (func() (any, *gate.Failure), *gate.Failure) {
	return func(body []byte) (func() (any, *gate.Failure), *gate.Failure) {
		var input T
		if err := json.Unmarshal(body, &input); err != nil {
			return nil, gate.Refuse(400, "SerializationException", "%s", err)
		}
		return func() (any, *gate.Failure) { return f(input) }, nil
	}
}

// Understand reads a request as far as its form goes.
func (h *Handler) Understand(r *http.Request, body []byte, record *history.Call) (*gate.Call, *gate.Failure) {
	key, signed := gate.AccessKey(r, "ecs")
	record.AccessKey = key
	name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), TargetPrefix)
	record.Operation = "ecs:" + name
	if json.Valid(body) {
		record.Input = body
	}
	read := h.operation(name)
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case r.Method != http.MethodPost || contentType != "application/x-amz-json-1.1":
		return nil, gate.Refuse(404, "UnknownOperationException", "")
	case read == nil:
		return nil, gate.Refuse(400, "UnknownOperationException", "The sandbox does not imitate %s", name)
	case !signed:
		return nil, gate.Refuse(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	perform, malformed := read(body)
	return &gate.Call{
		Fault:     fault.Call{Operation: record.Operation},
		Bucket:    name,
		Malformed: malformed,
		Denial:    gate.Denial(h.store.Account, record.Operation, "*"),
		Changing:  name == "StopTask",
		Perform: func(string) (gate.Answer, *gate.Failure) {
			document, f := perform()
			if f != nil {
				return gate.Answer{}, f
			}
			return gate.JSON(200, document), nil
		},
	}, nil
}

// Refuse words a failure.
func (h *Handler) Refuse(f *gate.Failure, _, _ string) gate.Answer { return gate.RefuseJSON(f) }

func invalid(format string, args ...any) *gate.Failure {
	return gate.Refuse(400, "InvalidParameterException", format, args...)
}
