package endpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ecssd/ecssd/internal/container"
)

// explicit registers the ports that a setting names, and no others.
func (m *mapping) explicit(ports []reachable) {
	there := func(p container.Port) bool {
		return slices.ContainsFunc(ports, func(r reachable) bool { return r.port == p })
	}
	for _, number := range m.settings.numbers() {
		asked := m.settings.ports[number]
		if asked.names != "" {
			m.named(ports, meant(number, there), asked.names, fmt.Sprintf("SERVICE_%d_NAME", number))
		}
		if asked.udpNames != "" {
			udp := container.Port{Number: number, Proto: container.UDP}
			m.named(ports, udp, asked.udpNames, fmt.Sprintf("SERVICE_%d_UDP_NAME", number))
		}
	}
}

// named registers one port under each name of a comma-separated list.
func (m *mapping) named(ports []reachable, port container.Port, names, setting string) {
	if m.ignored(port) {
		return
	}
	i := slices.IndexFunc(ports, func(r reachable) bool { return r.port == port })
	if i < 0 {
		m.problem(setting, m.unpublished(ports, port))
		return
	}
	if !m.usable(ports[i]) {
		return
	}
	for _, name := range m.listed(names, setting) {
		if m.another() {
			m.register(name, ports[i], setting)
		}
	}
}

// unpublished returns why a port that a setting names is not among those that can be registered.
func (m *mapping) unpublished(ports []reachable, port container.Port) string {
	if slices.Contains(m.mapped, port) {
		return fmt.Sprintf("container port %s is mapped, and Docker does not publish it at present: %s", port, connect)
	}
	var published []string
	for _, r := range ports {
		published = append(published, r.port.String())
	}
	return fmt.Sprintf("container port %s is not published; published are: %s", port, list(published))
}

// implicit registers every port that is not ignored: one as the service; of several each as service-port, and the
// lowest TCP port as the service too. Names of UDP ports end in -udp, and no UDP port has the service's own name:
//
//	80/tcp           web
//	53/udp           dns-udp
//	53/tcp, 53/udp   dns-53, dns, dns-53-udp
//	53/udp, 54/udp   dns-53-udp, dns-54-udp
//
// A container with several service names has all of this under each of them.
func (m *mapping) implicit(ports []reachable) {
	if len(ports) == 0 {
		m.unasked(m.without)
		return
	}
	ports = slices.DeleteFunc(ports, func(r reachable) bool { return m.ignored(r.port) || !m.usable(r) })
	services, source := m.services()
	several := len(ports) > 1
	for i, service := range services {
		lowest := true
		for _, r := range ports {
			name := service
			if several {
				name += "-" + strconv.Itoa(int(r.port.Number))
			}
			if r.port.Proto == container.UDP {
				name += "-udp"
			}
			if m.another() {
				m.register(name, r, source)
			}
			if several && lowest && r.port.Proto == container.TCP {
				lowest = false
				if i == 0 || m.another() {
					m.register(service, r, source)
				}
			}
		}
	}
}

// another reports whether the container may ask for one name more.
func (m *mapping) another() bool {
	if m.names++; m.names > maxNames {
		m.problem(
			"container",
			fmt.Sprintf("it asks for more than %d names, and the first %d are looked at", maxNames, maxNames),
		)
		return false
	}
	return true
}

// register adds one endpoint, if the name is as it should be; source is the setting or label that it comes from.
func (m *mapping) register(service string, r reachable, source string) {
	name, err := m.name(service, r.port)
	if err == nil {
		err = CheckName(name, m.Zone)
	}
	if err == nil && m.Allow != nil && !m.Allow.MatchString(name) {
		err = fmt.Errorf("name %.80q is not one of those allowed on this host (--allow-names)", name)
	}
	if err != nil {
		m.problem(source, err.Error())
		return
	}
	same := 0 // ports of this container that have the name already
	for _, e := range m.endpoints {
		switch {
		case e.Name != name:
		case e.Port == r.port:
			return
		default:
			same++
		}
	}
	if same >= maxPortsOfName {
		m.problem(
			"name "+name,
			fmt.Sprintf("more than %d ports of this container ask for it, and the first %d get it: "+
				"Route 53 takes 100 records of a name, from all containers", maxPortsOfName, maxPortsOfName),
		)
		return
	}
	c := m.container
	m.endpoints = append(m.endpoints, Endpoint{
		// A label, because nothing else shows it: the agent sets it, whatever a task definition says.
		Name:        name,
		ContainerID: c.ID,
		ECS:         c.Labels[container.LabelTaskARN] != "",
		Port:        r.port,
		HostPort:    r.hostPort,
		Address:     r.address,
		Weight:      m.weight(r.port.Number),
		Standby:     c.State == container.Paused || c.Health == container.Starting || c.Health == container.Unhealthy,
	})
}

// usable reports whether consumers can reach a port that is to be registered, and reports what of it is not registered.
func (m *mapping) usable(r reachable) bool {
	if r.reason != "" {
		m.add("port "+r.port.String(), r.reason, r.chosen)
	}
	return r.hostPort != 0
}

// ignored reports whether a setting keeps a port from being registered.
func (m *mapping) ignored(port container.Port) bool {
	if m.settings.ports[port.Number].ignore {
		m.chosen("port "+port.String(), fmt.Sprintf("SERVICE_%d_IGNORE is set", port.Number))
		return true
	}
	return false
}

// weight returns what the container asks for, within what the operator allows.
func (m *mapping) weight(port uint16) int {
	setting, value := fmt.Sprintf("SERVICE_%d_WEIGHT", port), m.settings.ports[port].weight
	if value == "" {
		setting, value = "SERVICE_WEIGHT", m.settings.weight
	}
	if value == "" {
		return m.DefaultWeight
	}
	weight, err := strconv.ParseUint(strings.TrimSpace(value), 10, 8)
	if err != nil {
		m.problem(setting, fmt.Sprintf("%.80q is not a weight of 0 to 255; %d is used", value, m.DefaultWeight))
		return m.DefaultWeight
	}
	if int(weight) > m.MaxWeight {
		m.problem(setting, fmt.Sprintf("%d is above the highest weight allowed on this host (--max-weight); %d is used",
			weight, m.MaxWeight))
		return m.MaxWeight
	}
	return int(weight)
}
