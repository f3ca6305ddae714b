package sqs

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// name returns the queue of a URL: its path is the account and the name.
func (h *Handler) name(queueURL string) (string, error) {
	if queueURL == "" {
		return "", &Error{Code: "MissingParameter", Message: "The request must contain the parameter QueueUrl."}
	}
	name, ok := strings.CutPrefix(queueURL, h.url()+"/"+h.store.Account+"/")
	if !ok {
		return "", errNoQueue
	}
	return name, nil
}

func (h *Handler) queueURL(name string) string { return h.url() + "/" + h.store.Account + "/" + name }

type createQueue struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string `json:"tags"`
}

type queueURL struct {
	QueueUrl string
}

func (h *Handler) createQueue(_ context.Context, in createQueue) (any, error) {
	if len(in.Tags) > 0 {
		return nil, invalidValue("The sandbox does not imitate tags of queues")
	}
	if err := h.store.Create(in.QueueName, in.Attributes); err != nil {
		return nil, err
	}
	return queueURL{h.queueURL(in.QueueName)}, nil
}

func (h *Handler) deleteQueue(_ context.Context, in queueURL) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nothing{}, h.store.Delete(name)
}

type nothing struct{}

type getQueueURL struct{ QueueName, QueueOwnerAWSAccountId string }

func (h *Handler) getQueueURL(_ context.Context, in getQueueURL) (any, error) {
	foreign := in.QueueOwnerAWSAccountId != "" && in.QueueOwnerAWSAccountId != h.store.Account
	if foreign || !slices.Contains(h.store.Names(), in.QueueName) {
		return nil, errNoQueue
	}
	return queueURL{h.queueURL(in.QueueName)}, nil
}

type listQueues struct {
	QueueNamePrefix string
	MaxResults      int
}

func (h *Handler) listQueues(_ context.Context, in listQueues) (any, error) {
	if in.MaxResults != 0 {
		return nil, invalidValue("The sandbox does not imitate pages of queues")
	}
	result := struct{ QueueUrls []string }{[]string{}}
	for _, name := range h.store.Names() {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			result.QueueUrls = append(result.QueueUrls, h.queueURL(name))
		}
	}
	return result, nil
}

type getAttributes struct {
	QueueUrl       string
	AttributeNames []string
}

func (h *Handler) getAttributes(_ context.Context, in getAttributes) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all, err := h.store.Attributes(name)
	if err != nil {
		return nil, err
	}
	wanted := map[string]string{}
	for _, attribute := range in.AttributeNames {
		value, ok := all[attribute]
		switch {
		case attribute == "All":
			wanted = maps.Clone(all)
		case ok:
			wanted[attribute] = value
		case !slices.Contains(optional, attribute):
			return nil, &Error{Code: "InvalidAttributeName", Message: "Unknown Attribute " + attribute + "."}
		}
	}
	return struct{ Attributes map[string]string }{wanted}, nil
}

// optional are the attributes that a queue may lack.
var optional = []string{"Policy", "RedrivePolicy", "RedriveAllowPolicy", "FifoQueue", "ContentBasedDeduplication",
	"DeduplicationScope", "FifoThroughputLimit", "SqsManagedSseEnabled", "KmsMasterKeyId",
	"KmsDataKeyReusePeriodSeconds"}

type setAttributes struct {
	QueueUrl   string
	Attributes map[string]string
}

func (h *Handler) setAttributes(_ context.Context, in setAttributes) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nothing{}, h.store.SetAttributes(name, in.Attributes)
}

func (h *Handler) purge(_ context.Context, in queueURL) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nothing{}, h.store.Purge(name)
}

// outgoing is a message of a request.
type outgoing struct {
	ID                      string `json:"Id"` // of an entry of a batch
	MessageBody             string
	DelaySeconds            *int
	MessageGroupID          string `json:"MessageGroupId"`
	MessageDeduplicationID  string `json:"MessageDeduplicationId"`
	MessageAttributes       map[string]json.RawMessage
	MessageSystemAttributes map[string]json.RawMessage
}

type sendMessage struct {
	QueueUrl string
	outgoing
}

type sentMessage struct {
	ID       string `json:"Id,omitempty"`
	Message  string `json:"MessageId"`
	MD5      string `json:"MD5OfMessageBody"`
	Sequence string `json:"SequenceNumber,omitempty"`
}

func (h *Handler) sendMessage(_ context.Context, in sendMessage) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return h.sendOne(name, in.outgoing)
}

func (h *Handler) sendOne(name string, o outgoing) (sentMessage, error) {
	if len(o.MessageAttributes)+len(o.MessageSystemAttributes) > 0 {
		return sentMessage{}, invalidValue("The sandbox does not imitate attributes of messages")
	}
	s, err := h.store.Send(name, Outgoing{
		Body:   o.MessageBody,
		Delay:  o.DelaySeconds,
		Group:  o.MessageGroupID,
		Dedup:  o.MessageDeduplicationID,
		Sender: "AROASANDBOX:sandbox",
	})
	return sentMessage{o.ID, s.ID, s.MD5, s.Sequence}, err
}

type receiveMessage struct {
	QueueUrl                    string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	ReceiveRequestAttemptID     string `json:"ReceiveRequestAttemptId"`
}

type receivedMessage struct {
	ID         string            `json:"MessageId"`
	Handle     string            `json:"ReceiptHandle"`
	MD5        string            `json:"MD5OfBody"`
	Body       string            `json:"Body"`
	Attributes map[string]string `json:"Attributes,omitempty"`
}

