package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// connection is the Engine as one agent sees it, with the cache that package docker keeps.
type connection struct {
	p     *process
	cache map[string]seen
}

// seen is a container as it was last inspected, and how it was listed then.
type seen struct {
	container container.Container
	listing   listing
	again     time.Time // if the inspection failed: not before
}

// inspectTimeout is how long an inspection waits, and how long a container that could not be inspected is left alone.
const inspectTimeout = 3 * time.Second

// note adds an inspected container to a cache; hangs: the inspection failed.
func (c *connection) note(cache map[string]seen, b *box, listed listing, hangs bool) {
	if !hangs {
		cache[b.c.ID] = seen{container: b.c, listing: listed}
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
	cache[b.c.ID] = seen{container: found, again: time.Now().Add(inspectTimeout)}
}

// inspect waits for the inspections of some containers, and returns those that hang.
func (c *connection) inspect(ctx context.Context, asked func(b *box) bool) (hanging map[*box]bool, err error) {
	if err := c.p.wait(ctx, "inspect", time.Millisecond, 30*time.Millisecond); err != nil {
		return nil, err
	}
	hanging = map[*box]bool{}
	c.p.h.w.mu.Lock()
	for _, b := range c.p.h.engine.boxes {
		if b.listed() && time.Now().Before(b.inspectHangsUntil) && asked(b) {
			hanging[b] = true
		}
	}
	c.p.h.w.mu.Unlock()
	if len(hanging) > 0 {
		err = c.p.wait(ctx, "inspect in vain", inspectTimeout, inspectTimeout)
	}
	return hanging, err
}

// listing is what a list of containers shows of one. The real list does not show when a run began, but new network
// endpoints, which come with each run and each move.
type listing struct {
	state   container.State
	health  container.Health
	started time.Time
	moves   int
}

// Follow subscribes to events and passes them on until the stream ends.
func (c *connection) Follow(ctx context.Context, connected func(), hint func(container.Hint)) error {
	if err := c.p.wait(ctx, "subscribe", time.Millisecond, 20*time.Millisecond); err != nil {
		return err
	}
	s, err := c.subscribe()
	if err != nil {
		return err
	}
	defer func() {
		c.p.h.w.mu.Lock()
		defer c.p.h.w.mu.Unlock()
		delete(c.p.h.engine.streams, s)
	}()
	connected()
	for {
		next, wait := s.next()
		switch {
		case c.p.isDead():
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
		case <-s.ended:
			timer.Stop()
			return errors.New("unexpected EOF")
		case <-s.wakeup:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// subscribe opens an event stream. It begins with the events that the Engine has kept.
func (c *connection) subscribe() (*stream, error) {
	w, e := c.p.h.w, c.p.h.engine
	w.mu.Lock()
	defer w.mu.Unlock()
	if !e.up || e.refusesStreams {
		return nil, errRefused
	}
	s := &stream{
		p:          c.p,
		queue:      slices.Clone(e.eventLog),
		wakeup:     make(chan struct{}, 1),
		ended:      make(chan struct{}),
		toldStarts: map[*box]int{},
	}
	for i := range s.queue { // past events come at once
		s.queue[i].at = time.Now()
	}
	e.streams[s] = true
	return s, nil
}

// next returns the next event that is due, or how long to wait for one.
func (s *stream) next() (*event, time.Duration) {
	s.p.h.w.mu.Lock()
	defer s.p.h.w.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(s.queue[0].at); wait > 0 {
		return nil, wait
	}
	next := &s.queue[0]
	s.queue = s.queue[1:]
	next.box.heard(*next, s.p, s)
	return next, 0
}

// Snapshot lists, then inspects what is new, dirty, or listed otherwise than before.
func (c *connection) Snapshot(ctx context.Context, dirty map[string]bool, all bool) ([]container.Container, error) {
	w, e := c.p.h.w, c.p.h.engine
	listed, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	fresh := func(b *box) bool {
		known, ok := c.cache[b.c.ID]
		return ok && !dirty[b.c.ID] && !all && (known.listing == listed[b.c.ID] || time.Now().Before(known.again))
	}
	hanging, err := c.inspect(ctx, func(b *box) bool { return listed[b.c.ID] != listing{} && !fresh(b) })
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
		switch {
		case !ok:
		case fresh(b) && !hanging[b]:
			cache[id] = c.cache[id]
		case b.listed():
			c.note(cache, b, said, hanging[b])
		}
	}
	c.cache = cache
	return c.found(), nil
}

// list lists the containers.
func (c *connection) list(ctx context.Context) (map[string]listing, error) {
	if err := c.p.wait(ctx, "list", time.Millisecond, 10*time.Millisecond); err != nil {
		return nil, err
	}
	e := c.p.h.engine
	c.p.h.w.mu.Lock()
	defer c.p.h.w.mu.Unlock()
	if !e.up {
		return nil, errRefused
	}
	listed := map[string]listing{}
	for _, b := range e.boxes {
		if b.listed() {
			listed[b.c.ID] = listing{
				state:   b.c.State,
				health:  b.c.Health,
				started: b.c.StartedAt,
				moves:   b.moves,
			}
		}
	}
	return listed, nil
}

// Refresh inspects what is dirty, and no more.
func (c *connection) Refresh(ctx context.Context, dirty map[string]bool) ([]container.Container, error) {
	w, e := c.p.h.w, c.p.h.engine
	asked := map[string]bool{}
	for id, known := range c.cache {
		asked[id] = known.container.Unread != "" && !time.Now().Before(known.again)
	}
	for id := range dirty {
		asked[id] = true
	}
	hanging, err := c.inspect(ctx, func(b *box) bool { return asked[b.c.ID] })
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
			c.note(cache, b, listing{}, hanging[b]) // which the next listing differs from
		}
	}
	c.cache = cache
	return c.found(), nil
}

// found returns what was last found, by ID.
func (c *connection) found() (found []container.Container) {
	for _, id := range slices.Sorted(maps.Keys(c.cache)) {
		found = append(found, c.cache[id].container)
	}
	return found
}
