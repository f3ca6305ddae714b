package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// remembered is how many events an Engine tells a new subscriber of.
const remembered = 256

var errRefused = errors.New("dial unix /var/run/docker.sock: connection refused")

// engine is the container Engine of a host. The world's lock guards all of it.
type engine struct {
	w     *world
	h     *host
	boxes []*box // in the order of their creation, those removed too

	up      bool          // answers
	closed  bool          // accepts no subscription
	offset  time.Duration // of the Engine's clock from the true time
	late    time.Duration // events are told so much later
	memory  []event
	streams map[*stream]bool
	untold  time.Time // when an event was last told late, or not at all
	away    time.Time // when it was last seen to answer nothing
}

// event is a hint and when it is to be told.
type event struct {
	hint container.Hint
	box  *box
	run  int // of the box
	at   time.Time
}

// stream is one subscription.
type stream struct {
	p     *process
	queue []event
	more  chan struct{}
	cut   chan struct{}
	deaf  bool         // is told nothing any more
	began map[*box]int // the runs of whose start it has told
}

// box is one container, from its creation on.
type box struct {
	e       *engine
	name    string // for the trace: web3
	service string
	ecs     bool
	second  bool // publishes port 9000, too
	weight  int64
	checked bool // has a health check
	restart bool // has a restart policy
	again   bool // has one of ECS, which the Engine is not told of
	returns bool // has died, and ECS is about to start it again by that policy
	moves   int  // between networks
	signal  int  // its stop signal
	c       container.Container
	removed bool
	stuck   time.Time // until then no inspection of it is answered

	told  told
	names []announcement // see records
}

func (e *engine) now() time.Time { return time.Now().Add(e.offset) }

