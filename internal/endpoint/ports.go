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
	reason   string     // what of the port is not registered; mostly empty
	chosen   bool       // the reason is reported only when asked
}

// OwnInterface reports whether c is part of a task with a network interface of its own (awsvpc), owner being the
// container whose network namespace it uses. The Engine knows no address of such a container.
func OwnInterface(c, owner container.Container) bool {
	return c.Mode == container.Shared && owner.Mode == container.None &&
		strings.HasPrefix(owner.Labels[container.LabelName], pauseName)
}

// Pending reports whether it is not known yet what is registered of c: its address, or what it is. owner is the
// container whose network namespace it uses.
func Pending(c, owner container.Container) bool {
	return c.Unknown() || c.Mode == container.Shared && owner.Unknown() ||
		OwnInterface(c, owner) && !c.Address.IsValid()
}

// networkOf returns the container whose network namespace c uses, and whether c still has it: a namespace lasts for one
// run of its owner, and whoever used it keeps what is left of it.
func networkOf(c container.Container, all []container.Container) (owner container.Container, found, present bool) {
	joined := c.StartedAt // when the namespace was joined, as far as is known
	for range maxHops {
		next, ok := referred(c.SharedWith, all)
		if !ok {
			return container.Container{}, false, false
		}
		c = next
		before := joined.IsZero() || !c.StartedAt.After(joined)
		if c.Mode != container.Shared {
			return c, true, before
		}
		if before { // it had joined by then, and its own user joined the same
			joined = c.StartedAt
		}
	}
	return container.Container{}, false, false
}

// referred returns the container whose network another says it uses. The Engine names it by ID; by name or the
// beginning of the ID where there was none yet when the other was created.
func referred(ref string, all []container.Container) (container.Container, bool) {
	i := slices.IndexFunc(all, func(o container.Container) bool { return o.ID == ref })
	if i < 0 {
		i = slices.IndexFunc(all, func(o container.Container) bool { return o.Name == ref })
	}
	if i < 0 && len(ref) >= 12 { // as many digits of an ID as the Engine shows
		i = slices.IndexFunc(all, func(o container.Container) bool { return strings.HasPrefix(o.ID, ref) })
	}
	if i < 0 {
		return container.Container{}, false
	}
	return all[i], true
}

// reachable returns the ports of the container, in order; false where it can have none.
func (m *mapping) reachable(all []container.Container) ([]reachable, bool) {
	c := m.container
	switch c.Mode {
	case container.Bridge:
		return m.published(c), true
	case container.Host:
		return m.onHost(), true
	case container.Shared:
		return m.shared(all)
	}
	m.unasked(fmt.Sprintf("it has no network of which ports could be registered (mode %.20q)", c.Mode))
	return nil, false
}

// shared returns the ports that the container has in the network namespace of another.
func (m *mapping) shared(all []container.Container) ([]reachable, bool) {
	c := m.container
	owner, found, present := networkOf(c, all)
	switch {
	case !found || !owner.Live():
		m.problem("container", fmt.Sprintf("it uses the network of container %.12q, which does not run", c.SharedWith))
	case owner.Unknown():
		m.problem(
			"container",
			fmt.Sprintf(
				"it uses the network of container %.80q, for which inspect fails: %s",
				owner.Name,
				owner.Unread,
			),
		)
	case !present && owner.Mode != container.Host: // the host's network outlives whoever uses it
		m.problem(
			"container",
			fmt.Sprintf(
				"container %.80q, whose network it uses, has started again since, with a new network: restart this one",
				owner.Name,
			),
		)
	case owner.Mode == container.Bridge:
		return m.published(owner), true
	case owner.Mode == container.Host:
		return m.onHost(), true
	case !OwnInterface(c, owner):
		m.problem("container", fmt.Sprintf("it uses the network of container %.80q, which has none", owner.Name))
	case !c.Address.IsValid():
		m.problem("container", "the address of its task's network interface is not known yet from ECS introspection")
	case !c.Address.Unmap().Is4():
		m.problem("container", "its task's network interface has only an IPv6 address, and IPv4 is what is registered")
	default:
		return m.onInterface(c.Address.Unmap()), true
	}
	return nil, false
}

