package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/container"
)

const (
	// maxInspections is how many inspections run at a time: an Engine takes a few milliseconds for one, and a host may
	// run hundreds of containers.
	maxInspections = 8
	// listTimeout leaves of the time that a look has enough for inspections.
	listTimeout = 5 * time.Second
	// inspectTimeout bounds an inspection in a snapshot. The Engine holds a container's lock while it waits for
	// containerd, so that one container whose shim hangs is not inspected for as long (moby, daemon/kill.go), while it
	// lists all. For some seconds that happens also where a container is paused in the middle of a health check.
	inspectTimeout = 3 * time.Second
	// An inspection that takes longer than this no longer counts among maxInspections: it costs the Engine nothing but
	// patience.
	working = 100 * time.Millisecond
	// inspectionsEnd is how long before a look has to be over the last inspections are given up.
	inspectionsEnd = 500 * time.Millisecond
	// A container that could not be inspected is not asked for again before a wait that doubles, so that it does not
	// hold up the snapshots of all others; or when there is an event of it.
	firstStuck, longestStuck = 3 * time.Second, time.Minute
)

// cached is a container as it was last inspected, and what the listing then said of it.
type cached struct {
	container container.Container
	listing   string
	stuck     int       // how often in a row it could not be inspected
	again     time.Time // then: not inspected before
}

// live is the filter for containers that are running, paused, or waiting for their restart policy.
var live = filters.NewArgs(
	filters.Arg("status", string(container.Running)),
	filters.Arg("status", string(container.Paused)),
	filters.Arg("status", string(container.Restarting)),
)

// Snapshot returns which containers are running, paused or restarting, ordered by ID. It lists them, which is one call,
// and inspects only those that are new, that are in dirty (IDs that hints named since the last look that succeeded), or
// of which the listing says something else than before; with all, every one. A container that is gone before it can be
// inspected is left out, and one of which only the inspection fails, before ctx ends at the latest, is marked as
// unread. Any other failure fails the whole: half a snapshot would look like containers that died.
//
// What is returned shares its maps and slices with later snapshots and must not be changed.
func (e *Engine) Snapshot(ctx context.Context, dirty map[string]bool, all bool) ([]container.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	listed, err := e.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	now := time.Now()
	cache := make(map[string]cached, len(listed))
	var stale []api.Summary
	for _, s := range listed {
		known, ok := e.cache[s.ID]
		switch {
		case ok && now.Before(known.again) && !dirty[s.ID] && !all:
			known.container.State = container.State(s.State)
			cache[s.ID] = known
		case ok && known.listing == listing(s) && !dirty[s.ID] && !all:
			cache[s.ID] = known
		default:
			stale = append(stale, s)
		}
	}
	inspected, err := e.inspectEach(ctx, stale)
	if err != nil {
		return nil, err
	}
	for i, s := range stale {
		inspected[i].note(cache, s.ID, e.cache[s.ID], listing(s))
	}
	e.cache = cache
	return e.snapshot(), nil
}

// Refresh is Snapshot without the listing: it inspects what is in dirty, and what could not be inspected before and is
// to be tried again now, and of all others says what was last found. So it costs as much on a host with hundreds of
// containers as on one with a few. It begins with a Snapshot.
func (e *Engine) Refresh(ctx context.Context, dirty map[string]bool) ([]container.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	now := time.Now()
	var stale []api.Summary
	for id := range dirty {
		// Of one that was not listed yet it is known that there was an event.
		stale = append(stale, api.Summary{
			ID:    id,
			State: cmp.Or(string(e.cache[id].container.State), string(container.Running)),
		})
	}
	for id, known := range e.cache {
		if known.container.Unread != "" && !now.Before(known.again) && !dirty[id] {
			stale = append(stale, api.Summary{ID: id, State: string(known.container.State)})
		}
	}
	inspected, err := e.inspectEach(ctx, stale)
	if err != nil {
		return nil, err
	}
	for i, s := range stale {
		before := e.cache[s.ID]
		delete(e.cache, s.ID)
		inspected[i].note(e.cache, s.ID, before, unlisted)
	}
	return e.snapshot(), nil
}

// unlisted is what no listing has of a container.
const unlisted = ""

// finding is what came of inspecting a container, or of the lack of time for it.
type finding struct {
	container.Container // the zero Container where it is gone
	skipped             bool
}

