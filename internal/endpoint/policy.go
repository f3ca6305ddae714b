package endpoint

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/ecssd/ecssd/internal/container"
)

// Limits of what one container may claim. They are far above what ECS lets a task definition hold (64 KiB in all).
const (
	maxSettingsBytes = 256 << 10 // environment and labels
	maxSettings      = 1000      // labels and variables that look like settings
	maxValueBytes    = 4 << 10   // of one setting
	maxEndpoints     = 100
	maxProblems      = 20
)

// Policy is what the operator allows and chooses.
type Policy struct {
	Zone          string             // names have to fit below it; lower case, no final dot
	Template      *template.Template // from ParseTemplate; nil: {{.Service}}
	Allow         *regexp.Regexp     // a name, below the zone, has to match it; nil: every name is allowed
	DefaultWeight int                // of containers that ask for none
	MaxWeight     int                // what a container asks for above it counts as this
}

// Map gives what is announced of the containers, and why other things are not. It has to be given all containers of a host,
// since a container may use the network of another. Both results are in a stable order.
func (p Policy) Map(containers []container.Container) ([]Endpoint, []Problem) {
	byID := make(map[string]container.Container, len(containers))
	for _, c := range containers {
		byID[c.ID] = c
	}
	var endpoints []Endpoint
	var problems []Problem
	for _, c := range containers {
		m := mapping{Policy: p, container: c, owner: byID[c.SharedWith]}
		m.run()
		endpoints = append(endpoints, m.endpoints...)
		problems = append(problems, m.problems...)
	}
	slices.SortFunc(endpoints, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ContainerID, b.ContainerID), comparePorts(a.Port, b.Port))
	})
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.ContainerName, b.ContainerName), cmp.Compare(a.ContainerID, b.ContainerID))
	})
	return endpoints, problems
}

// Service gives the name that a container's service goes by when no port is named: the SERVICE_NAME setting or the name in the
// task definition; empty where it has neither.
func Service(c container.Container) string {
	return cmp.Or(c.Labels["SERVICE_NAME"], c.Env["SERVICE_NAME"], c.Labels[container.LabelName])
}

// mapping is the way of one container to its endpoints.
type mapping struct {
	Policy
	container container.Container
	owner     container.Container // of its network namespace, where that is another's; zero where it is gone
	settings  settings
	endpoints []Endpoint
	problems  []Problem
}

func (m *mapping) run() {
	c := m.container
	switch {
	case !c.Live():
		m.chosen("container", fmt.Sprintf("it is %s, and only running and paused containers are announced", c.State))
		return
	case ofECSItself(c):
		m.chosen("container", "the ECS agent runs it for its own purposes")
		return
	case c.SettingsBytes > maxSettingsBytes:
		m.problem("container", fmt.Sprintf("its environment and labels have %d bytes, and at most %d are read", c.SettingsBytes, maxSettingsBytes))
		return
	case len(c.Labels)+len(c.Env) > maxSettings:
		m.problem("container", fmt.Sprintf("more than %d of its labels and variables begin like settings", maxSettings))
		return
	}
	m.settings = readSettings(c, m.problem)
	switch {
	case Service(c) == "" && !m.settings.explicit():
		m.chosen("container", "it has neither the label "+container.LabelName+" nor a SERVICE_NAME or SERVICE_<port>_NAME setting")
		return
	case m.settings.ignore:
		m.chosen("container", "SERVICE_IGNORE is set")
		return
	}
	ports, ok := m.reachable()
	if !ok {
		return
	}
	if m.settings.explicit() {
		m.explicit(ports)
	} else {
		m.implicit(ports)
	}
}

// explicit announces the ports that a setting names, and no others.
func (m *mapping) explicit(ports []reachable) {
	for _, number := range m.settings.numbers() {
		asked := m.settings.ports[number]
		if asked.names != "" {
			proto := container.TCP
			if !has(ports, number, container.TCP) && has(ports, number, container.UDP) {
				proto = container.UDP
			}
			m.named(ports, container.Port{Number: number, Proto: proto}, asked.names, fmt.Sprintf("SERVICE_%d_NAME", number))
		}
		if asked.udpNames != "" {
			m.named(ports, container.Port{Number: number, Proto: container.UDP}, asked.udpNames, fmt.Sprintf("SERVICE_%d_UDP_NAME", number))
		}
	}
}

