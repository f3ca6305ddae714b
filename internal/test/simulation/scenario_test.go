package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
)

var services = []string{"web", "api", "db"}

// furnish puts into the zone what is there before.
func (w *world) furnish() {
	r := rand.New(rand.NewPCG(w.seed, 100))
	put := func(rec record.Record) {
		w.zone.put(rec)
		w.elsewhere[rec.Key()] = rec
	}
	ttl := int64([]int{0, 60}[r.IntN(2)])
	for _, service := range services {
		n := 0
		if w.on(company) {
			n = r.IntN(4)
		}
		if w.on(crowds) && service == "web" {
			w.zone.nameMax, w.crowded = 20, true
			n = 12
		}
		for i := range n {
			put(record.Record{
				Name:   service + "." + zoneName,
				Type:   "SRV",
				SetID:  fmt.Sprintf("else-%d", i),
				TTL:    ttl,
				Weight: 1,
				Value:  "1 1 80 else." + zoneName,
			})
		}
	}
	if w.on(squats) {
		for _, h := range w.hosts {
			w.squat(h, r)
		}
	}
	put(record.Record{
		Name:   "else." + zoneName,
		Type:   "A",
		SetID:  "else",
		TTL:    60,
		Weight: 1,
		Value:  "10.9.9.9",
	})
	// Of a host whose ID begins as another's does, and which has no agent here.
	put(record.Record{
		Name:   "web." + zoneName,
		Type:   "SRV",
		SetID:  fmt.Sprintf("i-123456780:docker:%064x:80/tcp", 1),
		TTL:    ttlOf(w, "web", ttl),
		Weight: 1,
		Value:  "1 1 80 else." + zoneName,
	})
}

// ttlOf gives the TTL that a name's records have.
func ttlOf(w *world, service string, other int64) int64 {
	for key, r := range w.zone.records {
		if key.Name == service+"."+zoneName {
			return r.TTL
		}
	}
	return other
}

// troubles is the part of the day in which things change and fail.
func (w *world) troubles() {
	r := rand.New(rand.NewPCG(w.seed, 101))
	ends := time.Duration(15+r.IntN(45)) * time.Second
	ctx, cancel := context.WithTimeout(w.t.Context(), ends)
	defer cancel()
	act := func(salt uint64, mean time.Duration, do func(r *rand.Rand)) {
		own := rand.New(rand.NewPCG(w.seed, salt))
		w.actors.Go(func() {
			wait := func() time.Duration { return time.Duration(own.ExpFloat64() * float64(mean)) }
			for next := wait(); pause(ctx, next); {
				w.mu.Lock()
				do(own)
				next = wait()
				w.mu.Unlock()
			}
		})
	}
	for i, h := range w.hosts {
		salt := uint64(1000 * (i + 1))
		mean := []time.Duration{time.Second, 4 * time.Second, 10 * time.Second}[r.IntN(3)]
		act(salt, mean, h.live)
		if len(w.befalling) > 0 {
			act(salt+1, 10*time.Second, h.befall)
		}
		if w.on(restores) {
			act(salt+2, 12*time.Second, func(*rand.Rand) { h.restore() })
		}
	}
	if w.on(storms) {
		act(200, 12*time.Second, func(r *rand.Rand) {
			w.zone.weather = weathers[r.IntN(len(weathers))]
			w.note("weather", "%s", w.zone.weather.name)
		})
	}
	if w.on(permits) {
		act(203, 12*time.Second, w.permit)
	}
	if w.on(squats) {
		act(204, 15*time.Second, func(r *rand.Rand) { w.squat(w.hosts[r.IntN(len(w.hosts))], r) })
	}
	if w.on(people) {
		act(201, 15*time.Second, w.meddle)
	}
	if w.on(sweeper) {
		own := rand.New(rand.NewPCG(w.seed, 202))
		w.actors.Go(func() {
			for pause(ctx, 10*time.Second+time.Duration(own.Int64N(int64(60*time.Second)))) {
				w.sweep(w.t.Context(), time.Duration(20+own.IntN(280))*time.Second)
			}
		})
	}
	if w.on(sweeper) && w.checking {
		own := rand.New(rand.NewPCG(w.seed, 203))
		w.actors.Go(func() { w.stopAndSweep(ctx, own) })
	}
	<-ctx.Done()
	w.actors.Wait()
	w.helpersDone()
}

