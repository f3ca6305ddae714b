package sandbox_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	sandboxbridge "github.com/ecssd/ecssd/internal/sandbox/eventbridge"
	"github.com/ecssd/ecssd/internal/test/patience"
)

func eventBridge(s *sandbox.Server) *eventbridge.Client {
	return eventbridge.New(eventbridge.Options{
		BaseEndpoint:     aws.String(s.URL()),
		Region:           "eu-central-1",
		RetryMaxAttempts: 1,
		Credentials:      credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
	})
}

// statePattern is that of a rule for all of EC2's state changes.
const statePattern = `{"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]}`

// allowRules is the policy of a queue that takes events.
func allowRules(queueARN string) string {
	return `{"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource": "` + queueARN + `", "Condition": {"ArnEquals": {"aws:SourceArn":
		"arn:aws:events:eu-central-1:123456789012:rule/states"}}}]}`
}

// subscribed makes a queue that takes the events of a rule.
func subscribed(t *testing.T, s *sandbox.Server, pattern string) queue {
	t.Helper()
	const arn = "arn:aws:sqs:eu-central-1:123456789012:states"
	q := newQueue(t, s, "states", map[string]string{"Policy": allowRules(arn)})
	c := eventBridge(s)
	_, err := c.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("states"), EventPattern: &pattern})
	require.NoError(t, err)
	out, err := c.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("states"),
		Targets: []ebtypes.Target{{Id: aws.String("queue"), Arn: aws.String(arn)}}})
	require.NoError(t, err)
	require.Zero(t, out.FailedEntryCount)
	return q
}

// changes receives the state changes in a queue, in the order in which they were sent, as "i-… state".
func (q queue) changes() (all []string) {
	q.t.Helper()
	messages := map[string]string{}
	for {
		got := q.receive(10)
		if len(got) == 0 {
			break
		}
		for _, m := range got {
			var event struct {
				Detail struct {
					ID    string `json:"instance-id"`
					State string `json:"state"`
				} `json:"detail"`
			}
			require.NoError(q.t, json.Unmarshal([]byte(*m.Body), &event))
			messages[event.Detail.ID+" "+event.Detail.State] = *m.Body
			all = append(all, event.Detail.ID+" "+event.Detail.State)
		}
	}
	return all
}

func ids(numbers ...int) (all []string) {
	for _, n := range numbers {
		all = append(all, ec2ID(n))
	}
	return all
}

// moved returns what an answer says of each instance, as "before>after".
func moved(changes []types.InstanceStateChange) (all []string) {
	for _, c := range changes {
		all = append(all, fmt.Sprintf("%s>%s", c.PreviousState.Name, c.CurrentState.Name))
	}
	return all
}

