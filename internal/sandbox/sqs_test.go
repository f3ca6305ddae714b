package sandbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func sqsClient(s *sandbox.Server) *sqs.Client {
	return sqs.New(sqs.Options{
		BaseEndpoint:     aws.String(s.URL()),
		Region:           "eu-central-1",
		RetryMaxAttempts: 1,
		Credentials:      credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
	})
}

// queue is a queue that a test uses through the SDK.
type queue struct {
	t *testing.T
	*sqs.Client
	url string
}

func newQueue(t *testing.T, s *sandbox.Server, name string, attributes map[string]string) queue {
	t.Helper()
	c := sqsClient(s)
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return queue{t, c, *out.QueueUrl}
}

func (q queue) arn() string {
	q.t.Helper()
	return q.attribute(types.QueueAttributeNameQueueArn)
}

func (q queue) attribute(name types.QueueAttributeName) string {
	q.t.Helper()
	out, err := q.GetQueueAttributes(q.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{name}})
	require.NoError(q.t, err)
	return out.Attributes[string(name)]
}

func (q queue) send(bodies ...string) {
	q.t.Helper()
	for _, body := range bodies {
		_, err := q.SendMessage(q.t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body})
		require.NoError(q.t, err)
	}
}

// sendTo sends to a group of a FIFO queue.
func (q queue) sendTo(group string, bodies ...string) {
	q.t.Helper()
	for _, body := range bodies {
		_, err := q.SendMessage(q.t.Context(), &sqs.SendMessageInput{
			QueueUrl: &q.url, MessageBody: &body, MessageGroupId: &group})
		require.NoError(q.t, err)
	}
}

func (q queue) receive(most int32) []types.Message {
	q.t.Helper()
	out, err := q.ReceiveMessage(q.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl:                    &q.url,
		MaxNumberOfMessages:         most,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	require.NoError(q.t, err)
	return out.Messages
}

func (q queue) delete(m types.Message) error {
	q.t.Helper()
	_, err := q.DeleteMessage(q.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle})
	return err
}

// bodies returns the bodies of messages, in their order.
func bodies(messages []types.Message) (all []string) {
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	return all
}

func TestAMessageIsOutOfSightUntilItsTimeIsUp(t *testing.T) {
	c := newClock()
	s, _, _ := start(t, sandbox.Config{Now: c.Now})
	q := newQueue(t, s, "jobs", map[string]string{"VisibilityTimeout": "10"})
	q.send("work")
	first := q.receive(10)
	require.Equal(t, []string{"work"}, bodies(first))
	assert.Equal(t, "1", first[0].Attributes["ApproximateReceiveCount"])
	assert.Equal(t, fmt.Sprint(c.Now().UnixMilli()), first[0].Attributes["SentTimestamp"])
	assert.Equal(t, []string{"0", "1"}, []string{q.attribute("ApproximateNumberOfMessages"),
		q.attribute("ApproximateNumberOfMessagesNotVisible")})
	c.advance(9 * time.Second)
	assert.Empty(t, q.receive(10), "it is in flight")
	c.advance(time.Second)
	second := q.receive(10)
	require.Len(t, second, 1)
	assert.Equal(t, "2", second[0].Attributes["ApproximateReceiveCount"])
	assert.NotEqual(t, *first[0].ReceiptHandle, *second[0].ReceiptHandle)

	require.NoError(t, q.delete(first[0]), "an old handle is no error")
	assert.Equal(t, "1", q.attribute("ApproximateNumberOfMessagesNotVisible"), "and deletes nothing")
	require.NoError(t, q.delete(second[0]))
	c.advance(time.Minute)
	assert.Empty(t, q.receive(10))

	q.send("again")
	m := q.receive(1)[0]
	_, err := q.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0})
	require.NoError(t, err)
	assert.Equal(t, []string{"again"}, bodies(q.receive(1)))
}