// onHost returns the ports of a container on the host's network: those that are mapped, and those that a setting names.
// What an image exposes is not what the container listens on there: two of a kind would fight for the port. It counts
// where nothing is mapped and a setting gives the container a name.
func (m *mapping) onHost() []reachable {
	ports, exposed := m.container.Mapped, m.container.Exposed
	m.without = "it has no port: add a port mapping, or name the port with SERVICE_<port>_NAME"
	switch {
	case len(ports) > 0:
		m.notMapped()
	case m.asked():
		ports = exposed
	case len(exposed) > 0:
		m.without += "; what its image exposes does not count on the host's network"
	}
	return m.declared(netip.Addr{}, ports, exposed)
}

// notMapped notes the exposed ports that do not count beside the mapped ones.
func (m *mapping) notMapped() {
	if m.settings.explicit {
		return
	}
	for _, port := range slices.SortedFunc(slices.Values(m.container.Exposed), container.Port.Compare) {
		if !slices.Contains(m.container.Mapped, port) {
			m.chosen(
				"port "+port.String(),
				"no port mapping names it, and what the image exposes does not count beside one on the host's network",
			)
		}
	}
}

// onInterface returns the ports of a container whose task has a network interface of its own: those that the image
// exposes, and those that a setting names. The ECS agent (1.105.1) shows a port mapping nowhere: neither in the
// container's port bindings nor in its introspection.
func (m *mapping) onInterface(address netip.Addr) []reachable {
	m.without = "no port of it is known: with awsvpc the host is not given port mappings; " +
		"let the image EXPOSE the port, or name it with SERVICE_<port>_NAME"
	return m.declared(address, m.container.Exposed, nil)
}

// declared returns ports that are reached under their own number, and those that a setting names, which may be UDP as
// one of ports is or, failing that, of exposed.
func (m *mapping) declared(address netip.Addr, ports, exposed []container.Port) []reachable {
	in := func(ports []container.Port) func(container.Port) bool {
		return func(p container.Port) bool { return slices.Contains(ports, p) }
	}
	all := slices.Clone(ports)
	for number, asked := range m.settings.ports {
		if asked.names != "" {
			port := meant(number, in(ports))
			if !in(ports)(port) {
				port = meant(number, in(exposed))
			}
			all = append(all, port)
		}
		if asked.udpNames != "" {
			all = append(all, container.Port{Number: number, Proto: container.UDP})
		}
	}
	slices.SortFunc(all, container.Port.Compare)
	var found []reachable
	for _, port := range slices.Compact(all) {
		r := reachable{port: port, hostPort: port.Number, address: address}
		if !spoken(port.Proto) {
			r.hostPort, r.reason = 0, notSpoken
		}
		found = append(found, r)
	}
	return found
}

// published returns each published port of a container with the one of its bindings that is registered.
func (m *mapping) published(owner container.Container) []reachable {
	switch {
	case len(owner.Mapped) > 0:
		m.mapped = owner.Mapped
		m.without = fmt.Sprintf(
			"Docker publishes none of its mapped ports (%s) at present: %s",
			list(portNames(owner.Mapped)),
			connect,
		)
	case owner.ID != m.container.ID:
		m.without = fmt.Sprintf(
			"it has no port: add a port mapping to container %.80q, whose network it uses",
			owner.Name,
		)
	default:
		m.without = "it has no port: add a port mapping"
	}
	byPort := map[container.Port][]container.Binding{}
	for _, b := range owner.Published {
		byPort[b.Port] = append(byPort[b.Port], b)
	}
	var found []reachable
	for port, bindings := range byPort {
		found = append(found, m.choose(port, bindings))
	}
	slices.SortFunc(found, func(a, b reachable) int { return a.port.Compare(b.port) })
	return found
}

