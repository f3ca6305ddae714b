package simulation

import (
	"bytes"
	"maps"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// agentStarts notes which records an agent that starts cannot know of, and which it finds again only later. The caller
// holds the lock, and the disk is as the agent finds it.
func (h *host) agentStarts() {
	listing, keys, err := journalKeys(h.disk.content)
	lost := h.disk.content == nil || err != nil || listing || h.disk.restored ||
		bytes.Contains(h.disk.content, []byte(imageHost))
	stale := h.disk.old != nil
	if h.disk.restored { // the journal says that it is old, and the agent lists the zone
		h.exemptAll(keys, "the journal was lost")
	}
	h.disk.old, h.disk.restored = nil, false
	for key := range h.w.zone.records {
		if h.owns(key) && (lost || !keys[key]) {
			switch {
			case lost:
				h.exempt[key] = "the journal was lost"
			case stale:
				h.exempt[key] = "the journal was old"
			case h.exempt[key] == "":
				h.w.violated("%s: a journal that nothing was wrong with lacks %s %s", h.name, key.Name, key.SetID)
			}
		}
	}
	if stale {
		h.exemptAll(h.absent(keys), "the journal was old")
	}
	if lost {
		h.w.lostJournal, h.wroteAddress = true, false
	}
	if stale || lost { // the stop marks are lost with the journal, unless the Engine still has the events
		h.lastFailure = time.Now()
	}
	h.calls.extra += 3
}

// absent returns those of the keys that the zone does not have: a record in an old journal may have gone since.
func (h *host) absent(keys map[record.Key]bool) map[record.Key]bool {
	gone := maps.Clone(keys)
	maps.DeleteFunc(gone, func(key record.Key, _ bool) bool {
		_, there := h.w.zone.records[key]
		return there
	})
	return gone
}

// exemptAll exempts some keys and the records of every container.
func (h *host) exemptAll(keys map[record.Key]bool, why string) {
	for key := range keys {
		h.exempt[key] = why
	}
	for _, b := range h.engine.boxes {
		for _, r := range b.records() {
			h.exempt[r.Key()] = why
		}
	}
}

func (h *host) agentEnded() { h.lastFailure = time.Now() }

// changed checks a batch at the moment it is applied.
func (p *process) changed(before map[record.Key]record.Record, changes []plan.Change) {
	w := p.w
	if p.h == nil {
		w.checkSweeper(p, before, changes)
		return
	}
	h := p.h
	h.calls.applied++
	for _, c := range changes {
		key := c.Record.Key()
		if !h.owns(key) && !h.legacy(key) {
			w.violated("%s: changes a record of somebody else: %s %s", h.name, c.Action, key.SetID)
		}
		delete(h.exempt, key)
		delete(w.sweeperMarks, key)
		h.checkTarget(before, c)
		h.wroteAddress = h.wroteAddress || c.Action != plan.Delete && key == h.address().Key()
	}
	// A journal that lacks a change is removed, so that the next start lists the zone, or could not be removed either.
	content := h.disk.read()
	listing, keys, err := journalKeys(content)
	if err != nil {
		w.violated("%s: the journal cannot be read while a change is made: %v", h.name, err)
	}
	if listing || h.disk.stale() || h.disk.state != diskWorks {
		return
	}
	for _, records := range []map[record.Key]record.Record{before, w.zone.records} {
		for key := range records {
			if h.owns(key) && !keys[key] && h.exempt[key] == "" {
				w.violated("%s: the journal does not cover %s %s", h.name, key.Name, key.SetID)
			}
		}
	}
}

// legacy reports whether a record is one that the original agent wrote for a container of this host.
func (h *host) legacy(key record.Key) bool {
	for _, b := range h.engine.boxes {
		if key.SetID == b.c.ID || strings.HasSuffix(key.SetID, ":"+b.c.ID) && strings.Count(key.SetID, ":") == 1 {
			return true
		}
	}
	return false
}
