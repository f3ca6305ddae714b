package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	onTheWay   = 20 * time.Millisecond // of a request, and of an answer, give or take half
	processing = 40 * time.Millisecond // of a change, give or take a quarter

	change = "ChangeResourceRecordSets"
	list   = "ListResourceRecordSets"

	pageSize = 300 // record sets, the most that Route 53 lists at once
	nameMax  = 100 // weighted record sets of one name and type
)

// quota is a token bucket.
type quota struct{ burst, perSecond float64 }

// rules are how Route 53 treats an account.
type rules struct {
	quota   quota // of calls
	changes quota // an UPSERT takes 2, a CREATE or a DELETE 1; the zero value: none
	action  bool  // there is a bucket of calls for each action, too
	costly  bool  // a throttled call takes what is in the buckets of calls
	prior   bool  // a change is refused while another is being processed
}

var (
	current = rules{quota: quota{50, 10}, changes: quota{1500, 100}, action: true}
	old     = rules{quota: quota{5, 5}}
)

func (r rules) costing() rules   { r.costly = true; return r }
func (r rules) withPrior() rules { r.prior = true; return r }
func (r rules) callsOnly() rules { r.changes = quota{}; return r }

func (r rules) String() string {
	text := fmt.Sprintf("%g/s", r.quota.perSecond)
	if r.changes != (quota{}) {
		text += fmt.Sprintf(" and %g changes", r.changes.perSecond)
	}
	if r.costly {
		text += ", costly"
	}
	if r.prior {
		text += ", prior"
	}
	return text
}

// bucket holds tokens.
type bucket struct {
	tokens float64
	at     time.Time
}

// account is Route 53 with one hosted zone.
type account struct {
	seed  uint64
	rules rules
	start time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
	busy    time.Time // a change is being processed until then
	records map[record.Key]record.Record
	sorted  []record.Record    // nil where they have changed
	names   map[record.Key]int // how many of a name and type
	calls   map[call]int
	callers map[int]bool // hosts of which a change was accepted
	changes int
	cost    int // of the changes accepted
	bytes   int
	applied func(host int, at time.Time, changes []plan.Change) // is called when the answer has arrived
}

// call is a kind of call and what became of it.
type call struct {
	operation string
	outcome   outcome
}

type outcome string

const (
	accepted  outcome = "accepted"
	throttled outcome = "throttled"
	prior     outcome = "PriorRequestNotComplete"
	refused   outcome = "refused"
)

func newAccount(seed uint64, r rules) *account {
	return &account{
		seed:    seed,
		rules:   r,
		start:   time.Now(),
		buckets: map[string]*bucket{},
		records: map[record.Key]record.Record{},
		names:   map[record.Key]int{},
		calls:   map[call]int{},
		callers: map[int]bool{},
	}
}

