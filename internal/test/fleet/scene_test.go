package fleet

import (
	"context"
	"fmt"
	"io"
	"slices"
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
)

// kind of software that hosts run.
type kind string

const (
	ecssd    kind = "ecssd"
	threeTry kind = "call an event, 3 tries"
	stubborn kind = "call an event, for ever"
)

// setup is one run.
type setup struct {
	scene scene
	kind  kind
	hosts int
	rules rules
	seed  uint64
}

// scene is what happens.
type scene struct {
	name, text string
	names      int  // services
	cold       bool // hosts begin with no journal and nothing in the zone
	play       func(w *world)
	over       time.Duration // after play, while the zone is not right, at most
}

const perHost = 20 // containers

var (
	cold = scene{
		name:  "cold start",
		text:  "All hosts start at the same moment, with an empty zone; 250 services.",
		names: 250,
		cold:  true,
		over:  time.Hour,
		play:  func(*world) {},
	}
	coldShort = scene{
		name:  "cold start, the first ten minutes",
		text:  "Where it does not end soon: what has been done by then, and what has not.",
		names: 250,
		cold:  true,
		over:  10 * time.Minute,
		play:  func(*world) {},
	}
	listing = scene{
		name:  "cold start, a quarter of an hour",
		text:  "The same until every host, as it has no journal, has looked for records of an earlier life (reads).",
		names: 250,
		cold:  true,
		over:  time.Hour,
		play:  func(*world) { time.Sleep(15 * time.Minute) },
	}
	idle = scene{
		name:  "one container at a time",
		text:  "Another host replaces a container every 12 s.",
		names: 250,
		over:  time.Minute,
		play: func(w *world) {
			for n := range 100 {
				h := w.hosts[n%len(w.hosts)]
				w.replace(h, w.first[h.index][n/len(w.hosts)%perHost])
				time.Sleep(12 * time.Second)
			}
		},
	}
	brisk = scene{
		name:  "two changes a second",
		text:  "A host starts 20 containers, one each half second, and then stops them.",
		names: 250,
		over:  time.Minute,
		play: func(w *world) {
			h := w.hosts[0]
			var started []container.Container
			for range 20 {
				c := h.start("service-000")
				w.wait(plan.Create, c)
				started = append(started, c)
				time.Sleep(500 * time.Millisecond)
			}
			for _, c := range started {
				w.wait(plan.Delete, c)
				h.kill(c)
				time.Sleep(500 * time.Millisecond)
			}
		},
	}
	deploy = scene{
		name:  "rolling deployment",
		text:  "Every container is replaced within 10 minutes: a new one starts, and 10 s later the old one is stopped.",
		names: 250,
		over:  time.Hour,
		play:  func(w *world) { w.replaceSome(1, 10*time.Minute) },
	}
	churn = scene{
		name:  "steady churn",
		text:  "1 % of the containers are replaced each minute, for 10 minutes.",
		names: 250,
		over:  time.Hour,
		play:  func(w *world) { w.replaceSome(.1, 10*time.Minute) },
	}
	lost = scene{
		name: "a zone of availability is lost",
		text: "A third of the hosts die. Their containers are started elsewhere after 30 to 90 s (p50, p99, max); the sweeper " +
			"removes their records in its next pass.",
		names: 400,
		over:  time.Hour,
		play:  func(w *world) { w.loseThird() },
	}
)

// world is a run under way.
type world struct {
	setup
	account *account
	hosts   []*host
	first   [][]container.Container // of each host, those that it began with
	start   time.Time

	mu      sync.Mutex
	waiting map[string]time.Time // changes of containers that are not in the zone yet, and since when
	last    time.Time            // when a container last changed
	right   time.Time            // when the zone last became right
	delays  []time.Duration
	removed []time.Duration // of records of hosts that died
	curve   []point
	actors  sync.WaitGroup
	ends    map[int]context.CancelFunc
}

// point says how many changes had been applied at a time.
type point struct {
	at      time.Duration
	applied int
}

func (w *world) wait(action plan.Action, c container.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[waits(action, c.ID)] = time.Now()
	w.last = time.Now()
}

// waits names what waits for a change of a container: its removal, or what makes it.
func waits(action plan.Action, id string) string { return fmt.Sprint(action == plan.Delete, id) }

func (w *world) applied(host int, at time.Time, changes []plan.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changes {
		id, ok := record.ParseSetID(c.Record.SetID)
		key := waits(c.Action, id.Container)
		since, waits := w.waiting[key]
		if !ok || c.Record.Type != record.SRV || !waits {
			continue
		}
		delete(w.waiting, key)
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
	w.wait(plan.Upsert, h.start(old.Labels[container.LabelName]))
	w.actors.Go(func() {
		time.Sleep(10 * time.Second)
		w.wait(plan.Delete, old)
		h.kill(old)
	})
}

// replaceSome replaces a part of all containers over some time.
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

// loseThird has every third host die, and its containers started elsewhere after 30 to 90 s. The sweeper passes 2.5
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
			w.wait(plan.Delete, c)
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
				w.wait(plan.Upsert, h.start(c.Labels[container.LabelName]))
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
		Jitter: func() float64 { return dice(w.seed, sweeperHost, forLuck) },
	})
}

