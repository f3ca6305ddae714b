// Package endpoint maps containers to what is registered of them: names, ports and weights, and, for everything that is
// not registered, the reason in words. Everything read from a container is hostile input: sizes are bounded and names
// are checked against DNS before they leave this package. It reads no clock and makes no call.
package endpoint

import (
	"net/netip"

	"github.com/ecssd/ecssd/internal/container"
)

// Endpoint is one name for one port of one container.
type Endpoint struct {
	Name        string // below the zone, lower case, valid in DNS: "web", "_calc._tcp"
	ContainerID string
	ECS         bool           // the ECS agent started the container
	Port        container.Port // inside the container
	HostPort    uint16         // what a consumer connects to
	Address     netip.Addr     // of the task's own network interface (awsvpc); the zero Addr means the host's address
	Weight      int            // as asked, 0 to 255
	Standby     bool           // paused, or its health check says starting or unhealthy
}

// Problem is why a container, or a part of it, is not registered as somebody may have expected.
type Problem struct {
	ContainerID   string
	ContainerName string // the Engine's name
	// what the reason is about: "port 80/tcp", "SERVICE_80_NAME", "container"; safe to print, as Reason is
	Subject string
	Reason  string // a sentence fragment in lower case, with what to do where there is something to do
	Chosen  bool   // by a setting, or ECS's own container: reported when asked (explain), never logged
}
