package record_test

import (
	"fmt"
	"net/netip"
	"testing"

	docker "github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/record"
)

// BenchmarkDesired is done once an event, for all endpoints of the host.
func BenchmarkDesired(b *testing.B) {
	owner := record.Owner{
		InstanceID: "i-0123456789abcdef0",
		Address:    netip.MustParseAddr("10.0.0.1"),
		Account:    "123456789012",
		Region:     "eu-west-1",
	}
	for _, n := range []int{10, 100, 500} {
		var endpoints []endpoint.Endpoint
		for i := range n {
			endpoints = append(endpoints, endpoint.Endpoint{
				Name:        fmt.Sprintf("service-%d", i%20),
				ContainerID: fmt.Sprintf("%064x", i),
				Port:        docker.Port{Number: 80, Proto: docker.TCP},
				HostPort:    32768 + uint16(i),
				Weight:      1,
				ECS:         true,
			})
		}
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if records := record.Desired(record.Zone{
					Name: "servicediscovery.internal",
				}, owner, endpoints); len(records) != n+1 {
					b.Fatalf("%d records", len(records))
				}
			}
		})
	}
}
