package hostcheck

import (
	"context"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// containers is what runs here, and what of it is registered.
type containers struct {
	err       error // of the listing
	listed    bool
	all       []container.Container
	endpoints []endpoint.Endpoint
	problems  []endpoint.Problem
}

func (h *Host) lookAtContainers(ctx context.Context) containers {
	return h.view.Get(func() (view containers) {
		if h.askVersion(ctx).err != nil {
			return view
		}
		policy := h.Policy
		policy.Address = h.Identity(ctx).Address
		ctx, cancel := doctor.Limit(ctx)
		defer cancel()
		view.all, view.err = h.Engine.Snapshot(ctx, nil, true)
		if view.err == nil {
			view.listed = true
			view.endpoints, view.problems = policy.Map(h.Address(ctx, view.all))
		}
		return view
	})
}

// registered returns the containers that have an endpoint, each once, in the order of the endpoints.
func (v containers) registered() (registered []container.Container) {
	byID, seen := map[string]container.Container{}, map[string]bool{}
	for _, c := range v.all {
		byID[c.ID] = c
	}
	for _, e := range v.endpoints {
		if !seen[e.ContainerID] {
			seen[e.ContainerID] = true
			registered = append(registered, byID[e.ContainerID])
		}
	}
	return registered
}

// maxContainers is how many containers have a line of their own.
const maxContainers = 10

func (h *Host) checkContainers(ctx context.Context) []doctor.Result {
	view := h.lookAtContainers(ctx)
	switch {
	case view.err != nil:
		return []doctor.Result{
			doctor.Failf("the containers cannot be listed: %s", doctor.Cause(view.err)).
				Hintf("systemctl status docker; journalctl -u docker"),
		}
	case !view.listed:
		return nil
	}
	return view.judge()
}

// judge returns a result for each container that does not serve and is expected to, or one that all do.
func (v containers) judge() (results []doctor.Result) {
	for _, p := range v.problems {
		if !p.Chosen {
			results = append(results, doctor.Warnf("%s: %s: %s", p.ContainerName, p.Subject, p.Reason).
				Hintf("ecssd explain %s", p.ContainerName))
		}
	}
	registered := v.registered()
	for _, c := range registered {
		switch {
		case c.State == container.Paused:
			results = append(results, doctor.Warnf("%s is paused and has weight 0", c.Name).
				Hintf("docker unpause %s", c.Name))
		case c.Health == container.Unhealthy:
			results = append(results, doctor.Warnf("%s is unhealthy and has weight 0", c.Name).
				Hintf("docker inspect --format '{{json .State.Health}}' %s; ecssd explain %s", c.Name, c.Name))
		}
	}
	if n := len(results); n > maxContainers {
		return append(results[:maxContainers],
			doctor.Warnf("and %d more like these", n-maxContainers).Hintf("ecssd explain CONTAINER"))
	}
	if results == nil {
		names := map[string]bool{}
		for _, e := range v.endpoints {
			names[e.Name] = true
		}
		results = []doctor.Result{
			doctor.Okf("%s, %d registered, under %s", doctor.Count(len(v.all), "container"), len(registered),
				doctor.Count(len(names), "name")),
		}
	}
	return results
}
