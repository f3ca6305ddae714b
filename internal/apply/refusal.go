package apply

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// advice says what a person can do about a refused change.
var advice = map[plan.Reason]string{
	plan.NameFull: "Route 53 holds at most 100 weighted records of one name and type: run fewer containers of the service or split it by name",
	plan.ZoneFull: "the hosted zone is full: ask AWS for a higher quota of records in a hosted zone, or remove what nobody needs",
	plan.Conflict: "a record set that ecssd does not own and that is not weighted has this name and type: remove it or rename the service",
	plan.Denied:   "allow route53:ChangeResourceRecordSets on this hosted zone for this name to the instance's role",
	plan.Invalid:  "see the message; check that --zone is the name of the hosted zone that --zone-id means",
}

// refused draws the consequences of a refused batch. After each, what is sent next differs: a record is known better, a
// change is in quarantine, a TTL is another, or the batch is smaller.
func (w *Writer) refused(ctx context.Context, batch []plan.Change, refusal *plan.Refusal) {
	read := map[group]bool{}
	for change, reason := range refusal.Named {
		if g := groupOf(change.Record); (reason == plan.Mismatch || reason == plan.TTL) && !read[g] {
			read[g] = w.readBack(ctx, g)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	mended := false
	for change, reason := range refusal.Named {
		switch reason {
		case plan.NotFound: // it is removed, perhaps by a call whose answer was lost
			delete(w.known, change.Record.Key())
			mended = true
		case plan.Mismatch, plan.TTL:
			mended = mended || read[groupOf(change.Record)]
		case plan.NameFull, plan.ZoneFull:
			mended = w.full(batch, refusal, reason, groupOf(change.Record)) || mended
		default:
			w.hold(change, reason, refusal.Message)
			mended = true
		}
	}
	if len(refusal.Named) == 0 {
		switch {
		case refusal.Reason == plan.ZoneFull:
			mended = w.full(batch, refusal, plan.ZoneFull, group{})
		case len(batch) > 1: // narrow down to the bad one
			w.limit, mended = len(batch)/2, true
		default:
			// Where everything is refused one by one, the calls keep their distance as if each had been applied.
			w.isolate(batch[0], refusal)
			return
		}
	}
	if mended {
		w.pace.answered()
	} else {
		w.failed(refusal, len(batch))
	}
}

// isolate holds back a change that was refused when it was sent alone. The caller holds mu.
func (w *Writer) isolate(bad plan.Change, refusal *plan.Refusal) {
	w.hold(bad, refusal.Reason, refusal.Message)
	if refusal.Reason != plan.Denied {
		return
	}
	// Permissions go by name, so that one refusal speaks for every change of the name.
	for _, c := range plan.Diff(w.known, w.desired()) {
		if groupOf(c.Record) == groupOf(bad.Record) && c != bad {
			w.hold(c, refusal.Reason, refusal.Message)
		}
	}
}

// full holds back half of the additions that there is no room for, or the only one. The caller holds mu.
func (w *Writer) full(batch []plan.Change, refusal *plan.Refusal, reason plan.Reason, g group) (mended bool) {
	var additions []plan.Change
	for _, c := range batch {
		_, there := w.known[c.Record.Key()]
		if c.Action == plan.Upsert && !there && (reason == plan.ZoneFull || groupOf(c.Record) == g) {
			if r, held := w.quarantine[c.Record.Key()]; held && r.due.After(time.Now()) {
				return true // dealt with when another change of the group was named
			}
			additions = append(additions, c)
		}
	}
	for _, c := range additions[len(additions)/2:] {
		w.hold(c, reason, refusal.Message)
	}
	return len(additions) > 0
}

// hold puts a change in quarantine and says so once. The caller holds mu.
func (w *Writer) hold(c plan.Change, reason plan.Reason, message string) {
	if w.quarantine.hold(c, reason, message, time.Now()) {
		w.cfg.Log.WithFields(logrus.Fields{
			"action": c.Action, "name": c.Record.Name, "type": c.Record.Type, "set_id": c.Record.SetID,
			"reason": reason, "message": message, "advice": advice[reason],
		}).Error("Route 53 refuses a change, the others go on")
	}
}

// readBack learns what a group really holds, and which TTL others' records force on it. It says whether anything of that was
// news.
func (w *Writer) readBack(ctx context.Context, g group) (news bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := w.cfg.Zone.Group(ctx, g.name, g.typ)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.cfg.Log.WithError(err).WithField("name", g.name).Warn("reading a name back failed")
		return false
	}
	return w.learn(g, found) > 0
}

// learn compares a group as found with what is known of it, mends that and gives the number of differences. The caller holds
// mu.
func (w *Writer) learn(g group, found []record.Record) (differences int) {
	present := make(map[record.Key]bool, len(found))
	ttl, foreign := int64(0), false
	for _, r := range found {
		if !w.cfg.Owns(r) {
			ttl, foreign = r.TTL, true
			continue
		}
		present[r.Key()] = true
		have, ok := w.known[r.Key()]
		if !ok || !have.Record.Same(r) {
			differences++
		}
		if have.Record != r {
			w.known[r.Key()] = w.entry(r)
		}
	}
	for key := range w.known {
		if key.Name == g.name && key.Type == g.typ && !present[key] {
			delete(w.known, key)
			differences++
		}
	}
	return differences + w.forceTTL(g, ttl, foreign, found)
}

// forceTTL notes the TTL that a group's other records have: the weighted records of one name and type must share one, so
// that it belongs to the name. The caller holds mu.
func (w *Writer) forceTTL(g group, ttl int64, foreign bool, found []record.Record) (differences int) {
	forced, was := w.ttls[g]
	if !foreign && len(found) > 0 {
		ttl = found[0].TTL // all of them ours, and Route 53 would not take them with another TTL one by one
	}
	wanted := false
	for key, wish := range w.wishes {
		wanted = wanted || key.Name == g.name && key.Type == g.typ && wish.Record.TTL != ttl
	}
	switch {
	case len(found) > 0 && wanted && (!was || forced != ttl):
		w.ttls[g] = ttl
		w.cfg.Log.WithFields(logrus.Fields{"name": g.name, "type": g.typ, "ttl": ttl}).
			Warn("taking the TTL that the name's other records have: all records of a name share one")
		return 1
	case was && !wanted:
		delete(w.ttls, g)
		return 1
	}
	return 0
}
