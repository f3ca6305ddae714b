package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// play makes the day, and gives what was wrong with it.
func (w *world) play() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.furnish()
	w.mu.Lock()
	for _, h := range w.hosts {
		h.launch()
	}
	w.mu.Unlock()
	w.helpers.Go(func() { w.watch(ctx) })
	w.troubles()
	w.peace()
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

// watch holds the zone against the truth all day long.
func (w *world) watch(ctx context.Context) {
	every := 2*time.Second + 7919*time.Nanosecond
	for pause(ctx, every) {
		w.mu.Lock()
		w.look()
		if w.over && time.Since(w.peaceful) > w.bound+loopProof {
			every = 10 * time.Second
		}
		w.mu.Unlock()
	}
}

func (w *world) look() {
	for _, h := range w.hosts {
		h.check(time.Now())
	}
	w.others()
}

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
