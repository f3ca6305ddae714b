package endpoint

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ecssd/ecssd/internal/container"
)

// settings are what the labels and variables of one container ask for.
type settings struct {
	ignore   bool
	weight   string
	explicit bool                    // a port is named, so that only named ports are registered
	ports    map[uint16]portSettings // by container port
}

// portSettings are what is asked for one container port.
type portSettings struct {
	names    string // SERVICE_<port>_NAME, comma-separated
	udpNames string // SERVICE_<port>_UDP_NAME
	weight   string
	ignore   bool
}

// portSetting is a setting of one port, or one that is meant so: a number, perhaps with a protocol. Without a number it
// is the application's own, as SERVICE_ACCOUNT_NAME is. CHECK_HTTP is read by the sweeper, from the task definition.
var portSetting = regexp.MustCompile(
	`^SERVICE_([+-]?[0-9]+(?:_(?:TCP|UDP))??)_(UDP_NAME|NAME|WEIGHT|IGNORE|CHECK_HTTP)$`,
)

// readSettings reads the settings of a container and reports to problem what is wrong with them. Other keys that begin
// with SERVICE_ are the application's own. An empty value is as good as none, except that an empty label hides a
// variable.
func readSettings(c container.Container, problem func(subject, reason string)) settings {
	s := settings{ports: map[uint16]portSettings{}}
	keys := map[string]bool{}
	for key := range c.Labels {
		keys[key] = true
	}
	for key := range c.Env {
		keys[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := setting(c, key)
		switch key {
		case "SERVICE_NAME": // services reads it
			if len(value) > maxValueBytes {
				problem(key, tooLong(value))
			}
		case "SERVICE_WEIGHT":
			s.weight = value
		case "SERVICE_IGNORE":
			s.ignore = isTrue(value)
		default:
			s.readPort(key, value, problem)
		}
	}
	return s
}

// readPort reads a key, if it is a setting of one port.
func (s *settings) readPort(key, value string, problem func(subject, reason string)) {
	parts := portSetting.FindStringSubmatch(key)
	if parts == nil {
		return
	}
	number, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil || parts[1][0] == '0' {
		problem(printable(key), fmt.Sprintf("%.80q is not a port, 1 to 65535", parts[1]))
		return
	}
	port := s.ports[uint16(number)]
	switch parts[2] {
	case "WEIGHT":
		port.weight = value
	case "IGNORE":
		port.ignore = isTrue(value)
	case "NAME", "UDP_NAME":
		s.explicit = s.explicit || value != ""
		if len(value) > maxValueBytes {
			problem(key, tooLong(value))
			return
		}
		if parts[2] == "NAME" {
			port.names = value
		} else {
			port.udpNames = value
		}
	}
	s.ports[uint16(number)] = port
}

// numbers returns the ports that any setting is about, in order.
func (s settings) numbers() []uint16 { return slices.Sorted(maps.Keys(s.ports)) }

// isTrue reports whether a setting that is either on or off is on: whatever stands there, but for 0, false and no.
func isTrue(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "0", "false", "no":
		return false
	}
	return value != ""
}

// services returns the names that the ports of the container go by when none is named, and the setting or label that
// they come from.
func (m *mapping) services() (names []string, source string) {
	if list := setting(m.container, "SERVICE_NAME"); strings.TrimSpace(list) != "" {
		return m.listed(list, "SERVICE_NAME"), "SERVICE_NAME"
	}
	return []string{withoutZone(m.container.Labels[container.LabelName], m.Zone)}, container.LabelName
}

// listed returns the names of a comma-separated setting, without the zone.
func (m *mapping) listed(list, setting string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = withoutZone(strings.TrimSuffix(strings.TrimSpace(name), "."), m.Zone)
		if name == "" { // of which a template could make a good name
			m.problem(setting, "one of its names is empty")
			continue
		}
		if strings.EqualFold(name, m.Zone) { // to which an implicit name could add a port
			m.problem(setting, zoneItself(name))
			continue
		}
		names = append(names, name)
	}
	return names
}

// Service returns what a container's service is called when no port is named: the SERVICE_NAME setting, which may list
// several names, or the name in the task definition; empty where it has neither.
func Service(c container.Container) string {
	name := setting(c, "SERVICE_NAME")
	if len(name) > maxValueBytes {
		name = ""
	}
	return cmp.Or(strings.TrimSpace(name), c.Labels[container.LabelName])
}

// setting returns the value of a label or, where there is no such label, of a variable.
func setting(c container.Container, key string) string {
	if value, ok := c.Labels[key]; ok {
		return value
	}
	return c.Env[key]
}

func tooLong(value string) string {
	return fmt.Sprintf("its value has %d bytes, and at most %d are read", len(value), maxValueBytes)
}

// printable returns the beginning of a text with nothing in it that a log or a terminal could take for more than text.
func printable(s string) string {
	quoted := fmt.Sprintf("%.80q", s)
	return quoted[1 : len(quoted)-1]
}
