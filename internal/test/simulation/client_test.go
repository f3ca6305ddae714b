package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

var (
	errReset    = errors.New("read: connection reset by peer")
	errInternal = errors.New("https response error StatusCode: 500, InternalFailure")
)

// client is Route 53 as one process sees it.
type client struct {
	p *process
}

// callOutcome is what becomes of one call.
type callOutcome string

const (
	good     callOutcome = "good"
	throttle callOutcome = "throttled"
	prior    callOutcome = "PriorRequestNotComplete"
	internal callOutcome = "internal failure"
	lost     callOutcome = "answer lost"     // the change was made
	reset    callOutcome = "connection lost" // the change was not made
	hang     callOutcome = "hangs"           // made or not
)

func (c client) drawOutcome() callOutcome {
	z, dice := c.p.w.zone, c.p.dice("fate")
	n := dice.IntN(100)
	for _, f := range []struct {
		chance  int
		outcome callOutcome
	}{{z.rates.throttle, throttle}, {z.rates.prior, prior}, {z.rates.internal, internal}, {z.rates.lost, lost},
		{z.rates.reset, reset}, {z.rates.hang, hang}} {
		if n < f.chance {
			return f.outcome
		}
		n -= f.chance
	}
	return good
}

// travel waits as long as a request, or its answer, is on its way.
func (c client) travel(ctx context.Context, what string) error {
	longest := 80 * time.Millisecond
	if c.p.dice("slow").IntN(100) < c.p.slowness() {
		longest = 3 * time.Second
	}
	return c.p.wait(ctx, what, 5*time.Millisecond, longest)
}

// slowness returns the percentage of requests and answers that take long. While it is above 0, nothing has to be
// prompt.
func (p *process) slowness() int {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	chance := p.w.zone.rates.slow
	if chance > 0 && p.h != nil {
		p.h.lastFailure = time.Now()
	}
	return chance
}

