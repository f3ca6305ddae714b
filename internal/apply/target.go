package apply

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// lead is where the name that an SRV record points to leads, while this host's A record of the name is refused.
type lead int

const (
	unknown   lead = iota
	nowhere        // there is no A record of the name
	here           // all A records of the name, whoever wrote them, hold this host's address alone
	elsewhere      // there are others
)

// targetOf returns the name that an SRV record points to.
func targetOf(r record.Record) string {
	target, _ := record.ParseTarget(r.Value)
	return target.Host
}

// addressesOf returns the A records that are wanted, by name: containers of one task have one each.
func addressesOf(wishes map[record.Key]Desired) map[string][]record.Record {
	addresses := map[string][]record.Record{}
	for key, wish := range wishes {
		if key.Type == record.A {
			addresses[key.Name] = append(addresses[key.Name], wish.Record)
		}
	}
	return addresses
}

// needs returns the name of the A record that an SRV record needs; false where it points to a name that the host keeps
// no A record of. The caller holds mu.
func (w *Writer) needs(srv record.Record) (name string, ok bool) {
	if srv.Type != record.SRV {
		return "", false
	}
	name = targetOf(srv)
	return name, len(w.addresses[name]) > 0
}

// confirmed reports whether Route 53 has confirmed that an A record of this host's is in the zone under a name. The
// caller holds mu.
func (w *Writer) confirmed(name string) bool {
	return slices.ContainsFunc(w.addresses[name], func(a record.Record) bool {
		have, ok := w.known[a.Key()]
		return ok && !have.Unconfirmed && have.Record.Value == a.Value
	})
}

// blocked returns the refusal of this host's A records of a name, for which what points to it may not be written; nil
// where they are not refused. The caller holds mu.
func (w *Writer) blocked(name string) (by *refused) {
	if w.confirmed(name) {
		return nil
	}
	for _, a := range w.addresses[name] {
		held, ok := w.quarantine.held[a.Key()]
		if !ok {
			return nil
		}
		by = held
	}
	return by
}

// misleads reports whether an SRV record would lead consumers to another host, or does: where the name that it is to
// point to leads elsewhere, and where it still points to an address that this host had. The caller holds mu.
func (w *Writer) misleads(srv record.Record) bool {
	if len(w.quarantine.held) == 0 {
		return false
	}
	name, ok := w.needs(srv)
	if !ok || w.blocked(name) == nil || w.leads[name] == here {
		return false
	}
	if w.leads[name] == elsewhere {
		return true
	}
	have, there := w.known[srv.Key()]
	old := targetOf(have.Record)
	return there && old != name && domain(old) == domain(name)
}

// present reports whether an SRV record is in the zone and points to a name. The caller holds mu.
func (w *Writer) present(key record.Key, name string) bool {
	have, there := w.known[key]
	return there && !have.Unconfirmed && targetOf(have.Record) == name
}