// dice gives a number in [0, 1) that depends on nothing but the seed, who asks, what for and when, so that it does not
// matter in which order goroutines ask.
func dice(seed uint64, host int, what uint64) float64 {
	x := seed
	for _, v := range []uint64{uint64(host), what, uint64(time.Now().UnixNano())} {
		x += v + 0x9e3779b97f4a7c15 // SplitMix64 (Steele, Lea and Flood, 2014)
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return float64(x>>11) / (1 << 53)
}

// What dice are thrown for.
const (
	forRequest = iota
	forProcessing
	forAnswer
	forLuck
	forRetry
	forEvent
)

// cost is what changes take of the quota on changes.
func cost(changes []plan.Change) (all int) {
	for _, c := range changes {
		all++
		if c.Action == plan.Upsert {
			all++
		}
	}
	return all
}

// take draws a token from each bucket of calls and what the changes cost from that of changes, or says that one lacks
// it.
func (a *account) take(operation string, cost int) bool {
	calls := []*bucket{a.bucket("account", a.rules.quota)}
	if a.rules.action {
		calls = append(calls, a.bucket(operation, a.rules.quota))
	}
	enough := true
	for _, b := range calls {
		enough = enough && b.tokens >= 1
	}
	changes := a.bucket("changes", a.rules.changes)
	if a.rules.changes != (quota{}) {
		enough = enough && changes.tokens >= float64(cost)
	}
	if enough {
		changes.tokens -= float64(cost)
	}
	if enough || a.rules.costly {
		for _, b := range calls {
			b.tokens = max(0, b.tokens-1)
		}
	}
	return enough
}

// bucket returns a bucket as full as it is now.
func (a *account) bucket(name string, q quota) *bucket {
	b, ok := a.buckets[name]
	if !ok {
		b = &bucket{tokens: q.burst, at: a.start}
		a.buckets[name] = b
	}
	b.tokens = min(q.burst, b.tokens+time.Since(b.at).Seconds()*q.perSecond)
	b.at = time.Now()
	return b
}

// client is the account as one host sees it.
type client struct {
	*account
	host int
}

func (c client) travel(ctx context.Context, what uint64) error {
	return wait(ctx, onTheWay/2+time.Duration(dice(c.seed, c.host, what)*float64(onTheWay)))
}

// do makes one call. The work is done with the lock held.
func (c client) do(ctx context.Context, operation string, cost int, work func() (outcome, error)) error {
	if err := c.travel(ctx, forRequest); err != nil {
		return err
	}
	c.mu.Lock()
	if !c.take(operation, cost) {
		c.calls[call{operation, throttled}]++
		c.mu.Unlock()
		_ = c.travel(context.Background(), forAnswer)
		return plan.ErrThrottled
	}
	out, err := work()
	c.calls[call{operation, out}]++
	took := time.Duration(0)
	if out == accepted {
		took = processing*3/4 + time.Duration(dice(c.seed, c.host, forProcessing)*float64(processing)/2)
		if operation == change {
			c.busy = time.Now().Add(took)
		}
	}
	c.mu.Unlock()
	time.Sleep(took)
	_ = c.travel(context.Background(), forAnswer)
	return err
}

// Change makes all changes or none.
func (c client) Change(ctx context.Context, changes []plan.Change) error {
	c.mu.Lock()
	c.bytes += size(changes)
	c.mu.Unlock()
	err := c.do(ctx, change, cost(changes), func() (outcome, error) {
		if c.rules.prior && time.Now().Before(c.busy) {
			return prior, plan.ErrZoneBusy
		}
		if refusal := c.apply(changes); refusal != nil {
			return refused, refusal
		}
		c.changes += len(changes)
		c.cost += cost(changes)
		c.callers[c.host] = true
		return accepted, nil
	})
	if err == nil && c.applied != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.applied(c.host, time.Now(), changes)
	}
	return err
}

// apply makes a batch's changes, or refuses it.
func (a *account) apply(changes []plan.Change) error {
	refusal := &plan.Refusal{Named: map[plan.Change]plan.Reason{}, Message: "refused"}
	more := map[record.Key]int{}
	for _, c := range changes {
		key := c.Record.Key()
		group := record.Key{Name: key.Name, Type: key.Type}
		have, there := a.records[key]
		switch {
		case c.Action == plan.Delete && !there:
			refusal.Named[c] = plan.NotFound
		case c.Action == plan.Delete && have != c.Record:
			refusal.Named[c] = plan.Mismatch
		case c.Action == plan.Create && there:
			refusal.Named[c] = plan.Exists
		case c.Action == plan.Delete:
			more[group]--
		case !there:
			if more[group]++; a.names[group]+more[group] > nameMax {
				refusal.Named[c] = plan.NameFull
			}
		}
	}
	if len(refusal.Named) > 0 {
		return refusal
	}
	for _, c := range changes {
		if c.Action == plan.Delete {
			delete(a.records, c.Record.Key())
		} else {
			a.records[c.Record.Key()] = c.Record
		}
	}
	for group, n := range more {
		a.names[group] += n
	}
	a.sorted = nil
	return nil
}

// listing gives all records in order.
func (a *account) listing() []record.Record {
	if a.sorted == nil {
		a.sorted = slices.SortedFunc(maps.Values(a.records), byKey)
	}
	return a.sorted
}

