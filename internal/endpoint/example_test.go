package endpoint_test

import (
	"fmt"
	"net/netip"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// A container with two ports gets a name for each, and its service's name for the lower one.
func ExamplePolicy_Map() {
	published := func(port, hostPort uint16) container.Binding {
		return container.Binding{
			Port:     container.Port{Number: port, Proto: container.TCP},
			HostIP:   netip.IPv4Unspecified(),
			HostPort: hostPort,
		}
	}
	policy := endpoint.Policy{Zone: "sd.internal", DefaultWeight: 1, MaxWeight: 255}
	endpoints, _ := policy.Map([]container.Container{{
		ID:        "2f3c8e51a9d0",
		State:     container.Running,
		Mode:      container.Bridge,
		Labels:    map[string]string{container.LabelName: "web", "SERVICE_WEIGHT": "5"},
		Published: []container.Binding{published(80, 32768), published(9000, 32769)},
	}})
	for _, e := range endpoints {
		fmt.Println(e.Name, e.Port, "at host port", e.HostPort, "weight", e.Weight)
	}
	// Output:
	// web 80/tcp at host port 32768 weight 5
	// web-80 80/tcp at host port 32768 weight 5
	// web-9000 9000/tcp at host port 32769 weight 5
}
