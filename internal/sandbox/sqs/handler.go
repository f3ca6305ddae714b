package sqs

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/history"
)

// TargetPrefix is what the header X-Amz-Target begins with.
const TargetPrefix = "AmazonSQS."

// Handler serves the path /.
type Handler struct {
	store *Store
	gate  *gate.Gate
	url   func() string // of the API
}

// NewHandler makes a Handler. The URLs of queues are below url.
func NewHandler(store *Store, g *gate.Gate, url func() string) *Handler {
	return &Handler{store: store, gate: g, url: url}
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.gate.Serve(w, r, h) }

// operation decodes a request into what carries it out.
type operation func(ctx context.Context, body []byte) (perform func() (any, error), malformed *gate.Failure)

// decode reads JSON as AWS does: members that are not known are ignored.
func decode[T any](f func(context.Context, T) (any, error)) operation {
	return func(ctx context.Context, body []byte) (func() (any, error), *gate.Failure) {
		var input T
		if err := json.Unmarshal(body, &input); err != nil {
			return nil, gate.Refuse(400, "SerializationException", "%s", err)
		}
		return func() (any, error) { return f(ctx, input) }, nil
	}
}

// operations returns what is imitated.
func (h *Handler) operations() map[string]operation {
	return map[string]operation{
		"CreateQueue":                  decode(h.createQueue),
		"DeleteQueue":                  decode(h.deleteQueue),
		"GetQueueUrl":                  decode(h.getQueueURL),
		"ListQueues":                   decode(h.listQueues),
		"GetQueueAttributes":           decode(h.getAttributes),
		"SetQueueAttributes":           decode(h.setAttributes),
		"PurgeQueue":                   decode(h.purge),
		"SendMessage":                  decode(h.sendMessage),
		"SendMessageBatch":             decode(h.sendBatch),
		"ReceiveMessage":               decode(h.receiveMessage),
		"DeleteMessage":                decode(h.deleteMessage),
		"DeleteMessageBatch":           decode(h.deleteBatch),
		"ChangeMessageVisibility":      decode(h.changeVisibility),
		"ChangeMessageVisibilityBatch": decode(h.changeVisibilityBatch),
	}
}

// Understand reads a request as far as its form goes.
func (h *Handler) Understand(r *http.Request, body []byte, record *history.Call) (*gate.Call, *gate.Failure) {
	key, signed := gate.AccessKey(r, "sqs")
	record.AccessKey = key
	name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), TargetPrefix)
	record.Operation = "sqs:" + name
	if json.Valid(body) {
		record.Input = body
	}
	read := h.operations()[name]
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case r.Method != http.MethodPost || contentType != "application/x-amz-json-1.0":
		return nil, gate.Refuse(404, "UnknownOperationException", "")
	case read == nil:
		return nil, gate.Refuse(400, "UnknownOperationException", "The sandbox does not imitate %s", name)
	case !signed:
		return nil, gate.Refuse(403, "MissingAuthenticationTokenException", "Request is missing Authentication Token")
	}
	perform, malformed := read(r.Context(), body)
	return &gate.Call{
		Fault:     fault.Call{Operation: record.Operation},
		Bucket:    name,
		Malformed: malformed,
		Denial:    gate.Denial(h.store.Account, record.Operation, ""),
		Changing:  !strings.HasPrefix(name, "Get") && !strings.HasPrefix(name, "List"),
		Waits:     name == "ReceiveMessage",
		Perform: func(string) (gate.Answer, *gate.Failure) {
			document, err := perform()
			if err != nil {
				return gate.Answer{}, failure(err)
			}
			return respond(200, document), nil
		},
	}, nil
}

// queryCodes are the codes of old, which go beside those of the JSON protocol; most are the same.
var queryCodes = map[string]string{
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":              "QueueAlreadyExists",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
}

func failure(err error) *gate.Failure {
	if refused, ok := err.(*Error); ok {
		return gate.Refuse(400, refused.Code, "%s", refused.Message)
	}
	return gate.Refuse(500, "InternalFailure", "%s", err)
}

// Refuse words a failure.
func (h *Handler) Refuse(f *gate.Failure, _, _ string) gate.Answer {
	a := respond(f.Status, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{"com.amazonaws.sqs#" + f.Code, f.Message})
	old, ok := queryCodes[f.Code]
	if !ok {
		old = f.Code
	}
	side := "Sender"
	if f.Status >= 500 {
		side = "Receiver"
	}
	a.Header.Set("X-Amzn-Query-Error", old+";"+side)
	return a
}

func respond(status int, document any) gate.Answer {
	a := gate.JSON(status, document)
	a.Header.Set("Content-Type", "application/x-amz-json-1.0")
	return a
}