// note keeps in a cache what was found of a container, if it is one of those to be returned; before is what was known
// of it.
func (f finding) note(cache map[string]cached, id string, before cached, listing string) {
	found := f.Container
	switch {
	case found.Unread != "":
		if before.container.ID != "" {
			found = before.container
			found.State, found.Unread = f.State, f.Unread
		}
		next := cached{container: found, listing: unlisted, stuck: before.stuck}
		if !f.skipped {
			next.again = time.Now().Add(min(firstStuck<<min(before.stuck, 10), longestStuck))
			next.stuck++
		}
		cache[id] = next
	case found.State == container.Running, found.State == container.Paused, found.State == container.Restarting:
		cache[id] = cached{container: found, listing: listing}
	}
}

// snapshot returns what the cache holds, ordered by ID.
func (e *Engine) snapshot() []container.Container {
	found := make([]container.Container, 0, len(e.cache))
	for _, id := range slices.Sorted(maps.Keys(e.cache)) {
		found = append(found, e.cache[id].container)
	}
	return found
}

// Inspect finds one container, whatever its state, by its name, its ID or the beginning of its ID.
func (e *Engine) Inspect(ctx context.Context, ref string) (container.Container, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	in, err := e.cli.Load().ContainerInspect(ctx, ref)
	if err != nil {
		return container.Container{}, fmt.Errorf("inspect container %q: %w", ref, err)
	}
	return decode(in), nil
}

// inspectEach inspects containers, some at a time, until shortly before ctx ends.
func (e *Engine) inspectEach(ctx context.Context, listed []api.Summary) ([]finding, error) {
	until := time.Now().Add(callTimeout)
	if end, ok := ctx.Deadline(); ok {
		until = end.Add(-inspectionsEnd)
	}
	found := make([]finding, len(listed))
	slots := make(chan struct{}, maxInspections)
	g, group := errgroup.WithContext(ctx)
	timely, cancel := context.WithDeadline(group, until)
	defer cancel()
	for i, s := range listed {
		select {
		case slots <- struct{}{}:
		case <-timely.Done():
			found[i] = finding{unread(s, errNoTime), true}
			continue
		}
		release := sync.OnceFunc(func() { <-slots })
		timer := time.AfterFunc(working, release)
		g.Go(func() error {
			defer func() { timer.Stop(); release() }()
			inspecting, cancel := context.WithTimeout(timely, inspectTimeout)
			defer cancel()
			c, err := e.Inspect(inspecting, s.ID)
			switch {
			case err == nil:
				found[i].Container = c
			case cerrdefs.IsNotFound(err):
			case cerrdefs.IsInternal(err), errors.Is(err, context.DeadlineExceeded) && group.Err() == nil:
				found[i].Container = unread(s, err)
			default:
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return found, ctx.Err()
}

// errNoTime is why a container was not even tried.
var errNoTime = errors.New("the inspections of other containers took too long")

// unread is a container that is listed and cannot be inspected.
func unread(s api.Summary, why error) container.Container {
	c := decode(api.InspectResponse{
		ContainerJSONBase: &api.ContainerJSONBase{ID: s.ID, State: &api.State{Status: api.ContainerState(s.State)}},
		Config:            &api.Config{Image: s.Image, Labels: s.Labels},
	})
	if len(s.Names) > 0 {
		c.Name = engineName(s.Names[0])
	}
	c.Unread = why.Error()
	return c
}

// list returns what the Engine lists of the live containers.
func (e *Engine) list(ctx context.Context) ([]api.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	return e.cli.Load().ContainerList(ctx, api.ListOptions{Filters: live})
}

// listing joins what can change in a container's life: name, state, health, published ports, and the IDs of its network
// endpoints, which are new in each run (the time a run began is not listed). Labels, environment and network mode
// cannot.
func listing(s api.Summary) string {
	slices.Sort(s.Names)
	slices.SortFunc(s.Ports, func(a, b api.Port) int {
		return cmp.Or(cmp.Compare(a.PrivatePort, b.PrivatePort), cmp.Compare(a.Type, b.Type),
			cmp.Compare(a.IP, b.IP), cmp.Compare(a.PublicPort, b.PublicPort))
	})
	var endpoints []string
	if s.NetworkSettings != nil {
		for _, network := range s.NetworkSettings.Networks {
			if network != nil {
				endpoints = append(endpoints, network.EndpointID)
			}
		}
	}
	slices.Sort(endpoints)
	return fmt.Sprint(s.State, listedHealth(s.Status), s.Names, s.Ports, endpoints)
}

// listedHealth finds the health in a listing's status, where alone the Engine shows it: "Up 5 minutes (unhealthy)", "Up
// 2 seconds (health: starting)". The times in it, as in "Restarting (1) 3 seconds ago", would make every listing new.
func listedHealth(status string) string {
	_, health, _ := strings.Cut(status, "(")
	health, _, _ = strings.Cut(health, ")")
	return health
}
