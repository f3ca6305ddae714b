package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	strict "github.com/ecssd/ecssd/internal/test/zone"
)

var errLost = errors.New("connection reset by peer")

// zone is the strict zone, which also holds the writer to what it promises of every call. Its fields are set by set.
type zone struct {
	strict *strict.Zone
	t      *testing.T
	start  time.Time

	mu      sync.Mutex
	nameMax int
	zoneMax int // without the zone's own NS and SOA
	denied  func(record.Record) bool
	// no SRV record of ours may be written that does not lead to the address of its target's name
	paired       bool
	meddled      time.Time // when strangers last changed A records of our names
	latency      time.Duration
	fault        func() (err error, applied bool) // before a call; nil: none
	saved        plan.Current
	calls        []call
	told         []string  // outcomes, "registered i-1:…"
	groups       []reading // calls of Group and Page
	pageSize     int       // 0: 300
	groupLatency time.Duration
	groupErr     error
	proof        []change // that changes nothing; nil: none is sent
	proofs       int      // how often it was sent
}

type call struct {
	at      time.Duration // since the test began
	changes []plan.Change
	err     error
}

type reading struct {
	at   time.Duration
	name string
	typ  record.Type
}

func newZone(t *testing.T, records ...record.Record) *zone {
	return &zone{
		strict:  strict.New(t, "example", records...),
		t:       t,
		start:   time.Now(),
		nameMax: 100,
		zoneMax: 10000,
	}
}

func (z *zone) tell(o outcome.Outcome) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.told = append(z.told, string(o.Kind)+" "+o.Record.SetID)
}

// put writes as another hand would.
func (z *zone) put(records ...record.Record) { z.strict.Put(records...) }

func (z *zone) remove(records ...record.Record) { z.strict.Remove(records...) }

// set changes how the zone behaves.
func (z *zone) set(change func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change()
}

func (z *zone) Change(ctx context.Context, changes []plan.Change) error {
	z.mu.Lock()
	latency := z.latency
	at := time.Since(z.start)
	proof := z.proof != nil && slices.Equal(changes, z.proof)
	if proof {
		z.proofs++
	} else {
		z.checkCall(changes)
	}
	z.mu.Unlock()

	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			z.mu.Lock()
			defer z.mu.Unlock()
			z.calls = append(z.calls, call{at, slices.Clone(changes), ctx.Err()})
			return ctx.Err()
		}
	}

	z.mu.Lock()
	defer z.mu.Unlock()
	var err error
	applied := true
	if z.fault != nil {
		err, applied = z.fault()
	}
	if applied {
		if refusal := z.apply(changes); err == nil {
			err = refusal
		}
	}
	if !proof {
		z.calls = append(z.calls, call{at, slices.Clone(changes), err})
	}
	return err
}

// checkCall holds the writer to what it promises of every call. The caller holds mu.
func (z *zone) checkCall(changes []plan.Change) {
	assert.NotEmpty(z.t, changes)
	assert.Equal(z.t, len(changes), plan.Batch(changes), "more than one batch may carry")
	seen := map[record.Key]bool{}
	for i, c := range changes {
		assert.False(z.t, seen[c.Record.Key()], "one record changed twice in a batch")
		seen[c.Record.Key()] = true
		assert.True(z.t, owns(c.Record), "a record of somebody else: %+v", c)
		entry, ok := z.saved[c.Record.Key()]
		assert.True(z.t, ok, "not in the journal before the call: %+v", c)
		if c.Action != plan.Delete {
			assert.Equal(z.t, c.Record, entry.Record, "in the journal with other values")
			assert.True(z.t, entry.Unconfirmed, "in the journal as if it were written")
		}
		if i > 0 {
			assert.False(
				z.t,
				c.Action == plan.Delete && changes[i-1].Action != plan.Delete,
				"a removal after an addition",
			)
		}
	}
}