// Fleet is ECS and EC2 as the sweeper sees them.
func (w *world) Fleet(context.Context, []string) (sweep.Fleet, error) {
	found := sweep.Fleet{
		Account:    "123456789012",
		Region:     "eu-west-1",
		Instances:  map[string]sweep.Instance{},
		Containers: map[string]sweep.Container{},
	}
	for i, h := range w.hosts {
		instance := sweep.Instance{
			State:     sweep.Alive,
			Address:   h.owner.Address,
			InCluster: true,
			Connected: true,
			Complete:  true,
		}
		if i%3 == 0 {
			instance = sweep.Instance{State: sweep.Gone}
		}
		found.Instances[h.owner.InstanceID] = instance
		if i%3 == 0 {
			continue
		}
		for _, c := range h.live {
			found.Containers[c.ID] = sweep.Container{
				Instance: h.owner.InstanceID,
				Task:     "task/" + c.ID,
				Cluster:  "main",
				Service:  "main/" + c.Labels[container.LabelName],
				Ports: []sweep.Port{
					{Container: container.Port{Number: 80, Proto: container.TCP}, Host: c.Published[0].HostPort},
				},
			}
		}
	}
	return found, nil
}

// States is what EC2 says when it is asked again.
func (w *world) States(ctx context.Context, instances []string) (map[string]sweep.State, error) {
	found, err := w.Fleet(ctx, instances)
	states := map[string]sweep.State{}
	for id, instance := range found.Instances {
		states[id] = instance.State
	}
	return states, err
}

func (w *world) isRight() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) == 0
}

// result is what came of a run.
type result struct {
	setup
	delays, removed  []time.Duration // sorted
	calls            map[call]int
	callers          int // hosts that changed something
	changes, bytes   int
	cost             int           // of the changes
	waiting          int           // changes never applied
	right            time.Duration // from the last change of a container until the zone was right
	curve            []point
	missing, surplus int // records, in the end
}

// run plays a scene.
func run(t *testing.T, s setup) (r result) {
	dir, remove, err := journals()
	require.NoError(t, err)
	defer remove()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			setup:   s,
			account: newAccount(s.seed, s.rules),
			start:   time.Now(),
			waiting: map[string]time.Time{},
			ends:    map[int]context.CancelFunc{},
		}
		w.account.applied = w.applied
		var running sync.WaitGroup
		for i := range s.hosts {
			h := newHost(i, s.kind)
			w.hosts, w.first = append(w.hosts, h), append(w.first, nil)
			for n := range perHost {
				service := fmt.Sprintf("service-%03d", (i*perHost+n)%s.scene.names)
				c := h.add(service)
				w.first[i] = append(w.first[i], c)
				if s.scene.cold {
					w.wait(plan.Upsert, c)
					h.tell(plan.Upsert, h.records(c)[1])
				}
			}
			var known []record.Record
			if !s.scene.cold {
				known = h.records(h.live...)
				w.account.put(known...)
			}
			ctx, cancel := context.WithCancel(t.Context())
			w.ends[i] = cancel
			running.Go(func() {
				var err error
				if s.kind == ecssd {
					err = h.runAgent(ctx, w.account, dir, known)
				} else {
					err = h.runPredecessor(ctx, w.account, s.kind == stubborn)
				}
				if err != nil {
					t.Errorf("host %d: %v", i, err)
				}
			})
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

func (w *world) result() result {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.mu.Lock()
	defer w.account.mu.Unlock()
	slices.Sort(w.delays)
	slices.Sort(w.removed)
	r := result{
		setup:   w.setup,
		delays:  w.delays,
		removed: w.removed,
		calls:   w.account.calls,
		changes: w.account.changes,
		bytes:   w.account.bytes,
		callers: len(w.account.callers),
		cost:    w.account.cost,
		waiting: len(w.waiting),
		right:   w.right.Sub(w.last),
		curve:   w.curve,
	}
	expected := map[record.Key]bool{}
	for i, h := range w.hosts {
		if w.scene.name == lost.name && i%3 == 0 {
			continue
		}
		h.mu.Lock() // a container may be dying
		live := slices.Clone(h.live)
		h.mu.Unlock()
		for _, rec := range h.records(live...) {
			expected[rec.Key()] = true
		}
	}
	for key := range expected {
		if _, ok := w.account.records[key]; !ok {
			r.missing++
		}
	}
	for key := range w.account.records {
		if !expected[key] {
			r.surplus++
		}
	}
	return r
}

// quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
