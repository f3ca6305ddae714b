package simulation

import (
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// bound is how long after the last thing that failed, or the last change of a container, the zone may differ from the
// truth.
const bound = 15 * time.Second

// probed is the bound on days on which Route 53 refuses something: the next try is at most 75 s away.
const probeBound = 90 * time.Second

// prompt is how long a change of a container may take while nothing has failed for a while: the longest gap between two
// calls, and a call.
const promptBound = 4 * time.Second

// busy is how long after a throttled call a host waits before its calls as on an account that is busy, and turn is how
// long a change then waits for its first call. A change of which an event tells waits from then on, one that only a
// listing finds waits from the listing on.
const (
	busy = time.Minute + bound
	turn = 14 * time.Second
)

// working says whether an agent works on the host.
func (h *host) working() bool {
	return h.proc != nil && !h.proc.stopping && !h.proc.callHangs
}

// check compares the zone with the truth.
func (h *host) check(now time.Time) {
	w := h.w
	if h.gone {
		return
	}
	if !h.working() {
		h.lastFailure = now
	}
	if !h.engine.up || h.engine.refusesStreams {
		h.engine.lastDown = now
	}
	missing := map[record.Key]string{}
	allowed := map[record.Key]record.Record{} // the zero Record: any
	for _, b := range h.engine.boxes {
		want := b.expected(now)
		if now.Sub(b.inspectHangsUntil) < bound {
			h.engine.lastEventLost = now              // looks take some seconds longer
			if want == mustBe || b.stopSignal != 15 { // by which signal it stops, nobody may know
				want = may
			}
		}
		limit := w.bound
		switch {
		case now.Sub(h.engine.lastEventLost) > bound && now.Sub(h.lastFailure) > busy:
			limit = promptBound
		case now.Sub(h.engine.lastEventLost) < bound+turn && now.Sub(h.lastThrottled) < busy:
			limit += turn
		}
		settled := now.Sub(b.known.since) > limit && now.Sub(h.lastFailure) > w.bound && now.Sub(h.engine.lastDown) > promptBound
		immediately := want == mustNot && b.c.Live() && !b.known.stopped() // in a crash loop, it is never to appear
		if settled && !b.c.Live() || immediately && h.proc != nil {
			continue
		}
		for _, r := range b.records() {
			key := r.Key()
			switch {
			case w.addressTaken(h), w.zone.denied != nil:
				allowed[key] = record.Record{}
			case !settled || want == may:
				allowed[key] = record.Record{}
			case want == mustBe:
				allowed[key] = r
				missing[key] = "is missing"
			}
		}
	}
	own := h.address()
	allowed[own.Key()] = own
	if w.addressTaken(h) || w.zone.denied != nil {
		h.lastFailure = now
	} else if h.wroteAddress && now.Sub(h.lastFailure) > w.bound {
		missing[own.Key()] = "is missing, and was to be kept"
	}
	for key := range missing {
		if key.Type == record.SRV {
			missing[own.Key()] = "is missing, to which records point"
			break
		}
	}
	for key, have := range w.zone.records {
		if !h.owns(key) {
			continue
		}
		delete(missing, key)
		want, ok := allowed[key]
		switch {
		case h.exempt[key] != "":
		case !ok:
			w.violated("%s: %s %s of %s should not be in the zone", h.name, key.Name, key.SetID, h.nameOf(key))
		case want == record.Record{}:
		default:
			if w.foreign(key) {
				want.TTL = have.TTL // that others have forced on the name
			}
			if have != want && !w.sweeperMarks[key] {
				w.violated("%s: in the zone is %+v, and it should be %+v", h.name, have, want)
			}
		}
	}
	for key, why := range missing {
		if h.exempt[key] == "" && !w.fullName(key) {
			w.violated("%s: %s %s of %s %s", h.name, key.Name, key.SetID, h.nameOf(key), why)
		}
	}
}

// squatted reports whether somebody's A record of a host's name is in the way of the host's own.
func (w *world) addressTaken(h *host) bool {
	return w.zone.simpleSets[record.Key{Name: h.hostName(), Type: record.A}] != ""
}

// leads holds SRV records to their rule the moment they are written: each leads to its host.
func (h *host) checkTarget(before map[record.Key]record.Record, c plan.Change) {
	w, key := h.w, c.Record.Key()
	if had, there := before[key]; c.Action == plan.Delete || key.Type != record.SRV ||
		there && had.Value == c.Record.Value ||
		h.exempt[h.address().Key()] != "" {
		return
	}
	name := record.Key{Name: h.hostName(), Type: record.A}
	_, ours := w.zone.records[h.address().Key()]
	if !ours && w.zone.simpleSets[name] != h.addr.String() && time.Since(w.zone.simpleSince) > probeBound {
		w.violated("%s: writes %s, which leads to %q", h.name, key.SetID, w.zone.simpleSets[name])
	}
}

// nameOf gives the container that a record is of, for the trace.
func (h *host) nameOf(key record.Key) string {
	for _, b := range h.engine.boxes {
		if strings.Contains(key.SetID, b.c.ID) {
			return b.name
		}
	}
	return "the host"
}

// foreign says whether others have records of the name.
func (w *world) foreign(key record.Key) bool {
	for other := range w.strangers {
		if other.Name == key.Name && other.Type == key.Type {
			return true
		}
	}
	return false
}

// fullName says whether no record of the name can be added.
func (w *world) fullName(key record.Key) bool {
	return w.zone.count(w.zone.records, key) >= w.zone.nameMax
}
