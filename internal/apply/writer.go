// Package apply brings one hosted zone to the records that a host should have there, and keeps it so: it gathers
// changes into few calls, retries for ever, isolates what Route 53 refuses and reads back now and then what it has
// written. It does not know why a record is desired, and it never touches a record that Config.Owns denies.
//
// Its parts decide, each without a lock, a clock or a call: package ledger what is to be changed, pace when the next
// call may be made, quarantine what is held back, target which SRV records wait for an A record, verify what is read
// back, permission whether the host may write at all, outcome what is reported. The Writer here locks, calls, saves and
// logs.
package apply

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/apply/ledger"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/apply/pace"
	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/apply/target"
	"github.com/ecssd/ecssd/internal/apply/verify"
	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// callTimeout bounds one call. Nothing is lost by giving up on a slow answer, since every change can be made twice; and
// on SIGTERM the call in flight has to end well within the 10 s in which the agent is to exit.
const callTimeout = 8 * time.Second

// Zone is what a Writer needs of a hosted zone.
type Zone interface {
	// Change makes all changes or none. plan.OutcomeOf returns which from its error; after an error that it does not
	// know the changes may have been made.
	Change(ctx context.Context, changes []plan.Change) error
	// Group returns all record sets of one name and type.
	Group(ctx context.Context, name string, t record.Type) ([]record.Record, error)
	// Page returns the weighted record sets from one name and type on, as many as one call lists. covers reports of a
	// name and type whether all its record sets are on the page, or that it has none. It covers those with which it
	// begins.
	Page(
		ctx context.Context,
		name string,
		t record.Type,
	) (found []record.Record, covers func(string, record.Type) bool, err error)
}

// Config is what a Writer works with. All of it is needed but VerifyEvery, Proof, Jitter and OnOutcome.
type Config struct {
	Zone    Zone
	Current plan.Current // what the host has in the zone, from the journal
	// Save writes what is known to disk. One goroutine at a time calls it: before each call to Route 53 that creates or
	// changes, with what the call is about to write, and after each. Where it fails the writer goes on: the journal
	// reports that it is behind.
	Save func(plan.Current) error
	// Owns reports whether a record found in the zone is this host's.
	Owns        func(record.Record) bool
	VerifyEvery time.Duration // between two readings of own records; 0: none
	// Proof is a batch that changes nothing, the removal of records that do not exist. It is sent where only its answer
	// shows whether this host may change the zone. Nil: none is sent.
	Proof []plan.Change
	// Jitter returns random numbers in [0, 1), so that hosts that failed together spread; nil: rand.Float64.
	Jitter func() float64
	// OnOutcome is called with each outcome, in their order. It must be quick and not call the Writer. Nil: none.
	OnOutcome func(outcome.Outcome)
	Log       *logrus.Entry
	Metrics   *metrics.Metrics
}

// Writer keeps one zone in step. Its methods may be called from several goroutines; Run and Settle exclude each other.
type Writer struct {
	cfg     Config
	wake    chan struct{}
	unsaved chan struct{} // something is to be saved

	saving sync.Mutex // taken before mu: what is known is saved in the order in which it came about

	mu         sync.Mutex // guards all below
	ledger     *ledger.Ledger
	quarantine *quarantine.Quarantine
	target     *target.Rule
	pace       pace.Pace
	verify     *verify.Schedule
	permission *permission.State
	outcomes   *outcome.Reporter

	eventAt   time.Time          // when the oldest event came whose changes are not applied yet; zero: there is none
	saveSince time.Time          // since when a call waits for the disk; zero: none does
	lastErr   error              // of the last call; nil where it did not fail
	lastGood  time.Time          // when a call was applied last
	warned    backoff.Minutely   // of calls that fail
	busySince time.Time          // zero while nothing is being done
	recent    []Applied          // oldest first
	breakOff  context.CancelFunc // ends the call under way that changes nothing; nil: there is none
}

// New returns a Writer that changes nothing before SetDesired.
func New(cfg Config) *Writer {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	w := &Writer{
		cfg:        cfg,
		wake:       make(chan struct{}, 1),
		unsaved:    make(chan struct{}, 1),
		ledger:     ledger.New(cfg.Current),
		verify:     verify.New(cfg.VerifyEvery, cfg.Jitter),
		permission: permission.New(cfg.Current),
	}
	w.quarantine = quarantine.New(quarantine.Config{
		Adds:    w.ledger.Adds,
		Changes: w.changes,
		OnHold:  w.reportHeld,
		Jitter:  cfg.Jitter,
	})
	w.target = target.New(w.ledger, w.quarantine)
	w.outcomes = outcome.NewReporter(cfg.OnOutcome, cfg.Current)
	return w
}

// SetDesired replaces what should be in the zone, which may be nothing. since is when the event came that brought it
// about; the zero time where there was none.
func (w *Writer) SetDesired(desired []plan.Desired, since time.Time) {
	w.mu.Lock()
	w.ledger.SetDesired(desired)
	w.target.DesiredChanged()
	if w.eventAt.IsZero() {
		w.eventAt = since
	}
	if w.breakOff != nil {
		if batch, _ := w.batch(time.Now()); len(batch) > 0 { // which does not wait for an answer that may never come
			w.breakOff()
		}
	}
	w.mu.Unlock()
	w.poke()
}

// Adopt takes over records found in the zone that are the host's and were not known, and returns their number.
func (w *Writer) Adopt(found []record.Record) int {
	w.mu.Lock()
	adopted := w.ledger.Adopt(found, w.cfg.Owns)
	for _, r := range adopted {
		w.outcomes.Assume(w.ledger.Current()[r.Key()])
	}
	w.mu.Unlock()
	w.save()
	w.poke()
	return len(adopted)
}

// MarkAllUnconfirmed makes the writer write everything desired once more: after the host has slept or started anew,
// when others may have taken it for gone.
func (w *Writer) MarkAllUnconfirmed() {
	w.mu.Lock()
	w.ledger.MarkAllUnconfirmed()
	w.verify.Wake(time.Now())
	w.mu.Unlock()
	w.poke()
}

// AddressMissing has the record of the host's address read back soon, because DNS does not know it, and reports whether
// it will be: once in Config.VerifyEvery, unless the record was missing indeed.
func (w *Writer) AddressMissing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := verify.OwnOf(w.ledger.Current())
	if own.Address == (record.Group{}) || !w.verify.AddressMissing(time.Now()) {
		return false
	}
	w.poke()
	return true
}

// poke wakes Run.
func (w *Writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
