package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const zoneName = "sd.internal"

var (
	errReset    = errors.New("read: connection reset by peer")
	errInternal = errors.New("https response error StatusCode: 500, InternalFailure")
)

// zone is the hosted zone, and Route 53 in front of it. The world's lock guards all of it.
type zone struct {
	w        *world
	records  map[record.Key]record.Record
	other    map[record.Key]string    // the address of sets that are not weighted, by name and type
	squatted time.Time                // when those last changed
	denied   func(record.Record) bool // nil: everything is permitted
	nameMax  int
	busy     time.Time // a change is being processed until then, and another is refused if the weather is so
	weather  weather
	drawn    float64 // of the quota on changes, as of last
	last     time.Time
}

// Some days have a quota on changes, of which an UPSERT takes two, so that many changes may be throttled where a few
// are not.
const changesAtOnce, changesPerSecond = 100, 3

// affords draws what changes cost from the quota, or reports that it is used up.
func (z *zone) affords(changes []plan.Change, now time.Time) bool {
	if z.w.over || z.w.fixed("quota on changes", 4) > 0 {
		return true
	}
	cost := 0.
	for _, c := range changes {
		cost++
		if c.Action == plan.Upsert {
			cost++
		}
	}
	z.drawn = max(0, z.drawn-now.Sub(z.last).Seconds()*changesPerSecond)
	z.last = now
	if z.drawn+cost > changesAtOnce {
		return false
	}
	z.drawn += cost
	return true
}

// weather is how Route 53 fails: the chances of one call, out of 100.
type weather struct {
	name                                                string
	throttle, prior, internal, lost, reset, hang, slow_ int
	unnamed                                             int // refusals that do not say which change they mean
}

var weathers = []weather{
	{name: "fair"},
	{name: "throttled", throttle: 60, prior: 15},
	{name: "prior changes", prior: 50},
	{
		name:     "storm",
		internal: 30,
		lost:     20,
		reset:    20,
		hang:     10,
		slow_:    20,
	},
	{name: "lossy", lost: 40, reset: 10},
	{name: "outage", internal: 80, hang: 20},
	{
		name:     "drizzle",
		throttle: 5,
		internal: 5,
		lost:     5,
		reset:    5,
		slow_:    10,
		unnamed:  50,
	},
	{name: "slow", slow_: 70, unnamed: 20},
}

// client is Route 53 as one process sees it.
type client struct {
	p *process
}

// fate is what becomes of one call.
type fate string

const (
	good     fate = "good"
	throttle fate = "throttled"
	prior    fate = "PriorRequestNotComplete"
	internal fate = "internal failure"
	lost     fate = "answer lost"     // the change was made
	reset    fate = "connection lost" // the change was not made
	hang     fate = "hangs"           // made or not
)

func (c client) fate() fate {
	z, dice := c.p.w.zone, c.p.dice("fate")
	n := dice.IntN(100)
	for _, f := range []struct {
		chance int
		fate   fate
	}{{z.weather.throttle, throttle}, {z.weather.prior, prior}, {z.weather.internal, internal}, {z.weather.lost, lost},
		{z.weather.reset, reset}, {z.weather.hang, hang}} {
		if n < f.chance {
			return f.fate
		}
		n -= f.chance
	}
	return good
}

// travel is the way of a request, or of its answer.
func (c client) travel(ctx context.Context, what string) error {
	longest := 80 * time.Millisecond
	if c.p.dice("slow").IntN(100) < c.p.slowness() {
		longest = 3 * time.Second
	}
	return c.p.wait(ctx, what, 5*time.Millisecond, longest)
}

// slowness gives the chance that a request or an answer takes long; while that may be, nothing is prompt.
func (p *process) slowness() int {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	chance := p.w.zone.weather.slow_
	if chance > 0 && p.h != nil {
		p.h.trouble = time.Now()
	}
	return chance
}

