package fleet

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// world is a run under way.
type world struct {
	setup
	account *account
	hosts   []*host
	first   [][]container.Container // of each host, those that it began with
	start   time.Time

	mu       sync.Mutex
	expected map[string]time.Time // changes that are not in the zone yet, and since when
	last     time.Time            // when a container last changed
	right    time.Time            // when the zone last became right
	delays   []time.Duration
	removed  []time.Duration // of records of hosts that died
	curve    []point
	actors   sync.WaitGroup
	ends     map[int]context.CancelFunc
}

// point is how many changes had been applied at a time.
type point struct {
	at      time.Duration
	applied int
}

func (w *world) expect(action plan.Action, c container.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected[expectationKey(action, c.ID)] = time.Now()
	w.last = time.Now()
}

// expectationKey names what is expected in the zone for a container: its removal, or its record.
func expectationKey(action plan.Action, id string) string {
	return fmt.Sprint(action == plan.Delete, id)
}

func (w *world) applied(host int, at time.Time, changes []plan.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changes {
		id, ok := record.ParseSetID(c.Record.SetID)
		key := expectationKey(c.Action, id.Container)
		since, waits := w.expected[key]
		if !ok || c.Record.Type != record.SRV || !waits {
			continue
		}
		delete(w.expected, key)
		if host == sweeperHost {
			w.removed = append(w.removed, at.Sub(since))
		} else {
			w.delays = append(w.delays, at.Sub(since))
		}
		w.right = at
	}
	w.curve = append(w.curve, point{at.Sub(w.start), len(w.delays) + len(w.removed)})
}

// replace starts a container, and 10 s later stops the one that it replaces.
func (w *world) replace(h *host, old container.Container) {
	w.expect(plan.Upsert, h.start(old.Labels[container.LabelName]))
	w.actors.Go(func() {
		time.Sleep(10 * time.Second)
		w.expect(plan.Delete, old)
		h.kill(old)
	})
}

// replaceSome replaces a part of all containers, spread over a time.
func (w *world) replaceSome(part float64, over time.Duration) {
	for i, h := range w.hosts {
		for n, c := range w.first[i] {
			if dice(w.seed, i, forEvent+uint64(2*n)) >= part {
				continue
			}
			w.actors.Go(func() {
				time.Sleep(time.Duration(dice(w.seed, i, forEvent+uint64(2*n+1)) * float64(over)))
				w.replace(h, c)
			})
		}
	}
	w.actors.Wait()
}

// loseThird terminates every third host. Its containers start elsewhere after 30 to 90 s. The sweeper passes 2.5
// minutes later, and then every 5 minutes.
func (w *world) loseThird() {
	var alive []*host
	for i, h := range w.hosts {
		if i%3 != 0 {
			alive = append(alive, h)
			continue
		}
		w.ends[i]()
		for _, c := range w.first[i] {
			w.expect(plan.Delete, c)
		}
	}
	for i := range w.hosts {
		if i%3 != 0 {
			continue
		}
		for n, c := range w.first[i] {
			w.actors.Go(func() {
				time.Sleep(30*time.Second + time.Duration(dice(w.seed, i, forEvent+uint64(2*n))*float64(time.Minute)))
				h := alive[int(dice(w.seed, i, forEvent+uint64(2*n+1))*float64(len(alive)))]
				w.expect(plan.Upsert, h.start(c.Labels[container.LabelName]))
			})
		}
	}
	w.actors.Wait()
	time.Sleep(time.Minute)
	for range 3 {
		w.sweep()
		if w.isRight() {
			break
		}
		time.Sleep(5 * time.Minute)
	}
}

// sweeperHost is the sweeper's number as a client.
const sweeperHost = 1 << 20

// sweep makes one pass of the sweeper. What fails is for the next pass.
func (w *world) sweep() {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	_, _ = sweep.Sweep(context.Background(), sweep.Config{
		Zone:   client{w.account, sweeperHost},
		Source: w,
		Budget: .3,
		Log:    logrus.NewEntry(logger),
		Jitter: func() float64 { return dice(w.seed, sweeperHost, forJitter) },
	})
}

// Fleet returns what ECS and EC2 list.
func (w *world) Fleet(context.Context, []string) (evidence.Fleet, error) {
	found := evidence.Fleet{
		Account:    "123456789012",
		Region:     "eu-west-1",
		Instances:  map[string]evidence.Instance{},
		Containers: map[string]evidence.Container{},
	}
	for i, h := range w.hosts {
		instance := evidence.Instance{
			State:     evidence.Alive,
			Address:   h.owner.Address,
			InCluster: true,
			Connected: true,
			Complete:  true,
		}
		if i%3 == 0 {
			instance = evidence.Instance{State: evidence.Gone}
		}
		found.Instances[h.owner.InstanceID] = instance
		if i%3 == 0 {
			continue
		}
		for _, c := range h.live {
			found.Containers[c.ID] = evidence.Container{
				Instance: h.owner.InstanceID,
				Task:     "task/" + c.ID,
				Cluster:  "main",
				Service:  "main/" + c.Labels[container.LabelName],
				Ports: []evidence.Port{
					{Container: container.Port{Number: 80, Proto: container.TCP}, Host: c.Published[0].HostPort},
				},
			}
		}
	}
	return found, nil
}

// States returns what EC2 lists when the sweeper asks again.
func (w *world) States(ctx context.Context, instances []string) (map[string]evidence.State, error) {
	found, err := w.Fleet(ctx, instances)
	states := map[string]evidence.State{}
	for id, instance := range found.Instances {
		states[id] = instance.State
	}
	return states, err
}

func (w *world) isRight() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.expected) == 0
}

// run plays a scene.
func run(t *testing.T, s setup) (r result) {
	dir, remove, err := journals()
	require.NoError(t, err)
	defer remove()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			setup:    s,
			account:  newAccount(s.seed, s.rules),
			start:    time.Now(),
			expected: map[string]time.Time{},
			ends:     map[int]context.CancelFunc{},
		}
		w.account.applied = w.applied
		var running sync.WaitGroup
		for i := range s.hosts {
			w.startHost(t, i, dir, &running)
		}
		if !s.scene.cold {
			time.Sleep(10 * time.Second)
			w.start = time.Now()
		}
		s.scene.play(w)
		w.actors.Wait()
		for end := time.Now().Add(s.scene.over); !w.isRight() && time.Now().Before(end); {
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second) // in which nothing may turn wrong again
		r = w.result()
		for _, cancel := range w.ends {
			cancel()
		}
		running.Wait()
	})
	return r
}

// startHost starts a host with its containers and its software.
func (w *world) startHost(t *testing.T, i int, dir string, running *sync.WaitGroup) {
	h := newHost(i, w.kind)
	w.hosts, w.first = append(w.hosts, h), append(w.first, nil)
	for n := range perHost {
		c := h.add(fmt.Sprintf("service-%03d", (i*perHost+n)%w.scene.names))
		w.first[i] = append(w.first[i], c)
		if w.scene.cold {
			w.expect(plan.Upsert, c)
			h.send(plan.Upsert, h.records(c)[1])
		}
	}
	var known []record.Record
	if !w.scene.cold {
		known = h.records(h.live...)
		w.account.put(known...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.ends[i] = cancel
	running.Go(func() {
		run := func() error { return h.runAgent(ctx, w.account, dir, known) }
		if w.kind != ecssd {
			run = func() error { return h.runCallPerEvent(ctx, w.account, w.kind == retriesForever) }
		}
		if err := run(); err != nil {
			t.Errorf("host %d: %v", i, err)
		}
	})
}