func (h *Handler) receiveMessage(ctx context.Context, in receiveMessage) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	r := Receiving{Most: 1}
	if in.ReceiveRequestAttemptID != "" {
		return nil, invalidValue("The sandbox does not imitate ReceiveRequestAttemptId")
	}
	if n := in.MaxNumberOfMessages; n != nil {
		r.Most = *n
	}
	if r.Most < 1 || r.Most > 10 {
		return nil, invalidValue(
			"Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if "+
				"provided.",
			r.Most,
		)
	}
	if r.Visibility, err = duration("VisibilityTimeout", in.VisibilityTimeout, 43200); err != nil {
		return nil, err
	}
	if r.Wait, err = duration("WaitTimeSeconds", in.WaitTimeSeconds, 20); err != nil {
		return nil, err
	}
	got, err := h.store.Receive(ctx, name, r)
	if err != nil {
		return nil, err
	}
	wanted := append(in.AttributeNames, in.MessageSystemAttributeNames...)
	result := struct {
		Messages []receivedMessage `json:"Messages,omitempty"`
	}{}
	for _, m := range got {
		if !slices.Contains(wanted, "All") {
			maps.DeleteFunc(m.Attributes, func(name, _ string) bool { return !slices.Contains(wanted, name) })
		}
		result.Messages = append(result.Messages, receivedMessage{m.ID, m.Handle, m.MD5, m.Body, m.Attributes})
	}
	return result, nil
}

// duration reads a number of seconds; nil for none.
func duration(name string, seconds *int, most int) (*time.Duration, error) {
	if seconds == nil {
		return nil, nil
	}
	if *seconds < 0 || *seconds > most {
		return nil, invalidValue("Value %d for parameter %s is invalid. Reason: Must be >= 0 and <= %d, if provided.",
			*seconds, name, most)
	}
	return new(time.Duration(*seconds) * time.Second), nil
}

type receipt struct {
	ID                string `json:"Id"` // of an entry of a batch
	QueueUrl          string
	ReceiptHandle     string
	VisibilityTimeout int
}

func (h *Handler) deleteMessage(_ context.Context, in receipt) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nothing{}, h.store.DeleteMessage(name, in.ReceiptHandle)
}

func (h *Handler) changeVisibility(_ context.Context, in receipt) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nothing{}, h.store.ChangeVisibility(name, in.ReceiptHandle, time.Duration(in.VisibilityTimeout)*time.Second)
}

// A batch succeeds as a call; each entry for itself does or fails.

type batch[T any] struct {
	QueueUrl string
	Entries  []T
}

type batchResult[T any] struct {
	Successful []T           `json:"Successful"`
	Failed     []failedEntry `json:"Failed"`
}

type failedEntry struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

type doneEntry struct {
	ID string `json:"Id"`
}

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// each does something for each entry of a batch.
func each[T, R any](
	h *Handler,
	in batch[T],
	id func(T) string,
	do func(queue string, entry T) (R, error),
) (any, error) {
	name, err := h.name(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	switch n := len(in.Entries); {
	case n == 0:
		return nil, &Error{Code: "EmptyBatchRequest", Message: "There should be at least one entry in the request."}
	case n > 10:
		return nil, &Error{Code: "TooManyEntriesInBatchRequest",
			Message: "Maximum number of entries per request are 10. You have sent more."}
	}
	for _, e := range in.Entries {
		switch {
		case !entryID.MatchString(id(e)):
			return nil, &Error{
				Code: "InvalidBatchEntryId",
				Message: "A batch entry id can only contain alphanumeric characters, " +
					"hyphens and underscores. It can be at most 80 letters long.",
			}
		case seen[id(e)]:
			return nil, &Error{Code: "BatchEntryIdsNotDistinct", Message: "Id " + id(e) + " repeated."}
		}
		seen[id(e)] = true
	}
	result := batchResult[R]{[]R{}, []failedEntry{}}
	for _, e := range in.Entries {
		done, err := do(name, e)
		if err == errNoQueue {
			return nil, err
		}
		if err != nil {
			f := failure(err)
			result.Failed = append(result.Failed, failedEntry{id(e), f.Status < 500, f.Code, f.Message})
			continue
		}
		result.Successful = append(result.Successful, done)
	}
	return result, nil
}

func (h *Handler) sendBatch(_ context.Context, in batch[outgoing]) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += len(e.MessageBody)
	}
	if total > 1<<20 {
		return nil, &Error{Code: "BatchRequestTooLong", Message: "Batch requests cannot be longer than 1048576 bytes."}
	}
	return each(h, in, func(o outgoing) string { return o.ID }, h.sendOne)
}

func (h *Handler) deleteBatch(_ context.Context, in batch[receipt]) (any, error) {
	return each(h, in, func(r receipt) string { return r.ID }, func(queue string, r receipt) (doneEntry, error) {
		return doneEntry{r.ID}, h.store.DeleteMessage(queue, r.ReceiptHandle)
	})
}

func (h *Handler) changeVisibilityBatch(_ context.Context, in batch[receipt]) (any, error) {
	return each(h, in, func(r receipt) string { return r.ID }, func(queue string, r receipt) (doneEntry, error) {
		return doneEntry{r.ID}, h.store.ChangeVisibility(queue, r.ReceiptHandle,
			time.Duration(r.VisibilityTimeout)*time.Second)
	})
}
