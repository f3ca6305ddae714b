package record_test

import (
	"fmt"
	"net/netip"
	"strings"

	ctr "github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/record"
)

// An endpoint needs an SRV record, and the A record of the name that the SRV record points to.
func ExampleDesired() {
	zone := record.Zone{Name: "sd.internal"}
	owner := record.Owner{
		InstanceID: "i-0123456789abcdef0",
		Address:    netip.MustParseAddr("10.0.0.1"),
		Account:    "123456789012",
		Region:     "eu-central-1",
	}
	for _, r := range record.Desired(zone, owner, []endpoint.Endpoint{{
		Name:        "web",
		ContainerID: strings.Repeat("2f", 32),
		ECS:         true,
		Port:        ctr.Port{Number: 80, Proto: ctr.TCP},
		HostPort:    32768,
		Weight:      5,
	}}) {
		fmt.Println(r.Name, r.TTL, r.Type, r.Value)
	}
	// Output:
	// ip-10-0-0-1.sd.internal 60 A 10.0.0.1
	// web.sd.internal 0 SRV 1 5 32768 ip-10-0-0-1.sd.internal
}

// A set identifier names the host that owns the record, and the container and port that it is for.
func ExampleParseSetID() {
	id, ok := record.ParseSetID("i-0123456789abcdef0:ecs:" + strings.Repeat("2f", 32) + ":80/tcp")
	fmt.Println(ok, id.Kind, id.Instance, id.Port, id.Proto)

	_, ok = record.ParseSetID("a record of somebody else")
	fmt.Println(ok)
	// Output:
	// true ecs i-0123456789abcdef0 80 tcp
	// false
}
