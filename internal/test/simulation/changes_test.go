package simulation

import (
	"math/rand/v2"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// changeContainer starts a container on the host, or changes one that runs.
func (h *host) changeContainer(r *rand.Rand) {
	e := h.engine
	if !e.up || h.gone || h.proc == nil && r.IntN(3) > 0 {
		return
	}
	running := e.running()
	if len(running) == 0 || len(running) < 8 && r.IntN(3) == 0 {
		e.create(services[r.IntN(len(services))]).start()
		return
	}
	h.change(running[r.IntN(len(running))], r)
}

// change changes a container that runs.
func (h *host) change(b *box, r *rand.Rand) {
	switch n := r.IntN(12); {
	case n < 3:
		h.stopContainer(b, r)
	case n < 4: // docker rm -f
		b.kill(9)
		b.die(true)
		b.remove()
	case n < 6:
		h.endContainer(b, r)
	case n < 7:
		h.restartContainer(b, r)
	case n < 8 && b.stopSignal != 1:
		b.kill(1) // SIGHUP: to read a configuration again
	case n < 10 && b.healthCheck:
		b.turn(func(c *container.Container) {
			c.Health = []container.Health{container.Healthy, container.Healthy, container.Unhealthy}[r.IntN(3)]
		})
	case n < 11:
		b.turn(pauseOrUnpause)
	case h.w.on(crashLoops):
		h.crashLoop(b.service, r)
	default:
		b.move()
	}
}

func pauseOrUnpause(c *container.Container) {
	if c.State == container.Paused {
		c.State = container.Running
	} else {
		c.State = container.Paused
	}
}

// running returns the containers that run or are paused.
func (e *engine) running() (running []*box) {
	for _, b := range e.boxes {
		if b.c.Live() {
			running = append(running, b)
		}
	}
	return running
}

// soon runs do after a random time, if this run of the container goes on until then.
func (h *host) soon(b *box, r *rand.Rand, longest time.Duration, do func()) {
	run := b.known.runs
	h.w.later(time.Duration(r.Int64N(int64(longest)))+time.Microsecond, func() {
		if b.known.runs == run && b.c.Live() && h.engine.up && !h.gone {
			do()
		}
	})
}

// stopContainer stops a container in order. ECS starts nothing with its ID again.
func (h *host) stopContainer(b *box, r *rand.Rand) {
	if b.ecs {
		h.ecsStopping[b.c.ID] = true
	}
	ignores := h.w.on(stopIgnored) && !b.ecs && r.IntN(3) == 0
	b.kill(b.stopSignal)
	if ignores {
		h.w.stopIsIgnored = true // its stop mark expires after 10 minutes
		return
	}
	h.soon(b, r, 10*time.Second, func() {
		if r.IntN(3) == 0 {
			b.kill(9)
		}
		b.die(true)
		if r.IntN(2) == 0 {
			b.remove()
		}
	})
}

// endContainer lets a container end by itself. Its restart policy, Docker's or that of ECS, may start it again.
func (h *host) endContainer(b *box, r *rand.Rand) {
	run := b.known.runs
	b.die(true)
	if b.c.State == container.Restarting {
		h.startAgain(b, r)
		return
	}
	if !b.ecsRestartPolicy || h.ecsStopping[b.c.ID] {
		return
	}
	b.ecsRestartPending = true
	h.w.later(340*time.Millisecond, func() { // as measured with the ECS agent 1.105.1
		b.ecsRestartPending = false
		if b.known.runs == run && !b.removed && h.engine.up && !h.gone && !b.portsTaken() {
			b.run()
		}
	})
}

// restartContainer is docker restart, which ECS does not do.
func (h *host) restartContainer(b *box, r *rand.Rand) {
	if b.ecs {
		return
	}
	b.kill(b.stopSignal)
	h.soon(b, r, 3*time.Second, func() {
		b.die(true)
		h.startAgain(b, r)
	})
}

// startAgain begins another run of a container that has ended.
func (h *host) startAgain(b *box, r *rand.Rand) {
	run := b.known.runs
	h.w.later(time.Duration(r.Int64N(int64(4*time.Second)))+time.Microsecond, func() {
		if b.known.runs == run && !b.removed && h.engine.up && !h.gone {
			b.start()
		}
	})
}

// crashLoop starts containers of a service, each of which crashes a second or so after its start. The last one lives.
func (h *host) crashLoop(service string, r *rand.Rand) {
	left := 3 + r.IntN(4)
	var next func()
	next = func() {
		if !h.engine.up || h.gone {
			return
		}
		b := h.engine.create(service)
		b.restartPolicy = false
		b.start()
		if left--; left == 0 {
			return
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
