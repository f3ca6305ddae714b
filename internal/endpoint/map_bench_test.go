package endpoint_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// BenchmarkMap is done once an event, for all containers of the host.
func BenchmarkMap(b *testing.B) {
	for _, n := range []int{10, 100, 500} {
		var containers []container.Container
		for i := range n {
			containers = append(containers, container.Container{
				ID:    fmt.Sprintf("%064x", i),
				Name:  fmt.Sprintf("ecs-web-%d", i),
				State: container.Running,
				Mode:  container.Bridge,
				Labels: map[string]string{
					container.LabelName:    fmt.Sprintf("service-%d", i%20),
					container.LabelTaskARN: "arn:aws:ecs:eu-west-1:123456789012:task/main/1",
				},
				Published: []container.Binding{{
					Port: container.Port{
						Number: 80,
						Proto:  container.TCP,
					}, HostIP: netip.IPv4Unspecified(), HostPort: 32768 + uint16(i),
				}},
			})
		}
		policy := endpoint.Policy{Zone: "servicediscovery.internal", DefaultWeight: 1, MaxWeight: 255}
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if endpoints, problems := policy.Map(containers); len(endpoints) != n || len(problems) > 0 {
					b.Fatalf("%d endpoints, problems: %v", len(endpoints), problems)
				}
			}
		})
	}
}
