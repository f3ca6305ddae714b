package endpoint

import (
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
	ignore bool
	weight string
	ports  map[uint16]portSettings // by container port
}

// portSettings are what is asked for one container port.
type portSettings struct {
	names    string // SERVICE_<port>_NAME, comma-separated
	udpNames string // SERVICE_<port>_UDP_NAME
	weight   string
	ignore   bool
}

// portSetting is a setting of one port. The sweeper reads CHECK_HTTP.
var portSetting = regexp.MustCompile(`^SERVICE_(.+?)_(UDP_NAME|NAME|WEIGHT|IGNORE|CHECK_HTTP)$`)

// readSettings reads labels and variables; a label wins over a variable of the same name. What is wrong is told to problem.
func readSettings(c container.Container, problem func(subject, reason string)) settings {
	s := settings{ports: map[uint16]portSettings{}}
	all := maps.Clone(c.Env)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, c.Labels)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := all[key]
		subject := strings.Trim(fmt.Sprintf("%.80q", key), `"`)
		if strings.HasPrefix(key, "SERVICE_") && len(value) > maxValueBytes {
			problem(subject, fmt.Sprintf("its value has %d bytes, and at most %d are read", len(value), maxValueBytes))
			continue
		}
		switch key {
		case "SERVICE_WEIGHT":
			s.weight = value
			continue
		case "SERVICE_IGNORE":
			s.ignore = value != ""
			continue
		}
		parts := portSetting.FindStringSubmatch(key)
		if parts == nil {
			continue
		}
		number, err := strconv.ParseUint(parts[1], 10, 16)
		if err != nil || number == 0 || parts[1][0] == '0' {
			problem(subject, fmt.Sprintf("%.80q is not a port, 1 to 65535", parts[1]))
			continue
		}
		s.set(uint16(number), parts[2], value)
	}
	return s
}

func (s settings) set(number uint16, what, value string) {
	p := s.ports[number]
	switch what {
	case "NAME":
		p.names = value
	case "UDP_NAME":
		p.udpNames = value
	case "WEIGHT":
		p.weight = value
	case "IGNORE":
		p.ignore = value != ""
	}
	s.ports[number] = p
}

// explicit says whether any port is named, so that only named ports are announced.
func (s settings) explicit() bool {
	for _, p := range s.ports {
		if p.names != "" || p.udpNames != "" {
			return true
		}
	}
	return false
}

// numbers gives the ports that any setting is about, in order.
func (s settings) numbers() []uint16 { return slices.Sorted(maps.Keys(s.ports)) }
