// Package eventbridge answers, in JSON 1.1, what of the EventBridge API puts events, rules and targets, and delivers
// events to queues. It keeps what was put. Every bus that a call names exists. Anything else is refused in words. It
// wants requests to be signed, for any region and with any key, but does not check the signature.
package eventbridge

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/history"
)

// TargetPrefix is what the header X-Amz-Target begins with.
const TargetPrefix = "AWSEvents."

const (
	mostEntries = 10
	// maxTotal bounds all entries of a call, in bytes ("PutEvents", EventBridge API reference; quotas).
	maxTotal = 256 << 10
	maxKept  = 10_000
)

// Entry is one event that was put.
type Entry struct {
	Source       string   `json:"Source"`
	DetailType   string   `json:"DetailType"`
	Detail       string   `json:"Detail"`
	EventBusName string   `json:"EventBusName,omitempty"`
	Resources    []string `json:"Resources,omitempty"`
	Time         float64  `json:"Time,omitempty"` // seconds since 1970
}

// Handler serves the path /.
type Handler struct {
	bus  *Bus
	gate *gate.Gate

	mu      sync.Mutex
	entries []Entry
}

// New makes a Handler.
func New(bus *Bus, g *gate.Gate) *Handler { return &Handler{bus: bus, gate: g} }

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.gate.Serve(w, r, h) }

// Entries returns what was put, oldest first.
func (h *Handler) Entries() []Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Entry(nil), h.entries...)
}

// Understand reads a request as far as its form goes.
func (h *Handler) Understand(r *http.Request, body []byte, record *history.Call) (*gate.Call, *gate.Failure) {
	key, signed := gate.AccessKey(r, "events")
	record.AccessKey = key
	name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), TargetPrefix)
	record.Operation = "events:" + name
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
		Changing:  !strings.HasPrefix(name, "Describe") && !strings.HasPrefix(name, "List"),
		Denial:    gate.Denial(h.bus.Account, record.Operation, "*"),
		Perform: func(string) (gate.Answer, *gate.Failure) {
			document, f := perform()
			if f != nil {
				return gate.Answer{}, f
			}
			return gate.JSON(200, document), nil
		},
	}, nil
}

// operation returns the decoder of an operation's request, which returns what carries it out; nil where it is not
// imitated.
func (h *Handler) operation(name string) func([]byte) (func() (any, *gate.Failure), *gate.Failure) {
	switch name {
	case "PutEvents":
		return decode(h.putEvents)
	case "PutRule":
		return decode(h.bus.putRule)
	case "DescribeRule":
		return decode(h.bus.describeRule)
	case "DeleteRule":
		return decode(h.bus.deleteRule)
	case "EnableRule":
		return decode(h.bus.enable(enabled))
	case "DisableRule":
		return decode(h.bus.enable(disabled))
	case "ListRules":
		return decode(h.bus.listRules)
	case "PutTargets":
		return decode(h.bus.putTargets)
	case "RemoveTargets":
		return decode(h.bus.removeTargets)
	case "ListTargetsByRule":
		return decode(h.bus.listTargets)
	}
	return nil
}

// decode reads JSON as AWS does: members that are not known are ignored.
func decode[T any](f func(T) (any, *gate.Failure)) func([]byte) (func() (any, *gate.Failure), *gate.Failure) {
	return func(body []byte) (func() (any, *gate.Failure), *gate.Failure) {
		var input T
		if err := json.Unmarshal(body, &input); err != nil {
			return nil, gate.Refuse(400, "SerializationException", "%s", err)
		}
		return func() (any, *gate.Failure) { return f(input) }, nil
	}
}

type putEvents struct{ Entries []Entry }

func (h *Handler) putEvents(in putEvents) (any, *gate.Failure) {
	if n := len(in.Entries); n == 0 || n > mostEntries {
		return nil, gate.Refuse(
			400,
			"ValidationException",
			"1 validation error detected: Value at 'entries' failed to satisfy "+
				"constraint: Member must have length less than or equal to %d",
			mostEntries,
		)
	}
	if total(in.Entries) > maxTotal {
		return nil, gate.Refuse(
			400,
			"ValidationException",
			"Total size of the entries in the request is over the limit.",
		)
	}
	return h.put(in.Entries), nil
}

func total(entries []Entry) (size int) {
	for _, e := range entries {
		size += len(e.Source) + len(e.DetailType) + len(e.Detail) + 14
	}
	return size
}

type result struct {
	FailedEntryCount int
	Entries          []resultEntry
}

type resultEntry struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// put takes each entry, or returns what is wrong with it: the call itself succeeds.
func (h *Handler) put(entries []Entry) result {
	h.mu.Lock()
	defer h.mu.Unlock()
	var r result
	for _, e := range entries {
		var detail map[string]any
		code, message := "", ""
		switch {
		case e.Source == "" || e.DetailType == "" || e.Detail == "":
			code, message = "InvalidArgument", "Parameter Source, DetailType or Detail is not valid. Reason: it is "+
				"required."
		case strings.HasPrefix(strings.ToLower(e.Source), "aws."):
			code, message = "NotAuthorizedForSourceException", "Not authorized for the source."
		case json.Unmarshal([]byte(e.Detail), &detail) != nil:
			code, message = "MalformedDetail", "Detail is malformed."
		}
		if code != "" {
			r.FailedEntryCount++
			r.Entries = append(r.Entries, resultEntry{ErrorCode: code, ErrorMessage: message})
			continue
		}
		h.entries = append(h.entries, e)
		at := h.bus.now()
		if e.Time != 0 {
			at = time.UnixMilli(int64(e.Time * 1000))
		}
		r.Entries = append(r.Entries, resultEntry{EventID: h.bus.Publish(busName(e.EventBusName), Event{
			DetailType: e.DetailType,
			Source:     e.Source,
			Resources:  e.Resources,
			Detail:     json.RawMessage(e.Detail),
		}, at)})
	}
	h.entries = h.entries[max(0, len(h.entries)-maxKept):]
	return r
}

// Refuse words a failure.
func (h *Handler) Refuse(f *gate.Failure, _, _ string) gate.Answer { return gate.RefuseJSON(f) }
