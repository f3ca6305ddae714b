// Package apply brings one hosted zone to the records that a host wants there, and keeps it so: it gathers changes into
// few calls, retries for ever, isolates what Route 53 refuses and reads back now and then what it has written. It does
// not know where the wishes come from, and it never touches a record that Config.Owns denies.
package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// callTimeout bounds one call. Nothing is lost by giving up on a slow answer, since every change can be made twice; and
// on SIGTERM the call in flight has to end well within the 10 s in which the agent is to exit.
const callTimeout = 8 * time.Second

// Zone is what a Writer needs of a hosted zone.
type Zone interface {
	// Change makes all changes or none. It returns a *plan.Refusal, plan.ErrThrottled or plan.ErrNoSuchZone, possibly
	// wrapped, where nothing was changed; after any other error the outcome is not known.
	Change(ctx context.Context, changes []plan.Change) error
	// Group gives all record sets of one name and type.
	Group(ctx context.Context, name string, t record.Type) ([]record.Record, error)
	// Page gives the weighted record sets from one name and type on, as many as one call lists. covers reports of a
	// name and type whether all its record sets are on the page, or that it has none. It covers those with which it
	// begins.
	Page(
		ctx context.Context,
		name string,
		t record.Type,
	) (found []record.Record, covers func(string, record.Type) bool, err error)
}

// Desired is a record that should be in the zone.
type Desired struct {
	Record record.Record
	// Run names the present run and health of the container that the record is for: a record that was written for it is
	// left on standby if the sweeper has put it there since.
	Run string
	// IfKnown keeps the record as it should be where the host has it, and makes none where it has not.
	IfKnown bool
}

// Config is what a Writer works with. All of it is needed but VerifyEvery and Jitter.
type Config struct {
	Zone    Zone
	Current plan.Current // what the host has in the zone, from the journal
	// Save keeps what is known on disk. It is called before each call that creates or changes, with what the call is
	// about to write, and after each; by one goroutine at a time. Where it fails the writer goes on: that the journal
	// is behind is told by the journal.
	Save func(plan.Current) error
	// Owns says whether a record found in the zone is this host's.
	Owns        func(record.Record) bool
	VerifyEvery time.Duration // between two readings of own records; 0: none
	// Proof is a batch that changes nothing, the removal of records that do not exist. It is sent to find out whether
	// this host may change the zone where nothing else tells. Nil: none is sent.
	Proof []plan.Change
	// Jitter gives random numbers in [0, 1), by which hosts that failed together part; nil: rand.Float64.
	Jitter func() float64
	// OnOutcome is called with each Outcome, in their order. It must be quick and not call the Writer. Nil: nobody is
	// told.
	OnOutcome func(Outcome)
	Log       *logrus.Entry
	Metrics   *Metrics
}

// Writer keeps one zone in step. Its methods may be called from several goroutines; Run and Settle exclude each other.
type Writer struct {
	cfg     Config
	wake    chan struct{}
	unsaved chan struct{} // something is to be saved

	saving sync.Mutex // taken before mu: what is known is saved in the order in which it came about

	mu         sync.Mutex
	known      plan.Current
	saved      plan.Current           // as it was last saved
	ahead      []plan.Change          // what the next call is about to make, and is to be saved first
	saveSince  time.Time              // since when a call waits for that; zero: none does
	wishes     map[record.Key]Desired // nil until they are known
	since      time.Time              // when the oldest event not yet applied came
	ttls       map[group]int64        // TTLs that other hosts' records force on a name
	quarantine quarantine
	pace       pace
	addresses  map[string][]record.Record // the A records wanted, by name
	leads      map[string]lead            // where names lead of which the A record is refused
	read       map[string]time.Time       // when that was read
	waited     map[record.Key]bool        // SRV records of which it was said that they wait for an A record
	limit      int                        // changes in a batch, while a refused one is being narrowed down; 0: no limit
	lastErr    error
	// the refusal of a first attempt for want of permission; nil once Route 53 has judged a batch by its content
	denied    error
	deniedAt  time.Time
	lastGood  time.Time
	loggedErr time.Time
	busySince time.Time                    // zero while nothing is being done
	recent    []Applied                    // oldest first
	told      map[record.Key]record.Record // SRV records, as was told of them last; empty where nobody is told

	verification verification
	proof        proof
	reading      context.CancelFunc // breaks off the reading under way; nil: there is none
}

