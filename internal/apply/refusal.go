package apply

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
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

// adviceOnAddress says it of the A record of a host or a task, on which SRV records rest.
var adviceOnAddress = map[plan.Reason]string{
	plan.Conflict: "somebody has an A record that is not weighted under this host's name: remove it; no SRV record that points to it is added while it leads elsewhere",
	plan.Denied:   "allow route53:ChangeResourceRecordSets on this hosted zone for A records, too, to the instance's role; SRV records that point to this one wait",
}

// ofCNAME finds where a message says that the conflicting record set is a CNAME.
var ofCNAME = regexp.MustCompile(`(?i)of type +'?CNAME\b`)

// adviceOn returns what a person can do about a refused change, of which a message says why. A message may tell of
// several changes.
func adviceOn(c plan.Change, reason plan.Reason, message string) string {
	for part := range strings.SplitSeq(message, ", ") {
		if reason == plan.Conflict && ofCNAME.MatchString(part) && strings.Contains(part, " "+c.Record.Name+".") {
			return "a CNAME record has this name, and DNS allows no other record beside it: remove it or rename the service"
		}
	}
	if c.Record.Type == record.A {
		if text, ok := adviceOnAddress[reason]; ok {
			return text
		}
	}
	return advice[reason]
}

// refused draws the consequences of a refused batch. After each, what is sent next differs: a record is known better, a
// change is in quarantine, a TTL is another, or the batch is smaller. Where it does not differ after all, it has to
// wait.
func (w *Writer) refused(ctx context.Context, batch []plan.Change, refusal *plan.Refusal) {
	named := refusal.Named
	if len(named) == 0 && refusal.Reason == plan.Exists { // UPSERT does for those that are not there, too
		named = map[plan.Change]plan.Reason{}
		for _, c := range batch {
			if c.Action == plan.Create {
				named[c] = plan.Exists
			}
		}
	}
	if len(named) == 0 && len(batch) == 1 {
		switch refusal.Reason {
		case plan.NotFound, plan.Mismatch, plan.TTL, plan.NameFull: // of the only change there is
			named = map[plan.Change]plan.Reason{batch[0]: refusal.Reason}
		}
	}
	found := map[group]reading{}
	for _, change := range inOrder(named) {
		reason := named[change]
		g := groupOf(change.Record)
		if _, done := found[g]; !done && (reason == plan.Mismatch || reason == plan.TTL) {
			found[g] = w.readBack(ctx, g, reason)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteDenial(batch, refusal)
	again := w.quarantine.causes(batch)
	if len(named) > 0 {
		w.holdNamed(batch, named, found, refusal.Message)
	} else if !w.narrow(batch, refusal) {
		// Where everything is refused one by one, the calls keep their distance as if each had been applied.
		w.postpone(again)
		return
	}
	w.postpone(again)
	if next, _ := w.batch(time.Now()); slices.Equal(next, batch) {
		w.failed(refusal, len(batch))
	} else {
		w.pace.answered(time.Now())
	}
}

// postpone has causes wait again of which something was tried again and refused. The caller holds mu.
func (w *Writer) postpone(causes map[cause]int) {
	for c := range causes {
		if p, ok := w.quarantine.probes[c]; ok {
			p.postpone(c, time.Now(), w.cfg.Jitter())
		}
	}
}

// holdNamed deals with a batch of which the message names what is wrong. The caller holds mu.
func (w *Writer) holdNamed(
	batch []plan.Change,
	named map[plan.Change]plan.Reason,
	found map[group]reading,
	message string,
) {
	rooms := map[cause]bool{}
	for _, change := range inOrder(named) {
		reason := named[change]
		g := groupOf(change.Record)
		switch reason {
		case plan.NotFound: // it is removed, perhaps by a call whose answer was lost
			delete(w.known, change.Record.Key())
			w.quarantine.removed(g, time.Now())
		case plan.Exists: // written by a call whose answer was lost, or before the journal was: the identifier is this host's
			if slices.Contains(batch, change) {
				w.known[change.Record.Key()] = w.attempt(change)
			}
		case plan.Mismatch, plan.TTL:
			if found[g] == noNews { // the same would be refused again, and hold up the rest
				w.hold(change, reason, message, true)
			}
		case plan.NameFull, plan.ZoneFull:
			c := causeOf(reason, g)
			if _, done := rooms[c]; !done {
				rooms[c] = w.full(batch, message, c)
			}
			if !rooms[c] {
				w.hold(change, reason, message, true)
			}
		default:
			w.hold(change, reason, message, true)
		}
	}
	for _, c := range batch { // tried again with others, and nothing is said against it
		if _, bad := named[c]; !bad {
			if r, held := w.quarantine.held[c.Record.Key()]; held && !r.cause().quota() {
				r.free = true
			}
		}
	}
}

// narrow deals with a batch of which the message names nothing, and reports whether there is a next step. The caller
// holds mu.
func (w *Writer) narrow(batch []plan.Change, refusal *plan.Refusal) bool {
	now := time.Now()
	if refusal.Reason == plan.ZoneFull && w.full(batch, refusal.Message, cause{reason: plan.ZoneFull}) {
		return true
	}
	last := refusal.Reason == plan.Denied && w.quarantine.spend(now)
	switch {
	case len(batch) == 1:
		w.isolate(batch[0], refusal)
	case last:
		for _, c := range batch {
			w.presume(c, refusal.Reason, refusal.Message)
		}
	default: // narrow down to the bad one
		w.limit = len(batch) / 2
		return true
	}
	if last {
		w.limit = 0
	}
	return len(batch) > 1
}

// noteDenial notes whether Route 53 denies changes. That it still denies what it denied before, or a part of a batch
// that it has denied, is no news: it may have accepted others since. The caller holds mu.
func (w *Writer) noteDenial(batch []plan.Change, refusal *plan.Refusal) {
	fresh := w.limit == 0 && slices.ContainsFunc(batch, func(c plan.Change) bool {
		held, again := w.quarantine.held[c.Record.Key()]
		return !again || held.reason != plan.Denied
	})
	switch {
	case !refusal.Denied():
		w.denied = nil
		if w.quarantine.causes(batch)[cause{reason: plan.Denied}] > 0 {
			w.quarantine.release(plan.Denied)
		}
	case fresh:
		w.denied, w.deniedAt = refusal, time.Now()
	}
}

// inOrder gives the changes that a refusal names, always in the same order.
func inOrder(named map[plan.Change]plan.Reason) []plan.Change {
	return slices.SortedFunc(maps.Keys(named), func(a, b plan.Change) int {
		return cmp.Or(cmp.Compare(a.Record.Name, b.Record.Name), cmp.Compare(a.Record.Type, b.Record.Type),
			cmp.Compare(a.Record.SetID, b.Record.SetID), cmp.Compare(a.Action, b.Action))
	})
}

// isolate holds back a change that was refused when it was sent alone. The caller holds mu.
func (w *Writer) isolate(bad plan.Change, refusal *plan.Refusal) {
	w.hold(bad, refusal.Reason, refusal.Message, false)
	if refusal.Reason != plan.Denied {
		return
	}
	// Permissions go by name, so that one refusal speaks for every change of the name.
	for _, c := range plan.Diff(w.known, w.desired()) {
		if groupOf(c.Record) == groupOf(bad.Record) && c != bad {
			w.hold(c, refusal.Reason, refusal.Message, false)
		}
	}
}

// addition reports whether a change makes a record that is not there, as far as the host knows. The caller holds mu.
func (w *Writer) addition(c plan.Change) bool {
	_, there := w.known[c.Record.Key()]
	return c.Action != plan.Delete && !there
}

// full holds back half of the additions of a batch that there is no room for, or the only one, and reports whether
// there was one. Where they were tried again, all of them wait again. The caller holds mu.
func (w *Writer) full(batch []plan.Change, message string, cause cause) bool {
	var additions []plan.Change
	keep := 0
	for _, c := range batch {
		if w.addition(c) && (cause.reason == plan.ZoneFull || groupOf(c.Record) == cause.full) {
			additions = append(additions, c)
		}
	}
	if w.quarantine.causes(additions)[cause] == 0 {
		keep = len(additions) / 2
	}
	for _, c := range additions[keep:] {
		w.hold(c, cause.reason, message, true)
	}
	if len(additions) > 0 && keep == 0 {
		w.quarantine.probes[cause].closed = true
	}
	return len(additions) > 0
}

// hold puts a change in quarantine that was refused. The caller holds mu.
func (w *Writer) hold(c plan.Change, reason plan.Reason, message string, named bool) {
	w.say(c, reason, message, w.quarantine.hold(c, reason, message, named, true))
}

// presume puts a change in quarantine that would be refused, as far as can be told without trying it. The caller holds
// mu.
func (w *Writer) presume(c plan.Change, reason plan.Reason, message string) {
	w.say(c, reason, message, w.quarantine.hold(c, reason, message, false, false))
}

// say says once that a change is in quarantine. The caller holds mu.
func (w *Writer) say(c plan.Change, reason plan.Reason, message string, fresh bool) {
	w.quarantine.probe(causeOf(reason, groupOf(c.Record)), time.Now(), w.cfg.Jitter())
	if !fresh {
		return
	}
	w.cfg.Log.WithFields(logrus.Fields{
		"action": c.Action, "name": c.Record.Name, "type": c.Record.Type, "set_id": c.Record.SetID,
		"reason": reason, "message": message, "advice": adviceOn(c, reason, message),
	}).Error("Route 53 refuses a change, the others go on")
	if w.cfg.OnOutcome != nil && c.Record.Type == record.SRV {
		w.cfg.OnOutcome(Outcome{Kind: WasRefused, Record: c.Record, Message: message})
	}
}

// reading is what came of reading a group back.
type reading int

const (
	unread reading = iota // the call failed
	noNews                // the group is as known
	news
)

// readBack learns what a group really holds, and which TTL others' records force on it.
func (w *Writer) readBack(ctx context.Context, g group, refused plan.Reason) reading {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := w.cfg.Zone.Group(ctx, g.name, g.typ)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.cfg.Log.WithError(err).WithField("name", g.name).Warn("reading a name back failed")
		return unread
	}
	before := maps.Clone(w.known)
	if w.learn(g, found, refused == plan.TTL) > 0 || !maps.Equal(before, w.known) {
		return news
	}
	return noNews
}

// learn compares a group as found with what is known of it, mends that and gives the number of differences to be mended
// in the zone. refusedTTL says that Route 53 has just refused a TTL other than the group's. The caller holds mu.
func (w *Writer) learn(g group, found []record.Record, refusedTTL bool) (differences int) {
	present := make(map[record.Key]bool, len(found))
	ttl, forced := int64(0), false
	if refusedTTL && len(found) > 0 {
		ttl, forced = found[0].TTL, true // also where all are ours: Route 53 would not take them with another TTL
	}
	for _, r := range found {
		have, known := w.known[r.Key()]
		if !known && !w.cfg.Owns(r) {
			if r.SetID != "" { // one that is not weighted shares a name with no other
				ttl, forced = r.TTL, true
			}
			continue
		}
		present[r.Key()] = true
		e := plan.Entry{Record: r, Run: have.Run}
		if !have.Record.Same(r) && !keepsMark(e, w.wishes[r.Key()]) {
			differences++
		}
		if have.Record != r {
			w.known[r.Key()] = e
		}
	}
	for key := range w.known {
		if key.Name == g.name && key.Type == g.typ && !present[key] {
			delete(w.known, key)
			differences++
		}
	}
	return differences + w.forceTTL(g, ttl, forced)
}

// forceTTL notes the TTL that other records force on a group, or that none do any more: the weighted records of one
// name and type must share one, so that it belongs to the name. The caller holds mu.
func (w *Writer) forceTTL(g group, ttl int64, forced bool) (differences int) {
	unwanted := false
	for key, wish := range w.wishes {
		unwanted = unwanted || key.Name == g.name && key.Type == g.typ && wish.Record.TTL != ttl
	}
	have, was := w.ttls[g]
	switch {
	case forced && unwanted && (!was || have != ttl):
		w.ttls[g] = ttl
		w.cfg.Log.WithFields(logrus.Fields{"name": g.name, "type": g.typ, "ttl": ttl}).
			Warn("taking the TTL that the name's other records have: all records of a name share one")
		return 1
	case was && !(forced && unwanted):
		delete(w.ttls, g)
		return 1
	}
	return 0
}
