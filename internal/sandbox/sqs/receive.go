package sqs

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Received is a message that was received.
type Received struct {
	ID, Handle, Body, MD5 string
	Attributes            map[string]string // ApproximateReceiveCount, SentTimestamp, …
}

// Receiving is how messages are received.
type Receiving struct {
	Most       int            // 1 to 10
	Visibility *time.Duration // that of the queue, unless given
	Wait       *time.Duration // that of the queue, unless given
}

// Receive takes messages out of sight. It waits for one, if it is to.
func (s *Store) Receive(ctx context.Context, name string, r Receiving) ([]Received, error) {
	var deadline time.Time
	for {
		var got []Received
		var seen <-chan struct{}
		var next time.Duration
		err := s.with(name, func(q *queue) error {
			if deadline.IsZero() {
				wait := q.wait
				if r.Wait != nil {
					wait = *r.Wait
				}
				deadline = time.Now().Add(wait)
			}
			visibility := q.visibility
			if r.Visibility != nil {
				visibility = *r.Visibility
			}
			got = s.receive(q, r.Most, visibility)
			seen, next = s.next, s.untilVisible(q)
			return nil
		})
		left := time.Until(deadline)
		if err != nil || len(got) > 0 || left <= 0 || ctx.Err() != nil {
			return got, err
		}
		wait(ctx, seen, min(left, next))
	}
}

// wait returns when a message may have become visible, or when ctx ends.
func wait(ctx context.Context, seen <-chan struct{}, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-seen:
	case <-timer.C:
	}
}

// untilVisible is how long it takes until another message of a queue becomes visible; at least a moment.
func (s *Store) untilVisible(q *queue) time.Duration {
	next, now := time.Hour, s.now()
	for _, m := range q.messages {
		if d := m.visibleAt.Sub(now); d > 0 {
			next = min(next, d)
		}
	}
	return max(next, time.Millisecond)
}

func (s *Store) receive(q *queue, most int, visibility time.Duration) (got []Received) {
	now := s.now()
	candidates := slices.Clone(q.messages)
	if !q.fifo {
		s.random.Shuffle(len(candidates), func(i, j int) {
			candidates[i], candidates[j] = candidates[j], candidates[i]
		})
	}
	blocked := map[string]bool{} // groups that have a message in flight
	for _, m := range candidates {
		if len(got) == most {
			break
		}
		switch {
		case q.fifo && blocked[m.group]:
		case now.Before(m.visibleAt):
			blocked[m.group] = true
		case q.redrive != nil && m.receives >= int(q.redrive.Most):
			s.bury(q, m)
		default:
			got = append(got, s.handOut(q, m, now.Add(visibility)))
		}
	}
	return got
}

// bury moves a message to the queue of dead letters. If that is gone, the message stays out of reach.
func (s *Store) bury(q *queue, m *message) {
	dead := s.find(q.redrive.Target)
	if dead == nil {
		return
	}
	q.remove(m)
	buried := *m
	buried.receives, buried.handle, buried.firstReceive = 0, "", time.Time{}
	buried.visibleAt = s.now()
	if dead.fifo { // which counts the retention anew (SQS developer guide, dead-letter queues)
		buried.sentAt, buried.sequence = s.now(), dead.nextSequence()
	}
	dead.messages = append(dead.messages, &buried)
	s.changed()
}

func (q *queue) remove(m *message) {
	q.messages = slices.DeleteFunc(q.messages, func(other *message) bool { return other == m })
}

func (s *Store) handOut(q *queue, m *message, until time.Time) Received {
	now := s.now()
	m.receives++
	m.delayed, m.visibleAt, m.handle = false, until, q.Name+"/"+m.id+"/"+strconv.Itoa(m.receives)
	if m.firstReceive.IsZero() {
		m.firstReceive = now
	}
	milliseconds := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	attributes := map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"ApproximateFirstReceiveTimestamp": milliseconds(m.firstReceive),
		"SentTimestamp":                    milliseconds(m.sentAt),
		"SenderId":                         m.sender,
	}
	if q.fifo {
		attributes["MessageGroupId"] = m.group
		attributes["MessageDeduplicationId"] = m.dedup
		attributes["SequenceNumber"] = m.sequence
	}
	return Received{
		ID:         m.id,
		Handle:     m.handle,
		Body:       m.body,
		MD5:        sum(m.body),
		Attributes: attributes,
	}
}

// held returns the message of a receipt handle: nil where the message is gone or was received again since.
func (s *Store) held(q *queue, handle string) (*message, error) {
	name, id, ok := cutHandle(handle)
	if !ok || name != q.Name {
		return nil, &Error{Code: "ReceiptHandleIsInvalid", Message: `The input receipt handle "` + handle +
			`" is not a valid receipt handle.`}
	}
	for _, m := range q.messages {
		if m.id == id && m.handle == handle {
			return m, nil
		}
	}
	return nil, nil
}

// cutHandle returns the queue and the message of a receipt handle.
func cutHandle(handle string) (queue, id string, ok bool) {
	parts := strings.Split(handle, "/")
	if len(parts) != 3 {
		return "", "", false
	}
	return parts[0], parts[1], true
}

// DeleteMessage deletes a message by the handle of its newest receipt. With an older one nothing happens, except that a
// FIFO queue refuses a handle whose time has run out.
func (s *Store) DeleteMessage(name, handle string) error {
	return s.with(name, func(q *queue) error {
		m, err := s.held(q, handle)
		if err != nil || m == nil {
			return err
		}
		if q.fifo && !s.now().Before(m.visibleAt) {
			return invalidValue(
				"Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
				handle,
			)
		}
		q.remove(m)
		s.changed() // its group may go on
		return nil
	})
}

// ChangeVisibility makes a message that is in flight visible again after a while.
func (s *Store) ChangeVisibility(name, handle string, after time.Duration) error {
	return s.with(name, func(q *queue) error {
		m, err := s.held(q, handle)
		switch {
		case err != nil:
			return err
		case after < 0 || after > 12*time.Hour:
			return invalidValue(
				"Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.",
				int(after/time.Second),
			)
		case m == nil:
			return invalidValue(
				"Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "+
					"available for visibility timeout change.",
				handle,
			)
		case !s.now().Before(m.visibleAt):
			return &Error{Code: "MessageNotInflight", Message: "The specified message isn't in flight."}
		}
		m.visibleAt = s.now().Add(after)
		s.changed()
		return nil
	})
}
