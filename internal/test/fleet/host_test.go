package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	zoneName = "servicediscovery.internal"
	zoneID   = "Z1"
	// looking is how long the Engine takes to list containers and to inspect what is new.
	lookTakes = 5 * time.Millisecond
)

var policy = endpoint.Policy{Zone: zoneName, DefaultWeight: 1, MaxWeight: 255}

// host is a container instance and its Engine.
type host struct {
	index int
	owner record.Owner

	mu      sync.Mutex
	live    []container.Container
	ports   uint16
	created int
	hints   chan container.Hint
	events  chan event // nil: the host runs an agent
}

// event is a change of a container on a host without an agent.
type event struct {
	action plan.Action
	record record.Record
}

func newHost(index int, k kind) *host {
	h := &host{
		index: index,
		hints: make(chan container.Hint, 1024),
		ports: 32767,
		owner: record.Owner{
			InstanceID: fmt.Sprintf("i-%017x", index+1),
			Address:    netip.AddrFrom4([4]byte{10, byte(index >> 16), byte(index >> 8), byte(index)}),
			Account:    "123456789012",
			Region:     "eu-west-1",
		},
	}
	if k != ecssd {
		h.events = make(chan event, 1024) // more than there are in a scene
	}
	return h
}

// send sends a change to a host without an agent.
func (h *host) send(action plan.Action, r record.Record) {
	if h.events != nil {
		h.events <- event{action, r}
	}
}

// add adds a container of a service without an event.
func (h *host) add(service string) container.Container {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.created++
	h.ports++
	c := container.Container{
		ID:   fmt.Sprintf("%056x%08x", h.index, h.created),
		Name: fmt.Sprintf("ecs-%s-1-%x", service, h.created),
		Labels: map[string]string{
			container.LabelName:    service,
			container.LabelTaskARN: "arn:aws:ecs:eu-west-1:123456789012:task/main/1",
		},
		State:      container.Running,
		StartedAt:  time.Now(),
		StopSignal: 15,
		Mode:       container.Bridge,
		Published: []container.Binding{{
			Port: container.Port{Number: 80, Proto: container.TCP}, HostIP: netip.IPv4Unspecified(), HostPort: h.ports,
		}},
	}
	h.live = append(h.live, c)
	return c
}

// start starts a container.
func (h *host) start(service string) container.Container {
	c := h.add(service)
	h.hints <- container.Hint{
		ContainerID: c.ID,
		Action:      container.Start,
		Service:     service,
		Time:        time.Now(),
	}
	for _, r := range h.records(c) {
		if r.Type == record.SRV {
			h.send(plan.Upsert, r)
		}
	}
	return c
}

// kill sends a container its stop signal. It dies after 5 s.
func (h *host) kill(c container.Container) {
	h.hints <- container.Hint{
		ContainerID: c.ID,
		Action:      container.Kill,
		Signal:      15,
		Service:     c.Labels[container.LabelName],
		Time:        time.Now(),
	}
	for _, r := range h.records(c) {
		if r.Type == record.SRV {
			h.send(plan.Delete, r)
		}
	}
	time.AfterFunc(5*time.Second, func() {
		h.mu.Lock()
		h.live = slices.DeleteFunc(h.live, func(other container.Container) bool { return other.ID == c.ID })
		h.mu.Unlock()
		h.hints <- container.Hint{
			ContainerID: c.ID,
			Action:      container.Die,
			Service:     c.Labels[container.LabelName],
			Time:        time.Now(),
		}
	})
}

// records returns the records that containers should have.
func (h *host) records(containers ...container.Container) []record.Record {
	endpoints, _ := policy.Map(containers)
	return record.Desired(record.Zone{Name: zoneName}, h.owner, endpoints)
}

func (h *host) Follow(ctx context.Context, connected func(), hint func(container.Hint)) error {
	connected()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case next := <-h.hints:
			hint(next)
		}
	}
}

func (h *host) Snapshot(ctx context.Context, _ map[string]bool, _ bool) ([]container.Container, error) {
	if err := wait(ctx, lookTakes); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.live), nil
}

func (h *host) Refresh(ctx context.Context, _ map[string]bool) ([]container.Container, error) {
	return h.Snapshot(ctx, nil, false)
}

// runAgent runs ecssd. With known, the host begins with a journal that holds those records.
func (h *host) runAgent(ctx context.Context, a *account, dir string, known []record.Record) error {
	dir = filepath.Join(dir, h.owner.InstanceID)
	if known != nil {
		if err := write(dir, h.owner.InstanceID, known); err != nil {
			return err
		}
	}
	j, err := journal.Open(dir, h.owner.InstanceID, "boot")
	if err != nil {
		return err
	}
	defer j.Close()
	log, _ := logtest.NewNullLogger()
	log.SetLevel(logrus.PanicLevel)
	return agent.New(agent.Config{
		ZoneName: zoneName,
		ZoneID:   zoneID,
		Policy:   policy,
		Engine:   h,
		Tasks:    func(context.Context) (map[string]agent.Task, error) { return nil, nil },
		Identify: func(context.Context) (record.Owner, error) { return h.owner, nil },
		Open: func(context.Context) (agent.Host, error) {
			return agent.Host{Journal: j, OpenZone: func(string) agent.Zone { return client{a, h.index} }}, nil
		},
		Suspended:   func() (time.Duration, error) { return 0, nil },
		Resync:      time.Minute,
		VerifyEvery: 15 * time.Minute,
		Jitter:      func() float64 { return dice(a.seed, h.index, forJitter) },
		Log:         logrus.NewEntry(log),
		Readiness:   &health.Readiness{},
		Metrics:     health.NewMetrics(prometheus.NewRegistry()),
		Writer:      metrics.New(prometheus.NewRegistry()),
	}).Run(ctx)
}

// write writes the journal of a host on which ecssd has run before.
func write(dir, instance string, records []record.Record) error {
	j, err := journal.Open(dir, instance, "boot")
	if err != nil {
		return err
	}
	known := plan.Current{}
	for _, r := range records {
		known[r.Key()] = plan.Entry{Record: r}
	}
	if err := j.SetRecords(zoneID, known); err != nil {
		return err
	}
	if err := j.Listed(); err != nil {
		return err
	}
	return j.Close()
}

// runCallPerEvent makes one call an event, in order, as the predecessors of ecssd do. The SDK tries it three times.
// Then the event is given up, or tried again for ever.
func (h *host) runCallPerEvent(ctx context.Context, a *account, forEver bool) error {
	zone := client{a, h.index}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-h.events:
			for attempt := 1; ctx.Err() == nil; attempt++ {
				err := zone.Change(ctx, []plan.Change{{Action: e.action, Record: e.record}})
				if err == nil || attempt%3 == 0 && !forEver {
					break
				}
				_ = wait(ctx, sdkDelay(attempt, dice(a.seed, h.index, forRetry)))
			}
		}
	}
}

// journals returns a directory, in memory if possible, since journals are synced.
func journals() (dir string, remove func(), err error) {
	parent := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		parent = "/dev/shm"
	}
	dir, err = os.MkdirTemp(parent, "ecssd-fleet-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
