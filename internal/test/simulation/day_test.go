package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// play plays the day. Afterwards violations holds what was wrong with it.
func (w *world) play() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.fillZone()
	w.mu.Lock()
	for _, h := range w.hosts {
		h.launch()
	}
	w.mu.Unlock()
	w.helpers.Go(func() { w.watch(ctx) })
	w.eventfulTime()
	w.quietTime()
	w.mu.Lock()
	for _, h := range w.hosts {
		h.audit()
	}
	w.mu.Unlock()
	for _, h := range w.hosts {
		h.stop()
	}
	cancel()
	w.helpers.Wait()
}

// watch compares the zone with the truth all day long.
func (w *world) watch(ctx context.Context) {
	every := 2*time.Second + 7919*time.Nanosecond
	for pause(ctx, every) {
		w.mu.Lock()
		w.check()
		if w.noMoreFaults && time.Since(w.noFaultsSince) > w.bound+loopProof {
			every = 10 * time.Second
		}
		w.mu.Unlock()
	}
}

func (w *world) check() {
	for _, h := range w.hosts {
		h.check(time.Now())
	}
	w.checkStrangers()
}

var services = []string{"web", "api", "db"}

// fillZone puts records of others into the zone.
func (w *world) fillZone() {
	r := rand.New(rand.NewPCG(w.seed, 100))
	put := func(rec record.Record) {
		w.zone.put(rec)
		w.strangers[rec.Key()] = rec
	}
	ttl := int64([]int{0, 60}[r.IntN(2)])
	for _, service := range services {
		n := 0
		if w.on(sharedNames) {
			n = r.IntN(4)
		}
		if w.on(fullNames) && service == "web" {
			w.zone.nameMax, w.nameIsFull = 20, true
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
	if w.on(addressIsTaken) {
		for _, h := range w.hosts {
			w.takeAddress(h, r)
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
	// A record of a host without an agent, whose ID is as long as the beginning of another host's ID and one digit
	// more.
	put(record.Record{
		Name:   "web." + zoneName,
		Type:   "SRV",
		SetID:  fmt.Sprintf("i-123456780:docker:%064x:80/tcp", 1),
		TTL:    ttlOf(w, "web", ttl),
		Weight: 1,
		Value:  "1 1 80 else." + zoneName,
	})
}

// ttlOf returns the TTL of a name's records; other, if there are none.
func ttlOf(w *world, service string, other int64) int64 {
	for key, r := range w.zone.records {
		if key.Name == service+"."+zoneName {
			return r.TTL
		}
	}
	return other
}

// eventfulTime is the part of the day in which things change and fail.
func (w *world) eventfulTime() {
	r := rand.New(rand.NewPCG(w.seed, 101))
	ends := time.Duration(15+r.IntN(45)) * time.Second
	ctx, cancel := context.WithTimeout(w.t.Context(), ends)
	defer cancel()
	for i, h := range w.hosts {
		salt := uint64(1000 * (i + 1))
		mean := []time.Duration{time.Second, 4 * time.Second, 10 * time.Second}[r.IntN(3)]
		w.actor(ctx, salt, mean, h.changeContainer)
		if len(w.hostFaults) > 0 {
			w.actor(ctx, salt+1, 10*time.Second, h.injectFault)
		}
		if w.on(diskRestored) {
			w.actor(ctx, salt+2, 12*time.Second, func(*rand.Rand) { h.restoreDisk() })
		}
	}
	w.startActors(ctx)
	<-ctx.Done()
	w.actors.Wait()
	w.waitForHelpers()
}

// actor does something now and then until ctx ends. salt sets its random numbers apart from those of others.
func (w *world) actor(ctx context.Context, salt uint64, mean time.Duration, do func(r *rand.Rand)) {
	r := rand.New(rand.NewPCG(w.seed, salt))
	wait := func() time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
	w.actors.Go(func() {
		for next := wait(); pause(ctx, next); {
			w.mu.Lock()
			do(r)
			next = wait()
			w.mu.Unlock()
		}
	})
}

// startActors starts those actors that act on no host in particular.
func (w *world) startActors(ctx context.Context) {
	if w.on(route53Fails) {
		w.actor(ctx, 200, 12*time.Second, func(r *rand.Rand) {
			w.zone.rates = allFailureRates[r.IntN(len(allFailureRates))]
			w.note("Route 53", "fails as in %q", w.zone.rates.name)
		})
	}
	if w.on(permissionsChange) {
		w.actor(ctx, 203, 12*time.Second, w.changePermissions)
	}
	if w.on(addressIsTaken) {
		w.actor(ctx, 204, 15*time.Second, func(r *rand.Rand) { w.takeAddress(w.hosts[r.IntN(len(w.hosts))], r) })
	}
	if w.on(manualEdits) {
		w.actor(ctx, 201, 15*time.Second, w.editByHand)
	}
	if w.on(sweeperRuns) {
		r := rand.New(rand.NewPCG(w.seed, 202))
		w.actors.Go(func() {
			for pause(ctx, 10*time.Second+time.Duration(r.Int64N(int64(60*time.Second)))) {
				w.sweep(w.t.Context(), time.Duration(20+r.IntN(280))*time.Second)
			}
		})
	}
	if w.on(sweeperRuns) && w.checksContainers {
		r := rand.New(rand.NewPCG(w.seed, 203))
		w.actors.Go(func() { w.stopAndSweep(ctx, r) })
	}
}

// waitForHelpers waits for the goroutines that actors have started.
func (w *world) waitForHelpers() {
	for {
		w.mu.Lock()
		n := w.runningHelpers
		w.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// pause waits for d, and reports whether ctx goes on.
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

// quietTime is the end of the day: nothing fails any more, and nothing changes.
func (w *world) quietTime() {
	w.mu.Lock()
	swept := w.on(sweeperRuns) || w.on(hostDies)
	w.endFaults()
	w.mu.Unlock()
	time.Sleep(w.bound + 3*time.Second) // in which watch goes on
	if swept {
		time.Sleep(2 * lag) // until ECS knows everything
		w.sweep(w.t.Context(), 5*time.Minute)
		w.mu.Lock()
		clear(w.sweeperMarks)
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

// endFaults lets everything work again. The caller holds the lock.
func (w *world) endFaults() {
	w.note("world", "nothing fails any more")
	w.noMoreFaults, w.noFaultsSince = true, time.Now()
	w.zone.rates, w.zone.denied = allFailureRates[0], nil
	clear(w.zone.simpleSets)
	w.zone.simpleSince = time.Now()
	for _, mode := range firstModes {
		if mode != clockSteps && mode != manualEdits && mode != introspectionFails { // whose effects last
			w.modes[mode] = false
		}
	}
	for _, h := range w.hosts {
		e := h.engine
		e.up, e.refusesStreams, e.eventDelay, h.reportedHung = !h.gone, false, 0, false
		if h.proc != nil {
			h.disk.heal()
		}
		for s := range e.streams {
			s.silent = false
		}
		for _, b := range e.boxes {
			if b.inspectHangsUntil.After(time.Now()) {
				b.inspectHangsUntil = time.Now()
			}
		}
		h.launch()
		h.lastFailure = time.Now()
	}
}

// finish waits for what may take longer than the bound: containers withheld for a crash loop, verification, the listing
// after a journal was lost. Then every record has to be right, and no call is due.
func (w *world) finish() {
	rest := loopProof + bound
	if w.verifyEvery < time.Minute {
		rest = max(rest, 12*w.verifyEvery*5/4)
	}
	if w.lostJournal || w.stopIsIgnored {
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
	w.check()
	w.noCallsDue = true
	w.mu.Unlock()
	time.Sleep(time.Minute)
}