// Change makes all changes or none.
func (c client) Change(ctx context.Context, changes []plan.Change) error {
	w, began := c.p.w, time.Now()
	if proof(changes) {
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
	now := time.Now()
	c.p.calls(now)
	f := c.fate()
	if f == good && w.zone.weather.prior > 0 && now.Before(w.zone.busy) {
		f = prior
	}
	if f == good && !w.zone.affords(changes, now) {
		f = throttle
	}
	var err error
	switch f {
	case throttle:
		err = fmt.Errorf("change records in zone Z1: %w: %s", plan.ErrThrottled, f)
	case prior:
		err = fmt.Errorf("change records in zone Z1: %w: %s", plan.ErrZoneBusy, f)
	case internal:
		err = errInternal
	case reset:
		err = errReset
	case lost:
		err = errReset
		if refusal := w.zone.apply(c.p, changes); refusal != nil {
			err = refusal
		}
	case hang:
		if c.p.dice("hang").IntN(2) == 0 {
			_ = w.zone.apply(c.p, changes)
		}
	default:
		if refusal := w.zone.apply(c.p, changes); refusal != nil {
			err = refusal
		}
	}
	w.note(c.p.name, "change: %s: %s", outcome(f, err), describe(changes))
	c.p.hangs = f == hang
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
	c.p.patient(f)
	return err
}

// proof reports whether a batch is to show that changes are permitted, and changes nothing.
func proof(changes []plan.Change) bool {
	return strings.Contains(changes[0].Record.SetID, strings.Repeat("0", 64))
}

// prove answers such a batch.
func (c client) prove(ctx context.Context, changes []plan.Change) error {
	refusal := &plan.Refusal{Reason: plan.NotFound, Message: "was not found"}
	err := c.read(ctx, "prove", func() {
		c.p.h.account.proofs++
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

func outcome(f fate, err error) string {
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

// apply validates a batch and makes all of it or nothing. What others have is guarded here.
func (z *zone) apply(p *process, changes []plan.Change) error {
	next := maps.Clone(z.records)
	refusal := &plan.Refusal{Named: map[plan.Change]plan.Reason{}}
	refuse := func(c plan.Change, reason plan.Reason) {
		if _, already := refusal.Named[c]; !already {
			refusal.Named[c] = reason
		}
	}
	touched := map[record.Key]bool{}
	for _, c := range changes {
		if p.h != nil && z.denied != nil && z.denied(c.Record) { // the sweeper has another role
			return &plan.Refusal{
				Reason:  plan.Denied,
				Message: "is not authorized to perform: route53:ChangeResourceRecordSets",
			}
		}
	}
	for _, c := range changes {
		key := c.Record.Key()
		have, there := next[key]
		switch {
		case c.Action == plan.Delete && !there:
			refuse(c, plan.NotFound)
		case c.Action == plan.Delete && have != c.Record:
			refuse(c, plan.Mismatch)
		case c.Action == plan.Delete:
			delete(next, key)
		case z.other[record.Key{Name: key.Name, Type: key.Type}] != "":
			refuse(c, plan.Conflict)
		case c.Action == plan.Create && there:
			refuse(c, plan.Exists)
		default:
			next[key] = c.Record
			if !there && z.count(next, key) > z.nameMax {
				refuse(c, plan.NameFull)
			}
		}
		if touched[key] && c.Action != plan.Create {
			refuse(c, plan.Invalid)
		}
		touched[key] = true
	}
	for _, c := range changes {
		for key, r := range next {
			if c.Action != plan.Delete && key.Name == c.Record.Name && key.Type == c.Record.Type &&
				r.TTL != c.Record.TTL {
				refuse(c, plan.TTL)
			}
		}
	}
	if plan.Batch(changes) < len(changes) {
		refuse(changes[0], plan.Invalid)
	}
	if len(refusal.Named) > 0 {
		return z.refusal(p, refusal, changes)
	}
	before := z.records
	z.records = next
	z.busy = time.Now().Add(50 * time.Millisecond)
	p.changed(before, changes)
	return nil
}

// refusal says, or does not say, which changes are meant.
func (z *zone) refusal(p *process, named *plan.Refusal, changes []plan.Change) error {
	for _, c := range changes {
		if reason, ok := named.Named[c]; ok {
			named.Message += fmt.Sprintf("%s %s; ", c.Action, reason)
			named.Reason = reason
		}
	}
	if p.dice("unnamed").IntN(100) < z.weather.unnamed {
		named.Named = nil
		if len(changes) > 1 {
			named.Reason = plan.Invalid
		}
		named.Message += "which, it does not say"
	}
	return fmt.Errorf("change records in zone Z1: %w", named)
}

func (z *zone) count(records map[record.Key]record.Record, key record.Key) (n int) {
	for k := range records {
		if k.Name == key.Name && k.Type == key.Type {
			n++
		}
	}
	return n
}

// Group gives all record sets of one name and type.
func (c client) Group(ctx context.Context, name string, t record.Type) ([]record.Record, error) {
	var found []record.Record
	err := c.read(ctx, "read "+name, func() {
		z := c.p.w.zone
		if value := z.other[record.Key{Name: name, Type: t}]; value != "" {
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

// Page gives the weighted records from one name and type on.
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
	return page, func(n string, of record.Type) bool { return place(n, of) >= place(name, t) && place(n, of) < next }, nil
}

// verifiedPage is as many records as a page has that begins with a name: more than any name has here.
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
	f := c.fate()
	if h := c.p.h; h != nil {
		h.account.reads++
		if f != good {
			h.account.badReads++
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
	c.p.hangs = f == hang
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

// Each passes on the weighted records, page by page. A page is tried a few times, as package route53 does.
func (c client) Each(ctx context.Context, visit func(page []record.Record, listed int) error) error {
	after := ""
	for {
		var page []record.Record
		var err error
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
				return err
			}
		}
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

func order(r record.Record) string {
	return strings.Join(reversed(r.Name), ".") + ". " + string(r.Type) + " " + r.SetID
}

// reversed gives the labels of a name, the last first.
func reversed(name string) []string {
	labels := strings.Split(name, ".")
	slices.Reverse(labels)
	return labels
}

func (z *zone) sorted() []record.Record {
	all := slices.Collect(maps.Values(z.records))
	slices.SortFunc(all, func(a, b record.Record) int { return strings.Compare(order(a), order(b)) })
	return all
}

// put and remove are other people's hands.
func (z *zone) put(r record.Record) { z.records[r.Key()] = r }

func (z *zone) remove(key record.Key) { delete(z.records, key) }
