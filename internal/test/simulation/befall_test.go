package simulation

import (
	"math/rand/v2"
	"time"
)

// befall is something that happens to the host, its Engine or its agent.
func (h *host) befall(r *rand.Rand) {
	w, e := h.w, h.engine
	if h.gone {
		return
	}
	f := w.befalling[r.IntN(len(w.befalling))]
	span := func(longest time.Duration) time.Duration {
		return time.Duration(r.Int64N(int64(longest))) + time.Millisecond
	}
	switch f {
	case crashes:
		if r.IntN(3) == 0 {
			w.background(func() {
				h.stop()
				w.mu.Lock()
				defer w.mu.Unlock()
				h.launch()
			})
			return
		}
		h.crash("killed")
		h.restartLater()
	case cuts:
		w.note(h.name, "streams are cut")
		e.interrupt()
		if r.IntN(2) == 0 {
			e.closed = true
			w.later(span(5*time.Second), func() { e.closed = false })
		}
	case deafness:
		w.note(h.name, "streams fall silent")
		for s := range e.streams {
			s.deaf = true
		}
		w.later(span(20*time.Second), func() {
			w.note(h.name, "streams are heard again")
			for s := range e.streams {
				s.deaf = false
			}
		})
	case lateness:
		e.late = time.Duration(r.IntN(3)) * time.Second
		w.note(h.name, "events are late by %s", e.late)
	case clocks:
		e.offset += time.Duration(r.IntN(7)-3) * 40 * time.Minute
		w.note(h.name, "the Engine's clock is off by %s", e.offset)
	case engines:
		h.restartEngine(r, span)
	case refusals:
		if !e.up {
			return
		}
		w.note(h.name, "the Engine refuses calls, the streams go on")
		e.up = false
		w.later(span(4*time.Second), func() { e.up = true })
	case disks:
		h.spoil(r, span)
	case reboots:
		if h.reboot(span(5*time.Second), r.IntN(2) == 0) {
			h.account.extra++
		}
	case stuck:
		var running []*box
		for _, b := range e.boxes {
			if b.c.Live() {
				running = append(running, b)
			}
		}
		for range min(2, len(running)) {
			b := running[r.IntN(len(running))]
			b.stuck = time.Now().Add(span(12 * time.Second))
			w.note(h.name, "the Engine does not tell of %s", b.name)
		}
	case hangs:
		h.hung = !h.hung
		w.note(h.name, "hangs, as EC2 sees it: %v", h.hung)
	case deaths:
		if h.index == 0 { // somebody has to be left
			return
		}
		w.note(h.name, "the host dies for good")
		h.crash("its host died")
		h.gone = true
		e.interrupt()
	case leavings:
		h.notices = map[bool]string{true: "a spot interruption"}[h.notices == ""]
		w.note(h.name, "notice: %q", h.notices)
		h.trouble = time.Now() // it is asked for every 5 s
		h.account.causes++
	}
}

// restartEngine stops the Engine and starts it again: with live-restore containers go on, else they have died
// meanwhile, and no event tells of it.
func (h *host) restartEngine(r *rand.Rand, span func(time.Duration) time.Duration) {
	e := h.engine
	if !e.up {
		return
	}
	restore := r.IntN(2) == 0
	h.w.note(h.name, "the Engine stops, live-restore %v", restore)
	e.up = false
	if r.IntN(2) == 0 && !restore {
		for _, b := range e.boxes { // an orderly stop of the Engine tells of the containers that it stops
			if b.c.Live() && r.IntN(2) == 0 {
				b.kill(b.signal)
				b.die(true)
			}
		}
	}
	e.interrupt()
	for _, b := range e.boxes { // ECS stops tasks meanwhile, and no agent hears the signal
		if restore && b.ecs && b.c.Live() && r.IntN(4) == 0 {
			h.ecs[b.c.ID] = true
			b.kill(b.signal)
		}
	}
	e.forget()
	h.w.later(span(6*time.Second), func() {
		for _, b := range e.boxes {
			if b.listed() && (!restore || r.IntN(4) == 0) {
				b.restart = b.restart && r.IntN(2) == 0
				b.die(false)
				b.c.State = "exited"
			}
		}
		e.up = true
		h.w.note(h.name, "the Engine starts")
		for _, b := range e.boxes {
			if b.c.State == "exited" && b.restart && !b.removed && r.IntN(2) == 0 && !h.gone {
				b.start()
			}
		}
	})
}

// reboot ends everything on the host. Where EC2 has stopped it, and not just the kernel, EC2 says so until it starts
// again, some time before the agent does.
func (h *host) reboot(takes time.Duration, stopped bool) bool {
	e := h.engine
	if !e.up {
		return false
	}
	if stopped {
		takes *= 10
		h.down = true
		h.w.note(h.name, "EC2 has stopped the host")
		h.w.later(takes, func() { h.down, h.up = false, time.Now() })
		takes += 20 * time.Second
	}
	h.w.note(h.name, "the host goes down to boot anew")
	h.crash("its host went down")
	e.up = false
	e.interrupt()
	e.forget()
	for _, b := range e.boxes {
		if b.listed() {
			b.die(false)
			b.c.State = "exited"
		}
	}
	h.boot++
	h.booting = true
	h.w.later(takes, func() {
		e.up, h.booting = true, false
		h.w.note(h.name, "the host has booted")
		for _, b := range e.boxes {
			if b.restart && !b.removed {
				b.start()
			}
		}
		h.launch()
	})
	return true
}

// spoil does something to the journal: the disk fails for a while, or the agent dies and what it has left is damaged.
func (h *host) spoil(r *rand.Rand, span func(time.Duration) time.Duration) {
	p := h.proc
	if p == nil || h.disk.state != diskWorks {
		return
	}
	if r.IntN(2) == 0 {
		state := []diskState{diskFull, diskFrozen}[r.IntN(2)]
		h.w.note(h.name, "the disk is %s", state)
		h.disk.fail(state)
		h.w.later(span(15*time.Second), func() {
			if h.proc == p {
				h.w.note(h.name, "the disk works again")
				h.disk.heal()
			}
		})
		return
	}
	h.crash("killed, and its journal is damaged")
	c := h.disk.content
	switch r.IntN(4) {
	case 0:
		h.disk.content = nil
	case 1:
		h.disk.content = c[:len(c)/2]
	case 2:
		h.disk.content = []byte{}
	case 3:
		h.disk.content = append([]byte("\x00\x00\x00\x00"), c[min(4, len(c)):]...)
	}
	h.restartLater()
}

// restore takes a snapshot of the host's disk, or brings back the one that was taken.
func (h *host) restore() {
	if h.proc == nil || h.disk.state != diskWorks {
		return
	}
	content := h.disk.read()
	if _, _, err := covers(content); content == nil || err != nil {
		return
	}
	if h.disk.snapshot == nil {
		h.w.note(h.name, "a snapshot of the disk is taken")
		h.disk.snapshot = content
		return
	}
	h.crash("killed, and its disk is that of the snapshot")
	h.disk.restore()
	h.disk.snapshot = nil
	h.restartLater()
}
