package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// engine is what the Docker Engine told.
type engine struct {
	findings  []Finding
	seen      bool // containers could be looked at
	endpoints []endpoint.Endpoint
	announced []container.Container // each once, that the endpoints are of
}

func (d *doctor) lookAtEngine(ctx context.Context) engine {
	version, done := limited(ctx)
	defer done()
	name, api, err := d.Engine.Version(version)
	if errors.Is(err, fs.ErrPermission) {
		f := bad("engine", Skip, "not checked: this user may not use the Docker Engine at %s", d.Engine.Host())
		return engine{
			findings: []Finding{f.hint("run this as root (sudo ecssd doctor), or as a member of group docker")},
		}
	}
	if err != nil {
		f := bad(
			"engine",
			Fail,
			"the Docker Engine does not answer at %s: %s",
			d.Engine.Host(),
			why(errors.Unwrap(err)),
		)
		return engine{
			findings: []Finding{
				f.hint(
					"systemctl start docker; where it listens elsewhere, say so in --docker-host (ECSSD_DOCKER_HOST)",
				),
			},
		}
	}
	events := async(func() Finding { return d.lookAtEvents(ctx) })
	e := d.lookAtContainers(ctx)
	e.findings = append([]Finding{
		ok("engine", "Docker %s (API %s) answers at %s", name, api, d.Engine.Host()),
		events(),
	}, e.findings...)
	return e
}

// lookAtEvents subscribes, and is content with the Engine's taking it: on a host where nothing happens no event comes.
func (d *doctor) lookAtEvents(ctx context.Context) Finding {
	ctx, cancel := limited(ctx)
	defer cancel()
	connected := false
	err := d.Events.Follow(ctx, func() { connected = true; cancel() }, func(container.Hint) {})
	if !connected {
		return bad("events", Fail, "the Engine takes no subscription to its events: %s", why(err)).
			hint("systemctl status docker; journalctl -u docker; an Engine that hangs needs: systemctl restart docker")
	}
	return ok("events", "the Engine takes subscriptions to its events")
}

// mostContainers is of how many containers something is told.
const mostContainers = 10

func (d *doctor) lookAtContainers(ctx context.Context) engine {
	ctx, cancel := limited(ctx)
	defer cancel()
	all, err := d.Engine.Snapshot(ctx, nil, true)
	if err != nil {
		f := bad("containers", Fail, "the containers cannot be looked at: %s", why(err))
		return engine{findings: []Finding{f.hint("systemctl status docker; journalctl -u docker")}}
	}
	e := engine{seen: true}
	policy := d.Policy
	policy.Address = d.identity().Address
	endpoints, problems := policy.Map(d.Address(ctx, all))
	e.endpoints = endpoints
	byID, announced, names := map[string]container.Container{}, map[string]bool{}, map[string]bool{}
	for _, c := range all {
		byID[c.ID] = c
	}
	for _, p := range problems {
		if !p.Chosen {
			e.findings = append(e.findings, bad("containers", Warn, "%s: %s: %s", p.ContainerName, p.Subject, p.Reason).
				hint("ecssd explain %s", p.ContainerName))
		}
	}
	for _, p := range endpoints {
		c := byID[p.ContainerID]
		names[p.Name] = true
		if announced[c.ID] {
			continue
		}
		announced[c.ID] = true
		e.announced = append(e.announced, c)
		switch {
		case c.State == container.Paused:
			e.findings = append(e.findings, bad("containers", Warn, "%s is paused and has weight 0", c.Name).
				hint("docker unpause %s", c.Name))
		case c.Health == container.Unhealthy:
			e.findings = append(e.findings, bad("containers", Warn, "%s is unhealthy and has weight 0", c.Name).
				hint("docker inspect --format '{{json .State.Health}}' %s; ecssd explain %s", c.Name, c.Name))
		}
	}
	if n := len(e.findings); n > mostContainers {
		e.findings = append(
			e.findings[:mostContainers],
			bad("containers", Warn, "and %d more like these", n-mostContainers).
				hint("ecssd explain CONTAINER"),
		)
	}
	if e.findings == nil {
		e.findings = []Finding{
			ok(
				"containers",
				"%s, %d announced, under %s",
				count(len(all), "container"),
				len(e.announced),
				count(len(names), "name"),
			),
		}
	}
	return e
}

// count gives a number with a noun: 1 record, 2 records.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