// domain returns a name without its first label.
func domain(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// waits reports whether a change has to wait for the A record that its record points to: that of an SRV record that the
// zone does not have, or may not have. with are the names whose A records are written in the same batch or before it.
// The caller holds mu.
func (w *Writer) waits(c plan.Change, with map[string]bool) bool {
	name, ok := w.needs(c.Record)
	if !ok || c.Action == plan.Delete || with[name] || w.confirmed(name) || w.present(c.Record.Key(), name) {
		return false
	}
	return w.blocked(name) == nil || w.leads[name] != here
}

// withTargets leaves out what has to wait for an A record that is not among the changes, or is held back. The caller
// holds mu.
func (w *Writer) withTargets(changes []plan.Change) []plan.Change {
	with := map[string]bool{}
	for _, c := range changes {
		if _, held := w.quarantine.held[c.Record.Key()]; !held && c.Record.Type == record.A && c.Action != plan.Delete {
			with[c.Record.Name] = true
		}
	}
	return slices.DeleteFunc(changes, func(c plan.Change) bool { return w.waits(c, with) })
}

// cut returns as many changes as one batch may carry. An A record goes with the last SRV record that points to it or
// after it, where they do not all fit. The caller holds mu.
func (w *Writer) cut(changes []plan.Change, limit int) []plan.Change {
	n := upTo(limit, plan.Batch(changes))
	if n >= len(changes) {
		return changes
	}
	pointed := map[string]bool{}
	for _, c := range changes {
		if have, ok := w.known[c.Record.Key()]; ok && c.Record.Type == record.SRV {
			pointed[targetOf(have.Record)] = true
		}
	}
	first := slices.DeleteFunc(slices.Clone(changes), func(c plan.Change) bool {
		return c.Action == plan.Delete && c.Record.Type == record.A && pointed[c.Record.Name]
	})
	return first[:upTo(limit, plan.Batch(first))]
}

// waiting returns the SRV records that are not written, or are removed, since Route 53 refuses the A record that they
// point to, with that refusal. The caller holds mu.
func (w *Writer) waiting() map[record.Key]*refused {
	waiting := map[record.Key]*refused{}
	if len(w.quarantine.held) == 0 {
		return waiting
	}
	for key, wish := range w.wishes {
		name, ok := w.needs(wish.Record)
		if !ok {
			continue
		}
		by := w.blocked(name)
		if by != nil && (w.misleads(wish.Record) || w.leads[name] != here && !w.present(key, name)) {
			waiting[key] = by
		}
	}
	return waiting
}

// sayWaiting says once of each SRV record that it waits for its target, when it is known where that leads. The caller
// holds mu.
func (w *Writer) sayWaiting() {
	waiting := w.waiting()
	maps.DeleteFunc(w.waited, func(key record.Key, _ bool) bool { return waiting[key] == nil })
	for _, key := range slices.SortedFunc(maps.Keys(waiting), byKey) {
		srv, by := w.wishes[key].Record, waiting[key]
		if _, read := w.read[targetOf(srv)]; !read || w.waited[key] {
			continue
		}
		w.waited[key] = true
		w.cfg.Log.WithFields(logrus.Fields{
			"name": srv.Name, "set_id": srv.SetID, "target": targetOf(srv), "reason": by.reason, "message": by.message,
		}).Warn("Route 53 refuses the A record that an SRV record points to; the SRV record waits for it")
		if w.cfg.OnOutcome != nil {
			w.cfg.OnOutcome(Outcome{Kind: WasRefused, Record: srv, Message: by.message})
		}
	}
}

// readTarget reads back a name that SRV records point to and whose A record is refused: somebody else's may lead here
// just as well. One is read after each refused call, the one that was read the longest time ago.
func (w *Writer) readTarget(ctx context.Context) {
	w.mu.Lock()
	var next record.Record
	for _, name := range slices.Sorted(maps.Keys(w.addresses)) {
		if w.blocked(name) != nil && (next.Name == "" || w.read[name].Before(w.read[next.Name])) && w.pointedTo(name) {
			next = w.addresses[name][0]
		}
	}
	w.mu.Unlock()
	if next.Name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := w.cfg.Zone.Group(ctx, next.Name, record.A)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read[next.Name] = time.Now()
	if err != nil {
		w.cfg.Log.WithError(err).WithField("name", next.Name).Warn("reading a name back failed")
		return
	}
	w.leads[next.Name] = leadOf(found, next.Value)
	if by := w.blocked(next.Name); len(found) == 0 && by != nil && ofCNAME.MatchString(by.message) {
		w.leads[next.Name] = elsewhere
	}
}

// pointedTo reports whether an SRV record is wanted that points to a name. The caller holds mu.
func (w *Writer) pointedTo(name string) bool {
	for _, wish := range w.wishes {
		if needs, ok := w.needs(wish.Record); ok && needs == name {
			return true
		}
	}
	return false
}

// leadOf returns where the A records of a name lead, seen from the host of an address.
func leadOf(found []record.Record, address string) lead {
	if len(found) == 0 {
		return nowhere
	}
	for _, r := range found {
		for value := range strings.SplitSeq(r.Value, "\n") {
			if value != address {
				return elsewhere
			}
		}
	}
	return here
}

// forgetTargets forgets where names lead of which the A record is not refused any more. The caller holds mu.
func (w *Writer) forgetTargets() {
	for name := range w.read {
		if w.blocked(name) == nil {
			delete(w.read, name)
			delete(w.leads, name)
		}
	}
}
