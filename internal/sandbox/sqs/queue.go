package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Queue is what CreateQueue makes.
type Queue struct {
	Name       string
	ARN        string
	Attributes map[string]string // as they were set; the others have their defaults
}

// queue is a Queue with its messages.
type queue struct {
	Queue
	created, modified time.Time

	visibility, delay, wait, retention time.Duration
	largest                            int
	fifo, contentBased, groupScope     bool
	redrive                            *redrive
	policy                             *policy

	messages []*message       // in the order in which they were sent
	seen     map[string]*sent // what was sent to a FIFO queue of late, by deduplication ID
	sequence uint64
}

type redrive struct {
	Target string `json:"deadLetterTargetArn"`
	Most   count  `json:"maxReceiveCount"`
}

// count is a number, which may be written as a string.
type count int

func (c *count) UnmarshalJSON(text []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(text), `"`))
	*c = count(n)
	return err
}

// message is in a queue.
type message struct {
	id, body     string
	group, dedup string
	sequence     string // of FIFO queues
	sender       string
	sentAt       time.Time
	visibleAt    time.Time
	delayed      bool // has not been visible yet
	receives     int
	firstReceive time.Time
	handle       string // of the newest receipt; empty before the first
}

// sent is what a deduplication ID stands for, for five minutes.
type sent struct {
	id, sequence string
	until        time.Time
}

// dedupInterval is how long a FIFO queue drops what it has been sent already (SQS developer guide,
// using-messagededuplicationid-property).
const dedupInterval = 5 * time.Minute

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$|^[A-Za-z0-9_-]{1,75}\.fifo$`)

// numbers is the bounds of the attributes that are numbers, and their defaults (SetQueueAttributes, SQS API reference).
// MaximumMessageSize is in bytes.
var numbers = map[string]struct{ least, most, standard int }{
	"DelaySeconds":                  {0, 900, 0},
	"MaximumMessageSize":            {1024, 1 << 20, 1 << 20},
	"MessageRetentionPeriod":        {60, 1209600, 345600},
	"ReceiveMessageWaitTimeSeconds": {0, 20, 0},
	"VisibilityTimeout":             {0, 43200, 30},
}

// newQueue returns a queue, or what is wrong with it. exists reports whether a queue with an ARN is there, and whether
// it is a FIFO queue.
func newQueue(q Queue, exists func(arn string) (fifo, ok bool)) (*queue, error) {
	made := &queue{Queue: q, fifo: strings.HasSuffix(q.Name, ".fifo"), seen: map[string]*sent{}}
	if !queueName.MatchString(q.Name) {
		return nil, invalidValue("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if fifo := q.Attributes["FifoQueue"] == "true"; fifo != made.fifo {
		return nil, invalidValue("The name of a FIFO queue can only include alphanumeric characters, hyphens, or " +
			"underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	return made, made.set(q.Attributes, exists)
}

// set takes attributes over, all or none.
func (q *queue) set(attributes map[string]string, exists func(arn string) (fifo, ok bool)) error {
	next := *q
	next.Attributes = maps.Clone(q.Attributes)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := next.setOne(name, attributes[name], exists); err != nil {
			return err
		}
		next.Attributes[name] = attributes[name]
	}
	for name, into := range map[string]*time.Duration{
		"DelaySeconds":                  &next.delay,
		"MessageRetentionPeriod":        &next.retention,
		"ReceiveMessageWaitTimeSeconds": &next.wait,
		"VisibilityTimeout":             &next.visibility,
	} {
		*into = time.Duration(next.number(name)) * time.Second
	}
	next.largest = next.number("MaximumMessageSize")
	*q = next
	return nil
}

// number returns an attribute that has been checked, or its default.
func (q *queue) number(name string) int {
	n, err := strconv.Atoi(q.Attributes[name])
	if err != nil {
		return numbers[name].standard
	}
	return n
}

func (q *queue) setOne(name, value string, exists func(arn string) (fifo, ok bool)) error {
	invalid := &Error{
		Code:    "InvalidAttributeValue",
		Message: fmt.Sprintf("Invalid value for the parameter %s.", name),
	}
	onlyFIFO := &Error{Code: "InvalidAttributeName", Message: fmt.Sprintf("Unknown Attribute %s.", name)}
	if bounds, ok := numbers[name]; ok {
		n, err := strconv.Atoi(value)
		if err != nil || n < bounds.least || n > bounds.most {
			return invalid
		}
		return nil
	}
	switch name {
	case "FifoQueue", "ContentBasedDeduplication":
		if !q.fifo {
			return onlyFIFO
		}
		if name == "FifoQueue" {
			return nil // the name of the queue decides
		}
		if !slices.Contains([]string{"true", "false"}, value) {
			return invalid
		}
		q.contentBased = value == "true"
	case "DeduplicationScope", "FifoThroughputLimit":
		if !q.fifo {
			return onlyFIFO
		}
		q.groupScope = q.groupScope || value == "messageGroup"
	case "RedrivePolicy":
		return q.setRedrive(value, exists)
	case "Policy":
		return q.setPolicy(value)
	case "SqsManagedSseEnabled", "RedriveAllowPolicy":
	default:
		return &Error{Code: "InvalidAttributeName", Message: fmt.Sprintf("Unknown Attribute %s.", name)}
	}
	return nil
}

func (q *queue) setRedrive(value string, exists func(arn string) (fifo, ok bool)) error {
	q.redrive = nil
	if value == "" {
		return nil
	}
	invalid := func(reason string) error {
		return &Error{Code: "InvalidParameterValue", Message: fmt.Sprintf(
			"Value %s for parameter RedrivePolicy is invalid. Reason: %s", value, reason)}
	}
	var r redrive
	if err := json.Unmarshal([]byte(value), &r); err != nil {
		return invalid("Redrive policy is not a valid JSON map.")
	}
	if r.Most < 1 || r.Most > 1000 {
		return invalid("Invalid value for maxReceiveCount: " + strconv.Itoa(int(r.Most)) +
			", valid values are from 1 to 1000 both inclusive.")
	}
	fifo, ok := exists(r.Target)
	switch {
	case !ok:
		return invalid("Dead letter target does not exist.")
	case fifo != q.fifo:
		return invalid("Dead-letter queue must be same type of queue as the source.")
	}
	q.redrive = &r
	return nil
}

func (q *queue) setPolicy(value string) error {
	q.policy = nil
	if value == "" {
		return nil
	}
	var p policy
	if err := json.Unmarshal([]byte(value), &p); err != nil {
		return &Error{Code: "InvalidAttributeValue", Message: "Invalid value for the parameter Policy."}
	}
	q.policy = &p
	return nil
}
