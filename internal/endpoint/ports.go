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

// maxHops bounds how many containers stand between one and the network namespace that it uses, which may be a circle.
const maxHops = 8

// maxListed bounds the ports and addresses that one reason lists.
const maxListed = 10

// reachable is a container port and where consumers reach it.
type reachable struct {
	port     container.Port
	hostPort uint16     // 0 where no consumer can reach it
	address  netip.Addr // the zero Addr: the host's
	reason   string     // what of the port is not announced; mostly empty
	chosen   bool       // the reason is told only when asked
}

// OwnInterface says whether c is part of a task with a network interface of its own (awsvpc), owner being the container whose
// network namespace it uses. The Engine knows no address of such a container.
func OwnInterface(c, owner container.Container) bool {
	return c.Mode == container.Shared && owner.Mode == container.None &&
		strings.HasPrefix(owner.Labels[container.LabelName], pauseName)
}

// Pending says whether it is not known yet what is announced of c: its address, or what it is. owner is the container whose network
// namespace it uses.
func Pending(c, owner container.Container) bool {
	return c.Unknown() || c.Mode == container.Shared && owner.Unknown() || OwnInterface(c, owner) && !c.Address.IsValid()
}

// ownerOf gives the container whose network namespace c uses. The Engine names it by ID; by name or the beginning of the ID
// where there was none yet when c was created. It may use that of another in its turn.
func ownerOf(c container.Container, all []container.Container) (container.Container, bool) {
	for range maxHops {
		i := slices.IndexFunc(all, func(o container.Container) bool { return o.ID == c.SharedWith })
		if i < 0 {
			i = slices.IndexFunc(all, func(o container.Container) bool { return o.Name == c.SharedWith })
		}
		if i < 0 && len(c.SharedWith) >= 12 { // as many digits of an ID as the Engine shows
			i = slices.IndexFunc(all, func(o container.Container) bool { return strings.HasPrefix(o.ID, c.SharedWith) })
		}
		if i < 0 {
			return container.Container{}, false
		}
		if c = all[i]; c.Mode != container.Shared {
			return c, true
		}
	}
	return container.Container{}, false
}

// reachable gives the ports of the container, in order; false where it can have none.
func (m *mapping) reachable(all []container.Container) ([]reachable, bool) {
	c := m.container
	switch c.Mode {
	case container.Bridge:
		return published(c.Published), true
	case container.Host:
		return m.declared(netip.Addr{}), true
	case container.Shared:
		return m.shared(all)
	}
	m.unasked(fmt.Sprintf("it has no network of which ports could be announced (mode %.20q)", c.Mode))
	return nil, false
}

// shared gives the ports that the container has in the network namespace of another.
func (m *mapping) shared(all []container.Container) ([]reachable, bool) {
	c := m.container
	owner, found := ownerOf(c, all)
	switch {
	case !found || !owner.Live():
		m.problem("container", fmt.Sprintf("it uses the network of container %.12q, which does not run", c.SharedWith))
	case owner.Unknown():
		m.problem("container", fmt.Sprintf("it uses the network of container %.80q, of which the Engine does not tell: %s", owner.Name, owner.Unread))
	case owner.Mode == container.Bridge:
		return published(owner.Published), true
	case owner.Mode == container.Host:
		return m.declared(netip.Addr{}), true
	case !OwnInterface(c, owner):
		m.problem("container", fmt.Sprintf("it uses the network of container %.80q, which has none", owner.Name))
	case !c.Address.IsValid():
		m.problem("container", "the address of its task's network interface is not known yet from ECS introspection")
	case !c.Address.Unmap().Is4():
		m.problem("container", "its task's network interface has only an IPv6 address, and IPv4 is what is announced")
	default:
		return m.declared(c.Address.Unmap()), true
	}
	return nil, false
}