// group is the weighted records of one name and type.
type group struct {
	name string
	typ  record.Type
}

func groupOf(r record.Record) group { return group{r.Name, r.Type} }

// New gives a Writer that changes nothing until it is told what is wanted, which may be nothing.
func New(cfg Config) *Writer {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	known := maps.Clone(cfg.Current)
	if known == nil {
		known = plan.Current{}
	}
	w := &Writer{
		cfg:        cfg,
		wake:       make(chan struct{}, 1),
		unsaved:    make(chan struct{}, 1),
		known:      known,
		saved:      maps.Clone(known),
		ttls:       map[group]int64{},
		quarantine: newQuarantine(),
		told:       map[record.Key]record.Record{},
		leads:      map[string]lead{},
		read:       map[string]time.Time{},
		waited:     map[record.Key]bool{},
	}
	w.proof.given = confirmed(known)
	for _, e := range known {
		w.assumeTold(e)
	}
	return w
}

// SetDesired replaces what should be in the zone. since is when the event came that brought the wishes about; the zero
// time where there was none.
func (w *Writer) SetDesired(wishes []Desired, since time.Time) {
	w.mu.Lock()
	w.wishes = make(map[record.Key]Desired, len(wishes))
	for _, wish := range wishes {
		key := wish.Record.Key()
		w.wishes[key] = wish
		if e, ok := w.known[key]; ok && outrun(e, wish) {
			e.Unconfirmed = true
			w.known[key] = e
		}
	}
	w.addresses = addressesOf(w.wishes)
	if w.since.IsZero() {
		w.since = since
	}
	if w.reading != nil {
		if batch, _ := w.batch(time.Now()); len(batch) > 0 { // which does not wait for an answer that may never come
			w.reading()
		}
	}
	w.mu.Unlock()
	w.poke()
}

// Adopt takes records found in the zone for known where they are the host's and were not known.
func (w *Writer) Adopt(found []record.Record) (adopted int) {
	w.mu.Lock()
	for _, r := range found {
		if _, ok := w.known[r.Key()]; !ok && w.cfg.Owns(r) {
			w.known[r.Key()] = plan.Entry{Record: r, Run: w.wishes[r.Key()].Run}
			w.assumeTold(w.known[r.Key()])
			adopted++
		}
	}
	w.mu.Unlock()
	w.save()
	w.poke()
	return adopted
}

// MarkAllUnconfirmed makes the writer write everything wanted once more: after the host has slept or started anew, when
// others may have taken it for gone.
func (w *Writer) MarkAllUnconfirmed() {
	w.mu.Lock()
	for key, e := range w.known {
		e.Unconfirmed = true
		w.known[key] = e
	}
	w.verification.extra = time.Now().Add(resettled)
	w.mu.Unlock()
	w.poke()
}

func (w *Writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run keeps the zone in step until ctx ends, which is no error, or the zone turns out not to exist
// (plan.ErrNoSuchZone). A call in flight is finished first.
func (w *Writer) Run(ctx context.Context) error { return w.loop(ctx, false) }

// Settle brings the zone in step once. It returns when nothing waits but what Route 53 refuses, with an error that says
// what that is, or when ctx ends.
func (w *Writer) Settle(ctx context.Context) error {
	if err := w.loop(ctx, true); err != nil {
		return err
	}
	status := w.Status()
	if pending := len(status.Pending); ctx.Err() != nil && pending > 0 {
		return fmt.Errorf(
			"change records: gave up with %d changes to make: %w",
			pending,
			errors.Join(ctx.Err(), status.Err),
		)
	}
	if len(status.Refused) > 0 {
		first := status.Refused[0]
		return fmt.Errorf("change records: %d changes refused, the first of them %s %s %s: %s",
			len(status.Refused), first.Change.Action, first.Change.Record.Type, first.Change.Record.Name, first.Message)
	}
	return nil
}

func (w *Writer) loop(ctx context.Context, once bool) error {
	saving, saved := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { w.saveBeside(saving) })
	defer beside.Wait()
	defer saved()
	for ctx.Err() == nil {
		now := time.Now()
		w.mu.Lock()
		batch, at := w.next(now)
		proveAt := time.Time{}
		if len(batch) == 0 {
			proveAt = w.proveAt(now)
		}
		verifyAt := w.verification.next(now, w.cfg.VerifyEvery, w.cfg.Jitter)
		w.busySince = now
		w.mu.Unlock()
		switch {
		case len(batch) > 0 && !at.After(now):
			if err := w.send(ctx, batch); err != nil {
				return err
			}
			continue
		case len(batch) > 0:
		case once:
			return nil
		case !proveAt.IsZero() && !proveAt.After(now):
			if err := w.prove(ctx); err != nil {
				return err
			}
			continue
		case !verifyAt.IsZero() && !verifyAt.After(now):
			w.verify(ctx)
			continue
		default:
			at = earliest(at, proveAt, verifyAt)
		}
		w.mu.Lock()
		w.busySince = time.Time{}
		w.mu.Unlock()
		w.sleep(ctx, at)
	}
	return nil
}

