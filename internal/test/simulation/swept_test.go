package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// swept holds what the sweeper changes to its rules.
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
		if created[key] {
			if c.Action == plan.Create {
				w.sweeperMarks[key] = true
				w.host(key, func(h *host) { h.calls.extra++ })
			}
			continue
		}
		known := false
		for _, h := range w.hosts {
			if !h.owns(key) {
				continue
			}
			known = true
			delete(h.exempt, key)
			h.wroteAddress = h.wroteAddress && key.Type != record.A
			if h.gone || h.down {
				continue
			}
			// nobody can know; its agent starts later, and writes all anew
			if time.Since(h.up) < answerAge+requestTakes {
				h.calls.extra++
				continue
			}
			if !h.stopped(key) {
				p.unprovenDeletes++
			}
			if w.on(inventoryEmpty) {
				h.exempt[key] = "the sweeper was told that there are no containers"
				h.calls.extra += 2
				continue
			}
			if key == h.address().Key() {
				w.violated("sweeper: deletes the address of %s, which lives", h.name)
			}
			for _, b := range h.engine.boxes {
				if strings.Contains(key.SetID, b.c.ID) && b.c.Live() && !b.known.stopped() {
					w.violated("sweeper: deletes %s %s of %s, which lives", key.Name, key.SetID, b.name)
				}
			}
		}
		if !known {
			w.violated("sweeper: deletes %s, which is not ecssd's", key.SetID)
		}
	}
	if p.unprovenDeletes > 10 && 10*p.unprovenDeletes > 3*p.listed {
		w.violated("sweeper: deletes %d of %d records without EC2's proof", p.unprovenDeletes, p.listed)
	}
}

// stopped reports whether a record is of a container of which ECS says that it has stopped.
func (h *host) stopped(key record.Key) bool {
	return slices.ContainsFunc(h.engine.boxes, func(b *box) bool {
		return b.ecs && !b.c.Live() && !b.ecsRestartPending && !b.removed && strings.Contains(key.SetID, b.c.ID)
	})
}

// host does something with the owner of a record.
func (w *world) host(key record.Key, do func(*host)) {
	for _, h := range w.hosts {
		if h.owns(key) {
			do(h)
		}
	}
}

// others checks that what is not ecssd's is as it was.
func (w *world) checkStrangers() {
	for key, r := range w.strangers {
		if w.zone.records[key] != r {
			w.violated("a record of somebody else has changed: %s", key.SetID)
		}
	}
}
