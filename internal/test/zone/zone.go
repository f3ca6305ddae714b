// Package zone is the hosted zone of the product's tests: the sandbox's store of zones behind the small interfaces
// apply.Zone, agent.Zone and sweep.Zone, in memory and without HTTP.
//
// It is as strict as Route 53: a batch is made whole or not at all, a DELETE repeats the record exactly, a CREATE finds
// no such record, the weighted records of a name share one TTL and are at most 100, a record that is not weighted
// excludes weighted ones, and the batch limits hold. What it refuses it words as Route 53 does, and package route53
// reads those words, so that a test meets the *plan.Refusal that the product would meet.
//
// It does not imitate throttles or quotas on calls, HTTP, IAM (see Behaviour.Denied) or DNS. It waits only on the clock
// of the test, starts no goroutine, and so works in a bubble of testing/synctest.
package zone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
	store "github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// ID of every Zone.
const ID = "Z1"

// TB is what a Zone needs of a test.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Zone is one hosted zone. Its methods may be called from several goroutines; its Behaviour is set before the first
// call, or by Behave.
type Zone struct {
	Behaviour

	t     TB
	store *store.Store

	mu    sync.Mutex // guards Behaviour, too
	begun int        // calls of Change
	calls []Call
	reads []Read
}

// Call is one call of Change that has ended.
type Call struct {
	Time    time.Time // when it began
	Changes []plan.Change
	Err     error
}

// Read is one call of Group or Page, or one page of Each.
type Read struct {
	Time time.Time
	Name string // where the page begins; empty: at the start of the zone
	Type record.Type
}

// New returns a zone with these records.
func New(t TB, name string, records ...record.Record) *Zone {
	t.Helper()
	z := &Zone{t: t, store: store.New(time.Now, rand.New(rand.NewPCG(1, 1)), store.Rules{})}
	private := store.Zone{
		ID:      ID,
		Name:    name,
		Private: true,
		VPCs:    []store.VPC{{ID: "vpc-1", Region: "eu-central-1"}},
	}
	if _, _, err := z.store.Create(private); err != nil {
		t.Errorf("create zone %s: %s", name, err)
	}
	z.Put(records...)
	return z
}

// Change makes all changes or none.
func (z *Zone) Change(ctx context.Context, changes []plan.Change) error {
	call := Call{Time: time.Now(), Changes: slices.Clone(changes)}
	z.mu.Lock()
	z.begun++
	number, latency, before := z.begun, z.Latency, z.Before
	z.mu.Unlock()
	if before != nil {
		before(number)
	}
	call.Err = pause(ctx, latency)
	if call.Err == nil {
		call.Err = z.change(number, changes)
	}
	if errors.Is(call.Err, errHang) {
		<-ctx.Done()
		call.Err = ctx.Err()
	}
	if call.Err != nil {
		call.Err = fmt.Errorf("change records in zone %s: %w", ID, call.Err)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.calls = append(z.calls, call)
	return call.Err
}

// change is a call without its way to Route 53 and back.
func (z *Zone) change(number int, changes []plan.Change) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	fault := Fault{Made: true}
	if z.Fault != nil {
		fault = z.Fault(number, changes)
	}
	if fault.Made {
		if err := z.apply(changes); err != nil && fault.Err == nil {
			return err
		}
	}
	return fault.Err
}

// apply has the store make the changes. IAM is judged before the content of a batch.
func (z *Zone) apply(changes []plan.Change) error {
	if z.Denied != nil && slices.ContainsFunc(changes, z.Denied) {
		return &plan.Refusal{Reason: plan.Denied, Message: DeniedMessage}
	}
	batch := make([]store.Change, 0, len(changes))
	for _, c := range changes {
		batch = append(batch, store.Change{Action: store.Action(c.Action), Set: encode(c.Record)})
	}
	var before map[record.Key]record.Record
	if z.Applied != nil {
		before = z.byKey()
	}
	z.store.SetRules(store.Rules{MaxWeighted: z.MaxWeighted, MaxSets: z.MaxSets})
	if _, err := z.store.Change(ID, batch, ""); err != nil {
		return z.refusal(err, changes)
	}
	if z.Applied != nil {
		z.Applied(before, z.byKey())
	}
	return nil
}

// refusal is an error of the store as package route53 would return it.
func (z *Zone) refusal(err error, changes []plan.Change) error {
	var refused *store.Error
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Code == store.NoSuchHostedZone:
		return fmt.Errorf("%w: %s", plan.ErrNoSuchZone, err)
	case z.Unnamed:
		return &plan.Refusal{Reason: plan.Invalid, Message: "[The request is not valid]"}
	}
	return route53.Refusal([]string{refused.Text()}, changes)
}

// encode is a record as a record set: weighted if it has a set identifier.
func encode(r record.Record) store.Set {
	set := store.Set{
		Name:          record.Escape(r.Name),
		Type:          string(r.Type),
		SetIdentifier: r.SetID,
		TTL:           r.TTL,
		Values:        strings.Split(r.Value, "\n"),
	}
	if r.SetID != "" {
		set.Weight = &r.Weight
	}
	return set
}

// decode is a record set as package route53 returns it: what is not weighted has no set identifier.
func decode(set store.Set) record.Record {
	r := record.Record{
		Name:  record.Unescape(strings.TrimSuffix(set.Name, ".")),
		Type:  record.Type(set.Type),
		TTL:   set.TTL,
		Value: strings.Join(set.Values, "\n"),
	}
	if set.Weight != nil {
		r.SetID, r.Weight = set.SetIdentifier, *set.Weight
	}
	return r
}

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