// earliest returns the earliest of some times, of which the zero time is none.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// sleep waits for a wake-up, and no longer than to at, where that is set.
func (w *Writer) sleep(ctx context.Context, at time.Time) {
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-due:
	}
}

// next gives the next batch and when it may be sent; no batch where nothing is to be done before at (the zero time:
// never). The caller holds mu.
func (w *Writer) next(now time.Time) (batch []plan.Change, at time.Time) {
	if w.wishes == nil {
		return nil, time.Time{}
	}
	batch, due := w.batch(now)
	if len(batch) == 0 {
		w.nothingAhead()
		w.since, w.limit, w.lastErr = time.Time{}, 0, nil
		return nil, due
	}
	removal := slices.ContainsFunc(batch, func(c plan.Change) bool { return c.Action == plan.Delete })
	if at := w.pace.at(now, removal); at.After(now) {
		return batch, at
	}
	return w.covered(batch, now)
}

// batch gives what the next call would carry now, and when there may be something else. The caller holds mu.
func (w *Writer) batch(now time.Time) (batch []plan.Change, due time.Time) {
	changes := plan.Diff(w.known, w.desired())
	w.quarantine.update(changes)
	for _, c := range changes {
		if r := w.quarantine.against(c, w.addition(c)); r != nil {
			w.presume(c, r.reason, r.message)
		}
	}
	w.forgetTargets()
	w.sayWaiting()
	changes, due = w.quarantine.admit(w.withTargets(changes), now, w.limit)
	return w.cut(changes, w.limit), due
}

// desired gives the records wanted, as far as other writers leave the choice. The caller holds mu.
func (w *Writer) desired() []record.Record {
	records := make([]record.Record, 0, len(w.wishes))
	for key, wish := range w.wishes {
		r := wish.Record
		if _, there := w.known[key]; wish.IfKnown && !there || w.misleads(r) {
			continue
		}
		if keepsMark(w.known[key], wish) {
			r = r.Mark()
		}
		if ttl, ok := w.ttls[groupOf(r)]; ok {
			r.TTL = ttl
		}
		records = append(records, r)
	}
	return records
}

// keepsMark reports whether the sweeper's mark stays on a record. It belongs to what the sweeper judged: that run of
// the container, at that address and port. On a record that is to be on standby anyway it does not stay, or the sweeper
// would restore it.
func keepsMark(have plan.Entry, wish Desired) bool {
	return have.Record.Marked() && have.Run != "" && have.Run == wish.Run && wish.Record.Weight > 0 &&
		have.Record.SameTarget(wish.Record)
}

// outrun reports whether a record was written for an earlier run of its container and would not change for the present
// one. It is written once more then: the sweeper may have marked it for the earlier run, and a mark found later is for
// this one.
func outrun(have plan.Entry, wish Desired) bool {
	return have.Run != "" && wish.Run != "" && have.Run != wish.Run && wish.Record.Type == record.SRV &&
		wish.Record.Weight > 0
}

// begin notes that a call is about to be made, and returns what was known of its records before, and since when an
// event waits.
func (w *Writer) begin(batch []plan.Change) (before map[record.Key]plan.Entry, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before = make(map[record.Key]plan.Entry, len(batch))
	for _, c := range batch {
		key := c.Record.Key()
		have, ok := w.known[key]
		if ok {
			before[key] = have
		}
		switch {
		case c.Action != plan.Delete:
			w.known[key] = w.attempt(c)
		case ok: // a host that dies before the answer does not know whether it is there; the call does not wait for the disk
			have.Unconfirmed = true
			w.known[key] = have
			w.saveSoon()
		}
	}
	w.ahead = slices.DeleteFunc(w.ahead, func(c plan.Change) bool { return slices.Contains(batch, c) })
	since = w.since
	w.since = time.Time{}
	return before, since
}

