package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/sqs"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// TestMain makes this test binary a function where it is run under the runtime API.
func TestMain(m *testing.M) {
	api := os.Getenv("AWS_LAMBDA_RUNTIME_API")
	if api == "" {
		os.Exit(m.Run())
	}
	switch os.Getenv("INIT") {
	case "error":
		body := strings.NewReader(`{"errorType": "Runtime.NoConfig", "errorMessage": "there is no configuration"}`)
		response, err := http.Post("http://"+api+"/2018-06-01/runtime/init/error", "application/json", body)
		if err == nil {
			_ = response.Body.Close()
		}
		os.Exit(1)
	case "exit":
		os.Exit(3)
	}
	lambda.Start(handle)
}

type event struct {
	Do      string
	Records []struct {
		MessageID  string `json:"messageId"`
		Body       string
		Attributes map[string]string
	}
}

var kept [][]byte

// handle does what an event, or the messages in it, ask for.
func handle(ctx context.Context, e event) (any, error) {
	failed := []map[string]string{}
	for _, r := range e.Records {
		switch r.Body {
		case "fail":
			failed = append(failed, map[string]string{"itemIdentifier": r.MessageID})
		case "nonsense":
			failed = append(failed, map[string]string{"itemIdentifier": "nonsense"})
		case "error":
			return nil, errors.New("as asked")
		case "slow":
			time.Sleep(100 * time.Millisecond)
		}
	}
	if e.Records != nil {
		return map[string]any{"batchItemFailures": failed}, nil
	}
	deadline, _ := ctx.Deadline()
	switch e.Do {
	case "error":
		return nil, errors.New("as asked")
	case "exit":
		os.Exit(7)
	case "sleep":
		fmt.Println("it sleeps")
		time.Sleep(time.Hour)
	case "eat":
		for range 100 {
			kept = append(kept, bytes.Repeat([]byte("x"), 10<<20))
		}
	}
	identity, _ := lambdacontext.FromContext(ctx)
	return map[string]any{
		"pid":    os.Getpid(),
		"left":   time.Until(deadline) > 0,
		"own":    os.Getenv("OWN"),
		"memory": os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
		"arn":    identity.InvokedFunctionArn,
		"home":   os.Getenv("HOME"),
	}, nil
}

// record of what a function writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func begin(t *testing.T, c Config) (*Function, *output) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	o := &output{}
	c.Program, c.Log = program, o
	c.Region, c.Account = "eu-central-1", "123456789012"
	if c.Memory == 0 {
		c.Memory = 1024 // with the race detector
	}
	if c.Timeout == 0 {
		c.Timeout = patience.Limit
	}
	c.Env = append(c.Env, "GORACE=atexit_sleep_ms=0")
	f := New(c)
	t.Cleanup(func() {
		f.Close()
		assert.NotContains(t, o.String(), "DATA RACE")
	})
	return f, o
}

func invoke(t *testing.T, f *Function, event string) Result {
	t.Helper()
	r, err := f.Invoke(t.Context(), json.RawMessage(event))
	require.NoError(t, err)
	return r
}

func TestAnEnvironmentIsKept(t *testing.T) {
	f, log := begin(t, Config{Env: []string{"OWN=variable"}})
	cold := invoke(t, f, `{}`)
	require.Nil(t, cold.Error)
	var got struct {
		PID              int
		Left             bool
		Own, Memory, ARN string
		Home             string
	}
	require.NoError(t, json.Unmarshal(cold.Payload, &got))
	assert.True(t, got.Left, "the deadline is to come")
	assert.Equal(t, []string{"variable", "1024", "arn:aws:lambda:eu-central-1:123456789012:function:ecssd-sweeper", ""},
		[]string{got.Own, got.Memory, got.ARN, got.Home}, "and nothing of the sandbox's own environment")
	warm := invoke(t, f, `{}`)
	assert.JSONEq(t, string(cold.Payload), string(warm.Payload), "the same process")
	assert.Positive(t, cold.Report.Init)
	assert.Zero(t, warm.Report.Init)
	assert.Positive(t, warm.Report.Used)
	text := log.String()
	assert.Regexp(
		t,
		`(?m)^INIT_START .*\nSTART RequestId: `+cold.Report.RequestID+` Version: \$LATEST\nEND RequestId: `+
			cold.Report.RequestID+`\nREPORT RequestId: `+cold.Report.RequestID+
			`\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 1024 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t$`,
		text,
	)
	assert.Equal(t, 1, strings.Count(text, "Init Duration"))
	assert.Len(t, f.History(), 2)
}