func TestWhatIsReceivedTooOftenBecomesADeadLetter(t *testing.T) {
	for _, kind := range []string{"", ".fifo"} {
		t.Run("queue"+kind, func(t *testing.T) {
			c := newClock()
			s, _, _ := start(t, sandbox.Config{Now: c.Now})
			attributes := map[string]string{"VisibilityTimeout": "10"}
			if kind != "" {
				attributes["FifoQueue"], attributes["ContentBasedDeduplication"] = "true", "true"
			}
			dead := newQueue(t, s, "dead"+kind, attributes)
			attributes["RedrivePolicy"] = `{"deadLetterTargetArn": "` + dead.arn() + `", "maxReceiveCount": "2"}`
			q := newQueue(t, s, "jobs"+kind, attributes)
			if kind == "" {
				q.send("poison")
			} else {
				q.sendTo("a", "poison", "next")
			}
			var last types.Message
			for range 2 {
				last = q.receive(1)[0]
				c.advance(10 * time.Second)
			}
			if kind == "" {
				assert.Empty(t, q.receive(1))
			} else {
				assert.Equal(t, []string{"next"}, bodies(q.receive(1)), "its group goes on")
			}
			letters := dead.receive(1)
			require.Equal(t, []string{"poison"}, bodies(letters))
			assert.Equal(t, *last.MessageId, *letters[0].MessageId)
			assert.Equal(t, "1", letters[0].Attributes["ApproximateReceiveCount"])
		})
	}
}

func TestAGroupOfAFIFOQueueIsHandledInOrder(t *testing.T) {
	c := newClock()
	s, _, _ := start(t, sandbox.Config{Now: c.Now})
	q := newQueue(t, s, "jobs.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	q.sendTo("a", "a1", "a2", "a3")
	q.sendTo("b", "b1")
	first := q.receive(2)
	assert.Equal(t, []string{"a1", "a2"}, bodies(first))
	assert.Equal(t, []string{"b1"}, bodies(q.receive(10)), "a3 waits for a1 and a2")
	require.NoError(t, q.delete(first[0]))
	assert.Empty(t, q.receive(10), "a3 waits for a2")
	require.NoError(t, q.delete(first[1]))
	third := q.receive(10)
	assert.Equal(t, []string{"a3"}, bodies(third))
	assert.Equal(t, "a", third[0].Attributes["MessageGroupId"])
	assert.Greater(t, third[0].Attributes["SequenceNumber"], first[1].Attributes["SequenceNumber"])

	c.advance(30 * time.Second)
	code, _ := codeOf(t, q.delete(third[0]))
	assert.Equal(t, "InvalidParameterValue", code, "a FIFO queue refuses a handle whose time has run out")
	assert.Equal(t, []string{"a3", "b1"}, bodies(q.receive(10)))
}

func TestAFIFOQueueDropsWhatItWasSentWithinFiveMinutes(t *testing.T) {
	c := newClock()
	s, _, _ := start(t, sandbox.Config{Now: c.Now})
	q := newQueue(t, s, "jobs.fifo", map[string]string{"FifoQueue": "true"})
	send := func(body, dedup string) *sqs.SendMessageOutput {
		out, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl:               &q.url,
			MessageBody:            &body,
			MessageGroupId:         aws.String("a"),
			MessageDeduplicationId: &dedup,
		})
		require.NoError(t, err)
		return out
	}
	one := send("one", "x")
	require.NoError(t, q.delete(q.receive(1)[0]))
	again := send("another", "x")
	assert.Equal(t, *one.MessageId, *again.MessageId)
	assert.Equal(t, *one.SequenceNumber, *again.SequenceNumber)
	assert.Empty(t, q.receive(1), "also after the first was deleted")
	c.advance(5 * time.Minute)
	send("third", "x")
	assert.Equal(t, []string{"third"}, bodies(q.receive(1)))
}

func TestLongPollingWaitsForAMessage(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := newQueue(t, s, "jobs", nil)
	got := make(chan []types.Message, 1)
	go func() {
		out, err := q.ReceiveMessage(context.WithoutCancel(t.Context()), &sqs.ReceiveMessageInput{
			QueueUrl: &q.url, WaitTimeSeconds: 20})
		if assert.NoError(t, err) {
			got <- out.Messages
		} else {
			close(got)
		}
	}()
	q.send("late")
	assert.Equal(t, []string{"late"}, bodies(<-got))

	begun := time.Now()
	out, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.url, WaitTimeSeconds: 1})
	require.NoError(t, err)
	assert.Empty(t, out.Messages)
	assert.GreaterOrEqual(t, time.Since(begun), time.Second)
	assert.NotEmpty(t, s.Calls("sqs:SendMessage"), "a call that waits keeps nobody from the history")
}

