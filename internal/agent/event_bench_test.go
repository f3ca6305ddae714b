package agent

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// still is an Engine that answers at once.
type still struct{ containers []container.Container }

func (e *still) Follow(ctx context.Context, _ func(), _ func(container.Hint)) error {
	<-ctx.Done()
	return ctx.Err()
}

func (e *still) Snapshot(context.Context, map[string]bool, bool) ([]container.Container, error) {
	return e.containers, nil
}

func (e *still) Refresh(context.Context, map[string]bool) ([]container.Container, error) {
	return e.containers, nil
}

// BenchmarkEvent is the way from a hint to the change batch of a container that has started, on a host with so many of
// them: all that the agent computes, without the Engine, the disk and the call.
func BenchmarkEvent(b *testing.B) {
	for _, n := range []int{10, 100, 500} {
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			logger := logrus.New()
			logger.SetOutput(io.Discard)
			j, err := journal.Open(b.TempDir(), self, "boot")
			require.NoError(b, err)
			defer j.Close()
			engine := &still{}
			for i := range n {
				engine.containers = append(engine.containers, container.Container{
					ID:        fmt.Sprintf("%064x", i),
					Name:      fmt.Sprintf("ecs-web-%d", i),
					State:     container.Running,
					Mode:      container.Bridge,
					StartedAt: time.Now(),
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
			owner := record.Owner{
				InstanceID: self,
				Address:    netip.MustParseAddr("10.0.0.1"),
				Account:    "123456789012",
				Region:     "eu-west-1",
			}
			a := New(Config{
				ZoneName:  "servicediscovery.internal",
				Policy:    endpoint.Policy{Zone: "servicediscovery.internal", DefaultWeight: 1, MaxWeight: 255},
				Engine:    engine,
				Tasks:     func(context.Context) (map[string]Task, error) { return nil, nil },
				Log:       logrus.NewEntry(logger),
				Readiness: &health.Readiness{},
				Metrics:   health.NewMetrics(prometheus.NewRegistry()),
				Writer:    metrics.New(prometheus.NewRegistry()),
			})
			k := newKeeper(a.cfg, owner, Host{Journal: j}, a.shown)
			// All but the last container are in the zone already.
			known := plan.Current{}
			endpoints, _ := k.cfg.Policy.Map(engine.containers[:n-1])
			for _, r := range record.Desired(record.Zone{Name: k.cfg.ZoneName}, owner, endpoints) {
				known[r.Key()] = plan.Entry{Record: r}
			}
			require.NoError(b, j.SetRecords("Z1", known))
			writer := k.writer("Z1", nil, apply.Config{})
			started := container.Hint{ContainerID: engine.containers[n-1].ID, Action: container.Start, Time: time.Now()}
			connected := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				k.inbox.Put(func(in *local.Input) {
					in.Connected, in.Oldest, in.Hints = connected, connected, []local.Hint{{Hint: started}}
				})
				k.round(b.Context(), writer, false)
				k.beside.Wait()
				k.round(b.Context(), writer, false)
				if pending := writer.Status().Pending; len(pending) != 1 {
					b.Fatalf("%d changes", len(pending))
				}
			}
		})
	}
}
