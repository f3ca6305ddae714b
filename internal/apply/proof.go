package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// proveEvery is how often Route 53 is asked anew whether the host may change the zone, while it may not or that is
	// not known.
	proveEvery = time.Minute
	// Where denied changes are held back they ask each minute by themselves. Yet one that a policy never allows says
	// nothing of the others.
	proveBeside = 5 * time.Minute
)

// ErrUnproven says that Route 53 was not asked yet, or has not answered.
var ErrUnproven = errors.New("not known yet whether this host may change records: Route 53 has not answered")

// proof is what is known of whether this host may change the zone. Its first batch tells; a host that has nothing to
// write asks for the removal of records that do not exist (Config.Proof), which changes nothing: Route 53 judges
// whether the caller may make a change before it looks at what the zone holds. So does a host of which a change was
// denied, since policies go by name and type, and AWS does not say which change of a batch it denies.
type proof struct {
	given  bool      // Route 53 has judged an SRV change of this host by its content, or the journal says so
	asked  bool      // a change was denied, and Route 53 has judged none since
	denied error     // the answer to the last question; nil where it was another, or Route 53 has judged a change since
	err    error     // why the last question was not answered
	at     time.Time // of the next question
}

// confirmed reports whether a journal has a record that Route 53 has taken.
func confirmed(known plan.Current) bool {
	for _, e := range known {
		if !e.Unconfirmed {
			return true
		}
	}
	return false
}

// Unproven returns why it is not known that this host may change the zone, or that it may not; nil where it may. A
// change that Route 53 rejects for its content, or denies while it accepts others, is no such reason, but for the
// record of the host's own address: every SRV record rests on it.
func (w *Writer) Unproven() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.proof.denied != nil:
		return w.proof.denied
	case !w.proof.given && w.denied != nil:
		return w.denied
	case !w.proof.given && w.lastErr != nil:
		return w.lastErr
	case !w.proof.given && w.proof.err != nil:
		return w.proof.err
	case !w.proof.given:
		return ErrUnproven
	}
	for key, r := range w.quarantine.held {
		if id, ok := record.ParseSetID(key.SetID); ok && id.Kind == record.Host && r.reason == plan.Denied {
			return fmt.Errorf("the record of this host's address is denied: %s", r.message)
		}
	}
	return nil
}

// judged notes that Route 53 has judged a batch of this host by its content. One without SRV records says nothing of
// those. The caller holds mu.
func (w *Writer) judged(batch []plan.Change) {
	if !slices.ContainsFunc(batch, func(c plan.Change) bool { return c.Record.Type == record.SRV }) {
		return
	}
	if w.proof.denied != nil {
		w.cfg.Log.Info("Route 53 permits changes again")
	}
	w.proof = proof{given: true}
}

// proveAt returns when Route 53 is to be asked whether this host may change the zone; the zero time where it need not
// be. The caller holds mu and knows that there is nothing to send.
func (w *Writer) proveAt(now time.Time) time.Time {
	switch {
	case len(w.cfg.Proof) == 0, w.wishes == nil, w.proof.given && !w.proof.asked && w.proof.denied == nil:
		w.pace.idle()
		return time.Time{}
	case w.proof.at.After(now):
		w.pace.idle()
		return w.proof.at
	}
	if at := w.pace.at(now, false); at.After(now) {
		return at
	}
	return now
}

// prove asks Route 53 whether this host may change the zone. Its error is plan.ErrNoSuchZone or nil.
func (w *Writer) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.setReading(cancel)
	start := time.Now()
	err := w.cfg.Zone.Change(ctx, w.cfg.Proof)
	w.setReading(nil)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.pace.sent(start)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil // there is something to change, which proves as much
	}
	var refusal *plan.Refusal
	switch {
	case errors.Is(err, plan.ErrNoSuchZone):
		return err
	case err == nil, errors.As(err, &refusal) && !refusal.Denied():
		w.proved() // which is no refusal, and is not counted as a call that changes something
	case refusal != nil:
		w.disproved(start, refusal)
	default:
		w.cfg.Metrics.call(err, time.Since(start))
		w.proof.err = err
		w.failed(err, 0)
	}
	return nil
}

// proved notes that this host may change the zone. The caller holds mu.
func (w *Writer) proved() {
	now := time.Now()
	w.pace.succeeded(now)
	if w.denied != nil && now.Sub(w.deniedAt) > deniedAWhile { // what was denied may be permitted, too
		w.quarantine.release(plan.Denied)
	}
	w.denied = nil
	w.judged(w.cfg.Proof)
}

// disproved notes that this host may not change the zone. The caller holds mu.
func (w *Writer) disproved(start time.Time, refusal *plan.Refusal) {
	now := time.Now()
	w.cfg.Metrics.call(refusal, now.Sub(start))
	w.pace.succeeded(now)
	if w.proof.denied == nil {
		w.cfg.Log.WithField("message", refusal.Message).WithField("advice", advice[plan.Denied]).
			Error("Route 53 denies this host any change")
	}
	wait := proveEvery
	for _, r := range w.quarantine.held {
		if r.reason == plan.Denied {
			wait = proveBeside
		}
	}
	w.proof.denied, w.proof.err = refusal, nil
	w.proof.at = now.Add(time.Duration((0.75 + w.cfg.Jitter()/2) * float64(wait)))
}