func TestAMessageThatBecomesVisibleEndsALongPoll(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := newQueue(t, s, "jobs", map[string]string{"VisibilityTimeout": "1"})
	q.send("work")
	require.Len(t, q.receive(1), 1)
	out, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.url, WaitTimeSeconds: 20})
	require.NoError(t, err)
	assert.Equal(t, []string{"work"}, bodies(out.Messages))
}

func TestBatches(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := newQueue(t, s, "jobs.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	entry := func(id, body, group string) types.SendMessageBatchRequestEntry {
		e := types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
		if group != "" {
			e.MessageGroupId = &group
		}
		return e
	}
	sent, err := q.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &q.url,
		Entries: []types.SendMessageBatchRequestEntry{
			entry("x", "one", "a"),
			entry("y", "two", ""),
			entry("z", "three", "b"),
		}})
	require.NoError(t, err, "a call succeeds whose entries fail")
	require.Len(t, sent.Successful, 2)
	require.Len(t, sent.Failed, 1)
	assert.Equal(t, []string{"y", "MissingParameter"}, []string{*sent.Failed[0].Id, *sent.Failed[0].Code})
	messages := q.receive(10)
	require.Equal(t, []string{"one", "three"}, bodies(messages))
	deleted, err := q.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &q.url,
		Entries: []types.DeleteMessageBatchRequestEntry{
			{
				Id:            aws.String("x"),
				ReceiptHandle: messages[0].ReceiptHandle,
			}, {Id: aws.String("y"), ReceiptHandle: aws.String("?")}}})
	require.NoError(t, err)
	assert.Len(t, deleted.Successful, 1)
	require.Len(t, deleted.Failed, 1)
	assert.Equal(t, "ReceiptHandleIsInvalid", *deleted.Failed[0].Code)
	changed, err := q.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url,
		Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("x"), ReceiptHandle: messages[1].ReceiptHandle},
		}})
	require.NoError(t, err)
	assert.Len(t, changed.Successful, 1)
	assert.Equal(t, []string{"three"}, bodies(q.receive(10)))
}

func TestStandardQueuesHandMessagesOutInAnyOrder(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := newQueue(t, s, "jobs", nil)
	var sent []string
	for n := range 10 {
		sent = append(sent, fmt.Sprint(n))
	}
	q.send(sent...)
	got := bodies(q.receive(10))
	assert.NotEqual(t, sent, got, "with this seed")
	slices.Sort(got)
	assert.Equal(t, sent, got)
}

