package apply

import (
	"context"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// refused draws the consequences of a refused batch. After each, what is sent next differs: a record is known better, a
// change is in quarantine, a TTL is another, or the batch is smaller. Where it does not differ after all, it has to
// wait.
func (w *Writer) refused(ctx context.Context, batch []plan.Change, refusal *plan.Refusal) {
	named := refusal.Faults(batch)
	read := w.readRefused(ctx, named)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	switch {
	case !refusal.Denied():
		w.permission.NotDenied(now)
		w.quarantine.NotDenied(batch)
	case !w.quarantine.KnownDenial(batch): // a policy may deny some names and allow the others
		w.permission.ChangeDenied(refusal, now)
	}
	postpone := w.quarantine.Postpone(batch)
	if len(named) > 0 {
		w.holdNamed(batch, named, read, refusal.Message)
	} else if !w.quarantine.Narrow(batch, refusal, now) {
		// Where everything is refused one by one, the calls keep their distance as if each had been applied.
		postpone(now)
		return
	}
	postpone(now)
	if next, _ := w.batch(now); slices.Equal(next, batch) {
		w.failed(plan.Rejected, refusal, len(batch))
	} else {
		w.pace.FollowUp(now)
	}
}

// reading is what came of reading a group back.
type reading int

const (
	unread reading = iota // the call failed
	asKnown
	news
)

// readRefused reads the groups of changes back that were refused because the zone differs from what is known of it.
func (w *Writer) readRefused(ctx context.Context, named map[plan.Change]plan.Reason) map[record.Group]reading {
	read := map[record.Group]reading{}
	for _, change := range plan.InOrder(named) {
		reason, g := named[change], change.Record.Group()
		if _, done := read[g]; !done && (reason == plan.Mismatch || reason == plan.TTL) {
			read[g] = w.readGroup(ctx, g, reason)
		}
	}
	return read
}

// readGroup learns what a group holds, and which TTL others' records force on it.
func (w *Writer) readGroup(ctx context.Context, g record.Group, refused plan.Reason) reading {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := w.cfg.Zone.Group(ctx, g.Name, g.Type)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.cfg.Log.WithError(err).WithField("name", g.Name).Warn("cannot list records of name")
		return unread
	}
	if differences, changed := w.learn(g, found, refused == plan.TTL); differences > 0 || changed {
		return news
	}
	return asKnown
}

// learn compares a group as found with what is known of it. It returns the number of differences to be put right in the
// zone, and whether what is known has changed. The caller holds mu.
func (w *Writer) learn(g record.Group, found []record.Record, refusedTTL bool) (differences int, changed bool) {
	learned := w.ledger.Learn(g, found, w.cfg.Owns, refusedTTL)
	if learned.ForcedTTL != nil {
		w.cfg.Log.WithFields(logrus.Fields{"name": g.Name, "type": g.Type, "ttl": *learned.ForcedTTL}).
			Warn("other records of this name have another TTL; using theirs")
	}
	return learned.Differences, learned.Changed
}

// holdNamed deals with a batch of which the message names what is wrong. The caller holds mu.
func (w *Writer) holdNamed(
	batch []plan.Change,
	named map[plan.Change]plan.Reason,
	read map[record.Group]reading,
	message string,
) {
	now := time.Now()
	full := map[record.Group]bool{} // whether it was dealt with, by group; the zero Group for the whole zone
	for _, change := range plan.InOrder(named) {
		reason, g := named[change], change.Record.Group()
		switch reason {
		case plan.NotFound: // it is removed, perhaps by a call whose answer was lost
			w.ledger.Remove(change.Record.Key())
			w.quarantine.Removed(g, now)
		// written by a call whose answer was lost, or before the journal: the identifier is this host's
		case plan.Exists:
			if slices.Contains(batch, change) {
				w.ledger.MayExist(change)
			}
		case plan.Mismatch, plan.TTL:
			if read[g] == asKnown { // the same would be refused again, and hold up the rest
				w.quarantine.Hold(change, reason, message, true, now)
			}
		case plan.NameFull, plan.ZoneFull:
			if reason == plan.ZoneFull {
				g = record.Group{}
			}
			if _, done := full[g]; !done {
				full[g] = w.quarantine.NoRoom(batch, reason, g, message, now)
			}
			if !full[g] {
				w.quarantine.Hold(change, reason, message, true, now)
			}
		default:
			w.quarantine.Hold(change, reason, message, true, now)
		}
	}
	w.quarantine.Unnamed(batch, named)
}

// reportHeld logs that a change is in quarantine, and why. The caller holds mu.
func (w *Writer) reportHeld(h quarantine.Held) {
	c := h.Change
	w.cfg.Log.WithFields(logrus.Fields{
		"action":  c.Action,
		"name":    c.Record.Name,
		"type":    c.Record.Type,
		"set_id":  c.Record.SetID,
		"reason":  h.Reason,
		"message": h.Message,
		"hint":    h.Advice(),
	}).Error("Route 53 refused a change; applying the others")
	w.outcomes.Refused(c.Record, h.Message)
}
