package endpoint

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/ecssd/ecssd/internal/container"
)

// Limits of what one container may claim. They are far above what ECS lets a task definition hold (64 KiB in all).
const (
	maxSettingsBytes = 256 << 10 // environment and labels
	maxSettings      = 1000      // labels and variables that look like settings
	maxValueBytes    = 4 << 10   // of a setting that names
	// beside a service's own name where each port has a name, so that a range of 100 ports has them all
	maxNames = 100
	// maxPortsOfName bounds the ports of one container under one name. Route 53 takes 100 weighted records of a name,
	// so five containers with as many ports fit, or two that a deployment replaces.
	maxPortsOfName = 20
	maxProblems    = 20
)

// Policy is what the operator allows and chooses.
type Policy struct {
	Zone     string             // names have to fit below it; lower case, no final dot
	Template *template.Template // from ParseTemplate; nil: {{.Service}}
	// Allow has to match a name, as it stands without the zone; nil: every name is allowed. It is used as it is, so it
	// has to be anchored, ^(?:…)$, where it is meant to match whole names.
	Allow         *regexp.Regexp
	DefaultWeight int // of containers that ask for none
	MaxWeight     int // what a container asks for above it counts as this
	// Address is the IPv4 address of the host to which consumers are sent; the zero Addr where it is not known.
	Address netip.Addr
}

// Map returns what is registered of the containers, and why other things are not. It has to be given all containers of
// a host, since a container may use the network of another. Both results are in an order that does not depend on the
// containers'.
func (p Policy) Map(containers []container.Container) ([]Endpoint, []Problem) {
	all := slices.Clone(containers)
	slices.SortFunc(all, func(a, b container.Container) int { return cmp.Compare(a.ID, b.ID) })
	var endpoints []Endpoint
	var problems []Problem
	for _, c := range all {
		m := mapping{Policy: p, container: c, reported: map[string]bool{}}
		m.run(all)
		endpoints = append(endpoints, m.endpoints...)
		problems = append(problems, m.few()...)
	}
	slices.SortFunc(endpoints, func(a, b Endpoint) int {
		return cmp.Or(
			cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.ContainerID, b.ContainerID),
			a.Port.Compare(b.Port),
		)
	})
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.ContainerName, b.ContainerName), cmp.Compare(a.ContainerID, b.ContainerID))
	})
	return endpoints, problems
}

// mapping is the way of one container to its endpoints.
type mapping struct {
	Policy
	container container.Container
	settings  settings
	names     int // asked for so far
	endpoints []Endpoint
	problems  []Problem
	reported  map[string]bool // subjects of the problems

	mapped  []container.Port // that Docker was asked to publish, of the container or the owner of its network
	without string           // why there is none, where there is no port
}

// run goes the way; all are the containers of the host, sorted.
func (m *mapping) run(all []container.Container) {
	c := m.container
	switch {
	case !c.Live():
		m.chosen(
			"container",
			fmt.Sprintf("its state is %.20q, and only running and paused containers are registered", c.State),
		)
		return
	case ofECSItself(c):
		m.chosen("container", "the ECS agent runs it for its own purposes")
		return
	case c.Unknown():
		m.problem("container", "its records stay as they are, since inspect fails: "+c.Unread)
		return
	case c.SettingsBytes > maxSettingsBytes:
		m.problem("container", fmt.Sprintf("its environment and labels have %d bytes, and at most %d are read",
			c.SettingsBytes, maxSettingsBytes))
		return
	case len(c.Labels)+len(c.Env) > maxSettings:
		m.problem(
			"container",
			fmt.Sprintf("more than %d of its labels and variables look like settings, and none is read",
				maxSettings),
		)
		return
	}
	if c.Unread != "" {
		m.problem("container", "it is registered as it last was, since inspect fails: "+c.Unread)
	}
	m.settings = readSettings(c, m.problem)
	switch {
	case m.settings.ignore:
		m.problems = nil // of settings that do not matter
		m.reported = map[string]bool{}
		m.chosen("container", "SERVICE_IGNORE is set")
		return
	case m.settings.explicit:
	case len(setting(c, "SERVICE_NAME")) > maxValueBytes:
		return // reported already; the task definition's name is not what was asked for
	case Service(c) == "":
		m.chosen(
			"container",
			"it has neither the label "+container.LabelName+" nor a SERVICE_NAME or SERVICE_<port>_NAME setting",
		)
		return
	}
	ports, ok := m.reachable(all)
	switch {
	case !ok:
	case m.settings.explicit:
		m.explicit(ports)
	default:
		m.implicit(ports)
	}
}

// ofECSItself reports whether the ECS agent started the container for its own purposes. In a task those are pause
// containers and volume helpers, whose names begin with a character that a task definition's names cannot have. The
// Service Connect relay and managed daemons are tasks that only the agent knows, with ARNs that have no partition,
// region and account (arn:::::/service-connect-relay-…), and share the host's network. There their names are reserved,
// whatever the ARN. Service Connect's proxy is a container of its task like any other, but for the image, which the ECS
// agent brings along and loads under this name.
func ofECSItself(c container.Container) bool {
	name := c.Labels[container.LabelName]
	reserved := name == "instance-service-connect-relay" || strings.HasPrefix(name, "ecs-managed-")
	proxy := strings.HasPrefix(c.Image, "ecs-service-connect-agent:") && c.Labels[container.LabelTaskARN] != ""
	return strings.HasPrefix(name, "~internal~") || strings.HasPrefix(c.Labels[container.LabelTaskARN], "arn:::::/") ||
		reserved && c.Mode == container.Host || proxy
}
