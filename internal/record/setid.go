package record

import (
	"regexp"
	"strconv"
	"strings"
)

// MaxSetID is the longest set identifier Route 53 takes, in characters. The longest that ecssd writes is 127: an
// instance ID of 45, ":docker:", a container ID of 64, ":65535/tcp".
const MaxSetID = 128

// Kind is what the record of a set identifier is for.
type Kind string

// The kinds of set identifier.
const (
	ECS    Kind = "ecs"    // an SRV record of a container that the ECS agent started
	Docker Kind = "docker" // an SRV record of any other container
	Host   Kind = "host"   // the A record of a host
	ENI    Kind = "eni"    // the A record of a task's own network interface
	Legacy Kind = "legacy" // written by the original ecssd_agent; understood, never written
)

// SetID is a set identifier taken apart: whose record it is and what for. These are the forms:
//
//	<instance>:ecs:<container>:<port>/<proto>     SRV
//	<instance>:docker:<container>:<port>/<proto>  SRV
//	<instance>:host:<account>/<region>            A, "-" in place of account/region off EC2
//	<instance>:eni:<container>                    A
//	<hostname>:<container>, <container>           SRV, the original agent's
type SetID struct {
	Kind      Kind
	Instance  string // the instance ID; for Legacy the host name, which may be empty
	Container string // 64 hexadecimal digits; empty for Host
	Port      uint16 // the container's own port, with ECS and Docker
	Proto     string // tcp or udp, with ECS and Docker
	Account   string // with Host; empty off EC2
	Region    string // with Host; empty off EC2
}

func (s SetID) String() string {
	switch s.Kind {
	case ECS, Docker:
		return s.Instance + ":" + string(s.Kind) + ":" + s.Container + ":" + strconv.Itoa(int(s.Port)) + "/" + s.Proto
	case Host:
		if s.Account == "" || s.Region == "" { // what plays EC2's metadata may know one of them
			return s.Instance + ":host:-"
		}
		return s.Instance + ":host:" + s.Account + "/" + s.Region
	case ENI:
		return s.Instance + ":eni:" + s.Container
	}
	if s.Instance == "" {
		return s.Container
	}
	return s.Instance + ":" + s.Container
}

var (
	portProto = regexp.MustCompile(`^([1-9][0-9]{0,4})/(tcp|udp)$`)
	// hostName is wider than an instance ID: the original agent wrote the host's name, of whatever length.
	hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// ParseSetID takes a set identifier apart. It answers false for every identifier that neither ecssd nor the original
// agent would have written: a record of somebody else. What it accepts has no character but letters, digits and ". _ -
// : /".
func ParseSetID(id string) (SetID, bool) {
	if len(id) > MaxSetID {
		return SetID{}, false
	}
	if ValidContainerID(id) {
		return SetID{Kind: Legacy, Container: id}, true
	}
	instance, rest, found := strings.Cut(id, ":")
	if !found || !hostName.MatchString(instance) {
		return SetID{}, false
	}
	if ValidContainerID(rest) {
		return SetID{Kind: Legacy, Instance: instance, Container: rest}, true
	}
	if !ValidInstanceID(instance) {
		return SetID{}, false
	}
	kind, rest, _ := strings.Cut(rest, ":")
	s := SetID{Kind: Kind(kind), Instance: instance}
	switch s.Kind {
	case ECS, Docker:
		id, port, _ := strings.Cut(rest, ":")
		parts := portProto.FindStringSubmatch(port)
		if !ValidContainerID(id) || parts == nil {
			return SetID{}, false
		}
		number, err := strconv.ParseUint(parts[1], 10, 16)
		if err != nil {
			return SetID{}, false
		}
		s.Container, s.Port, s.Proto = id, uint16(number), parts[2]
		return s, true
	case ENI:
		s.Container = rest
		return s, ValidContainerID(rest)
	case Host:
		if rest == "-" {
			return s, true
		}
		s.Account, s.Region, found = strings.Cut(rest, "/")
		return s, found && ValidAccountID(s.Account) && ValidRegion(s.Region)
	}
	return SetID{}, false
}

// Owned reports whether the instance wrote the record. The colon is part of the test: i-1 does not own what i-10 wrote.
func (r Record) Owned(instance string) bool { return strings.HasPrefix(r.SetID, instance+":") }