// apply makes all changes or none. The caller holds mu.
func (z *zone) apply(changes []plan.Change) error {
	z.strict.Behave(func(b *strict.Behaviour) {
		b.MaxWeighted, b.MaxSets = z.nameMax, z.zoneMax+2
		b.Denied, b.Applied = nil, nil
		if z.denied != nil {
			b.Denied = func(c plan.Change) bool { return z.denied(c.Record) }
		}
		if z.paired {
			b.Applied = z.checkPairs
		}
	})
	return z.strict.Change(context.Background(), changes)
}

// checkPairs holds the writer to what it promises of SRV records: none comes into the zone that leads to another host,
// or nowhere. The caller holds mu.
func (z *zone) checkPairs(before, next map[record.Key]record.Record) {
	for key, r := range next {
		had, there := before[key]
		host := strings.Fields(r.Value)
		if key.Type != record.SRV || !owns(r) || there && had.Value == r.Value {
			continue
		}
		label, _, _ := strings.Cut(host[3], ".")
		address := strings.ReplaceAll(strings.TrimPrefix(label, "ip-"), "-", ".")
		found, ours, elsewhere := 0, false, false
		for other, a := range next {
			if other.Name == host[3] && other.Type == record.A {
				found++
				ours = ours || owns(a) && a.Value == address
				elsewhere = elsewhere || a.Value != address
			}
		}
		if !ours && time.Since(z.meddled) > 4*probeAtMost { // in which it is found out
			assert.NotZero(z.t, found, "leads nowhere: %+v", r)
			assert.False(z.t, elsewhere, "leads elsewhere: %+v", r)
		}
	}
}

// count returns how many records a name has.
func (z *zone) count(name string) (n int) {
	for _, r := range z.strict.Records() {
		if r.Name == name {
			n++
		}
	}
	return n
}

func (z *zone) Group(ctx context.Context, name string, t record.Type) ([]record.Record, error) {
	z.mu.Lock()
	latency := z.groupLatency
	z.groups = append(z.groups, reading{time.Since(z.start), name, t})
	z.mu.Unlock()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := errors.Join(z.groupErr, ctx.Err()); err != nil {
		return nil, err
	}
	return z.strict.Group(ctx, name, t)
}

func (z *zone) Page(
	ctx context.Context,
	name string,
	t record.Type,
) ([]record.Record, func(string, record.Type) bool, error) {
	z.mu.Lock()
	latency := z.groupLatency
	z.groups = append(z.groups, reading{time.Since(z.start), name, t})
	z.mu.Unlock()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := errors.Join(z.groupErr, ctx.Err()); err != nil {
		return nil, nil, err
	}
	z.strict.Behave(func(b *strict.Behaviour) { b.PageSize = z.pageSize })
	return z.strict.Page(ctx, name, t)
}

func (z *zone) save(known plan.Current) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.saved = known
	return nil
}

// content returns the records, sorted by name, type and set identifier.
func (z *zone) content() []record.Record { return sorted(z.strict.Records()) }

func sorted(records []record.Record) []record.Record {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b record.Record) int {
		return strings.Compare(a.Name+" "+string(a.Type)+" "+a.SetID, b.Name+" "+string(b.Type)+" "+b.SetID)
	})
	return records
}

// times returns when the calls were made, and how many changes each had.
func (z *zone) times() (at []time.Duration, sizes []int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, c := range z.calls {
		at, sizes = append(at, c.at), append(sizes, len(c.changes))
	}
	return at, sizes
}

func (z *zone) callCount() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.calls)
}

func (z *zone) groupCount() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.groups)
}

// faults plays each fault on one call, then none.
func (z *zone) faults(faults ...func() (error, bool)) {
	z.set(func() {
		z.fault = func() (error, bool) {
			if len(faults) == 0 {
				return nil, true
			}
			f := faults[0]
			faults = faults[1:]
			return f()
		}
	})
}

