package simulation

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// box is a simulated container, from its creation on.
type box struct {
	e                 *engine
	name              string // for the trace: web3
	service           string
	ecs               bool
	twoPorts          bool // publishes port 9000 beside 80
	weight            int64
	healthCheck       bool
	restartPolicy     bool // Docker's
	ecsRestartPolicy  bool // that of ECS, which the Engine does not know
	ecsRestartPending bool // has died, and ECS is about to start it again
	moves             int  // between networks
	stopSignal        int
	c                 container.Container
	removed           bool
	inspectHangsUntil time.Time

	known    knowledge
	srvNames []srvName // see records
}

// create returns a container that does not run yet.
func (e *engine) create(service string) *box {
	r, n := e.h.rand, len(e.boxes)
	b := &box{
		e:             e,
		name:          fmt.Sprintf("%s/%s%d", e.h.name, service, n),
		service:       service,
		ecs:           r.IntN(3) > 0,
		twoPorts:      r.IntN(5) == 0,
		weight:        int64([]int{1, 1, 1, 5, 0}[r.IntN(5)]),
		healthCheck:   r.IntN(4) == 0,
		restartPolicy: r.IntN(4) == 0,
		stopSignal:    []int{15, 15, 15, 3}[r.IntN(4)],
	}
	b.c = container.Container{
		ID:            fmt.Sprintf("%062x%02x", 0xc0ffee00+n, e.h.index),
		Name:          fmt.Sprintf("%s-%d", service, n),
		State:         "created",
		StopSignal:    b.stopSignal,
		Labels:        map[string]string{"SERVICE_WEIGHT": strconv.FormatInt(b.weight, 10)},
		Mode:          container.Bridge,
		SettingsBytes: 100,
	}
	if b.ecs {
		b.restartPolicy = false // ECS starts another container, or this one by a restart policy of its own
		b.ecsRestartPolicy = e.w.fixed("restart policy of "+b.name, 3) == 0
		b.c.Labels[container.LabelName] = service
		b.c.Labels[container.LabelTaskARN] = "arn:aws:ecs:eu-west-1:123456789012:task/main/" + b.name
	} else {
		b.c.Labels["SERVICE_NAME"] = service
	}
	e.boxes = append(e.boxes, b)
	return b
}

// start begins a run of a container.
func (b *box) start() {
	b.publishAll()
	b.run()
}

// publishAll publishes the ports on free ports of the host.
func (b *box) publishAll() {
	b.c.Published = nil
	b.publish(80)
	if b.twoPorts {
		b.publish(9000)
	}
}

// run begins a run with the host ports that the container had.
func (b *box) run() {
	e := b.e
	b.c.State, b.c.StartedAt, b.c.Health = container.Running, e.now(), container.NoHealthCheck
	if b.healthCheck {
		b.c.Health = container.Starting
	}
	b.began()
	e.emit(b, container.Hint{Action: container.Start})
}

// used returns the host ports of live containers.
func (e *engine) used() map[uint16]bool {
	used := map[uint16]bool{}
	for _, b := range e.boxes {
		if b.c.Live() {
			for _, p := range b.c.Published {
				used[p.HostPort] = true
			}
		}
	}
	return used
}

// portsTaken reports whether a live container has a host port that this one, which has ended, had.
func (b *box) portsTaken() bool {
	used := b.e.used()
	return slices.ContainsFunc(b.c.Published, func(p container.Binding) bool { return used[p.HostPort] })
}

// publish publishes a port on a free port of the host. There are few, so that ports are used again.
func (b *box) publish(number uint16) {
	used := b.e.used()
	for {
		port := 32768 + uint16(b.e.h.rand.IntN(60))
		if !used[port] {
			b.c.Published = append(b.c.Published, container.Binding{
				Port: container.Port{
					Number: number,
					Proto:  container.TCP,
				}, HostIP: netip.IPv4Unspecified(), HostPort: port,
			})
			return
		}
	}
}

func (b *box) kill(signal int) {
	b.signalled(signal)
	b.e.emit(b, container.Hint{Action: container.Kill, Signal: signal})
}

// die ends the run; heard: the Engine sends an event.
func (b *box) die(heard bool) {
	registered := b.expected(time.Now()) != mustNot
	b.c.State = "exited"
	if b.restartPolicy && !b.known.stopped() {
		b.c.State = container.Restarting
	}
	b.c.Health = container.NoHealthCheck
	status := 1
	if b.e.w.fixed(fmt.Sprint("exit status of ", b.name, b.known.runs), 4) == 0 {
		status = 0
	}
	b.ended(heard, registered, status)
	if heard {
		b.e.emit(b, container.Hint{Action: container.Die, ExitStatus: status, Service: b.service})
	}
}

func (b *box) remove() {
	b.c.State, b.removed = "removed", true
	b.e.emit(b, container.Hint{Action: container.Other})
}

// turn changes the state or the health of a running container.
func (b *box) turn(change func(*container.Container)) {
	change(&b.c)
	b.changed("turned")
	b.e.emit(b, container.Hint{Action: container.Other})
}

// move connects a running container to another network, which changes its host ports.
func (b *box) move() {
	b.publishAll()
	b.moves++
	b.changed("moved")
	b.e.emit(b, container.Hint{Action: container.Network})
}

// listed reports whether the Engine lists the container: it runs, is paused or restarts.
func (b *box) listed() bool { return b.c.Live() || b.c.State == container.Restarting }