func TestInstancesAreTerminatedStoppedAndStarted(t *testing.T) {
	clock := newClock()
	s, _, _ := start(t, sandbox.Config{Now: clock.Now})
	require.NoError(t, s.Fleet().Replace(states())) // pending running shutting-down terminated stopping stopped
	c, ctx := ec2Client(s), t.Context()
	q := subscribed(t, s, statePattern)
	clock.advance(time.Hour)

	started, err := c.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: ids(5, 1)})
	require.NoError(t, err)
	assert.Equal(t, []string{"stopped>pending", "running>running"}, moved(started.StartingInstances))
	assert.ElementsMatch(t, []string{ec2ID(5) + " pending", ec2ID(5) + " running"}, q.changes())
	assert.Equal(
		t,
		clock.Now(),
		s.Fleet().Newest().Instances[ec2ID(5)].Launched,
		"the launch time is that of the start",
	)
	assert.Equal(t, "10.0.0.6", s.Fleet().Newest().Instances[ec2ID(5)].PrivateIP)

	stopped, err := c.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids(1, 4)})
	require.NoError(t, err)
	assert.Equal(t, []string{"running>stopping", "stopping>stopping"}, moved(stopped.StoppingInstances))
	assert.ElementsMatch(t, []string{ec2ID(1) + " stopping", ec2ID(1) + " stopped"}, q.changes())

	ended, err := c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids(0, 1, 3)})
	require.NoError(t, err)
	assert.Equal(t, []string{"pending>shutting-down", "stopped>shutting-down", "terminated>terminated"},
		moved(ended.TerminatingInstances))
	assert.ElementsMatch(t, []string{ec2ID(0) + " shutting-down", ec2ID(0) + " terminated", ec2ID(1) + " shutting-down",
		ec2ID(1) + " terminated"}, q.changes())

	for name, err := range map[string]error{
		"IncorrectInstanceState": errorOf(c.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids(5, 3)})),
		"InvalidInstanceID.NotFound": errorOf(c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{
			InstanceIds: ids(5, 99)})),
		"InvalidInstanceID.Malformed": errorOf(c.StartInstances(ctx,
			&ec2.StartInstancesInput{InstanceIds: []string{"x"}})),
		"UnsupportedOperation": errorOf(c.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids(5),
			Hibernate: aws.Bool(true)})),
		"DryRunOperation": errorOf(c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids(5),
			DryRun: aws.Bool(true)})),
	} {
		code, _ := codeOf(t, err)
		assert.Equal(t, name, code)
	}
	assert.Equal(t, "running", s.Fleet().Newest().Instances[ec2ID(5)].State, "a call that is refused changes none")
	assert.Empty(t, q.changes())
}

func errorOf[T any](_ T, err error) error { return err }

func TestAnInstanceTakesTimeFromOneStateToTheNext(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{Settings: sandbox.Settings{Transition: 100 * time.Millisecond}})
	require.NoError(t, s.Fleet().Replace(states()))
	_, err := ec2Client(s).TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids(1)})
	require.NoError(t, err)
	assert.Equal(t, "shutting-down", s.Fleet().Newest().Instances[ec2ID(1)].State)
	patience.Eventually(t, "the instance is terminated", func() bool {
		return s.Fleet().Newest().Instances[ec2ID(1)].State == "terminated"
	})
}

