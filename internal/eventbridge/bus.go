// Package eventbridge sends what becomes of this host's endpoints to an EventBridge bus. It never delays DNS: events
// wait in a queue of bounded length, and what cannot be sent is dropped and counted.
package eventbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/backoff"
)

const (
	// source of all events. Those that begin with "aws." are AWS's own.
	source = "ecssd"
	// mostEntries is how many events a call may carry ("PutEvents", EventBridge API reference).
	mostEntries = 10
	// queueLength is how many events wait: those of a full host that starts, or loses, everything twice over.
	queueLength = 1000
	// gather is how long the first event waits for others.
	gather = time.Second
	// callTimeout bounds a call with its retries, of which the SDK makes two.
	callTimeout = 10 * time.Second
	// flushTimeout is how long the agent's end may wait for the last events.
	flushTimeout = 2 * time.Second
)

// Event is one event.
type Event struct {
	Kind   string // registered, standby, deregistered, refused
	At     time.Time
	Detail Detail
}

// Detail is the event's detail, as JSON. Fields may be added; where one changes its meaning, Version does.
type Detail struct {
	Version    string `json:"version"` // 1
	Name       string `json:"name"`    // of the record: web.servicediscovery.internal
	ZoneID     string `json:"zoneId"`
	InstanceID string `json:"instanceId"`
	Target     string `json:"target"` // host name in the record
	Port       int    `json:"port"`   // in the record
	Weight     int64  `json:"weight"` // that Route 53 answers by; 0: on standby

	ContainerID         string `json:"containerId"`
	ContainerName       string `json:"containerName,omitempty"` // the Engine's
	ContainerDefinition string `json:"containerDefinition,omitempty"`
	TaskARN             string `json:"taskArn,omitempty"`
	Cluster             string `json:"cluster,omitempty"`

	Reason string `json:"reason,omitempty"` // in words
}

// detailTypes by kind.
var detailTypes = map[string]string{
	"registered":   "ecssd Endpoint Registered",
	"standby":      "ecssd Endpoint On Standby",
	"deregistered": "ecssd Endpoint Deregistered",
	"refused":      "ecssd Endpoint Refused",
}

// Bus is an event bus. Its methods may be called from several goroutines, Run from one.
type Bus struct {
	name   string
	put    func(context.Context, *sdk.PutEventsInput, ...func(*sdk.Options)) (*sdk.PutEventsOutput, error)
	queue  chan Event
	log    *logrus.Entry
	events *prometheus.CounterVec

	mu     sync.Mutex // guards warned
	warned backoff.Minutely
}

// New returns the bus of a name or ARN.
func New(config aws.Config, name string, registry prometheus.Registerer, log *logrus.Entry) *Bus {
	b := &Bus{
		name:  name,
		put:   sdk.NewFromConfig(config).PutEvents,
		queue: make(chan Event, queueLength),
		log:   log.WithField("event_bus", name),
		events: promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
			Name: "ecssd_bus_events_total", Help: "Events for the EventBridge bus by outcome: sent, dropped.",
		}, []string{"outcome"}),
	}
	for _, outcome := range []string{"sent", "dropped"} {
		b.events.WithLabelValues(outcome)
	}
	return b
}

// Send has an event sent, or drops it where too many wait. It never waits.
func (b *Bus) Send(e Event) {
	select {
	case b.queue <- e:
	default:
		b.dropped(1, fmt.Errorf("%d events wait", queueLength))
	}
}

// Run sends events until ctx ends, and then, for a moment, those that wait.
func (b *Bus) Run(ctx context.Context) {
	for {
		select {
		case e := <-b.queue:
			b.send(context.WithoutCancel(ctx), b.gather(ctx, e))
		case <-ctx.Done():
			b.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// gather returns a batch that begins with an event.
func (b *Bus) gather(ctx context.Context, first Event) []Event {
	batch := []Event{first}
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for len(batch) < mostEntries {
		select {
		case e := <-b.queue:
			batch = append(batch, e)
		case <-timer.C:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

// flush sends what waits.
func (b *Bus) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	for {
		var batch []Event
		for len(batch) < mostEntries {
			select {
			case e := <-b.queue:
				batch = append(batch, e)
				continue
			default:
			}
			break
		}
		if len(batch) == 0 {
			return
		}
		b.send(ctx, batch)
	}
}

// send makes one call, and one more with the events that the first did not deliver.
func (b *Bus) send(ctx context.Context, batch []Event) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var err error
	for range 2 {
		if batch, err = b.call(ctx, batch); len(batch) == 0 {
			return
		}
	}
	b.dropped(len(batch), err)
}

// call returns the events that were not delivered, and why.
func (b *Bus) call(ctx context.Context, batch []Event) (left []Event, err error) {
	entries := make([]types.PutEventsRequestEntry, len(batch))
	for i, e := range batch {
		e.Detail.Version = "1"
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return batch, err
		}
		entries[i] = types.PutEventsRequestEntry{
			EventBusName: &b.name,
			Source:       aws.String(source),
			DetailType:   aws.String(detailTypes[e.Kind]),
			Detail:       aws.String(string(detail)),
			Time:         &e.At,
		}
		if e.Detail.TaskARN != "" {
			entries[i].Resources = []string{e.Detail.TaskARN}
		}
	}
	answer, err := b.put(ctx, &sdk.PutEventsInput{Entries: entries})
	if err != nil {
		return batch, err
	}
	for i, entry := range answer.Entries { // in the order of the request
		if entry.ErrorCode != nil && i < len(batch) {
			left = append(left, batch[i])
			err = fmt.Errorf("%s: %s", *entry.ErrorCode, aws.ToString(entry.ErrorMessage))
		}
	}
	b.events.WithLabelValues("sent").Add(float64(len(batch) - len(left)))
	return left, err
}

// dropped counts events that are not sent, and logs it once a minute.
func (b *Bus) dropped(events int, why error) {
	b.events.WithLabelValues("dropped").Add(float64(events))
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.warned.Allow(time.Now()) {
		return
	}
	b.log.WithError(why).WithField("events", events).Warn("cannot send events to EventBridge; DNS is not affected")
}