// named announces one port under each name of a comma-separated list.
func (m *mapping) named(ports []reachable, port container.Port, names, setting string) {
	i := slices.IndexFunc(ports, func(r reachable) bool { return r.port == port })
	if i < 0 {
		m.problem(setting, fmt.Sprintf("container port %s is not published; published are: %s", port, list(ports)))
		return
	}
	for name := range strings.SplitSeq(names, ",") {
		m.announce(strings.TrimSpace(name), ports[i], setting)
	}
}

// implicit announces every port: one as the service; of several each as service-port, and the lowest TCP port as the service
// too. Names of UDP ports end in -udp.
func (m *mapping) implicit(ports []reachable) {
	service := Service(m.container)
	if len(ports) == 0 {
		m.problem("container", "no port of it is published: add a port mapping to the container definition")
		return
	}
	ports = slices.DeleteFunc(ports, func(r reachable) bool { return m.ignored(r.port) })
	bare := len(ports) == 1
	lowest := true
	for _, r := range ports {
		name := service
		if !bare {
			name += "-" + strconv.Itoa(int(r.port.Number))
		}
		if r.port.Proto == container.UDP {
			name += "-udp"
		}
		subject := "port " + r.port.String()
		m.announce(name, r, subject)
		if !bare && lowest && r.port.Proto == container.TCP {
			lowest = false
			m.announce(service, r, subject)
		}
	}
}

// announce adds one endpoint, if everything about it is as it should be.
func (m *mapping) announce(service string, r reachable, subject string) {
	if m.ignored(r.port) {
		return
	}
	name, err := m.name(service, r.port)
	if err == nil {
		err = CheckName(name, m.Zone)
	}
	if err == nil && m.Allow != nil && !m.Allow.MatchString(name) {
		err = fmt.Errorf("name %.80q is not one of those allowed on this host (--allow-names)", name)
	}
	if err != nil {
		m.problem(subject, err.Error())
		return
	}
	if slices.ContainsFunc(m.endpoints, func(e Endpoint) bool { return e.Name == name && e.Port == r.port }) {
		return
	}
	if len(m.endpoints) == maxEndpoints {
		m.problem("container", fmt.Sprintf("it asks for more than %d names, and only the first are announced", maxEndpoints))
		return
	}
	c := m.container
	m.endpoints = append(m.endpoints, Endpoint{
		Name: name, ContainerID: c.ID, ECS: c.Labels[container.LabelTaskARN] != "",
		Port: r.port, HostPort: r.hostPort, Address: r.address, Weight: m.weight(r.port.Number),
		Standby: c.State == container.Paused || c.Health == container.Starting || c.Health == container.Unhealthy,
	})
}

// ignored says whether a setting keeps a port from being announced.
func (m *mapping) ignored(port container.Port) bool {
	if m.settings.ports[port.Number].ignore {
		m.chosen("port "+port.String(), fmt.Sprintf("SERVICE_%d_IGNORE is set", port.Number))
		return true
	}
	return false
}

// weight gives what the container asks for, within what the operator allows.
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
		m.problem(setting, fmt.Sprintf("%d is above the highest weight allowed on this host (--max-weight), %d, which is used", weight, m.MaxWeight))
		return m.MaxWeight
	}
	return int(weight)
}

func (m *mapping) problem(subject, reason string) { m.add(subject, reason, false) }

// chosen notes what somebody has decided, and nobody needs to be told of unasked.
func (m *mapping) chosen(subject, reason string) { m.add(subject, reason, true) }

func (m *mapping) add(subject, reason string, chosen bool) {
	p := Problem{ContainerID: m.container.ID, ContainerName: m.container.Name, Subject: subject, Reason: reason, Chosen: chosen}
	switch {
	case slices.Contains(m.problems, p) || len(m.problems) >= maxProblems:
		return
	case len(m.problems) == maxProblems-1:
		p.Subject, p.Reason, p.Chosen = "container", "there is more of this kind, which is not told", false
	}
	m.problems = append(m.problems, p)
}

// ofECSItself says whether the ECS agent started the container for its own purposes: pause containers and volume helpers
// (~internal~), the Service Connect relay, and managed daemons, which share the host's network. Tasks that only the agent
// knows have ARNs without partition, region and account.
func ofECSItself(c container.Container) bool {
	name := c.Labels[container.LabelName]
	return strings.HasPrefix(name, "~internal~") ||
		name == "instance-service-connect-relay" ||
		strings.HasPrefix(name, "ecs-managed-") && c.Mode == container.Host ||
		strings.HasPrefix(c.Labels[container.LabelTaskARN], "arn:::::/")
}
