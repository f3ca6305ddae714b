package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

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
const inspectTimeout = 3 * time.Second

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
	cache[b.c.ID] = seen{container: found, again: time.Now().Add(inspectTimeout)}
}

// inspect waits for the inspection of some containers, and gives those that are stuck.
func (c *connection) inspect(ctx context.Context, asked func(b *box) bool) (stuck map[*box]bool, err error) {
	if err := c.p.wait(ctx, "inspect", time.Millisecond, 30*time.Millisecond); err != nil {
		return nil, err
	}
	stuck = map[*box]bool{}
	c.p.h.w.mu.Lock()
	for _, b := range c.p.h.engine.boxes {
		if b.listed() && time.Now().Before(b.inspectHangsUntil) && asked(b) {
			stuck[b] = true
		}
	}
	c.p.h.w.mu.Unlock()
	if len(stuck) > 0 {
		err = c.p.wait(ctx, "inspect in vain", inspectTimeout, inspectTimeout)
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
	if !e.up || e.refusesStreams {
		w.mu.Unlock()
		return errRefused
	}
	s := &stream{
		p:          c.p,
		queue:      slices.Clone(e.eventLog),
		wakeup:     make(chan struct{}, 1),
		ended:      make(chan struct{}),
		toldStarts: map[*box]int{},
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
		case <-s.ended:
			timer.Stop()
			return errors.New("unexpected EOF")
		case <-s.wakeup:
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