func TestManagementMakesEventsOfStateChanges(t *testing.T) {
	clock := newClock()
	s, _, _ := start(t, sandbox.Config{Now: clock.Now})
	q := subscribed(t, s, `{"source": ["aws.ec2"], "detail": {"state": ["stopping", "terminated"]}}`)
	manage(
		t,
		s,
		"POST",
		"/fleet",
		`{"instances": [{"id": "i-00000001"}, {"id": "i-00000002", "state": "terminated"}]}`,
		200,
	)
	assert.Equal(t, []string{"i-00000002 terminated"}, q.changes(), "running does not match the rule")
	manage(t, s, "PATCH", "/fleet/instances/i-00000001", `{"state": "terminated"}`, 200)
	messages := q.receive(10)
	require.Len(t, messages, 1)
	var event map[string]any
	require.NoError(t, json.Unmarshal([]byte(*messages[0].Body), &event))
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$`, event["id"])
	delete(event, "id")
	assert.Equal(t, map[string]any{
		"version":     "0",
		"detail-type": "EC2 Instance State-change Notification",
		"source":      "aws.ec2",
		"account":     "123456789012",
		"time":        "2026-01-02T03:04:05Z",
		"region":      "eu-central-1",
		"resources":   []any{"arn:aws:ec2:eu-central-1:123456789012:instance/i-00000001"},
		"detail":      map[string]any{"instance-id": "i-00000001", "state": "terminated"},
	}, event)
	manage(t, s, "PATCH", "/fleet/instances/i-00000001", `{"privateIp": "10.0.0.9"}`, 200)
	assert.Empty(t, q.changes(), "no state changed")
}

func TestRules(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := subscribed(t, s, statePattern)
	c, ctx, name := eventBridge(s), t.Context(), aws.String("states")
	rule, err := c.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: name})
	require.NoError(t, err)
	assert.Equal(
		t,
		[]string{"arn:aws:events:eu-central-1:123456789012:rule/states", statePattern, "default", "ENABLED"},
		[]string{*rule.Arn, *rule.EventPattern, *rule.EventBusName, string(rule.State)},
	)
	targets, err := c.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: name})
	require.NoError(t, err)
	require.Len(t, targets.Targets, 1)
	assert.Equal(t, q.arn(), *targets.Targets[0].Arn)

	_, err = c.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: name})
	require.NoError(t, err)
	require.NoError(t, s.Fleet().Put(account.State{Instances: []account.Instance{{ID: ec2ID(1)}}}))
	assert.Empty(t, q.changes())
	_, err = c.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: name})
	require.NoError(t, err)
	require.NoError(t, s.Fleet().Put(account.State{Instances: []account.Instance{{ID: ec2ID(2)}}}))
	assert.Equal(t, []string{ec2ID(2) + " running"}, q.changes())

	code, _ := codeOf(t, errorOf(c.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: name})))
	assert.Equal(t, "ValidationException", code, "it has a target")
	_, err = c.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: name, Ids: []string{"queue"}})
	require.NoError(t, err)
	_, err = c.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: name})
	require.NoError(t, err)
	code, _ = codeOf(t, errorOf(c.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: name})))
	assert.Equal(t, "ResourceNotFoundException", code)
}

func TestWhatEventBridgeRefuses(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	subscribed(t, s, statePattern)
	c, ctx := eventBridge(s), t.Context()
	put := func(pattern string) error {
		return errorOf(c.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("x"), EventPattern: &pattern}))
	}
	target := func(to ebtypes.Target) error {
		to.Id = aws.String("x")
		return errorOf(
			c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("states"), Targets: []ebtypes.Target{to}}),
		)
	}
	for _, test := range []struct {
		name, code string
		err        error
	}{
		{"no JSON", "InvalidEventPatternException", put(`{`)},
		{"an empty pattern", "InvalidEventPatternException", put(`{}`)},
		{"a value that is no list", "InvalidEventPatternException", put(`{"source": "aws.ec2"}`)},
		{"an empty list", "InvalidEventPatternException", put(`{"source": []}`)},
		{"a content filter", "InvalidEventPatternException", put(`{"source": [{"prefix": "aws."}]}`)},
		{"$or", "InvalidEventPatternException", put(`{"$or": [{"source": ["a"]}]}`)},
		{"no pattern", "ValidationException", put("")},
		{"a schedule", "ValidationException", errorOf(c.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("x"),
			ScheduleExpression: aws.String("rate(5 minutes)")}))},
		{"an unknown rule", "ResourceNotFoundException", errorOf(c.ListTargetsByRule(ctx,
			&eventbridge.ListTargetsByRuleInput{Rule: aws.String("none")}))},
		{"a target that is no queue", "ValidationException", target(ebtypes.Target{
			Arn: aws.String("arn:aws:lambda:eu-central-1:123456789012:function:x")})},
		{"a FIFO queue without a group", "ValidationException", target(ebtypes.Target{
			Arn: aws.String("arn:aws:sqs:eu-central-1:123456789012:x.fifo")})},
		{"a group without a FIFO queue", "ValidationException", target(ebtypes.Target{
			Arn:           aws.String("arn:aws:sqs:eu-central-1:123456789012:x"),
			SqsParameters: &ebtypes.SqsParameters{MessageGroupId: aws.String("a")}})},
		{"a part of the event", "ValidationException", target(ebtypes.Target{
			Arn: aws.String("arn:aws:sqs:eu-central-1:123456789012:x"), InputPath: aws.String("$.detail")})},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, message := codeOf(t, test.err)
			assert.Equal(t, test.code, code, message)
		})
	}
}

func TestAQueueWithoutAPolicyGetsNoEvents(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := subscribed(t, s, statePattern)
	set := func(policy string) {
		require.NoError(t, s.Queues().SetAttributes("states", map[string]string{"Policy": policy}))
	}
	happen := func(n int) []string {
		require.NoError(t, s.Fleet().Put(account.State{Instances: []account.Instance{{ID: ec2ID(n)}}}))
		return q.changes()
	}
	set("")
	assert.Empty(t, happen(1))
	stats, err := s.Bus().Stats()
	assert.ErrorContains(t, err, "does not allow events.amazonaws.com to send")
	assert.Equal(t, sandboxbridge.Stats{Matched: 1, Failed: 1}, stats)
	set(`{"Statement": []}`)
	assert.Empty(t, happen(2))
	set(allowRules("arn:aws:sqs:eu-central-1:123456789012:other"))
	assert.Empty(t, happen(3), "of another queue")
	set(allowRules(q.arn()))
	assert.Len(t, happen(4), 1)
}

func TestEventsOfAFIFOTargetAndOfAnotherBus(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	const arn = "arn:aws:sqs:eu-central-1:123456789012:hints.fifo"
	q := newQueue(t, s, "hints.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true",
		"Policy": `{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["sqs:*"], "Resource": "*"}]}`})
	c, ctx := eventBridge(s), t.Context()
	_, err := c.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("hints"), EventBusName: aws.String("own"),
		EventPattern: aws.String(`{"source": ["ecssd"], "detail": {"port": [80, null], "ok": [true]}}`)})
	require.NoError(t, err)
	_, err = c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("hints"), EventBusName: aws.String("own"),
		Targets: []ebtypes.Target{{Id: aws.String("q"), Arn: aws.String(arn),
			SqsParameters: &ebtypes.SqsParameters{MessageGroupId: aws.String("zone")}}}})
	require.NoError(t, err)
	entry := func(bus, detail string) ebtypes.PutEventsRequestEntry {
		return ebtypes.PutEventsRequestEntry{
			Source:       aws.String("ecssd"),
			DetailType:   aws.String("x"),
			Detail:       &detail,
			EventBusName: &bus,
		}
	}
	_, err = c.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{
		entry("own", `{"port": 80, "ok": true, "n": 1}`),
		entry("own", `{"port": [1, 80], "ok": true, "n": 2}`),
		entry("own", `{"port": null, "ok": true, "n": 3}`),
		entry("own", `{"port": "80", "ok": true}`),
		entry("own", `{"ok": true}`),
		entry("own", `{"port": 80, "ok": false}`),
		entry("default", `{"port": 80, "ok": true}`),
	}})
	require.NoError(t, err)
	var numbers []int
	for _, m := range q.receive(10) {
		assert.Equal(t, "zone", m.Attributes["MessageGroupId"])
		var event struct{ Detail struct{ N int } }
		require.NoError(t, json.Unmarshal([]byte(*m.Body), &event))
		numbers = append(numbers, event.Detail.N)
	}
	assert.Equal(t, []int{1, 2, 3}, numbers)
}

func TestEventsAreLostDelayedAndDuplicated(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	q := subscribed(t, s, statePattern)
	happen := func(n int) {
		require.NoError(t, s.Fleet().Put(account.State{Instances: []account.Instance{{ID: ec2ID(n)}}}))
	}
	manage(t, s, "PATCH", "/settings", `{"delivery": {"lose": 1}}`, 200)
	happen(1)
	assert.Empty(t, q.changes())
	manage(t, s, "PATCH", "/settings", `{"delivery": {"lose": 0, "duplicate": 1}}`, 200)
	happen(2)
	assert.Equal(t, []string{ec2ID(2) + " running", ec2ID(2) + " running"}, q.changes())
	manage(t, s, "PATCH", "/settings", `{"delivery": {"duplicate": 0, "delay": "100ms", "jitter": "50ms"}}`, 200)
	begun := time.Now()
	happen(3)
	patience.Eventually(
		t,
		"the event arrives",
		func() bool { return q.attribute("ApproximateNumberOfMessages") == "1" },
	)
	assert.GreaterOrEqual(t, time.Since(begun), 100*time.Millisecond)
	assert.JSONEq(t, `{"matched": 3, "lost": 1, "duplicated": 1, "delivered": 3, "failed": 0}`,
		manage(t, s, "GET", "/deliveries", "", 200))
	assert.Contains(t, manage(t, s, "PATCH", "/settings", `{"delivery": {"lose": 2}}`, 400), "it is a probability")
}

func TestAnAvailabilityZoneFails(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	state := hosts("main", 2, 1)
	state.Instances[1].AvailabilityZone = "eu-central-1b"
	require.NoError(t, s.Fleet().Replace(state))
	one, two := state.Instances[0].ID, state.Instances[1].ID
	q := subscribed(t, s, statePattern)
	manage(t, s, "PUT", "/availability-zones/eu-central-1b", `"failing"`, 200)
	c, ctx := ec2Client(s), t.Context()
	describe := func(in ec2.DescribeInstancesInput) string {
		out, err := c.DescribeInstances(ctx, &in)
		if err != nil {
			code, _ := codeOf(t, err)
			return code
		}
		found := ""
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				found += *i.InstanceId + " " + string(i.State.Name)
			}
		}
		return found
	}
	in := func(filters ...types.Filter) ec2.DescribeInstancesInput {
		return ec2.DescribeInstancesInput{Filters: filters}
	}
	const failed = "InternalError"
	assert.Equal(t, failed, describe(ec2.DescribeInstancesInput{}), "it includes them")
	assert.Equal(t, failed, describe(ec2.DescribeInstancesInput{InstanceIds: []string{one, two}}), "it names one")
	assert.Equal(t, one+" running", describe(ec2.DescribeInstancesInput{InstanceIds: []string{one}}))
	assert.Equal(t, failed, describe(in(by("instance-id", one))), "a filter for IDs does not keep the zone out")
	assert.Equal(t, failed, describe(in(by("availability-zone", "eu-central-1b"))))
	assert.Equal(t, one+" running", describe(in(by("instance-id", one, two), by("availability-zone", "eu-central-1a"))))
	code, _ := codeOf(t, errorOf(c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{two}})))
	assert.Equal(t, failed, code)
	assert.Empty(t, q.changes(), "the instances stay running")

	agents := func() (connected []bool) {
		var arns []string
		for _, i := range state.ContainerInstances {
			arns = append(arns, i.ID)
		}
		out, err := ecsClient(s).DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{
			Cluster: aws.String("main"), ContainerInstances: arns})
		require.NoError(t, err)
		for n, i := range out.ContainerInstances {
			connected = append(connected, i.AgentConnected)
			assert.Equal(t, "ecs.availability-zone", *i.Attributes[0].Name)
			assert.Equal(t, []string{"eu-central-1a", "eu-central-1b"}[n], *i.Attributes[0].Value)
		}
		return connected
	}
	assert.Equal(t, []bool{true, false}, agents())
	manage(t, s, "PUT", "/availability-zones/eu-central-1b", `"available"`, 200)
	assert.Equal(t, []bool{true, true}, agents())
	assert.Equal(t, one+" running"+two+" running", describe(ec2.DescribeInstancesInput{}))
	assert.Contains(
		t,
		manage(t, s, "PUT", "/availability-zones/eu-central-1x", `"failing"`, 400),
		"no instance is in it",
	)
}

func TestTagsOfInstances(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	require.NoError(t, s.Fleet().Replace(account.State{Instances: []account.Instance{
		{ID: ec2ID(1), Tags: map[string]string{"ecssd": "main", "a": "b"}}, {ID: ec2ID(2)}}}))
	found, _ := described(t, ec2Client(s), &ec2.DescribeInstancesInput{Filters: []types.Filter{by("tag:ecssd", "ma*")}})
	assert.Equal(t, ids(1), found)
	out, err := ec2Client(s).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	require.NoError(t, err)
	assert.Equal(
		t,
		[]types.Tag{
			{Key: aws.String("a"), Value: aws.String("b")},
			{Key: aws.String("ecssd"), Value: aws.String("main")},
		},
		out.Reservations[0].Instances[0].Tags,
	)
	assert.Empty(t, out.Reservations[1].Instances[0].Tags)
}