// choose takes the one binding of a port that is registered, the lowest host port at which consumers reach it: they are
// sent to the host's address over IPv4, which is bound to by itself or among all.
func (m *mapping) choose(port container.Port, bindings []container.Binding) reachable {
	known := slices.DeleteFunc(bindings, func(b container.Binding) bool { return b.HostPort == 0 })
	slices.SortFunc(known, compareBindings)
	outside := slices.DeleteFunc(
		slices.Clone(known),
		func(b container.Binding) bool { return b.HostIP.Unmap().IsLoopback() },
	)
	v4 := slices.DeleteFunc(slices.Clone(outside), func(b container.Binding) bool { return !b.HostIP.Unmap().Is4() })
	here := slices.DeleteFunc(slices.Clone(v4), func(b container.Binding) bool {
		return !b.HostIP.Unmap().IsUnspecified() && b.HostIP.Unmap() != m.Address
	})
	if len(here) == 0 && !m.Address.IsValid() {
		here = v4
	}
	switch {
	case !spoken(port.Proto):
		return reachable{port: port, reason: notSpoken}
	case len(known) == 0:
		return reachable{port: port, reason: "the Engine names no host port of it"}
	case len(outside) == 0:
		return reachable{port: port, reason: "it is published on loopback only, where no other host reaches it"}
	case len(v4) == 0:
		return reachable{port: port, reason: "it is published on IPv6 only, and IPv4 is what is registered"}
	case len(here) == 0:
		return reachable{
			port: port,
			reason: fmt.Sprintf(
				"it is published at %s only, and consumers are sent to %s: publish it there or on all addresses",
				list(addresses(v4)),
				m.Address,
			),
		}
	}
	used := here[0]
	r := reachable{port: port, hostPort: used.HostPort, chosen: true}
	var rest []container.Binding
	for _, b := range known {
		// The Engine publishes each port on 0.0.0.0 and :: both, and gives :: another host port only where it chooses
		// the port itself (seen with Engine 20.10): nobody has asked for that one.
		twin := b.HostIP == netip.IPv6Unspecified() && used.HostIP == netip.IPv4Unspecified()
		if b == used || twin && b.HostPort == used.HostPort {
			continue
		}
		rest = append(rest, b)
		r.chosen = r.chosen && twin
	}
	if len(rest) > 0 {
		r.reason = fmt.Sprintf(
			"it is registered at host port %d only, the lowest that consumers reach over IPv4, and not at %s",
			used.HostPort,
			list(addresses(rest)),
		)
	}
	return r
}

func addresses(bindings []container.Binding) []string {
	var found []string
	for _, b := range bindings {
		found = append(found, netip.AddrPortFrom(b.HostIP, b.HostPort).String())
	}
	return found
}

func portNames(ports []container.Port) []string {
	var found []string
	for _, p := range slices.Compact(slices.SortedFunc(slices.Values(ports), container.Port.Compare)) {
		found = append(found, p.String())
	}
	return found
}

// connect is what to do about ports that are mapped and not published.
const connect = "connect it to a network that publishes ports (docker network connect)"

const notSpoken = "only tcp and udp are registered"

func spoken(proto container.Proto) bool { return proto == container.TCP || proto == container.UDP }

// meant returns the port that SERVICE_<number>_NAME is about: TCP, or UDP where only UDP is there.
func meant(number uint16, there func(container.Port) bool) container.Port {
	tcp, udp := container.Port{
		Number: number,
		Proto:  container.TCP,
	}, container.Port{
		Number: number,
		Proto:  container.UDP,
	}
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

func compareBindings(a, b container.Binding) int {
	return cmp.Or(cmp.Compare(a.HostPort, b.HostPort), a.HostIP.Compare(b.HostIP))
}
