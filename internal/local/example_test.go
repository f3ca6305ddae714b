package local_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// The model asks for a snapshot of the Engine, and returns the records that follow from it. When a stop signal is sent,
// the container's SRV record is no longer desired; the host's A record is.
func ExampleModel_Step() {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	none := func() plan.Current { return nil }
	model := local.New(local.Config{
		Owner:  record.Owner{InstanceID: "i-1", Address: netip.MustParseAddr("10.0.0.1")},
		Zone:   record.Zone{Name: "sd.internal"},
		Policy: endpoint.Policy{Zone: "sd.internal", DefaultWeight: 1, MaxWeight: 255},
	}, now)

	connected := now
	now = now.Add(time.Second)
	asked := model.Step(local.Input{Connected: connected}, none, now)
	web := container.Container{
		ID:         strings.Repeat("2f", 32),
		State:      container.Running,
		Mode:       container.Bridge,
		StopSignal: int(syscall.SIGTERM),
		StartedAt:  now.Add(-time.Minute),
		Env:        map[string]string{"SERVICE_NAME": "web"},
		Published: []container.Binding{{
			Port:     container.Port{Number: 80, Proto: container.TCP},
			HostIP:   netip.IPv4Unspecified(),
			HostPort: 32768,
		}},
	}
	answer := local.Snapshot{Query: asked.Query, Containers: []container.Container{web}}
	print(model.Step(local.Input{Connected: connected, Snapshot: &answer}, none, now))

	now = now.Add(time.Minute)
	signal := local.Hint{Hint: container.Hint{
		ContainerID: web.ID,
		Action:      container.Kill,
		Signal:      int(syscall.SIGTERM),
		Time:        now,
	}}
	print(model.Step(local.Input{Connected: connected, Hints: []local.Hint{signal}}, none, now))
	// Output:
	// desired: ip-10-0-0-1.sd.internal A 10.0.0.1
	// desired: web.sd.internal SRV 1 1 32768 ip-10-0-0-1.sd.internal
	// desired: ip-10-0-0-1.sd.internal A 10.0.0.1
	// withheld: 2f2f2f2f stopping
}

func print(out local.Output) {
	for _, d := range out.State.Desired {
		fmt.Println("desired:", d.Record.Name, d.Record.Type, d.Record.Value)
	}
	for id, w := range out.State.Withheld {
		fmt.Println("withheld:", id[:8], w.Reason)
	}
}
