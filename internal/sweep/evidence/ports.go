package evidence

import (
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
)

// hostPort is a port of a host.
type hostPort struct {
	instance string
	port     uint16
	proto    string
}

// owners knows which container ECS has given which host port.
type owners struct {
	byPort map[hostPort]string
	apart  map[string]bool // containers with an address that is not their host's
	fleet  Fleet
}

func portOwners(entries []Entry, fleet Fleet) owners {
	o := owners{map[hostPort]string{}, map[string]bool{}, fleet}
	for _, e := range entries {
		if e.Ours && e.ID.Kind == record.ENI {
			o.apart[e.ID.Container] = true
		}
	}
	for id, c := range fleet.Containers {
		if c.Address.IsValid() {
			o.apart[id] = true
		}
		if c.Stopped || o.apart[id] {
			continue
		}
		for _, p := range c.Ports {
			o.byPort[hostPort{c.Instance, p.Host, string(p.Container.Proto)}] = id
		}
	}
	return o
}

// of returns the other container that owns the port of a record; empty where there is none.
func (o owners) of(id record.SetID, port uint16) string {
	c := o.fleet.Containers[id.Container]
	own := container.Port{Number: id.Port, Proto: container.Proto(id.Proto)}
	if o.apart[id.Container] || !c.Stopped && c.Instance == id.Instance && c.Publishes(own, port) {
		return ""
	}
	owner := o.byPort[hostPort{id.Instance, port, id.Proto}]
	if owner == id.Container {
		return ""
	}
	return owner
}