func TestWhatIsReportedOfAnErrorATimeoutAndAnExit(t *testing.T) {
	for _, test := range []struct {
		name, event   string
		config        Config
		kind, message string
		status, log   string
		replaced      bool
	}{
		{
			name:    "error",
			event:   `{"do": "error"}`,
			kind:    "errorString",
			message: "as asked",
		},
		{
			name:     "timeout",
			event:    `{"do": "sleep"}`,
			config:   Config{Timeout: 2 * time.Second},
			kind:     "Sandbox.Timedout",
			message:  "Task timed out after 2.00 seconds",
			status:   "timeout",
			log:      " Task timed out after 2.00 seconds\n",
			replaced: true,
		},
		{
			name:     "exit",
			event:    `{"do": "exit"}`,
			kind:     "Runtime.ExitError",
			message:  "Error: Runtime exited with error: exit status 7",
			status:   "error",
			log:      "Status: error\tError Type: Runtime.ExitError\t\n",
			replaced: true,
		},
		{
			name:     "too much memory",
			event:    `{"do": "eat"}`,
			config:   Config{Memory: 256},
			kind:     "Runtime.ExitError",
			message:  "Runtime exited with error: signal: killed",
			status:   "error",
			log:      "Error Type: Runtime.ExitError",
			replaced: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, log := begin(t, test.config)
			r := invoke(t, f, test.event)
			require.NotNil(t, r.Error)
			assert.Equal(t, test.kind, r.Error.Type)
			assert.Contains(t, r.Error.Message, test.message)
			assert.Equal(t, test.status, r.Report.Status)
			assert.Contains(t, log.String(), test.log)
			again := invoke(t, f, `{}`)
			require.Nil(t, again.Error)
			assert.Equal(t, test.replaced, again.Report.Init > 0)
			assert.Equal(t, 1, f.Environments())
			if test.name == "timeout" {
				assert.Contains(t, log.String(), "it sleeps\n")
				assert.GreaterOrEqual(t, r.Report.Duration, 2*time.Second)
			}
		})
	}
}

func TestAFunctionThatCannotBeInitialised(t *testing.T) {
	for _, test := range []struct{ name, init, program, kind, message string }{
		{"it reports why", "error", "", "Runtime.NoConfig", "there is no configuration"},
		{"it exits", "exit", "", "Runtime.ExitError", "Runtime exited with error: exit status 3"},
		{"there is none", "", "/nowhere/bootstrap", "Runtime.InvalidEntrypoint", "/nowhere/bootstrap"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, _ := begin(t, Config{Env: []string{"INIT=" + test.init}})
			if test.program != "" {
				f.c.Program = test.program
			}
			r := invoke(t, f, `{}`)
			require.NotNil(t, r.Error)
			assert.Equal(t, test.kind, r.Error.Type)
			assert.Contains(t, r.Error.Message, test.message)
			assert.Equal(t, "error", r.Report.Status)
			assert.Zero(t, f.Environments())
		})
	}
}

func TestInvocationsAtATimeHaveEnvironmentsOfTheirOwn(t *testing.T) {
	f, _ := begin(t, Config{Concurrency: 2})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			r, err := f.Invoke(ctx, json.RawMessage(`{"do": "sleep"}`))
			assert.NoError(t, err)
			assert.Equal(t, "Sandbox.Interrupted", r.Error.Type)
		})
	}
	patience.Eventually(t, "two environments", func() bool { return f.Environments() == 2 })
	_, err := f.Invoke(t.Context(), json.RawMessage(`{}`))
	require.ErrorIs(t, err, ErrThrottled)
	cancel()
	all.Wait()
	_, err = f.Invoke(t.Context(), json.RawMessage(`no JSON`))
	require.ErrorContains(t, err, "InvalidRequestContentException")
	_, err = f.Invoke(t.Context(), json.RawMessage(`"`+strings.Repeat("x", maxPayload)+`"`))
	require.ErrorContains(t, err, "RequestEntityTooLargeException")
	f.Close()
	_, err = f.Invoke(t.Context(), json.RawMessage(`{}`))
	require.ErrorIs(t, err, ErrClosed)
}

func TestSchedule(t *testing.T) {
	f, _ := begin(t, Config{})
	f.Schedule(time.Second, json.RawMessage(`{"do": ""}`))
	patience.Eventually(t, "two invocations", func() bool { return len(f.History()) >= 2 })
	first := f.History()[0]
	assert.Equal(t, "schedule", first.Source)
	assert.JSONEq(t, `{"do": ""}`, string(first.Event))
	assert.Nil(t, first.Error)
}

// queues makes a queue of SQS, with a queue of dead letters after two receipts.
func queues(t *testing.T, name string, visibility string) *sqs.Store {
	t.Helper()
	s := sqs.New("123456789012", "eu-central-1", time.Now, rand.New(rand.NewPCG(1, 1)))
	attributes := map[string]string{}
	dead := "dead"
	if strings.HasSuffix(name, ".fifo") {
		attributes["FifoQueue"], attributes["ContentBasedDeduplication"], dead = "true", "true", "dead.fifo"
	}
	require.NoError(t, s.Create(dead, attributes))
	attributes["VisibilityTimeout"] = visibility
	attributes["RedrivePolicy"] = `{"deadLetterTargetArn": "` + s.ARN(dead) + `", "maxReceiveCount": 2}`
	require.NoError(t, s.Create(name, attributes))
	return s
}

func left(t *testing.T, s *sqs.Store, queue string) []string {
	t.Helper()
	all, err := s.Bodies(queue)
	require.NoError(t, err)
	return all
}

