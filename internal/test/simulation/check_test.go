package simulation

import (
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// bound is how long the zone may differ from the truth after the last failure, or the last change of a container.
const bound = 15 * time.Second

// probeBound is the bound on days on which Route 53 refuses something: the next try is at most 75 s away.
const probeBound = 90 * time.Second

// promptBound is how long a change of a container may take while nothing has failed for a while: the longest gap
// between two calls, and a call.
const promptBound = 4 * time.Second

// busy is how long after a throttled call a host waits before its calls as on an account that is busy, and turn is how
// long a change then waits for its first call. A change that an event reports waits from the event on, one that only a
// listing finds waits from the listing on.
const (
	busy = time.Minute + bound
	turn = 14 * time.Second
)

// working reports whether an agent runs on the host and waits for no call that hangs.
func (h *host) working() bool {
	return h.proc != nil && !h.proc.stopping && !h.proc.callHangs
}

// check compares the zone with the truth.
func (h *host) check(now time.Time) {
	if h.gone {
		return
	}
	if !h.working() {
		h.lastFailure = now
	}
	if !h.engine.up || h.engine.refusesStreams {
		h.engine.lastDown = now
	}
	e := &expectations{allowed: map[record.Key]record.Record{}, missing: map[record.Key]string{}}
	for _, b := range h.engine.boxes {
		h.expectContainer(b, e, now)
	}
	h.expectAddress(e, now)
	h.compare(e)
}

// expectations are what a host may and has to have in the zone.
type expectations struct {
	allowed map[record.Key]record.Record // the zero Record: with any content
	missing map[record.Key]string        // has to be there, and is not yet found; what to report
}

// expectContainer adds what is expected of a container's records.
func (h *host) expectContainer(b *box, e *expectations, now time.Time) {
	want := b.expected(now)
	if now.Sub(b.inspectHangsUntil) < bound {
		h.engine.lastEventLost = now              // looks take some seconds longer
		if want == mustBe || b.stopSignal != 15 { // without inspect the agent does not know the stop signal
			want = may
		}
	}
	settled := now.Sub(b.known.since) > h.limit(now) && now.Sub(h.lastFailure) > h.w.bound &&
		now.Sub(h.engine.lastDown) > promptBound
	// A container withheld for a crash loop must never get a record.
	withheld := want == mustNot && b.c.Live() && !b.known.stopped()
	if settled && !b.c.Live() || withheld && h.proc != nil {
		return
	}
	for _, r := range b.records() {
		key := r.Key()
		switch {
		case h.w.addressTaken(h), h.w.zone.denied != nil, !settled, want == may:
			e.allowed[key] = record.Record{}
		case want == mustBe:
			e.allowed[key] = r
			e.missing[key] = "is missing"
		}
	}
}

// limit returns how long a change of a container may take now.
func (h *host) limit(now time.Time) time.Duration {
	switch eventLost := now.Sub(h.engine.lastEventLost); {
	case eventLost > bound && now.Sub(h.lastFailure) > busy:
		return promptBound
	case eventLost < bound+turn && now.Sub(h.lastThrottled) < busy:
		return h.w.bound + turn
	}
	return h.w.bound
}

// expectAddress adds what is expected of the host's A record.
func (h *host) expectAddress(e *expectations, now time.Time) {
	own := h.address()
	e.allowed[own.Key()] = own
	if h.w.addressTaken(h) || h.w.zone.denied != nil {
		h.lastFailure = now
	} else if h.wroteAddress && now.Sub(h.lastFailure) > h.w.bound {
		e.missing[own.Key()] = "is missing, and was to be kept"
	}
	for key := range e.missing {
		if key.Type == record.SRV {
			e.missing[own.Key()] = "is missing, to which records point"
			break
		}
	}
}

// compare reports where the zone differs from what is expected.
func (h *host) compare(e *expectations) {
	w := h.w
	for key, have := range w.zone.records {
		if !h.owns(key) {
			continue
		}
		delete(e.missing, key)
		want, ok := e.allowed[key]
		switch {
		case h.exempt[key] != "":
		case !ok:
			w.violated("%s: %s %s of %s should not be in the zone", h.name, key.Name, key.SetID, h.nameOf(key))
		case want == record.Record{}:
		default:
			if w.sharedWithOthers(key) {
				want.TTL = have.TTL // which the others' records force on the name
			}
			if have != want && !w.sweeperMarks[key] {
				w.violated("%s: in the zone is %+v, and it should be %+v", h.name, have, want)
			}
		}
	}
	for key, why := range e.missing {
		if h.exempt[key] == "" && !w.fullName(key) {
			w.violated("%s: %s %s of %s %s", h.name, key.Name, key.SetID, h.nameOf(key), why)
		}
	}
}

// addressTaken reports whether a simple A record of others has the host's name.
func (w *world) addressTaken(h *host) bool {
	return w.zone.simpleSets[record.Key{Name: h.hostName(), Type: record.A}] != ""
}

// checkTarget checks an SRV record at the moment it is written: its target has to lead to this host.
func (h *host) checkTarget(before map[record.Key]record.Record, c plan.Change) {
	w, key := h.w, c.Record.Key()
	if had, there := before[key]; c.Action == plan.Delete || key.Type != record.SRV ||
		there && had.Value == c.Record.Value ||
		h.exempt[h.address().Key()] != "" {
		return
	}
	name := record.Key{Name: h.hostName(), Type: record.A}
	_, ours := w.zone.records[h.address().Key()]
	known := min(time.Since(w.zone.simpleSince), time.Since(h.lastFault)) // while calls fail the agent learns nothing
	if !ours && w.zone.simpleSets[name] != h.addr.String() && known > probeBound {
		w.violated("%s: writes %s, which leads to %q", h.name, key.SetID, w.zone.simpleSets[name])
	}
}

// nameOf returns the name of the container that a record is for.
func (h *host) nameOf(key record.Key) string {
	for _, b := range h.engine.boxes {
		if strings.Contains(key.SetID, b.c.ID) {
			return b.name
		}
	}
	return "the host"
}

// sharedWithOthers reports whether others have records of the same name and type.
func (w *world) sharedWithOthers(key record.Key) bool {
	for other := range w.strangers {
		if other.Name == key.Name && other.Type == key.Type {
			return true
		}
	}
	return false
}

// fullName reports whether no record of the name can be added.
func (w *world) fullName(key record.Key) bool {
	return w.zone.count(w.zone.records, key) >= w.zone.nameMax
}