// create makes a container that does not run yet.
func (e *engine) create(service string) *box {
	r, n := e.h.rand, len(e.boxes)
	b := &box{
		e:       e,
		name:    fmt.Sprintf("%s/%s%d", e.h.name, service, n),
		service: service,
		ecs:     r.IntN(3) > 0,
		second:  r.IntN(5) == 0,
		weight:  int64([]int{1, 1, 1, 5, 0}[r.IntN(5)]),
		checked: r.IntN(4) == 0,
		restart: r.IntN(4) == 0,
		signal:  []int{15, 15, 15, 3}[r.IntN(4)],
	}
	b.c = container.Container{
		ID:            fmt.Sprintf("%062x%02x", 0xc0ffee00+n, e.h.index),
		Name:          fmt.Sprintf("%s-%d", service, n),
		State:         "created",
		StopSignal:    b.signal,
		Labels:        map[string]string{"SERVICE_WEIGHT": strconv.FormatInt(b.weight, 10)},
		Mode:          container.Bridge,
		SettingsBytes: 100,
	}
	if b.ecs {
		b.restart = false // ECS starts another container instead, or, by a policy of its own, this one
		b.again = e.w.fixed("restart policy of "+b.name, 3) == 0
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

// publishAll gives the ports others of the host.
func (b *box) publishAll() {
	b.c.Published = nil
	b.publish(80)
	if b.second {
		b.publish(9000)
	}
}

// run is start with the ports that it had.
func (b *box) run() {
	e := b.e
	b.c.State, b.c.StartedAt, b.c.Health = container.Running, e.now(), container.NoHealthCheck
	if b.checked {
		b.c.Health = container.Starting
	}
	b.began()
	e.emit(b, container.Hint{Action: container.Start})
}

// used gives the ports of the host that live containers have.
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

// portsTaken says whether another container has got a port of one that has ended.
func (b *box) portsTaken() bool {
	used := b.e.used()
	return slices.ContainsFunc(b.c.Published, func(p container.Binding) bool { return used[p.HostPort] })
}

// publish gives a port a free port of the host, of few, so that ports are used again.
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

// die ends the run; heard says whether an event tells of it.
func (b *box) die(heard bool) {
	announced := b.expected(time.Now()) != mustNot
	b.c.State = "exited"
	if b.restart && !b.told.stopped() {
		b.c.State = container.Restarting
	}
	b.c.Health = container.NoHealthCheck
	status := 1
	if b.e.w.fixed(fmt.Sprint("exit status of ", b.name, b.told.runs), 4) == 0 {
		status = 0
	}
	b.ended(heard, announced, status)
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

// move connects a running container to another network, which gives its ports others of the host.
func (b *box) move() {
	b.publishAll()
	b.moves++
	b.changed("moved")
	b.e.emit(b, container.Hint{Action: container.Network})
}

// emit tells the subscribers of an event.
func (e *engine) emit(b *box, h container.Hint) {
	h.ContainerID, h.Time = b.c.ID, e.now()
	e.w.note(e.h.name, "event %s %s%s", b.name, h.Action, map[bool]string{
		true: " " + strconv.Itoa(h.Signal),
	}[h.Signal != 0])
	ev := event{
		hint: h,
		box:  b,
		run:  b.told.runs,
		at:   time.Now().Add(e.late),
	}
	e.memory = append(e.memory, ev)
	if len(e.memory) > remembered {
		e.memory = slices.Clone(e.memory[len(e.memory)-remembered:])
	}
	deaf := false
	if e.late > 0 {
		e.untold = time.Now()
	}
	for s := range e.streams {
		if s.deaf {
			deaf = true
			continue
		}
		if n := len(s.queue); n > 0 && s.queue[n-1].at.After(ev.at) {
			ev.at = s.queue[n-1].at // a stream keeps its order
		}
		s.queue = append(s.queue, ev)
		s.wake()
	}
	if deaf {
		e.untold = time.Now()
		b.unheard(h)
	}
}

func (s *stream) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// interrupt ends all streams.
func (e *engine) interrupt() {
	for s := range e.streams {
		close(s.cut)
		delete(e.streams, s)
	}
}

// connection is the Engine as one process sees it: with the cache that package docker keeps.
type connection struct {
	p     *process
	cache map[string]seen
}

// seen is a container as it was last inspected, and what the listing then said.
type seen struct {
	container container.Container
	listing   listing
	again     time.Time // where it could not be inspected: not before
}

// unanswered is how long an inspection waits, and how long a container that could not be inspected has a rest from it.
const unanswered = 3 * time.Second

// note notes what was found of a container, which is stuck or not.
func (c *connection) note(cache map[string]seen, b *box, said listing, stuck bool) {
	if !stuck {
		cache[b.c.ID] = seen{container: b.c, listing: said}
		return
	}
	found := c.cache[b.c.ID].container
	if found.ID == "" {
		found = container.Container{
			ID:         b.c.ID,
			Name:       b.c.Name,
			Labels:     b.c.Labels,
			StopSignal: 15,
		}
	}
	found.State, found.Unread = b.c.State, "timeout"
	cache[b.c.ID] = seen{container: found, again: time.Now().Add(unanswered)}
}

// inspect waits for the inspection of some containers, and gives those that are stuck.
func (c *connection) inspect(ctx context.Context, asked func(b *box) bool) (stuck map[*box]bool, err error) {
	if err := c.p.wait(ctx, "inspect", time.Millisecond, 30*time.Millisecond); err != nil {
		return nil, err
	}
	stuck = map[*box]bool{}
	c.p.h.w.mu.Lock()
	for _, b := range c.p.h.engine.boxes {
		if b.listed() && time.Now().Before(b.stuck) && asked(b) {
			stuck[b] = true
		}
	}
	c.p.h.w.mu.Unlock()
	if len(stuck) > 0 {
		err = c.p.wait(ctx, "inspect in vain", unanswered, unanswered)
	}
	return stuck, err
}

// listing is what the list of containers tells of one. Of the time at which a run began, which is not listed, new
// network endpoints tell, and of other ports that time or the number of its moves.
type listing struct {
	state   container.State
	health  container.Health
	started time.Time
	moves   int
}

func (c *connection) Follow(ctx context.Context, connected func(), hint func(container.Hint)) error {
	w, e := c.p.h.w, c.p.h.engine
	if err := c.p.wait(ctx, "subscribe", time.Millisecond, 20*time.Millisecond); err != nil {
		return err
	}
	w.mu.Lock()
	if !e.up || e.closed {
		w.mu.Unlock()
		return errRefused
	}
	s := &stream{
		p:     c.p,
		queue: slices.Clone(e.memory),
		more:  make(chan struct{}, 1),
		cut:   make(chan struct{}),
		began: map[*box]int{},
	}
	for i := range s.queue { // the past comes at once
		s.queue[i].at = time.Now()
	}
	e.streams[s] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(e.streams, s)
		w.mu.Unlock()
	}()
	connected()
	for {
		w.mu.Lock()
		wait := time.Hour
		var next *event
		if len(s.queue) > 0 {
			if wait = time.Until(s.queue[0].at); wait <= 0 {
				next = &s.queue[0]
				s.queue = s.queue[1:]
				next.box.heard(*next, c.p, s)
			}
		}
		dead := c.p.dead
		w.mu.Unlock()
		switch {
		case dead:
			return errDead
		case next != nil:
			hint(next.hint)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.cut:
			timer.Stop()
			return errors.New("unexpected EOF")
		case <-s.more:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Snapshot lists, then inspects what is new, hinted at, or listed otherwise than before.
func (c *connection) Snapshot(ctx context.Context, dirty map[string]bool, all bool) ([]container.Container, error) {
	w, e := c.p.h.w, c.p.h.engine
	if err := c.p.wait(ctx, "list", time.Millisecond, 10*time.Millisecond); err != nil {
		return nil, err
	}
	w.mu.Lock()
	listed := map[string]listing{}
	refused := !e.up
	for _, b := range e.boxes {
		if b.listed() {
			listed[b.c.ID] = listing{b.c.State, b.c.Health, b.c.StartedAt, b.moves}
		}
	}
	w.mu.Unlock()
	if refused {
		return nil, errRefused
	}
	fresh := func(b *box) bool {
		known, ok := c.cache[b.c.ID]
		return ok && !dirty[b.c.ID] && !all && (known.listing == listed[b.c.ID] || time.Now().Before(known.again))
	}
	stuck, err := c.inspect(ctx, func(b *box) bool { return listed[b.c.ID] != listing{} && !fresh(b) })
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !e.up {
		return nil, errRefused
	}
	cache := map[string]seen{}
	for _, b := range e.boxes {
		id := b.c.ID
		said, ok := listed[id]
		if !ok {
			continue
		}
		if fresh(b) && !stuck[b] {
			cache[id] = c.cache[id]
		} else if b.listed() {
			c.note(cache, b, said, stuck[b])
		}
	}
	c.cache = cache
	return c.found(), nil
}

// Refresh inspects what is hinted at, and no more.
func (c *connection) Refresh(ctx context.Context, dirty map[string]bool) ([]container.Container, error) {
	w, e := c.p.h.w, c.p.h.engine
	asked := map[string]bool{}
	for id, known := range c.cache {
		asked[id] = known.container.Unread != "" && !time.Now().Before(known.again)
	}
	for id := range dirty {
		asked[id] = true
	}
	stuck, err := c.inspect(ctx, func(b *box) bool { return asked[b.c.ID] })
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !e.up {
		return nil, errRefused
	}
	cache := maps.Clone(c.cache)
	maps.DeleteFunc(cache, func(id string, _ seen) bool { return asked[id] })
	for _, b := range e.boxes {
		if asked[b.c.ID] && b.listed() {
			c.note(cache, b, listing{}, stuck[b]) // which the next listing differs from
		}
	}
	c.cache = cache
	return c.found(), nil
}

// found gives what was last found, by ID.
func (c *connection) found() (found []container.Container) {
	for _, id := range slices.Sorted(maps.Keys(c.cache)) {
		found = append(found, c.cache[id].container)
	}
	return found
}

// listed says whether the container is among those that are running, paused or restarting.
func (b *box) listed() bool { return b.c.Live() || b.c.State == container.Restarting }