func TestAQueueInvokesTheFunction(t *testing.T) {
	for _, test := range []struct {
		name    string
		partial bool
		bodies  []string
		dead    []string // after two receipts
	}{
		{name: "all is well", bodies: []string{"a", "b"}},
		{
			name:    "one fails",
			partial: true,
			bodies:  []string{"a", "fail", "b"},
			dead:    []string{"fail"},
		},
		{name: "one fails, which is not asked for", bodies: []string{"a", "fail"}},
		{
			name:    "an error",
			partial: true,
			bodies:  []string{"error"},
			dead:    []string{"error"},
		},
		{
			name:    "a report that makes no sense",
			partial: true,
			bodies:  []string{"nonsense"},
			dead:    []string{"nonsense"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := queues(t, "jobs", "1")
			f, _ := begin(t, Config{Timeout: time.Second})
			for _, body := range test.bodies {
				_, err := s.Send("jobs", sqs.Outgoing{Body: body})
				require.NoError(t, err)
			}
			require.NoError(t, f.Map(s, Mapping{Queue: "jobs", BatchSize: 10, ReportBatchItemFailures: test.partial}))
			patience.Eventually(t, "the queue is empty", func() bool { return len(left(t, s, "jobs")) == 0 })
			f.Close()
			assert.ElementsMatch(t, test.dead, left(t, s, "dead"))
			var seen event
			require.NoError(t, json.Unmarshal(f.History()[0].Event, &seen))
			require.NotEmpty(t, seen.Records)
			assert.Equal(t, "1", seen.Records[0].Attributes["ApproximateReceiveCount"])
			assert.Equal(t, "jobs", f.History()[0].Source)
		})
	}
}

func TestAtMostSoManyBatchesAtATime(t *testing.T) {
	s := queues(t, "jobs", "60")
	f, _ := begin(t, Config{Timeout: time.Minute})
	for range 8 {
		_, err := s.Send("jobs", sqs.Outgoing{Body: "slow"})
		require.NoError(t, err)
	}
	require.NoError(t, f.Map(s, Mapping{Queue: "jobs", BatchSize: 1, MaximumConcurrency: 2}))
	patience.Eventually(t, "the queue is empty", func() bool { return len(left(t, s, "jobs")) == 0 })
	assert.Equal(t, 2, f.Environments())
}

func TestAGroupOfAFIFOQueueIsHandledByOneInvocationAtATime(t *testing.T) {
	s := queues(t, "jobs.fifo", "60")
	f, _ := begin(t, Config{Timeout: time.Minute})
	for n := range 3 {
		_, err := s.Send("jobs.fifo", sqs.Outgoing{Body: "slow", Group: "zone", Dedup: fmt.Sprint(n)})
		require.NoError(t, err)
	}
	require.NoError(t, f.Map(s, Mapping{Queue: "jobs.fifo", BatchSize: 1}))
	patience.Eventually(t, "the queue is empty", func() bool { return len(left(t, s, "jobs.fifo")) == 0 })
	assert.Equal(t, 1, f.Environments())
	assert.Len(t, f.History(), 3)
}

func TestAThrottledBatchIsTriedAgain(t *testing.T) {
	s := queues(t, "jobs", "60")
	f, _ := begin(t, Config{Timeout: time.Minute, Concurrency: 1})
	for range 4 {
		_, err := s.Send("jobs", sqs.Outgoing{Body: "slow"})
		require.NoError(t, err)
	}
	require.NoError(t, f.Map(s, Mapping{Queue: "jobs", BatchSize: 1}))
	patience.Eventually(t, "the queue is empty", func() bool { return len(left(t, s, "jobs")) == 0 })
	assert.Empty(t, left(t, s, "dead"))
	assert.Len(t, f.History(), 4)
}

func TestWhatAMappingMayNotBe(t *testing.T) {
	s := queues(t, "jobs", "30")
	f, _ := begin(t, Config{Timeout: time.Minute})
	for _, test := range []struct {
		m       Mapping
		refused string
	}{
		{Mapping{Queue: "none"}, "QueueDoesNotExist"},
		{Mapping{Queue: "jobs"}, "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"},
		{Mapping{Queue: "jobs", BatchSize: 11}, "batch size 11"},
		{Mapping{Queue: "jobs", MaximumConcurrency: 1}, "maximum concurrency 1"},
	} {
		assert.ErrorContains(t, f.Map(s, test.m), test.refused)
	}
	assert.Empty(t, f.Mappings())
}

func TestReport(t *testing.T) {
	r := Report{
		RequestID: "8476a536",
		Duration:  12340 * time.Microsecond,
		Memory:    256,
		Used:      40,
	}
	assert.Equal(t, "REPORT RequestId: 8476a536\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 256 MB\t"+
		"Max Memory Used: 40 MB\t", r.String())
	r.Init, r.Status = 100*time.Millisecond, "timeout"
	assert.Equal(t, "REPORT RequestId: 8476a536\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 256 MB\t"+
		"Max Memory Used: 40 MB\tInit Duration: 100.00 ms\tStatus: timeout\t", r.String())
}
