package docker

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/ecssd/ecssd/internal/container"
)

// What is kept of one container at most. Anybody who may start a container decides how much inspect returns: an
// environment of megabytes, labels by the ten thousand, EXPOSE 1-65535.
const (
	maxSettingsBytes = 256 << 10 // environment and labels as given; beyond it only ECS's own labels are kept
	maxSettings      = 1100      // labels, and variables, and exposed ports, each
	maxECSLabel      = 4 << 10   // of ECS's own labels, beyond maxSettingsBytes; an ARN has at most 2,048 characters
	// maxName bounds the Engine's name of a container, for which the Engine itself knows no limit. The names that the
	// ECS agent makes have at most some 550 characters: of a family and of a container definition's name, 255 each, and
	// a random part.
	maxName = 600
	// maxImage bounds the name of an image. A reference has at most 255 characters beside its tag and digest.
	maxImage = 600
	// longestStop is the longest time to stop that is believed, in seconds: a day. The Engine takes any number for it.
	longestStop = 86400
)

// The prefixes of what names and settings are read from.
const (
	ecsPrefix     = "com.amazonaws.ecs."
	settingPrefix = "SERVICE_"
)

// engineName returns a container's name without the slash that the Engine puts before it.
func engineName(name string) string {
	name = strings.TrimPrefix(name, "/")
	return name[:min(len(name), maxName)]
}

// decode takes from an inspection what ecssd knows of a container. Any part of it may be missing.
func decode(in api.InspectResponse) container.Container {
	var c container.Container
	if base := in.ContainerJSONBase; base != nil {
		c.ID = base.ID
		c.Name = engineName(base.Name)
		if s := base.State; s != nil {
			c.State = container.State(s.Status) // Running would be true while restarting, too
			c.StartedAt = startedAt(s.StartedAt)
			if s.Health != nil && s.Health.Status != api.NoHealthcheck {
				c.Health = container.Health(s.Health.Status)
			}
		}
		if base.HostConfig != nil {
			c.Mode, c.SharedWith = mode(base.HostConfig.NetworkMode)
		}
	}
	c.StopSignal = stopSignal("")
	if config := in.Config; config != nil {
		c.Image = config.Image[:min(len(config.Image), maxImage)]
		c.StopSignal = stopSignal(config.StopSignal)
		if config.StopTimeout != nil {
			c.StopTimeout = time.Duration(min(max(*config.StopTimeout, 0), longestStop)) * time.Second
		}
		c.Labels, c.Env, c.SettingsBytes = settings(config.Labels, config.Env)
		c.Exposed = ports(config.ExposedPorts)
	}
	if base := in.ContainerJSONBase; base != nil && base.HostConfig != nil {
		c.Mapped = mapped(base.HostConfig, c.Exposed)
	}
	if in.NetworkSettings != nil {
		c.Published = published(in.NetworkSettings)
	}
	return c
}

// startedAt is the zero time for a container that never ran; the Engine writes year 1 then.
func startedAt(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func mode(m api.NetworkMode) (container.Mode, string) {
	switch {
	case m.IsHost():
		return container.Host, ""
	case m.IsNone():
		return container.None, ""
	case m.IsContainer():
		return container.Shared, m.ConnectedContainer() // the Engine has replaced a name by the ID
	}
	return container.Bridge, ""
}

// settings keeps the labels and variables that names and settings are read from, and measures all of them.
func settings(labels map[string]string, env []string) (keptLabels, keptEnv map[string]string, size int) {
	for k, v := range labels {
		size += len(k) + len(v)
	}
	for _, kv := range env {
		size += len(kv)
	}
	keptLabels, keptEnv = map[string]string{}, map[string]string{}
	if size > maxSettingsBytes {
		for _, k := range [...]string{container.LabelTaskARN, container.LabelName, container.LabelFamily,
			container.LabelRevision, container.LabelCluster} {
			if v, ok := labels[k]; ok && len(v) <= maxECSLabel {
				keptLabels[k] = v
			}
		}
		return keptLabels, keptEnv, size
	}

	var names []string
	for k := range labels {
		if strings.HasPrefix(k, ecsPrefix) || strings.HasPrefix(k, settingPrefix) {
			names = append(names, k)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) }) // descending: ECS's own first
	for _, k := range names[:min(len(names), maxSettings)] {
		keptLabels[k] = labels[k]
	}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		if _, again := keptEnv[k]; strings.HasPrefix(k, settingPrefix) && (again || len(keptEnv) < maxSettings) {
			keptEnv[k] = v // the last one wins, as it does for the process
		}
	}
	return keptLabels, keptEnv, size
}

// mapped lists the ports that were asked to be published: the keys of the port bindings, and with docker run -P all
// that are exposed. On the host's network the values of the bindings mean nothing: the ECS agent (1.105.1) writes the
// host port 32768 for the container port 18100 of a range.
func mapped(config *api.HostConfig, exposed []container.Port) []container.Port {
	if !config.PublishAllPorts {
		return ports(config.PortBindings)
	}
	all := make(map[nat.Port]bool, len(exposed)+len(config.PortBindings))
	for _, p := range exposed {
		all[nat.Port(p.String())] = true
	}
	for p := range config.PortBindings {
		all[p] = true
	}
	return ports(all)
}

// ports lists the ports that are the keys of a map in order, the lowest ones where there are too many.
func ports[V any](declared map[nat.Port]V) []container.Port {
	var found []container.Port
	for p := range declared {
		if port, ok := container.ParsePort(string(p)); ok {
			found = append(found, port)
		}
	}
	slices.SortFunc(found, container.Port.Compare)
	return slices.Clone(found[:min(len(found), maxSettings)])
}

// published lists the bindings in order. A port that is exposed only has none.
func published(settings *api.NetworkSettings) []container.Binding {
	var bindings []container.Binding
	for p, hosts := range settings.Ports {
		port, ok := container.ParsePort(string(p))
		if !ok {
			continue
		}
		for _, host := range hosts {
			number, err := strconv.ParseUint(host.HostPort, 10, 16)
			ip, ok := parseHostIP(host.HostIP)
			if err != nil || number == 0 || !ok {
				continue
			}
			bindings = append(bindings, container.Binding{Port: port, HostIP: ip, HostPort: uint16(number)})
		}
	}
	slices.SortFunc(bindings, func(a, b container.Binding) int {
		return cmp.Or(a.Port.Compare(b.Port), a.HostIP.Compare(b.HostIP), cmp.Compare(a.HostPort, b.HostPort))
	})
	return bindings
}

// parseHostIP reads the address of a binding; an Engine may leave out the address that means all of IPv4.
func parseHostIP(s string) (netip.Addr, bool) {
	if s == "" {
		return netip.IPv4Unspecified(), true
	}
	ip, err := netip.ParseAddr(s)
	return ip, err == nil
}
