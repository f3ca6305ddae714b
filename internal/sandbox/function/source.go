package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/sqs"
)

// Schedule invokes the function with an event at every interval, until Close. Invocations may overlap.
func (f *Function) Schedule(every time.Duration, event json.RawMessage) {
	f.done.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f.done.Go(func() {
					if _, err := f.invoke(f.ctx, "schedule", event); err != nil && f.ctx.Err() == nil {
						f.log.printf("schedule: %v", err)
					}
				})
			case <-f.ctx.Done():
				return
			}
		}
	})
}

// Mapping is an event source mapping: a queue whose messages the function is invoked for, without a batching window.
type Mapping struct {
	Queue                   string `json:"queue"`
	BatchSize               int    `json:"batchSize"`          // 10
	MaximumConcurrency      int    `json:"maximumConcurrency"` // 0: no limit
	ReportBatchItemFailures bool   `json:"reportBatchItemFailures"`
}

// mostPollers bounds the batches of one queue that are handled at a time, where nothing else does.
const mostPollers = 1000

// Map begins to invoke the function for the messages of a queue, until Close. It refuses what Lambda refuses.
func (f *Function) Map(queues *sqs.Store, m Mapping) error {
	if m.BatchSize == 0 {
		m.BatchSize = 10
	}
	attributes, err := queues.Attributes(m.Queue)
	if err != nil {
		return fmt.Errorf("map queue %s: %w", m.Queue, err)
	}
	visibility, err := strconv.Atoi(attributes["VisibilityTimeout"])
	if err != nil {
		return fmt.Errorf("map queue %s: read its visibility timeout: %w", m.Queue, err)
	}
	switch {
	case m.BatchSize < 1 || m.BatchSize > 10:
		return fmt.Errorf(
			"map queue %s: batch size %d: it is from 1 to 10 without a batching window",
			m.Queue,
			m.BatchSize,
		)
	case m.MaximumConcurrency != 0 && (m.MaximumConcurrency < 2 || m.MaximumConcurrency > 1000):
		return fmt.Errorf("map queue %s: maximum concurrency %d: it is from 2 to 1000", m.Queue, m.MaximumConcurrency)
	case time.Duration(visibility)*time.Second < f.c.Timeout:
		return fmt.Errorf(
			"map queue %s: Queue visibility timeout: %d seconds is less than Function timeout: %.0f seconds",
			m.Queue,
			visibility,
			f.c.Timeout.Seconds(),
		)
	}
	f.mu.Lock()
	f.mappings = append(f.mappings, m)
	f.mu.Unlock()
	s := &source{
		f:          f,
		queues:     queues,
		m:          m,
		arn:        attributes["QueueArn"],
		visibility: time.Duration(visibility) * time.Second,
	}
	f.done.Go(s.poll)
	return nil
}

// Mappings returns the queues that the function is invoked for.
func (f *Function) Mappings() []Mapping {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Mapping{}, f.mappings...)
}

// source is a mapping at work.
type source struct {
	f          *Function
	queues     *sqs.Store
	m          Mapping
	arn        string
	visibility time.Duration
}

// poll takes batches out of the queue, as many at a time as are allowed to be handled.
func (s *source) poll() {
	most := mostPollers
	if s.m.MaximumConcurrency > 0 {
		most = s.m.MaximumConcurrency
	}
	slots := make(chan struct{}, most)
	wait := 20 * time.Second
	for {
		select {
		case slots <- struct{}{}:
		case <-s.f.ctx.Done():
			return
		}
		batch, err := s.queues.Receive(s.f.ctx, s.m.Queue, sqs.Receiving{Most: s.m.BatchSize, Wait: &wait})
		if err != nil {
			s.f.log.printf("receive from queue %s: %v", s.m.Queue, err)
			return // it was deleted
		}
		if len(batch) == 0 {
			<-slots
			continue
		}
		s.f.done.Go(func() {
			s.handle(batch)
			<-slots
		})
	}
}

// record is a message as the function sees it.
type record struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              string            `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes struct{}          `json:"messageAttributes"`
	MD5OfBody         string            `json:"md5OfBody"`
	EventSource       string            `json:"eventSource"`
	EventSourceARN    string            `json:"eventSourceARN"`
	Region            string            `json:"awsRegion"`
}

// handle invokes the function for a batch, and deletes what it has handled. The rest comes back when its visibility
// timeout ends.
func (s *source) handle(batch []sqs.Received) {
	var event struct{ Records []record }
	for _, m := range batch {
		event.Records = append(event.Records, record{
			MessageID:      m.ID,
			ReceiptHandle:  m.Handle,
			Body:           m.Body,
			Attributes:     m.Attributes,
			MD5OfBody:      m.MD5,
			EventSource:    "aws:sqs",
			EventSourceARN: s.arn,
			Region:         s.f.c.Region,
		})
	}
	payload, err := json.Marshal(event)
	if err != nil {
		s.f.log.printf("write the event of queue %s: %v", s.m.Queue, err)
		return
	}
	result, err := s.insist(payload)
	if err != nil {
		s.f.log.printf("invoke the function for queue %s: %v", s.m.Queue, err)
		return
	}
	failed := failures(result, batch, s.m.ReportBatchItemFailures)
	for _, m := range batch {
		if !slices.Contains(failed, m.ID) {
			_ = s.queues.DeleteMessage(s.m.Queue, m.Handle) // an error: it took too long, and the message comes again
		}
	}
}

// insist invokes the function, again while it is throttled and the messages are out of sight.
func (s *source) insist(payload json.RawMessage) (Result, error) {
	ctx, cancel := context.WithTimeout(s.f.ctx, s.visibility)
	defer cancel()
	for {
		result, err := s.f.invoke(s.f.ctx, s.m.Queue, payload)
		if !errors.Is(err, ErrThrottled) {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// failures returns the messages of a batch that were not handled: all after an error and after a report that makes no
// sense ("Reporting batch item failures", AWS Lambda developer guide).
func failures(result Result, batch []sqs.Received, partial bool) []string {
	var all []string
	for _, m := range batch {
		all = append(all, m.ID)
	}
	if result.Error != nil {
		return all
	}
	if !partial {
		return nil
	}
	var report struct {
		Failures []struct {
			ID *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(result.Payload, &report); err != nil {
		return all
	}
	var failed []string
	for _, f := range report.Failures {
		if f.ID == nil || !slices.Contains(all, *f.ID) {
			return all
		}
		failed = append(failed, *f.ID)
	}
	return failed
}
