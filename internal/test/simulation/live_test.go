package simulation

import (
	"math/rand/v2"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

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
