package simulation

import (
	"math/rand/v2"
	"time"
)

// upTo returns a random time, of a millisecond at least.
func upTo(longest time.Duration, r *rand.Rand) time.Duration {
	return time.Duration(r.Int64N(int64(longest))) + time.Millisecond
}

// injectFault strikes the host, its Engine or its agent with one of the day's failure modes.
func (h *host) injectFault(r *rand.Rand) {
	if h.gone {
		return
	}
	switch mode := h.w.hostFaults[r.IntN(len(h.w.hostFaults))]; mode {
	case agentCrashes:
		h.restartAgent(r)
	case streamsEnd, streamsSilent, eventsLate:
		h.disturbStreams(mode, r)
	case clockSteps:
		h.engine.offset += time.Duration(r.IntN(7)-3) * 40 * time.Minute
		h.w.note(h.name, "the Engine's clock is off by %s", h.engine.offset)
	case engineRestarts:
		h.restartEngine(r)
	case engineRefuses:
		h.refuseCalls(r)
	case inspectHangs:
		h.hangInspections(r)
	case diskFails:
		h.failDisk(r)
	case hostReboots:
		if h.reboot(upTo(5*time.Second, r), r.IntN(2) == 0) {
			h.calls.extra++
		}
	case hostHangs:
		h.reportedHung = !h.reportedHung
		h.w.note(h.name, "EC2 reports the host as hung: %v", h.reportedHung)
	case hostDies:
		h.terminate()
	case hostNotices:
		h.notice = map[bool]string{true: "a spot interruption"}[h.notice == ""]
		h.w.note(h.name, "notice: %q", h.notice)
		h.lastFailure = time.Now() // the agent asks for notices every 5 s
		h.calls.causes++
	}
}

// restartAgent kills the agent, or stops it in order, and starts it again.
func (h *host) restartAgent(r *rand.Rand) {
	if r.IntN(3) > 0 {
		h.crash("killed")
		h.restartLater()
		return
	}
	h.w.background(func() {
		h.stop()
		h.w.mu.Lock()
		defer h.w.mu.Unlock()
		h.launch()
	})
}

// disturbStreams ends the Engine's event streams, silences them, or delays their events.
func (h *host) disturbStreams(mode failureMode, r *rand.Rand) {
	w, e := h.w, h.engine
	switch mode {
	case streamsEnd:
		w.note(h.name, "event streams end")
		e.interrupt()
		if r.IntN(2) == 0 {
			e.refusesStreams = true
			w.later(upTo(5*time.Second, r), func() { e.refusesStreams = false })
		}
	case streamsSilent:
		w.note(h.name, "event streams fall silent")
		for s := range e.streams {
			s.silent = true
		}
		w.later(upTo(20*time.Second, r), func() {
			w.note(h.name, "event streams carry events again")
			for s := range e.streams {
				s.silent = false
			}
		})
	default:
		e.eventDelay = time.Duration(r.IntN(3)) * time.Second
		w.note(h.name, "events are late by %s", e.eventDelay)
	}
}

// refuseCalls makes the Engine refuse calls for a while. Event streams go on.
func (h *host) refuseCalls(r *rand.Rand) {
	e := h.engine
	if !e.up {
		return
	}
	h.w.note(h.name, "the Engine refuses calls")
	e.up = false
	h.w.later(upTo(4*time.Second, r), func() { e.up = true })
}

// hangInspections makes inspections of up to two containers hang for a while.
func (h *host) hangInspections(r *rand.Rand) {
	running := h.engine.running()
	for range min(2, len(running)) {
		b := running[r.IntN(len(running))]
		b.inspectHangsUntil = time.Now().Add(upTo(12*time.Second, r))
		h.w.note(h.name, "inspections of %s hang", b.name)
	}
}

// terminate ends a host for good. The first host always lives.
func (h *host) terminate() {
	if h.index == 0 {
		return
	}
	h.w.note(h.name, "the host dies for good")
	h.crash("its host died")
	h.gone = true
	h.engine.interrupt()
}

// restartEngine stops the Engine and starts it again. With live-restore containers run on; without, they have died
// meanwhile, and no event reports it.
func (h *host) restartEngine(r *rand.Rand) {
	e := h.engine
	if !e.up {
		return
	}
	liveRestore := r.IntN(2) == 0
	h.w.note(h.name, "the Engine stops, live-restore %v", liveRestore)
	e.up = false
	if r.IntN(2) == 0 && !liveRestore { // in order: events report the containers that the Engine stops
		for _, b := range e.running() {
			if r.IntN(2) == 0 {
				b.kill(b.stopSignal)
				b.die(true)
			}
		}
	}
	e.interrupt()
	for _, b := range e.boxes { // ECS stops tasks meanwhile, and no agent hears the signal
		if liveRestore && b.ecs && b.c.Live() && r.IntN(4) == 0 {
			h.ecsStopping[b.c.ID] = true
			b.kill(b.stopSignal)
		}
	}
	e.forgetEvents()
	h.w.later(upTo(6*time.Second, r), func() { h.startEngine(liveRestore, r) })
}

// startEngine ends the restart of an Engine.
func (h *host) startEngine(liveRestore bool, r *rand.Rand) {
	e := h.engine
	for _, b := range e.boxes {
		if b.listed() && (!liveRestore || r.IntN(4) == 0) {
			b.restartPolicy = b.restartPolicy && r.IntN(2) == 0
			b.die(false)
			b.c.State = "exited"
		}
	}
	e.up = true
	h.w.note(h.name, "the Engine starts")
	for _, b := range e.boxes {
		if b.c.State == "exited" && b.restartPolicy && !b.removed && r.IntN(2) == 0 && !h.gone {
			b.start()
		}
	}
}

// reboot ends everything on the host. stopped: EC2 has stopped the instance and reports so until it starts again, which
// is some time before the agent does.
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
	h.w.note(h.name, "the host reboots")
	h.crash("its host went down")
	e.up = false
	e.interrupt()
	e.forgetEvents()
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
			if b.restartPolicy && !b.removed {
				b.start()
			}
		}
		h.launch()
	})
	return true
}

// failDisk makes the disk fail for a while, or kills the agent and damages the journal that it leaves.
func (h *host) failDisk(r *rand.Rand) {
	p := h.proc
	if p == nil || h.disk.state != diskWorks {
		return
	}
	if r.IntN(2) == 0 {
		state := []diskState{diskFull, diskFrozen}[r.IntN(2)]
		h.w.note(h.name, "the disk is %s", state)
		h.disk.fail(state)
		h.w.later(upTo(15*time.Second, r), func() {
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

// restoreDisk takes a snapshot of the host's disk, or brings back the one that was taken.
func (h *host) restoreDisk() {
	if h.proc == nil || h.disk.state != diskWorks {
		return
	}
	content := h.disk.read()
	if _, _, err := journalKeys(content); content == nil || err != nil {
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
