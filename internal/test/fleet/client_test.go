package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// client is the account as one host sees it.
type client struct {
	*account
	host int
}

func (c client) travel(ctx context.Context, what uint64) error {
	return wait(ctx, travelTakes/2+time.Duration(dice(c.seed, c.host, what)*float64(travelTakes)))
}

// do makes one call. work runs with the lock held.
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
		took = changeTakes*3/4 + time.Duration(dice(c.seed, c.host, forProcessing)*float64(changeTakes)/2)
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
		if c.rules.oneChangeAtATime && time.Now().Before(c.busy) {
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

// Group returns all record sets of one name and type.
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

// Page returns the records from one name and type on.
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

// Each calls visit with the records, page by page. A page is tried eight times, as package route53 has the SDK do.
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

// A change batch as the SDK sends it, without its values.
const (
	envelope = `<?xml version="1.0" encoding="UTF-8"?><ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">` +
		`<ChangeBatch><Changes></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
	element = `<Change><Action>UPSERT</Action><ResourceRecordSet><Name></Name><ResourceRecords><ResourceRecord><Value></Value></ResourceRecord>` +
		`</ResourceRecords><SetIdentifier></SetIdentifier><TTL>0</TTL><Type>SRV</Type><Weight>1</Weight></ResourceRecordSet></Change>`
)

// size returns about how many bytes the body of a request has.
func size(changes []plan.Change) int {
	bytes := len(envelope)
	for _, c := range changes {
		bytes += len(element) + len(c.Record.Name) + len(c.Record.SetID) + len(c.Record.Value)
	}
	return bytes
}

// wait waits for d, or until ctx ends.
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