func TestWhatSQSRefuses(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := newQueue(t, s, "jobs", nil)
	f := newQueue(t, s, "jobs.fifo", map[string]string{"FifoQueue": "true"})
	ctx, unknown := t.Context(), aws.String(s.URL()+"/123456789012/none")
	create := func(name string, attributes map[string]string) error {
		_, err := q.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		return err
	}
	send := func(in sqs.SendMessageInput) error { _, err := q.SendMessage(ctx, &in); return err }
	receive := func(in sqs.ReceiveMessageInput) error { _, err := q.ReceiveMessage(ctx, &in); return err }
	batch := func(ids ...string) error {
		in := sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: []types.DeleteMessageBatchRequestEntry{}}
		for _, id := range ids {
			in.Entries = append(
				in.Entries,
				types.DeleteMessageBatchRequestEntry{Id: aws.String(id), ReceiptHandle: aws.String("h")},
			)
		}
		_, err := q.DeleteMessageBatch(ctx, &in)
		return err
	}
	for _, test := range []struct {
		name, code string
		err        error
	}{
		{"an unknown queue", "NonExistentQueue", receive(sqs.ReceiveMessageInput{QueueUrl: unknown})},
		{"another value of an attribute", "QueueAlreadyExists",
			create("jobs", map[string]string{"VisibilityTimeout": "31"})},
		{"a bad name", "InvalidParameterValue", create("a b", nil)},
		{"a FIFO queue without .fifo", "InvalidParameterValue", create("x", map[string]string{"FifoQueue": "true"})},
		{".fifo without a FIFO queue", "InvalidParameterValue", create("x.fifo", nil)},
		{"an unknown attribute", "InvalidAttributeName", create("x", map[string]string{"Colour": "red"})},
		{"a visibility timeout of a day", "InvalidAttributeValue",
			create("x", map[string]string{"VisibilityTimeout": "86400"})},
		{"deduplication in a standard queue", "InvalidAttributeName",
			create("x", map[string]string{"ContentBasedDeduplication": "true"})},
		{"dead letters nowhere", "InvalidParameterValue", create("x", map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:none", "maxReceiveCount": 1}`})},
		{"dead letters of another type", "InvalidParameterValue", create("x", map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn": "` + f.arn() + `", "maxReceiveCount": 1}`})},
		{"dead letters after no receipt", "InvalidParameterValue", create("x", map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn": "` + q.arn() + `", "maxReceiveCount": 0}`})},
		{"no body", "MissingParameter", send(sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String("")})},
		{"a long body", "InvalidParameterValue", send(sqs.SendMessageInput{QueueUrl: &q.url,
			MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})},
		{"a control character", "InvalidMessageContents",
			send(sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String("\x01")})},
		{"a group in a standard queue", "InvalidParameterValue", send(sqs.SendMessageInput{QueueUrl: &q.url,
			MessageBody: aws.String("x"), MessageGroupId: aws.String("a")})},
		{"no group", "MissingParameter", send(sqs.SendMessageInput{QueueUrl: &f.url, MessageBody: aws.String("x")})},
		{"no deduplication ID", "InvalidParameterValue", send(sqs.SendMessageInput{QueueUrl: &f.url,
			MessageBody: aws.String("x"), MessageGroupId: aws.String("a")})},
		{"a delay in a FIFO queue", "InvalidParameterValue", send(sqs.SendMessageInput{
			QueueUrl:               &f.url,
			DelaySeconds:           1,
			MessageBody:            aws.String("x"),
			MessageGroupId:         aws.String("a"),
			MessageDeduplicationId: aws.String("x"),
		})},
		{"attributes of a message", "InvalidParameterValue",
			send(sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String("x"),
				MessageAttributes: map[string]types.MessageAttributeValue{
					"a": {DataType: aws.String("String"), StringValue: aws.String("b")}}})},
		{"eleven messages", "InvalidParameterValue",
			receive(sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 11})},
		{"a wait of 21 seconds", "InvalidParameterValue",
			receive(sqs.ReceiveMessageInput{QueueUrl: &q.url, WaitTimeSeconds: 21})},
		{"an empty batch", "EmptyBatchRequest", batch()},
		{"eleven entries", "TooManyEntriesInBatchRequest",
			batch("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")},
		{"an ID twice", "BatchEntryIdsNotDistinct", batch("a", "a")},
		{"a bad ID", "InvalidBatchEntryId", batch("a b")},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, message := codeOf(t, test.err)
			assert.Equal(t, test.code, strings.TrimPrefix(code, "AWS.SimpleQueueService."), message)
		})
	}
}

func TestQueues(t *testing.T) {
	c := newClock()
	s, _, _ := start(t, sandbox.Config{Now: c.Now})
	q := newQueue(t, s, "jobs", map[string]string{"DelaySeconds": "5", "MessageRetentionPeriod": "60"})
	same := newQueue(t, s, "jobs", map[string]string{"DelaySeconds": "5"})
	assert.Equal(t, q.url, same.url)
	found, err := q.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	require.NoError(t, err)
	assert.Equal(t, q.url, *found.QueueUrl)
	assert.Equal(t, "arn:aws:sqs:eu-central-1:123456789012:jobs", q.arn())
	listed, err := q.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("jo")})
	require.NoError(t, err)
	assert.Equal(t, []string{q.url}, listed.QueueUrls)

	q.send("late")
	assert.Equal(t, "1", q.attribute("ApproximateNumberOfMessagesDelayed"))
	assert.Empty(t, q.receive(1))
	c.advance(5 * time.Second)
	assert.Equal(t, []string{"late"}, bodies(q.receive(1)))
	c.advance(time.Minute)
	assert.Empty(t, q.receive(1), "the retention period is over")

	q.send("x")
	_, err = q.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &q.url})
	require.NoError(t, err)
	assert.Equal(t, "0", q.attribute("ApproximateNumberOfMessagesDelayed"))
	_, err = q.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: &q.url, Attributes: map[string]string{"DelaySeconds": "0"}})
	require.NoError(t, err)
	q.send("at once")
	assert.Equal(t, []string{"at once"}, bodies(q.receive(1)))
	_, err = q.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &q.url})
	require.NoError(t, err)
	_, err = q.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	var gone *types.QueueDoesNotExist
	assert.ErrorAs(t, err, &gone)
}
