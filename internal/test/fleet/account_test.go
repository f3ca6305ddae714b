package fleet

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	travelTakes = 20 * time.Millisecond // of a request, and of an answer, give or take half
	changeTakes = 40 * time.Millisecond // of a change, give or take a quarter

	change = "ChangeResourceRecordSets"
	list   = "ListResourceRecordSets"

	pageSize = 300 // record sets, the most that Route 53 lists at once
	nameMax  = 100 // weighted record sets of one name and type
)

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

// dice returns a number in [0, 1) that depends on nothing but the seed, who asks, what for and when: the order in which
// goroutines ask does not matter.
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
	forJitter
	forRetry
	forEvent
)

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

// listing returns all records in order.
func (a *account) listing() []record.Record {
	if a.sorted == nil {
		a.sorted = slices.SortedFunc(maps.Values(a.records), byKey)
	}
	return a.sorted
}

// put adds records to the zone without a call.
func (a *account) put(records ...record.Record) {
	for _, r := range records {
		a.records[r.Key()] = r
		a.names[record.Key{Name: r.Name, Type: r.Type}]++
	}
}

func byKey(a, b record.Record) int {
	if order := strings.Compare(a.Name, b.Name); order != 0 {
		return order
	}
	return strings.Compare(string(a.Type)+a.SetID, string(b.Type)+b.SetID)
}