// put has records in the zone without a call.
func (a *account) put(records ...record.Record) {
	for _, r := range records {
		a.records[r.Key()] = r
		a.names[record.Key{Name: r.Name, Type: r.Type}]++
	}
}

// Group gives all record sets of one name and type.
func (c client) Group(ctx context.Context, name string, t record.Type) (found []record.Record, err error) {
	err = c.do(ctx, list, 0, func() (outcome, error) {
		for key, r := range c.records {
			if key.Name == name && key.Type == t {
				found = append(found, r)
			}
		}
		return accepted, nil
	})
	slices.SortFunc(found, byKey)
	return found, err
}

// Page gives the records from one name and type on.
func (c client) Page(
	ctx context.Context,
	name string,
	t record.Type,
) ([]record.Record, func(string, record.Type) bool, error) {
	var page []record.Record
	first, next := record.Record{Name: name, Type: t}, record.Record{Name: "~"}
	err := c.do(ctx, list, 0, func() (outcome, error) {
		all := c.listing()
		at, _ := slices.BinarySearchFunc(all, first, byKey)
		page = all[at:min(at+pageSize, len(all))]
		if at+pageSize < len(all) {
			next = record.Record{Name: all[at+pageSize].Name, Type: all[at+pageSize].Type}
		}
		return accepted, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return page, func(name string, t record.Type) bool {
		r := record.Record{Name: name, Type: t}
		return byKey(r, first) >= 0 && byKey(r, next) < 0
	}, nil
}

// Each passes on the records page by page. A page is tried eight times, as package route53 has the SDK do.
func (c client) Each(ctx context.Context, visit func(page []record.Record, listed int) error) error {
	var after *record.Record
	for {
		var page []record.Record
		read := func() (outcome, error) {
			page = nil
			all := c.listing()
			at := 0
			if after != nil {
				at, _ = slices.BinarySearchFunc(all, *after, byKey)
				at++
			}
			page = all[min(at, len(all)):min(at+pageSize, len(all))]
			return accepted, nil
		}
		err := c.do(ctx, list, 0, read)
		for try := 1; err != nil && try < 8 && ctx.Err() == nil; try++ {
			_ = wait(ctx, sdkDelay(try, dice(c.seed, c.host, forRetry)))
			err = c.do(ctx, list, 0, read)
		}
		if err != nil {
			return fmt.Errorf("list records: %w", err)
		}
		if err := visit(page, len(page)); err != nil {
			return err
		}
		if len(page) < pageSize {
			return nil
		}
		after = &page[len(page)-1]
	}
}

// sdkDelay is the wait of the AWS SDK for Go v2 before a retry (aws/retry, ExponentialJitterBackoff): up to 2^n
// seconds, 20 at most.
func sdkDelay(retry int, jitter float64) time.Duration {
	return time.Duration(jitter * float64(min(time.Second<<min(retry, 10), 20*time.Second)))
}

func byKey(a, b record.Record) int {
	if order := strings.Compare(a.Name, b.Name); order != 0 {
		return order
	}
	return strings.Compare(string(a.Type)+a.SetID, string(b.Type)+b.SetID)
}

// A change batch as the SDK sends it, without its values.
const (
	envelope = `<?xml version="1.0" encoding="UTF-8"?><ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">` +
		`<ChangeBatch><Changes></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
	element = `<Change><Action>UPSERT</Action><ResourceRecordSet><Name></Name><ResourceRecords><ResourceRecord><Value></Value></ResourceRecord>` +
		`</ResourceRecords><SetIdentifier></SetIdentifier><TTL>0</TTL><Type>SRV</Type><Weight>1</Weight></ResourceRecordSet></Change>`
)

// size gives about how long the body of a request is.
func size(changes []plan.Change) int {
	bytes := len(envelope)
	for _, c := range changes {
		bytes += len(element) + len(c.Record.Name) + len(c.Record.SetID) + len(c.Record.Value)
	}
	return bytes
}

// wait lets time pass; it ends early with ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
