package eventbridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/eventbridge"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// site is a bus in the sandbox, and what is said of it.
type site struct {
	*sandbox.Server
	bus      *eventbridge.Bus
	registry *prometheus.Registry
	log      *logtest.Hook
	end      func() // of Run
}

func newSite(t *testing.T) *site {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	loaded, err := config.LoadDefaultConfig(
		t.Context(),
		config.WithRegion("eu-central-1"),
		config.WithBaseEndpoint(s.URL()),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("k", "s", "")),
	)
	require.NoError(t, err)
	log, hook := logtest.NewNullLogger()
	made := &site{Server: s, registry: prometheus.NewRegistry(), log: hook}
	made.bus = eventbridge.New(loaded, "operations", made.registry, logrus.NewEntry(log))
	return made
}

// run begins to send, until the function that end becomes has returned.
func (s *site) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.bus.Run(ctx)
	}()
	s.end = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.end)
}

func (s *site) counted(t *testing.T, sent, dropped int) {
	t.Helper()
	families, err := s.registry.Gather()
	require.NoError(t, err)
	found := map[string]float64{}
	for _, m := range families[0].Metric {
		found[m.Label[0].GetValue()] = m.Counter.GetValue()
	}
	assert.Equal(t, map[string]float64{"sent": float64(sent), "dropped": float64(dropped)}, found)
}

func event(n int) eventbridge.Event {
	return eventbridge.Event{
		Kind: "registered", At: time.Date(2026, 11, 23, 3, 0, n, 0, time.UTC), Detail: eventbridge.Detail{
			Name:                fmt.Sprintf("web%d.sd.internal", n),
			ZoneID:              "Z1",
			InstanceID:          "i-1",
			Target:              "ip-10-0-0-1.sd.internal",
			Port:                32768,
			Weight:              5,
			ContainerID:         "2f3c",
			ContainerName:       "ecs-web-1",
			ContainerDefinition: "web",
			TaskARN:             "arn:aws:ecs:eu-central-1:123456789012:task/a/b",
			Cluster:             "a",
		},
	}
}

func TestEventsArriveInBatches(t *testing.T) {
	s := newSite(t)
	for n := range 25 {
		s.bus.Send(event(n))
	}
	s.run(t)
	patience.Eventually(t, "all events arrive", func() bool { return len(s.Put()) == 25 })
	s.end() // which waits for the answer to the last call
	assert.Len(t, s.Calls("events:PutEvents"), 3, "ten to a call")
	s.counted(t, 25, 0)

	first := s.Put()[0]
	assert.Equal(t, "ecssd", first.Source)
	assert.Equal(t, "ecssd Endpoint Registered", first.DetailType)
	assert.Equal(t, "operations", first.EventBusName)
	assert.Equal(t, []string{"arn:aws:ecs:eu-central-1:123456789012:task/a/b"}, first.Resources)
	assert.InDelta(t, time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC).Unix(), first.Time, 0.5)
	var detail map[string]any
	require.NoError(t, json.Unmarshal([]byte(first.Detail), &detail))
	assert.Equal(t, map[string]any{
		"version":             "1",
		"name":                "web0.sd.internal",
		"zoneId":              "Z1",
		"instanceId":          "i-1",
		"target":              "ip-10-0-0-1.sd.internal",
		"port":                32768.,
		"weight":              5.,
		"containerId":         "2f3c",
		"containerName":       "ecs-web-1",
		"containerDefinition": "web",
		"taskArn":             "arn:aws:ecs:eu-central-1:123456789012:task/a/b",
		"cluster":             "a",
	}, detail)
}

func TestEachKindHasItsDetailType(t *testing.T) {
	s := newSite(t)
	for _, kind := range []string{"registered", "standby", "deregistered", "refused"} {
		e := event(0)
		e.Kind = kind
		s.bus.Send(e)
	}
	s.run(t)
	s.end()
	var types []string
	for _, e := range s.Put() {
		types = append(types, e.DetailType)
	}
	assert.Equal(t, []string{
		"ecssd Endpoint Registered", "ecssd Endpoint On Standby", "ecssd Endpoint Deregistered",
		"ecssd Endpoint Refused",
	}, types)
}

func TestWhatWaitsIsSentAtTheEnd(t *testing.T) {
	s := newSite(t)
	s.run(t)
	s.bus.Send(event(1))
	s.end()
	s.bus.Send(event(2))
	assert.Len(t, s.Put(), 1)
}

func TestEventsThatCannotBeSentAreDroppedAndCounted(t *testing.T) {
	s := newSite(t)
	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "AccessDeniedException",
		Status:    400,
		Operation: "events:PutEvents",
	}))
	s.bus.Send(event(1))
	s.bus.Send(event(2))
	s.run(t)
	patience.Eventually(t, "the failure is logged", func() bool { return len(s.log.AllEntries()) == 1 })
	s.counted(t, 0, 2)
	assert.Len(t, s.Calls("events:PutEvents"), 2, "two attempts")
	assert.Contains(t, s.log.LastEntry().Data["error"].(error).Error(), "AccessDenied")

	require.NoError(t, s.SetFaults())
	s.bus.Send(event(3))
	s.end()
	assert.Len(t, s.Put(), 1, "what comes later is sent")
}

func TestNobodyWaitsForTheBus(t *testing.T) {
	s := newSite(t) // nothing is sent: Run has not begun
	for n := range 1200 {
		s.bus.Send(event(n))
	}
	s.counted(t, 0, 200)
	assert.Len(t, s.log.AllEntries(), 1, "logged once")
}

// Several zones' writers send at the same time.
func TestEventsAreDroppedByAnyGoroutine(t *testing.T) {
	s := newSite(t)
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for n := range 500 {
				s.bus.Send(event(n))
			}
		})
	}
	senders.Wait()
	s.counted(t, 0, 1000)
	assert.Len(t, s.log.AllEntries(), 1, "logged once")
}

// The bus may take some events of a call and not the others: those alone are sent once more.
func TestRestOfACallIsSentOnceMore(t *testing.T) {
	s := newSite(t)
	bad := event(2)
	bad.Kind = "unknown" // an event without a type, which the bus does not take
	for _, e := range []eventbridge.Event{event(1), bad, event(3)} {
		s.bus.Send(e)
	}
	s.run(t)
	patience.Eventually(t, "the event is dropped", func() bool { return len(s.log.AllEntries()) == 1 })
	s.counted(t, 2, 1)
	assert.Len(t, s.Put(), 2, "each arrives once")
	assert.Len(t, s.Calls("events:PutEvents"), 2)
	assert.ErrorContains(t, s.log.LastEntry().Data["error"].(error), "InvalidArgument: Parameter")
}

// A host that stops has little time: what waits goes in few calls, none of which carries more than the bus takes.
func TestLastEventsGoInFewCalls(t *testing.T) {
	s := newSite(t)
	for n := range 100 {
		s.bus.Send(event(n))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.bus.Run(ctx)
	assert.Len(t, s.Put(), 100)
	assert.Less(t, len(s.Calls("events:PutEvents")), 40)
	s.counted(t, 100, 0)
}
