// Package sqs is SQS in memory: standard and FIFO queues, visibility, redrive to dead letters, and the API over them in
// JSON. Standard queues hand messages out in any order, as AWS may. It wants requests to be signed, for any region and
// with any key, but does not check the signature.
//
// What it does not imitate: message attributes, encryption, tags, moving dead letters back, fair queues, the limit on
// messages in flight. Such calls and parameters are refused in words.
package sqs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Error is a refusal by SQS.
type Error struct {
	Code    string // of the JSON protocol
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func invalidValue(format string, args ...any) *Error {
	return &Error{Code: "InvalidParameterValue", Message: fmt.Sprintf(format, args...)}
}

var errNoQueue = &Error{Code: "QueueDoesNotExist", Message: "The specified queue does not exist."}

// Store holds queues.
type Store struct {
	Account, Region string

	now    func() time.Time
	mu     sync.Mutex
	random *rand.Rand
	queues map[string]*queue
	next   chan struct{} // closed when a message may have become visible
}

// New makes a Store without queues.
func New(account, region string, now func() time.Time, random *rand.Rand) *Store {
	return &Store{
		Account: account,
		Region:  region,
		now:     now,
		random:  random,
		queues:  map[string]*queue{},
		next:    make(chan struct{}),
	}
}

// ARN of a queue.
func (s *Store) ARN(name string) string {
	return "arn:aws:sqs:" + s.Region + ":" + s.Account + ":" + name
}

// find returns the queue of an ARN; nil for none.
func (s *Store) find(arn string) *queue {
	for _, q := range s.queues {
		if q.ARN == arn {
			return q
		}
	}
	return nil
}

func (s *Store) exists(arn string) (fifo, ok bool) {
	q := s.find(arn)
	return q != nil && q.fifo, q != nil
}

// changed wakes those who wait for messages.
func (s *Store) changed() {
	close(s.next)
	s.next = make(chan struct{})
}

// Create makes a queue. One that is there with the same attributes is the one that is asked for.
func (s *Store) Create(name string, attributes map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if attributes == nil {
		attributes = map[string]string{}
	}
	made, err := newQueue(Queue{Name: name, ARN: s.ARN(name), Attributes: attributes}, s.exists)
	if err != nil {
		return err
	}
	if old := s.queues[name]; old != nil {
		for attribute, value := range attributes {
			if old.attribute(attribute, s.now()) != value {
				return &Error{
					Code: "QueueNameExists",
					Message: "A queue already exists with the same name and a different " +
						"value for attribute " + attribute,
				}
			}
		}
		return nil
	}
	made.created, made.modified = s.now(), s.now()
	s.queues[name] = made
	return nil
}

// Delete removes a queue with its messages.
func (s *Store) Delete(name string) error {
	return s.with(name, func(*queue) error {
		delete(s.queues, name)
		return nil
	})
}

// Names lists the queues.
func (s *Store) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.queues))
}

// with does something to a queue under the lock.
func (s *Store) with(name string, f func(*queue) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return errNoQueue
	}
	s.expire(q)
	return f(q)
}

// expire drops what a queue has held for too long.
func (s *Store) expire(q *queue) {
	now := s.now()
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return now.Sub(m.sentAt) > q.retention })
	maps.DeleteFunc(q.seen, func(_ string, d *sent) bool { return !now.Before(d.until) })
}

// SetAttributes changes a queue.
func (s *Store) SetAttributes(name string, attributes map[string]string) error {
	return s.with(name, func(q *queue) error {
		if fifo, ok := attributes["FifoQueue"]; ok && fifo != q.Attributes["FifoQueue"] {
			return &Error{Code: "InvalidAttributeName", Message: "You cannot change the type of an existing queue."}
		}
		q.modified = s.now()
		return q.set(attributes, s.exists)
	})
}

// Attributes returns all attributes of a queue.
func (s *Store) Attributes(name string) (all map[string]string, err error) {
	err = s.with(name, func(q *queue) error {
		all = maps.Clone(q.Attributes)
		for attribute := range numbers {
			all[attribute] = strconv.Itoa(q.number(attribute))
		}
		for _, attribute := range []string{"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp",
			"ApproximateNumberOfMessages",
			"ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
			all[attribute] = q.attribute(attribute, s.now())
		}
		return nil
	})
	return all, err
}

// attribute returns one attribute, or its default.
func (q *queue) attribute(name string, now time.Time) string {
	switch name {
	case "QueueArn":
		return q.ARN
	case "CreatedTimestamp":
		return strconv.FormatInt(q.created.Unix(), 10)
	case "LastModifiedTimestamp":
		return strconv.FormatInt(q.modified.Unix(), 10)
	case "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed":
		n := map[string]int{}
		for _, m := range q.messages {
			switch {
			case !now.Before(m.visibleAt):
				n["ApproximateNumberOfMessages"]++
			case m.delayed:
				n["ApproximateNumberOfMessagesDelayed"]++
			default:
				n["ApproximateNumberOfMessagesNotVisible"]++
			}
		}
		return strconv.Itoa(n[name])
	}
	if _, ok := numbers[name]; ok {
		return strconv.Itoa(q.number(name))
	}
	return q.Attributes[name]
}

// Outgoing is a message to be sent.
type Outgoing struct {
	Body   string
	Delay  *int // seconds
	Group  string
	Dedup  string
	Sender string
}

