package docker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/container"
)

// maxInspections is how many inspections run at a time: an Engine takes a few milliseconds for one, and a host may run
// hundreds of containers.
const maxInspections = 8

// cached is a container as it was last inspected, and what the listing then said of it.
type cached struct {
	container container.Container
	listing   string
}

// live is the filter for containers that are running, paused, or waiting for their restart policy.
var live = filters.NewArgs(
	filters.Arg("status", string(container.Running)),
	filters.Arg("status", string(container.Paused)),
	filters.Arg("status", string(container.Restarting)),
)

// Snapshot tells which containers are running, paused or restarting, ordered by ID. It lists them, which is one call, and
// inspects only those that are new, that are in dirty (IDs that hints named since the last Snapshot that succeeded), or of
// which the listing says something else than before; with all, every one. A container that is gone before it can be inspected is
// left out. Any other failure fails the whole: half a snapshot would look like containers that died.
//
// What is returned shares its maps and slices with later snapshots and must not be changed.
func (e *Engine) Snapshot(ctx context.Context, dirty map[string]bool, all bool) ([]container.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	listings, err := e.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	cache := make(map[string]cached, len(listings))
	var stale []string
	for id, listing := range listings {
		known, ok := e.cache[id]
		if ok && known.listing == listing && !dirty[id] && !all {
			cache[id] = known
		} else {
			stale = append(stale, id)
		}
	}
	inspected, err := e.inspectEach(ctx, stale)
	if err != nil {
		return nil, err
	}
	for i, id := range stale {
		switch c := inspected[i]; c.State {
		case container.Running, container.Paused, container.Restarting:
			cache[id] = cached{c, listings[id]}
		}
	}
	e.cache = cache

	snapshot := make([]container.Container, 0, len(cache))
	for _, id := range slices.Sorted(maps.Keys(cache)) {
		snapshot = append(snapshot, cache[id].container)
	}
	return snapshot, nil
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

// inspectEach inspects ids, some at a time. The zero Container stands for one that is gone.
func (e *Engine) inspectEach(ctx context.Context, ids []string) ([]container.Container, error) {
	inspected := make([]container.Container, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxInspections)
	for i, id := range ids {
		g.Go(func() error {
			c, err := e.Inspect(ctx, id)
			if err != nil && !cerrdefs.IsNotFound(err) {
				return err
			}
			inspected[i] = c
			return nil
		})
	}
	return inspected, g.Wait()
}

// list gives, by ID, what the listing says of each live container, in a form fit to be compared.
func (e *Engine) list(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	summaries, err := e.cli.Load().ContainerList(ctx, api.ListOptions{Filters: live})
	if err != nil {
		return nil, err
	}
	listings := make(map[string]string, len(summaries))
	for _, s := range summaries {
		listings[s.ID] = listing(s)
	}
	return listings, nil
}

// listing joins what can change in a container's life: name, state, health, published ports, and the IDs of its network
// endpoints, which are new in each run (the time a run began is not listed). Labels, environment and network mode cannot.
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

// listedHealth finds the health in a listing's status, where alone the Engine shows it: "Up 5 minutes (unhealthy)",
// "Up 2 seconds (health: starting)". The times in it, as in "Restarting (1) 3 seconds ago", would make every listing new.
func listedHealth(status string) string {
	_, health, _ := strings.Cut(status, "(")
	health, _, _ = strings.Cut(health, ")")
	return health
}