// Change makes all changes or none.
func (c client) Change(ctx context.Context, changes []plan.Change) error {
	w, began := c.p.w, time.Now()
	if isProof(changes) {
		return c.prove(ctx, changes)
	}
	c.p.mayDie("before a call")
	if err := c.travel(ctx, "request"); err != nil {
		return err
	}
	w.mu.Lock()
	if c.p.dead {
		w.mu.Unlock()
		return errDead
	}
	f := c.drawChangeOutcome(changes)
	err := c.change(f, changes)
	w.note(c.p.name, "change: %s: %s", outcome(f, err), describe(changes))
	c.p.callHangs = f == hang
	w.mu.Unlock()
	if f == hang {
		<-ctx.Done()
		err = ctx.Err()
	}
	if err == nil {
		c.p.mayDie("before the answer")
	}
	if travel := c.travel(ctx, "answer"); travel != nil {
		err, f = travel, lost
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.p.answered(f, err, time.Since(began))
	c.p.checkRetryPace(f)
	return err
}

// drawChangeOutcome draws what becomes of a call that changes records.
func (c client) drawChangeOutcome(changes []plan.Change) callOutcome {
	z, now := c.p.w.zone, time.Now()
	c.p.countCall(now)
	f := c.drawOutcome()
	if f == good && z.rates.prior > 0 && now.Before(z.busyUntil) {
		f = prior
	}
	if f == good && !z.withinQuota(changes, now) {
		f = throttle
	}
	return f
}

// change does what an outcome says, and returns the error that the caller gets.
func (c client) change(f callOutcome, changes []plan.Change) error {
	apply := func() error { return c.p.w.zone.apply(c.p, changes) }
	switch f {
	case throttle:
		return fmt.Errorf("change records in zone Z1: %w: %s", plan.ErrThrottled, f)
	case prior:
		return fmt.Errorf("change records in zone Z1: %w: %s", plan.ErrZoneBusy, f)
	case internal:
		return errInternal
	case reset:
		return errReset
	case lost:
		if refusal := apply(); refusal != nil {
			return refusal
		}
		return errReset
	case hang:
		if c.p.dice("hang").IntN(2) == 0 {
			_ = apply()
		}
		return nil
	}
	return apply()
}

// isProof reports whether a batch changes nothing and is to prove that changes are permitted.
func isProof(changes []plan.Change) bool {
	return strings.Contains(changes[0].Record.SetID, strings.Repeat("0", 64))
}

// prove answers a batch that is to prove permission.
func (c client) prove(ctx context.Context, changes []plan.Change) error {
	refusal := &plan.Refusal{Reason: plan.NotFound, Message: "was not found"}
	err := c.read(ctx, "prove", func() {
		c.p.h.calls.proofs++
		for _, change := range changes {
			if c.p.w.zone.denied != nil && c.p.w.zone.denied(change.Record) {
				refusal.Reason = plan.Denied
			}
		}
	})
	if err == nil {
		err = refusal
	}
	return err
}

func outcome(f callOutcome, err error) string {
	if refusal := (*plan.Refusal)(nil); errors.As(err, &refusal) {
		return fmt.Sprint("refused: ", refusal.Message)
	}
	return string(f)
}

func describe(changes []plan.Change) string {
	var parts []string
	for _, c := range changes {
		r := c.Record
		id := r.SetID
		if i := strings.LastIndex(id, ":"); i > 20 {
			id = id[:strings.Index(id, ":")] + "…" + id[max(0, i-4):]
		}
		parts = append(
			parts,
			fmt.Sprintf(
				"%s %s %s weight %d %q",
				c.Action,
				strings.TrimSuffix(r.Name, "."+zoneName),
				id,
				r.Weight,
				r.Value,
			),
		)
	}
	return "{" + strings.Join(parts, "; ") + "}"
}

// Group returns all record sets of one name and type.
func (c client) Group(ctx context.Context, name string, t record.Type) ([]record.Record, error) {
	var found []record.Record
	err := c.read(ctx, "read "+name, func() {
		z := c.p.w.zone
		if value := z.simpleSets[record.Key{Name: name, Type: t}]; value != "" {
			found = append(found, record.Record{
				Name:  name,
				Type:  t,
				TTL:   300,
				Value: value,
			})
		}
		for _, r := range z.sorted() {
			if r.Name == name && r.Type == t {
				found = append(found, r)
			}
		}
	})
	return found, err
}

// Page returns the weighted records from one name and type on.
func (c client) Page(
	ctx context.Context,
	name string,
	t record.Type,
) ([]record.Record, func(string, record.Type) bool, error) {
	place := func(name string, t record.Type) string { return order(record.Record{Name: name, Type: t}) }
	var page []record.Record
	next := "~"
	err := c.read(ctx, "read from "+name, func() {
		for _, r := range c.p.w.zone.sorted() {
			switch {
			case place(r.Name, r.Type) < place(name, t):
			case len(page) == verifiedPage:
				next = place(r.Name, r.Type)
				return
			default:
				page = append(page, r)
			}
		}
	})
	if err != nil {
		return nil, nil, err
	}
	within := func(n string, of record.Type) bool { return place(n, of) >= place(name, t) && place(n, of) < next }
	return page, within, nil
}

// verifiedPage is the size of a page that begins with a name: more records than any name has here.
const verifiedPage = 25

// read makes a call that only reads.
func (c client) read(ctx context.Context, what string, take func()) error {
	w, began := c.p.w, time.Now()
	if err := c.travel(ctx, "request"); err != nil {
		return err
	}
	w.mu.Lock()
	if c.p.dead {
		w.mu.Unlock()
		return errDead
	}
	f := c.drawOutcome()
	if h := c.p.h; h != nil {
		h.calls.reads++
		if f != good {
			h.calls.badReads++
		}
	}
	w.note(c.p.name, "%s: %s", what, f)
	var err error
	switch f {
	case good:
		take()
	case throttle, prior:
		err = plan.ErrThrottled
	case hang:
		err = context.DeadlineExceeded
	default:
		err = errReset
	}
	c.p.callHangs = f == hang
	w.mu.Unlock()
	if f == hang {
		<-ctx.Done()
	}
	if travel := c.travel(ctx, "answer"); travel != nil {
		err = travel
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.p.answered(f, err, time.Since(began))
	return err
}

// pageSize is small, so that what happens between two pages matters.
const pageSize = 7

// Each calls visit with the weighted records, page by page.
func (c client) Each(ctx context.Context, visit func(page []record.Record, listed int) error) error {
	after := ""
	for {
		page, err := c.list(ctx, after)
		if err != nil {
			return fmt.Errorf("list records in zone Z1: %w", err)
		}
		if err := visit(page, len(page)); err != nil {
			return err
		}
		if len(page) < pageSize {
			return nil
		}
		after = order(page[len(page)-1])
	}
}

// list reads one page of weighted records. It tries a few times, as package route53 does.
func (c client) list(ctx context.Context, after string) (page []record.Record, err error) {
	for try := range 4 {
		callCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
		err = c.read(callCtx, "list", func() {
			page = nil
			for _, r := range c.p.w.zone.sorted() {
				if order(r) > after && len(page) < pageSize {
					page = append(page, r)
				}
			}
		})
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
		if err := c.p.wait(ctx, "retry", 0, time.Second<<try); err != nil {
			return nil, err
		}
	}
	return page, err
}
