package endpoint

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/container"
)

// pauseName begins the names of the containers that hold a task's network namespace: ~internal~ecs~pause with a network
// interface of its own (awsvpc), ~internal~ecs~pause-<container> with Service Connect in bridge mode.
const pauseName = "~internal~ecs~pause"

// reachable is a container port and where consumers reach it.
type reachable struct {
	port     container.Port
	hostPort uint16
	address  netip.Addr // the zero Addr: the host's
}

// OwnInterface says whether c is part of a task with a network interface of its own (awsvpc), owner being the container whose
// network namespace it uses. The Engine knows no address of such a container.
func OwnInterface(c, owner container.Container) bool {
	return c.Mode == container.Shared && owner.Mode == container.None && strings.HasPrefix(owner.Labels[container.LabelName], pauseName)
}

// reachable gives the ports of the container that consumers can reach, in order; false where there can be none.
func (m *mapping) reachable() ([]reachable, bool) {
	c := m.container
	switch {
	case c.Mode == container.Bridge:
		return m.published(c.Published), true
	case c.Mode == container.Host:
		return m.declared(netip.Addr{}), true
	case c.Mode == container.None:
		m.problem("container", "it has no network")
	case m.owner.ID == "" || !m.owner.Live():
		m.problem("container", fmt.Sprintf("it uses the network of container %.12q, which does not run", c.SharedWith))
	case OwnInterface(c, m.owner):
		switch {
		case !c.Address.IsValid():
			m.problem("container", "the ECS agent does not say yet which address the task's network interface has")
		case !c.Address.Is4():
			m.problem("container", "the task's network interface has only an IPv6 address, and ecssd announces IPv4")
		default:
			return m.declared(c.Address), true
		}
	case m.owner.Mode == container.Bridge:
		return m.published(m.owner.Published), true
	case m.owner.Mode == container.Host:
		return m.declared(netip.Addr{}), true
	default:
		m.problem("container", fmt.Sprintf("it uses the network of container %.80q, which has none", m.owner.Name))
	}
	return nil, false
}

// declared gives the ports that are reached under their own number: those that the image or the container definition exposes,
// and those that a setting names.
func (m *mapping) declared(address netip.Addr) []reachable {
	ports := slices.Clone(m.container.Exposed)
	exposed := func(number uint16, proto container.Proto) bool {
		return slices.Contains(m.container.Exposed, container.Port{Number: number, Proto: proto})
	}
	for number, asked := range m.settings.ports {
		if asked.names != "" && (exposed(number, container.TCP) || !exposed(number, container.UDP)) {
			ports = append(ports, container.Port{Number: number, Proto: container.TCP})
		}
		if asked.udpNames != "" {
			ports = append(ports, container.Port{Number: number, Proto: container.UDP})
		}
	}
	slices.SortFunc(ports, comparePorts)
	var found []reachable
	for _, port := range slices.Compact(ports) {
		if m.speaks(port) {
			found = append(found, reachable{port: port, hostPort: port.Number, address: address})
		}
	}
	return found
}

// published gives each port with the one of its bindings that is announced: IPv4, not loopback, the lowest host port.
func (m *mapping) published(bindings []container.Binding) []reachable {
	byPort := map[container.Port][]container.Binding{}
	for _, b := range bindings {
		byPort[b.Port] = append(byPort[b.Port], b)
	}
	var found []reachable
	for port, bindings := range byPort {
		if !m.speaks(port) {
			continue
		}
		subject := "port " + port.String()
		outside := slices.DeleteFunc(bindings, func(b container.Binding) bool { return b.HostIP.Unmap().IsLoopback() })
		v4 := slices.DeleteFunc(slices.Clone(outside), func(b container.Binding) bool { return !b.HostIP.Unmap().Is4() })
		switch {
		case len(outside) == 0:
			m.problem(subject, "it is published on the loopback address only")
			continue
		case len(v4) == 0:
			m.problem(subject, "it is published on IPv6 addresses only, and ecssd announces IPv4")
			continue
		}
		slices.SortFunc(v4, func(a, b container.Binding) int {
			return cmp.Or(cmp.Compare(a.HostPort, b.HostPort), a.HostIP.Compare(b.HostIP))
		})
		used := v4[0]
		found = append(found, reachable{port: port, hostPort: used.HostPort})
		for _, b := range outside {
			// The same host port on IPv6 is how an Engine publishes every port.
			if b.HostPort != used.HostPort {
				m.problem(subject, fmt.Sprintf("of its host ports the lowest, %d, is announced; not %s",
					used.HostPort, netip.AddrPortFrom(b.HostIP, b.HostPort)))
			}
		}
	}
	slices.SortFunc(found, func(a, b reachable) int { return comparePorts(a.port, b.port) })
	return found
}

// speaks says whether a port's protocol can be announced.
func (m *mapping) speaks(port container.Port) bool {
	if port.Proto == container.TCP || port.Proto == container.UDP {
		return true
	}
	m.problem("port "+port.String(), "only tcp and udp are announced")
	return false
}

func has(ports []reachable, number uint16, proto container.Proto) bool {
	return slices.ContainsFunc(ports, func(r reachable) bool { return r.port == container.Port{Number: number, Proto: proto} })
}

func list(ports []reachable) string {
	if len(ports) == 0 {
		return "none"
	}
	var names []string
	for _, r := range ports[:min(len(ports), 10)] {
		names = append(names, r.port.String())
	}
	return strings.Join(names, ", ")
}

func comparePorts(a, b container.Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Proto, b.Proto))
}
