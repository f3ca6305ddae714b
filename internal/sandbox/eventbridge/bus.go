package eventbridge

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Queues takes what rules send to queues.
type Queues interface {
	// SendFrom puts a message into a queue, if its policy lets the service do so on behalf of the source.
	SendFrom(service, sourceARN, queueARN, messageGroup, body string) error
}

// Delivery is how events come from rules to targets: EventBridge delivers at least once, and EC2's state changes at
// best effort.
type Delivery struct {
	Lose      float64       `json:"lose"`      // probability of an event to be lost, on the way to all targets
	Duplicate float64       `json:"duplicate"` // probability to be delivered twice
	Delay     time.Duration `json:"-"`
	Jitter    time.Duration `json:"-"` // added to Delay, up to so much
}

// Validate returns what is wrong with a Delivery.
func (d Delivery) Validate() error {
	for name, p := range map[string]float64{"lose": d.Lose, "duplicate": d.Duplicate} {
		if p < 0 || p > 1 {
			return fmt.Errorf("read %s %v: it is a probability, from 0 to 1", name, p)
		}
	}
	return nil
}

// Stats counts what became of events.
type Stats struct {
	Matched    int `json:"matched"` // events that matched a rule, once for each rule
	Lost       int `json:"lost"`
	Duplicated int `json:"duplicated"`
	Delivered  int `json:"delivered"` // messages in queues
	Failed     int `json:"failed"`    // messages that a target did not take
}

// Bus holds rules, and delivers events to their targets.
type Bus struct {
	Account, Region string

	queues Queues
	now    func() time.Time

	mu       sync.Mutex
	random   *rand.Rand
	rules    map[ruleKey]*rule
	delivery Delivery
	stats    Stats
	last     error // of a target
	waiting  map[*time.Timer]bool
	closed   bool
}

// NewBus makes a Bus without rules. Close ends it.
func NewBus(account, region string, queues Queues, now func() time.Time, random *rand.Rand) *Bus {
	return &Bus{
		Account: account,
		Region:  region,
		queues:  queues,
		now:     now,
		random:  random,
		rules:   map[ruleKey]*rule{},
		waiting: map[*time.Timer]bool{},
	}
}

// SetDelivery changes how events are delivered from now on.
func (b *Bus) SetDelivery(d Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delivery = d
}

// Stats returns the counts so far, and why a target last took no message.
func (b *Bus) Stats() (Stats, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats, b.last
}

// Close drops the events that are on their way.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for timer := range b.waiting {
		timer.Stop()
	}
}

// Event is an event as targets receive it.
type Event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Publish sends an event to all rules of a bus whose pattern it matches, and returns its ID.
func (b *Bus) Publish(bus string, e Event, at time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.Version, e.ID = "0", b.uuid()
	e.Account, e.Region = b.Account, b.Region
	e.Time = at.UTC().Format(time.RFC3339)
	e.Resources = append([]string{}, e.Resources...)
	text, err := json.Marshal(e)
	if err != nil { // the detail is JSON, as whoever calls has seen to
		return e.ID
	}
	value, err := parse(text)
	if err != nil {
		return e.ID
	}
	for _, key := range b.sorted() {
		r := b.rules[key]
		if key.bus == bus && r.State == enabled && r.pattern.matches(value) {
			b.stats.Matched++
			b.dispatch(r, string(text))
		}
	}
	return e.ID
}

// dispatch decides what befalls an event on its way.
func (b *Bus) dispatch(r *rule, body string) {
	if b.delivery.Lose > 0 && b.random.Float64() < b.delivery.Lose {
		b.stats.Lost++
		return
	}
	times := 1
	if b.delivery.Duplicate > 0 && b.random.Float64() < b.delivery.Duplicate {
		b.stats.Duplicated++
		times = 2
	}
	targets, arn := slices.Clone(r.targets), r.ARN
	for range times {
		delay := b.delivery.Delay
		if b.delivery.Jitter > 0 {
			delay += time.Duration(b.random.Int64N(int64(b.delivery.Jitter)))
		}
		if delay <= 0 {
			b.deliver(arn, targets, body)
			continue
		}
		var timer *time.Timer
		timer = time.AfterFunc(delay, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.waiting, timer)
			if !b.closed {
				b.deliver(arn, targets, body)
			}
		})
		b.waiting[timer] = true
	}
}

// service is who sends to queues.
const service = "events.amazonaws.com"

// deliver hands an event to targets. What one does not take goes to its queue of dead letters, at once: here no refusal
// goes away by itself.
func (b *Bus) deliver(rule string, targets []target, body string) {
	for _, t := range targets {
		err := b.queues.SendFrom(service, rule, t.ARN, t.group(), body)
		if err == nil {
			b.stats.Delivered++
			continue
		}
		b.stats.Failed++
		b.last = fmt.Errorf("send to target %s of %s: %w", t.ID, rule, err)
		if t.DeadLetters != nil {
			if err := b.queues.SendFrom(service, rule, t.DeadLetters.ARN, "", body); err != nil {
				b.last = fmt.Errorf("send to the dead letters of target %s of %s: %w", t.ID, rule, err)
			}
		}
	}
}

func (b *Bus) uuid() string {
	x, y := b.random.Uint64(), b.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", x>>32, x>>16&0xffff, x&0xfff, y>>52, y&0xffffffffffff)
}

// StateChange publishes that an instance of EC2 came into a state ("State change events for your instances", Amazon EC2
// user guide).
func (b *Bus) StateChange(at time.Time, instanceID, state string) {
	detail, err := json.Marshal(struct {
		InstanceID string `json:"instance-id"`
		State      string `json:"state"`
	}{instanceID, state})
	if err != nil { // strings always marshal
		return
	}
	b.Publish(defaultBus, Event{
		DetailType: "EC2 Instance State-change Notification",
		Source:     "aws.ec2",
		Resources:  []string{"arn:aws:ec2:" + b.Region + ":" + b.Account + ":instance/" + instanceID},
		Detail:     detail,
	}, at)
}

// busName takes the name out of an ARN of a bus; none means the default one.
func busName(id string) string {
	if id == "" {
		return defaultBus
	}
	return id[strings.LastIndex(id, "/")+1:]
}

const defaultBus = "default"