// helpersDone waits for what the actors have begun, the watch excepted.
func (w *world) helpersDone() {
	for {
		w.mu.Lock()
		n := w.underway
		w.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// live is something that happens to a container of the host.
func (h *host) live(r *rand.Rand) {
	e := h.engine
	if !e.up || h.gone || h.proc == nil && r.IntN(3) > 0 {
		return
	}
	var running []*box
	for _, b := range e.boxes {
		if b.c.Live() {
			running = append(running, b)
		}
	}
	if len(running) == 0 || len(running) < 8 && r.IntN(3) == 0 {
		e.create(services[r.IntN(len(services))]).start()
		return
	}
	b := running[r.IntN(len(running))]
	run := b.told.runs
	soon := func(longest time.Duration, do func()) {
		d := time.Duration(r.Int64N(int64(longest))) + time.Microsecond
		h.w.later(d, func() {
			if b.told.runs == run && b.c.Live() && e.up && !h.gone {
				do()
			}
		})
	}
	switch n := r.IntN(12); {
	case n < 3: // an orderly stop, after which ECS starts nothing with this ID
		if b.ecs {
			h.ecs[b.c.ID] = true
		}
		survives := h.w.on(survivor) && !b.ecs && r.IntN(3) == 0
		b.kill(b.signal)
		if survives {
			h.w.survivors = true // its mark falls after 10 minutes
			return
		}
		soon(10*time.Second, func() {
			if r.IntN(3) == 0 {
				b.kill(9)
			}
			b.die(true)
			if r.IntN(2) == 0 {
				b.remove()
			}
		})
	case n < 4: // rm -f
		b.kill(9)
		b.die(true)
		b.remove()
	case n < 6: // dies by itself, and its restart policy may start it again
		b.die(true)
		if b.c.State == container.Restarting {
			h.startAgain(b, r)
		} else if b.again && !h.ecs[b.c.ID] {
			b.returns = true
			h.w.later(340*time.Millisecond, func() {
				b.returns = false
				if b.told.runs == run && !b.removed && e.up && !h.gone && !b.portsTaken() {
					b.run()
				}
			})
		}
	case n < 7: // docker restart
		if b.ecs {
			return
		}
		b.kill(b.signal)
		soon(3*time.Second, func() {
			b.die(true)
			h.startAgain(b, r)
		})
	case n < 8 && b.signal != 1:
		b.kill(1) // SIGHUP: to read a configuration again
	case n < 10 && b.checked:
		b.turn(func(c *container.Container) {
			c.Health = []container.Health{container.Healthy, container.Healthy, container.Unhealthy}[r.IntN(3)]
		})
	case n < 11:
		b.turn(func(c *container.Container) {
			if c.State == container.Paused {
				c.State = container.Running
			} else {
				c.State = container.Paused
			}
		})
	case h.w.on(loops):
		h.loop(b.service, r)
	default:
		b.move()
	}
}

// startAgain begins another run of a container that has ended.
func (h *host) startAgain(b *box, r *rand.Rand) {
	run := b.told.runs
	h.w.later(time.Duration(r.Int64N(int64(4*time.Second)))+time.Microsecond, func() {
		if b.told.runs == run && !b.removed && h.engine.up && !h.gone {
			b.start()
		}
	})
}

// loop has a service's containers crash one after the other, each a second or so after its start.
func (h *host) loop(service string, r *rand.Rand) {
	n := 3 + r.IntN(4)
	var next func()
	next = func() {
		if !h.engine.up || h.gone {
			return
		}
		b := h.engine.create(service)
		b.restart = false
		b.start()
		if n--; n == 0 {
			return // this one lives
		}
		h.w.later(500*time.Millisecond+time.Duration(r.Int64N(int64(2*time.Second))), func() {
			if b.c.Live() && h.engine.up && !h.gone {
				b.die(true)
				h.w.later(100*time.Millisecond+time.Duration(r.Int64N(int64(time.Second))), next)
			}
		})
	}
	next()
}

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

// permit gives the hosts another policy.
func (w *world) permit(r *rand.Rand) {
	service := services[r.IntN(len(services))]
	policies := []struct {
		name   string
		denied func(record.Record) bool
	}{
		{"everything", nil},
		{"nothing", func(record.Record) bool { return true }},
		{"SRV records", func(rec record.Record) bool { return rec.Type == record.A }},
		{"A records", func(rec record.Record) bool { return rec.Type == record.SRV }},
		{"all but " + service, func(rec record.Record) bool { return strings.HasPrefix(rec.Name, service) }},
	}
	policy := policies[r.IntN(len(policies))]
	w.note("policy", "allows %s", policy.name)
	w.zone.denied = policy.denied
	w.refusing()
}

// refusing notes that Route 53 refuses other things than before.
func (w *world) refusing() {
	for _, h := range w.hosts {
		h.trouble = time.Now()
	}
}

// squat is somebody who writes an A record under a host's name, or removes it.
func (w *world) squat(h *host, r *rand.Rand) {
	name := record.Key{Name: h.hostName(), Type: record.A}
	value := []string{"", h.addr.String(), "10.9.9.9"}[r.IntN(3)]
	if _, there := w.zone.records[h.address().Key()]; there || value == w.zone.other[name] {
		return // Route 53 has no simple record beside weighted ones
	}
	w.note("squatter", "%s leads to %q", name.Name, value)
	w.zone.other[name], w.zone.squatted = value, time.Now()
	w.refusing()
}

// meddle is a person who edits or deletes a record of a host by hand.
func (w *world) meddle(r *rand.Rand) {
	var own []record.Record
	for _, rec := range w.zone.sorted() {
		if _, others := w.elsewhere[rec.Key()]; !others {
			own = append(own, rec)
		}
	}
	if len(own) == 0 {
		return
	}
	rec := own[r.IntN(len(own))]
	w.host(rec.Key(), func(h *host) {
		// one that nothing points to is written again only with the next that does
		h.addressed = h.addressed && rec.Type != record.A
		h.exempt[rec.Key()] = "a person has changed it"
		h.account.extra += 3
	})
	if r.IntN(2) == 0 {
		w.note("person", "deletes %s %s", rec.Name, rec.SetID)
		w.zone.remove(rec.Key())
		return
	}
	w.note("person", "edits %s %s", rec.Name, rec.SetID)
	rec.Weight = int64(r.IntN(3))
	if rec.Type == record.SRV {
		rec.Value = "1 1 9 else." + zoneName
	} else {
		rec.Value = "10.9.9.9"
	}
	w.zone.put(rec)
}

// sweep makes a pass of the sweeper.
func (w *world) sweep(ctx context.Context, limit time.Duration) {
	w.mu.Lock()
	w.sweeps++
	p := &process{w: w, name: fmt.Sprint("sweep", w.sweeps), began: time.Now()}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	w.mu.Lock()
	for _, rec := range w.zone.records {
		if _, others := w.elsewhere[rec.Key()]; !others || strings.HasPrefix(rec.SetID, "i-") {
			p.listed++
		}
	}
	w.mu.Unlock()
	report, err := sweep.Sweep(ctx, sweep.Config{
		Zone:   client{p},
		Source: fleet{p},
		Check:  p.checker(),
		Budget: 0.3,
		Log:    w.log(p.name),
		Jitter: func() float64 { return p.dice("jitter").Float64() },
	})
	w.note(
		p.name,
		"seen %d, deleted %d, standby %d, restored %d, error %v",
		report.Seen,
		report.Deleted,
		report.Standby,
		report.Restored,
		err,
	)
}

// stopAndSweep has EC2 stop a host, and start it again while a pass checks the containers of the others.
func (w *world) stopAndSweep(ctx context.Context, r *rand.Rand) {
	if !pause(ctx, time.Duration(r.Int64N(int64(20*time.Second)))) {
		return
	}
	w.mu.Lock()
	h := w.hosts[r.IntN(len(w.hosts))]
	stopped := !h.gone && !h.down && !h.booting &&
		h.reboot(time.Second+time.Duration(r.Int64N(int64(2*time.Second))), true)
	if stopped {
		h.account.extra++
	}
	w.mu.Unlock()
	if stopped && pause(ctx, time.Duration(r.Int64N(int64(5*time.Second)))) {
		w.sweep(w.t.Context(), time.Duration(120+r.IntN(180))*time.Second)
	}
}

// peace is the end of the day: nothing fails any more, and nothing happens.
func (w *world) peace() {
	w.mu.Lock()
	w.note("world", "peace")
	w.over, w.peaceful = true, time.Now()
	swept := w.on(sweeper) || w.on(deaths)
	w.zone.weather, w.zone.denied = weathers[0], nil
	clear(w.zone.other)
	w.zone.squatted = time.Now()
	for _, f := range allFeatures {
		if f != clocks && f != people && f != mute { // of which something is left
			w.features[f] = false
		}
	}
	for _, h := range w.hosts {
		e := h.engine
		e.up, e.closed, e.late, h.hung = !h.gone, false, 0, false
		if h.proc != nil {
			h.disk.heal()
		}
		for s := range e.streams {
			s.deaf = false
		}
		for _, b := range e.boxes {
			if b.stuck.After(time.Now()) {
				b.stuck = time.Now()
			}
		}
		h.launch()
		h.trouble = time.Now()
	}
	w.mu.Unlock()
	time.Sleep(w.bound + 3*time.Second) // in which the watch looks on
	if swept {
		time.Sleep(2 * lag) // until ECS knows everything
		w.sweep(w.t.Context(), 5*time.Minute)
		w.mu.Lock()
		clear(w.marked)
		for key := range w.zone.records {
			w.host(key, func(h *host) {
				if h.gone {
					w.violated("sweeper: has left %s of %s, which is gone", key.SetID, h.name)
				}
			})
		}
		w.mu.Unlock()
	}
	w.finish()
}

// finish waits for what takes longer by promise: the proof of a container in a crash loop, what is read back every so
// often, the listing after a journal was lost. Then every record is right, and nobody calls Route 53.
func (w *world) finish() {
	rest := loopProof + bound
	if w.verifyEvery < time.Minute {
		rest = max(rest, 12*w.verifyEvery*5/4)
	}
	if w.lostJournal || w.survivors {
		rest = max(rest, 12*time.Minute)
	}
	time.Sleep(rest)
	w.mu.Lock()
	for _, h := range w.hosts {
		for key, why := range h.exempt {
			if why != "the journal was old" {
				delete(h.exempt, key)
			}
		}
	}
	w.look()
	w.quiet = true
	w.mu.Unlock()
	time.Sleep(time.Minute)
}