// declared gives the ports that are reached under their own number: those that the image or the container definition exposes,
// and those that a setting names.
func (m *mapping) declared(address netip.Addr) []reachable {
	ports := slices.Clone(m.container.Exposed)
	exposed := func(p container.Port) bool { return slices.Contains(m.container.Exposed, p) }
	for number, asked := range m.settings.ports {
		if asked.names != "" {
			ports = append(ports, meant(number, exposed))
		}
		if asked.udpNames != "" {
			ports = append(ports, container.Port{Number: number, Proto: container.UDP})
		}
	}
	slices.SortFunc(ports, comparePorts)
	var found []reachable
	for _, port := range slices.Compact(ports) {
		r := reachable{port: port, hostPort: port.Number, address: address}
		if !spoken(port.Proto) {
			r.hostPort, r.reason = 0, notSpoken
		}
		found = append(found, r)
	}
	return found
}

// published gives each port with the one of its bindings that is announced.
func published(bindings []container.Binding) []reachable {
	byPort := map[container.Port][]container.Binding{}
	for _, b := range bindings {
		byPort[b.Port] = append(byPort[b.Port], b)
	}
	var found []reachable
	for port, bindings := range byPort {
		found = append(found, choose(port, bindings))
	}
	slices.SortFunc(found, func(a, b reachable) int { return comparePorts(a.port, b.port) })
	return found
}

// choose takes the one binding of a port that is announced: not loopback, IPv4, the lowest host port.
func choose(port container.Port, bindings []container.Binding) reachable {
	known := slices.DeleteFunc(bindings, func(b container.Binding) bool { return b.HostPort == 0 })
	outside := slices.DeleteFunc(slices.Clone(known), func(b container.Binding) bool { return b.HostIP.IsLoopback() })
	v4 := slices.DeleteFunc(slices.Clone(outside), func(b container.Binding) bool { return !b.HostIP.Unmap().Is4() })
	switch {
	case !spoken(port.Proto):
		return reachable{port: port, reason: notSpoken}
	case len(known) == 0:
		return reachable{port: port, reason: "the Engine names no host port of it"}
	case len(outside) == 0:
		return reachable{port: port, reason: "it is published on loopback only, where no other host reaches it"}
	case len(v4) == 0:
		return reachable{port: port, reason: "it is published on IPv6 only, and IPv4 is what is announced"}
	}
	used := slices.MinFunc(v4, compareBindings)
	r := reachable{port: port, hostPort: used.HostPort, chosen: true}
	slices.SortFunc(known, compareBindings)
	var rest []string
	for _, b := range known {
		// The Engine publishes each port on 0.0.0.0 and :: both, and gives :: another host port only where it chooses the
		// port itself (seen with Engine 20.10): nobody has asked for that one.
		twin := b.HostIP == netip.IPv6Unspecified() && used.HostIP == netip.IPv4Unspecified()
		if b == used || twin && b.HostPort == used.HostPort {
			continue
		}
		rest = append(rest, netip.AddrPortFrom(b.HostIP, b.HostPort).String())
		r.chosen = r.chosen && twin
	}
	if len(rest) > 0 {
		r.reason = fmt.Sprintf("it is announced at host port %d only, the lowest on IPv4, and not at %s", used.HostPort, list(rest))
	}
	return r
}

const notSpoken = "only tcp and udp are announced"

func spoken(proto container.Proto) bool { return proto == container.TCP || proto == container.UDP }

// meant gives the port that SERVICE_<number>_NAME is about: TCP, or UDP where only UDP is there.
func meant(number uint16, there func(container.Port) bool) container.Port {
	tcp, udp := container.Port{Number: number, Proto: container.TCP}, container.Port{Number: number, Proto: container.UDP}
	if !there(tcp) && there(udp) {
		return udp
	}
	return tcp
}

func list(items []string) string {
	switch {
	case len(items) == 0:
		return "none"
	case len(items) > maxListed:
		return strings.Join(items[:maxListed], ", ") + " and others"
	}
	return strings.Join(items, ", ")
}

func comparePorts(a, b container.Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Proto, b.Proto))
}

func compareBindings(a, b container.Binding) int {
	return cmp.Or(cmp.Compare(a.HostPort, b.HostPort), a.HostIP.Compare(b.HostIP))
}