// Sent is a message that was sent.
type Sent struct {
	ID, MD5, Sequence string
}

// Send puts a message into a queue.
func (s *Store) Send(name string, o Outgoing) (result Sent, err error) {
	err = s.with(name, func(q *queue) error {
		result, err = s.send(q, o)
		return err
	})
	return result, err
}

// SendFrom puts a message into a queue as a service of AWS does, if the queue's policy allows that for its source.
func (s *Store) SendFrom(service, sourceARN, queueARN, group, body string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.find(queueARN)
	if q == nil {
		return errNoQueue
	}
	s.expire(q)
	if !q.policy.allows(service, queueARN, sourceARN, s.Account) {
		return &Error{
			Code: "AccessDeniedException",
			Message: fmt.Sprintf("Access to the resource %s is denied: the queue's policy "+
				"does not allow %s to send for %s", queueARN, service, sourceARN),
		}
	}
	_, err := s.send(q, Outgoing{Body: body, Group: group, Sender: service})
	return err
}

func (s *Store) send(q *queue, o Outgoing) (Sent, error) {
	if err := q.check(&o); err != nil {
		return Sent{}, err
	}
	now := s.now()
	m := &message{
		id:        s.uuid(),
		body:      o.Body,
		group:     o.Group,
		dedup:     o.Dedup,
		sender:    o.Sender,
		sentAt:    now,
		visibleAt: now,
	}
	delay := q.delay
	if o.Delay != nil {
		delay = time.Duration(*o.Delay) * time.Second
	}
	if delay > 0 {
		m.delayed, m.visibleAt = true, now.Add(delay)
	}
	result := Sent{ID: m.id, MD5: sum(o.Body)}
	if q.fifo {
		key := o.Dedup
		if q.groupScope {
			key += "\x00" + o.Group
		}
		if before := q.seen[key]; before != nil {
			return Sent{ID: before.id, MD5: result.MD5, Sequence: before.sequence}, nil
		}
		m.sequence = q.nextSequence()
		result.Sequence = m.sequence
		q.seen[key] = &sent{id: m.id, sequence: m.sequence, until: now.Add(dedupInterval)}
	}
	q.messages = append(q.messages, m)
	s.changed()
	return result, nil
}

// nextSequence returns the next sequence number of a FIFO queue: 20 digits.
func (q *queue) nextSequence() string {
	q.sequence++
	return fmt.Sprintf("1%019d", q.sequence)
}

// check refuses a message that a queue does not take, and fills in what the queue derives.
func (q *queue) check(o *Outgoing) error {
	switch {
	case o.Body == "":
		return &Error{Code: "MissingParameter", Message: "The request must contain the parameter MessageBody."}
	case len(o.Body) > q.largest:
		return invalidValue(
			"One or more parameters are invalid. Reason: Message must be shorter than %d bytes.",
			q.largest,
		)
	case !validText(o.Body):
		return &Error{
			Code:    "InvalidMessageContents",
			Message: "The message contains characters outside the allowed set.",
		}
	case o.Delay != nil && (*o.Delay < 0 || *o.Delay > 900):
		return invalidValue(
			"Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
			*o.Delay,
		)
	case !q.fifo:
		return standardOnly(o)
	}
	return q.checkFIFO(o)
}

// standardOnly refuses what only FIFO queues take.
func standardOnly(o *Outgoing) error {
	switch {
	case o.Dedup != "":
		return invalidValue(
			"Value %s for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter "+
				"that is not valid for this queue type.",
			o.Dedup,
		)
	case o.Group != "":
		return invalidValue("The sandbox does not imitate fair queues: MessageGroupId is for FIFO queues.")
	}
	return nil
}

// checkFIFO refuses what a FIFO queue does not take, and derives what it deduplicates by.
func (q *queue) checkFIFO(o *Outgoing) error {
	switch {
	case o.Delay != nil && *o.Delay > 0:
		return invalidValue(
			"Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not "+
				"valid for this queue type.",
			*o.Delay,
		)
	case o.Group == "":
		return &Error{Code: "MissingParameter", Message: "The request must contain the parameter MessageGroupId."}
	case o.Dedup == "" && !q.contentBased:
		return invalidValue(
			"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided " +
				"explicitly",
		)
	case o.Dedup == "":
		hash := sha256.Sum256([]byte(o.Body))
		o.Dedup = hex.EncodeToString(hash[:])
	}
	return nil
}

// validText reports whether a body has only characters of XML 1.0.
func validText(body string) bool {
	for _, r := range body {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD {
			return false
		}
	}
	return true
}

func sum(body string) string {
	hash := md5.Sum([]byte(body))
	return hex.EncodeToString(hash[:])
}

func (s *Store) uuid() string {
	a, b := s.random.Uint64(), s.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

// Purge removes all messages of a queue.
func (s *Store) Purge(name string) error {
	return s.with(name, func(q *queue) error {
		q.messages = nil
		return nil
	})
}

// Bodies returns the bodies of all messages of a queue, in sight or not, in the order in which they were sent.
func (s *Store) Bodies(name string) (all []string, err error) {
	all = []string{}
	err = s.with(name, func(q *queue) error {
		for _, m := range q.messages {
			all = append(all, m.body)
		}
		return nil
	})
	return all, err
}