// send makes one call and draws the consequences. Its error is plan.ErrNoSuchZone or nil.
func (w *Writer) send(ctx context.Context, batch []plan.Change) error {
	before, since := w.begin(batch)
	start := time.Now()
	callCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	err := w.cfg.Zone.Change(callCtx, batch)
	cancel()

	w.mu.Lock()
	w.pace.sent(start)
	var refusal *plan.Refusal
	switch {
	case err == nil:
		w.applied(batch, since)
	case errors.As(err, &refusal), errors.Is(err, plan.ErrThrottled), errors.Is(err, plan.ErrNoSuchZone):
		w.restore(batch, before)
	default:
		w.doubt(batch)
	}
	if err == nil || refusal != nil && !refusal.Denied() {
		w.judged(batch)
	}
	if err != nil {
		if w.since.IsZero() || !since.IsZero() && since.Before(w.since) {
			w.since = since
		}
		w.cfg.Metrics.call(err, time.Since(start))
		if refusal == nil {
			w.failed(err, len(batch))
		}
	}
	deniedAt := w.deniedAt
	w.mu.Unlock()
	if refusal != nil {
		w.refused(ctx, batch, refusal)
		w.readTarget(ctx)
	}
	w.mu.Lock()
	if w.deniedAt != deniedAt {
		w.proof.asked, w.proof.at = true, time.Time{}
	}
	w.tell()
	w.mu.Unlock()
	w.saveSoon()
	if errors.Is(err, plan.ErrNoSuchZone) {
		return err
	}
	return nil
}

// applied notes that a batch has been applied. The caller holds mu.
func (w *Writer) applied(batch []plan.Change, since time.Time) {
	now := time.Now()
	w.quarantine.passed(batch, now)
	if w.denied != nil && w.limit == 0 && now.Sub(w.deniedAt) > deniedAWhile { // the cause may be gone
		w.quarantine.release(plan.Denied)
	}
	for _, c := range batch {
		key := c.Record.Key()
		if c.Action == plan.Delete {
			delete(w.known, key)
			w.quarantine.removed(groupOf(c.Record), now)
		} else {
			e := plan.Entry{Record: c.Record, Run: w.known[key].Run}
			e.Unconfirmed = outrun(e, w.wishes[key])
			w.known[key] = e
		}
		w.cfg.Metrics.applied(c)
		w.recent = append(w.recent, Applied{now, c})
	}
	w.recent = slices.Delete(w.recent, 0, max(0, len(w.recent)-mostRecent))
	w.cfg.Metrics.call(nil, now.Sub(w.pace.last))
	if !since.IsZero() {
		w.cfg.Metrics.delay(now.Sub(since))
	}
	if w.lastErr != nil {
		w.cfg.Log.WithField("changes", len(batch)).Info("Route 53 takes changes again")
	}
	w.lastErr, w.lastGood, w.denied = nil, now, nil
	w.pace.succeeded(now)
	if w.limit > 0 { // the rest of a batch that held a bad change
		w.limit *= 2
		w.pace.answered(now)
	}
}

// restore undoes what send noted of a batch that was not applied. The caller holds mu.
func (w *Writer) restore(batch []plan.Change, before map[record.Key]plan.Entry) {
	for _, c := range batch {
		key := c.Record.Key()
		if have, ok := before[key]; ok {
			w.known[key] = have
		} else {
			delete(w.known, key)
		}
	}
}

// doubt notes that a batch may or may not have been applied. The caller holds mu.
func (w *Writer) doubt(batch []plan.Change) {
	for _, c := range batch {
		if e, ok := w.known[c.Record.Key()]; ok {
			e.Unconfirmed = true
			w.known[c.Record.Key()] = e
		}
	}
}

// failed notes a call to be made again. The caller holds mu.
func (w *Writer) failed(err error, changes int) {
	now := time.Now()
	why := outage
	switch {
	case errors.Is(err, plan.ErrZoneBusy):
		why = zoneBusy
	case errors.Is(err, plan.ErrThrottled):
		why = accountBusy
	}
	w.pace.failed(now, why, w.cfg.Jitter())
	if now.Sub(w.loggedErr) > time.Minute || w.lastErr == nil && changes > 0 {
		w.loggedErr = now
		w.cfg.Log.WithError(err).WithField("changes", changes).Warn("Route 53 does not take changes, trying again")
	}
	w.lastErr = err
}
