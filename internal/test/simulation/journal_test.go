package simulation

import (
	"bytes"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// starting notes what a process that starts cannot know. The caller holds the lock, and the disk is as the process
// finds it.
func (h *host) agentStarts() {
	listing, keys, err := journalKeys(h.disk.content)
	lost, stale := h.disk.content == nil || err != nil || listing || h.disk.restored, h.disk.old != nil
	lost = lost || bytes.Contains(h.disk.content, []byte(imageHost))
	if h.disk.restored { // an old journal says so: what it has and lacks is made good
		for key := range keys {
			h.exempt[key] = "the journal was lost"
		}
		for _, b := range h.engine.boxes {
			for _, r := range b.records() {
				h.exempt[r.Key()] = "the journal was lost"
			}
		}
	}
	h.disk.old, h.disk.restored = nil, false
	for key := range h.w.zone.records {
		if h.owns(key) && (lost || !keys[key]) {
			switch {
			case lost:
				h.exempt[key] = "the journal was lost" // the zone is to be listed
			case stale:
				h.exempt[key] = "the journal was old"
			case h.exempt[key] == "":
				h.w.violated("%s: a journal that nothing was wrong with lacks %s %s", h.name, key.Name, key.SetID)
			}
		}
	}
	if stale { // what is in an old journal may have gone since
		for key := range keys {
			if _, there := h.w.zone.records[key]; !there {
				h.exempt[key] = "the journal was old"
			}
		}
		for _, b := range h.engine.boxes {
			for _, r := range b.records() {
				h.exempt[r.Key()] = "the journal was old"
			}
		}
	}
	if lost {
		h.w.lostJournal, h.wroteAddress = true, false
	}
	if stale || lost { // the stop marks with it, unless the Engine remembers
		h.lastFailure = time.Now()
	}
	h.calls.extra += 3
}

func (h *host) agentEnded() { h.lastFailure = time.Now() }

// changed holds a batch that was applied to the rules, the moment it is.
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
	// A journal that is behind is either gone, so that the next start lists the zone, or could not be removed either.
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

// legacy says whether a record is the original agent's, for a container of this host.
func (h *host) legacy(key record.Key) bool {
	for _, b := range h.engine.boxes {
		if key.SetID == b.c.ID || strings.HasSuffix(key.SetID, ":"+b.c.ID) && strings.Count(key.SetID, ":") == 1 {
			return true
		}
	}
	return false
}