func throttled() (error, bool)      { return fmt.Errorf("change zone Z1: %w", plan.ErrThrottled), false }
func zoneBusy() (error, bool)       { return fmt.Errorf("change zone Z1: %w", plan.ErrZoneBusy), false }
func lostAnswer() (error, bool)     { return errLost, true }
func lostRequest() (error, bool)    { return errLost, false }
func noSuchZone() (error, bool)     { return fmt.Errorf("change zone Z1: %w", plan.ErrNoSuchZone), false }
func notThisTime() (error, bool)    { return nil, true }
func owns(r record.Record) bool     { return r.Owned("i-1") }
func at(ms int) time.Duration       { return time.Duration(ms) * time.Millisecond }
func create(r record.Record) change { return change{Action: plan.Create, Record: r} }
func upsert(r record.Record) change { return change{Action: plan.Upsert, Record: r} }
func del(r record.Record) change    { return change{Action: plan.Delete, Record: r} }

type change = plan.Change

// srv returns the n-th record of a name that this host might own.
func srv(name string, n int) record.Record {
	return record.Record{
		Name:   name + ".example",
		Type:   record.SRV,
		SetID:  fmt.Sprintf("i-1:docker:%064x:80/tcp", n),
		Weight: 1,
		Value:  fmt.Sprintf("1 1 %d ip-10-0-0-1.example", 30000+n),
	}
}

// foreign returns the n-th record of a name that another host owns, one whose identifier begins as this one's does.
func foreign(name string, n int) record.Record {
	r := srv(name, n)
	r.SetID = "i-10" + strings.TrimPrefix(r.SetID, "i-1")
	return r
}

// marked returns a record as the sweeper puts it on standby.
func marked(r record.Record) record.Record {
	r.Weight, r.Value = 0, "2"+r.Value[1:]
	return r
}

func wish(records ...record.Record) []plan.Desired {
	wishes := []plan.Desired{}
	for _, r := range records {
		wishes = append(wishes, plan.Desired{Record: r, Run: "run 1"})
	}
	return wishes
}

// many returns n records: of one name, of a second one above 100, and so on, since a name has at most 100.
func many(name string, n int) (records []record.Record) {
	for i := range n {
		if i > 0 && i%100 == 0 {
			name += "x"
		}
		records = append(records, srv(name, i))
	}
	return records
}

func known(records ...record.Record) plan.Current {
	k := plan.Current{}
	for _, r := range records {
		k[r.Key()] = plan.Entry{Record: r, Run: "run 1"}
	}
	return k
}

// writer is a Writer at work on a zone.
type writer struct {
	*apply.Writer
	zone     *zone
	logs     *logtest.Hook
	registry *prometheus.Registry
	metrics  *metrics.Metrics
}

func newWriter(z *zone, has plan.Current, verifyEvery time.Duration) writer {
	log, hook := logtest.NewNullLogger()
	registry := prometheus.NewRegistry()
	metrics := metrics.New(registry)
	z.saved = has
	return writer{apply.New(apply.Config{
		Zone:        z,
		Current:     has,
		Save:        z.save,
		Owns:        owns,
		VerifyEvery: verifyEvery,
		Log:         logrus.NewEntry(log),
		Metrics:     metrics,
		OnOutcome:   z.tell,
		Proof:       z.proof,
	}), z, hook, registry, metrics}
}

func (w writer) want(records ...record.Record) { w.SetDesired(wish(records...), time.Now()) }

// messages returns how often each message was logged.
func (w writer) messages() map[string]int {
	messages := map[string]int{}
	for _, e := range w.logs.AllEntries() {
		messages[e.Message]++
	}
	return messages
}

// running plays a scene with a Writer that runs, in virtual time.
func running(
	t *testing.T,
	verifyEvery time.Duration,
	scene func(t *testing.T, z *zone, w writer),
	has ...record.Record,
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, has...)
		w := newWriter(z, known(has...), verifyEvery)
		w.want(has...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		scene(t, z, w)
		cancel()
		assert.NoError(t, <-done)
	})
}

// pass lets time go by. What the test has read of the zone before comes before what is written to it meanwhile.
func (z *zone) pass(d time.Duration) {
	z.set(func() {})
	time.Sleep(d)
	synctest.Wait()
}
