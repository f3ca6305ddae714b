package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// checkSweeper checks a batch of the sweeper at the moment it is applied.
func (w *world) checkSweeper(p *process, before map[record.Key]record.Record, changes []plan.Change) {
	created := map[record.Key]bool{}
	for _, c := range changes {
		if c.Action == plan.Create {
			created[c.Record.Key()] = true
		}
		if c.Action == plan.Upsert {
			w.violated("sweeper: an UPSERT: %s", c.Record.SetID)
		}
	}
	for _, c := range changes {
		key := c.Record.Key()
		if !created[key] {
			w.checkDeletion(p, key)
		} else if c.Action == plan.Create {
			w.sweeperMarks[key] = true
			w.host(key, func(h *host) { h.calls.extra++ })
		}
	}
	if p.unprovenDeletes > 10 && 10*p.unprovenDeletes > 3*p.listed {
		w.violated("sweeper: deletes %d of %d records without EC2's proof", p.unprovenDeletes, p.listed)
	}
}

// checkDeletion checks that a record that the sweeper deletes is of a container or host that is gone.
func (w *world) checkDeletion(p *process, key record.Key) {
	owned := false
	w.host(key, func(h *host) {
		owned = true
		delete(h.exempt, key)
		h.wroteAddress = h.wroteAddress && key.Type != record.A
		if h.gone || h.down {
			return
		}
		if time.Since(h.up) < answerAge+requestTakes { // too short for the sweeper to know; the agent writes all anew
			h.calls.extra++
			return
		}
		if !h.stopped(key) {
			p.unprovenDeletes++
		}
		if w.on(inventoryEmpty) {
			h.exempt[key] = "ECS listed no containers to the sweeper"
			h.calls.extra += 2
			return
		}
		if key == h.address().Key() {
			w.violated("sweeper: deletes the address of %s, which lives", h.name)
		}
		for _, b := range h.engine.boxes {
			if strings.Contains(key.SetID, b.c.ID) && b.c.Live() && !b.known.stopped() {
				w.violated("sweeper: deletes %s %s of %s, which lives", key.Name, key.SetID, b.name)
			}
		}
	})
	if !owned {
		w.violated("sweeper: deletes %s, which is not ecssd's", key.SetID)
	}
}

// stopped reports whether ECS reports the container of a record as STOPPED.
func (h *host) stopped(key record.Key) bool {
	return slices.ContainsFunc(h.engine.boxes, func(b *box) bool {
		return b.ecs && !b.c.Live() && !b.ecsRestartPending && !b.removed && strings.Contains(key.SetID, b.c.ID)
	})
}

// host calls do with the host that owns a record, if there is one.
func (w *world) host(key record.Key, do func(*host)) {
	for _, h := range w.hosts {
		if h.owns(key) {
			do(h)
		}
	}
}

// checkStrangers checks that the records of others are as they were.
func (w *world) checkStrangers() {
	for key, r := range w.strangers {
		if w.zone.records[key] != r {
			w.violated("a record of somebody else has changed: %s", key.SetID)
		}
	}
}
