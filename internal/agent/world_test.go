package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
	strict "github.com/ecssd/ecssd/internal/test/zone"
)

const self = "i-1"

// engine is a container engine in memory: it remembers all events, and gives no answer while it is down.
type engine struct {
	mu      sync.Mutex
	live    map[string]container.Container
	told    map[string]container.Container // what was last found to live
	events  []container.Hint
	deaf    bool            // no stream that was open meanwhile tells anything again
	down    bool            // refuses every call; the stream goes on
	closed  bool            // accepts no subscription
	streams bool            // accepts subscriptions while it is down
	looks   int             // snapshots asked for
	during  func()          // happens during the next one
	hangs   map[string]bool // containers whose inspection takes 3 s and fails
	unread  map[string]bool // containers whose inspection fails
	listing time.Duration   // how long a listing hangs and then fails; 0: it answers
	holds   time.Duration   // how long what a look has found is on its way
	cut     chan struct{}   // closed to end the stream
	changed chan struct{}   // closed when there are more events
}

func newEngine() *engine {
	return &engine{live: map[string]container.Container{}, cut: make(chan struct{}), changed: make(chan struct{})}
}

func (e *engine) Follow(ctx context.Context, connected func(), hint func(container.Hint)) error {
	e.mu.Lock()
	down, cut := e.down && !e.streams || e.closed, e.cut
	e.mu.Unlock()
	if down {
		return errors.New("connection refused")
	}
	connected()
	broken := false
	for seen := 0; ; {
		e.mu.Lock()
		broken = broken || e.deaf
		more, changed := e.events[min(seen, len(e.events)):], e.changed
		if broken {
			more = nil
		}
		e.mu.Unlock()
		for _, h := range more {
			hint(h)
		}
		seen += len(more)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-cut:
			return errors.New("unexpected EOF")
		case <-changed:
		}
	}
}

func (e *engine) Snapshot(ctx context.Context, dirty map[string]bool, all bool) ([]container.Container, error) {
	e.mu.Lock()
	during, listing := e.during, e.listing
	e.during = nil
	e.mu.Unlock()
	if during != nil {
		during()
	}
	if listing > 0 {
		backoff.Sleep(ctx, listing)
		return nil, errors.New("list containers: timeout")
	}
	return e.find(ctx, func() {
		e.told = maps.Clone(e.live)
		for id := range e.unread {
			e.unreadable(id)
		}
	}, func(id string) bool { return all || dirty[id] })
}

func (e *engine) Refresh(ctx context.Context, dirty map[string]bool) ([]container.Container, error) {
	asked := func(id string) bool { return dirty[id] || e.told[id].Unread != "" }
	return e.find(ctx, func() {
		for id := range e.told {
			if _, ok := e.live[id]; asked(id) && !ok {
				delete(e.told, id)
			}
		}
		for id, c := range e.live {
			if asked(id) {
				e.told[id] = c
				e.unreadable(id)
			}
		}
	}, asked)
}

// unreadable makes a container one of which it is only known that it is there, where it is to be. The caller holds mu.
func (e *engine) unreadable(id string) {
	if c, ok := e.told[id]; ok && e.unread[id] {
		e.told[id] = container.Container{
			ID:     id,
			Name:   c.Name,
			Labels: c.Labels,
			State:  c.State,
			Unread: "timeout",
		}
	}
}

// find takes a look, which changes what is told. Some of the containers that are asked for may hang.
func (e *engine) find(ctx context.Context, look func(), asked func(id string) bool) ([]container.Container, error) {
	time.Sleep(time.Millisecond)
	e.mu.Lock()
	e.looks++
	if e.down {
		e.mu.Unlock()
		return nil, errors.New("connection refused")
	}
	wait := e.holds
	for id := range e.hangs {
		if asked(id) {
			wait = 3 * time.Second
		}
	}
	look()
	found := slices.Collect(maps.Values(e.told))
	e.mu.Unlock()
	if wait > 0 {
		backoff.Sleep(ctx, wait)
	}
	return found, ctx.Err()
}

// snapshots gives how many were asked for.
func (e *engine) snapshots() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.looks
}

// set changes what lives, and tells of it.
func (e *engine) set(change func(live map[string]container.Container), events ...container.Hint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e.live)
	e.events = append(e.events, events...)
	close(e.changed)
	e.changed = make(chan struct{})
}

// make changes how the engine behaves.
func (e *engine) make(change func()) { e.set(func(map[string]container.Container) { change() }) }

// interrupt ends the stream of events.
func (e *engine) interrupt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.cut)
	e.cut = make(chan struct{})
}

func (e *engine) start(c container.Container) {
	e.set(func(live map[string]container.Container) { live[c.ID] = c },
		container.Hint{ContainerID: c.ID, Action: container.Start, Time: c.StartedAt})
}

func (e *engine) kill(c container.Container, signal int) {
	e.set(func(map[string]container.Container) {},
		container.Hint{
			ContainerID: c.ID,
			Action:      container.Kill,
			Signal:      signal,
			Time:        time.Now(),
		})
}

func (e *engine) die(c container.Container) {
	e.set(func(live map[string]container.Container) { delete(live, c.ID) },
		container.Hint{
			ContainerID: c.ID,
			Action:      container.Die,
			ExitStatus:  1,
			Service:     c.Labels[container.LabelName],
			Time:        time.Now(),
		})
}

// zone is the strict zone, with the faults that these tests play.
type zone struct {
	*strict.Zone

	mu         sync.Mutex
	batches    [][]plan.Change // without proofs
	gone       bool
	failing    error                  // of every call
	pages      int                    // read
	proofs     int                    // batches that were to prove that changes are permitted, and did
	permits    func(plan.Change) bool // nil: all
	hang       bool                   // such batches are not answered
	unlistable error
	unlisted   int // records of other types
}

// all returns the records by key.
func (z *zone) all() map[record.Key]record.Record {
	records := map[record.Key]record.Record{}
	for _, r := range z.Records() {
		records[r.Key()] = r
	}
	return records
}

func (z *zone) Change(ctx context.Context, changes []plan.Change) error {
	proof := strings.Contains(changes[0].Record.SetID, strings.Repeat("0", 64))
	z.mu.Lock()
	defer z.mu.Unlock()
	switch {
	case proof && z.hang:
		z.mu.Unlock()
		<-ctx.Done()
		z.mu.Lock()
		return ctx.Err()
	case z.gone:
		return fmt.Errorf("change: %w", plan.ErrNoSuchZone)
	case z.failing != nil:
		return z.failing
	}
	z.Denied = nil
	if permits := z.permits; permits != nil {
		z.Denied = func(c plan.Change) bool { return !permits(c) }
	}
	err := z.Zone.Change(ctx, changes)
	var refusal *plan.Refusal
	switch denied := errors.As(err, &refusal) && refusal.Denied(); {
	case proof && !denied:
		z.proofs++
	case err == nil:
		z.batches = append(z.batches, slices.Clone(changes))
	}
	return err
}

func (z *zone) Group(ctx context.Context, name string, t record.Type) ([]record.Record, error) {
	if z.lost() {
		return nil, fmt.Errorf("list: %w", plan.ErrNoSuchZone)
	}
	return z.Zone.Group(ctx, name, t)
}

func (z *zone) Page(
	ctx context.Context,
	name string,
	t record.Type,
) ([]record.Record, func(string, record.Type) bool, error) {
	z.mu.Lock()
	z.pages++
	z.mu.Unlock()
	if z.lost() {
		return nil, nil, fmt.Errorf("list: %w", plan.ErrNoSuchZone)
	}
	return z.Zone.Page(ctx, name, t)
}

func (z *zone) Each(ctx context.Context, visit func([]record.Record, int) error) error {
	z.mu.Lock()
	err, more := z.unlistable, z.unlisted
	z.mu.Unlock()
	if err != nil {
		return err
	}
	return z.Zone.Each(ctx, func(page []record.Record, _ int) error { return visit(page, len(page)+more) })
}

// fail has every change fail, or none.
func (z *zone) fail(err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.failing = err
}

// lost reports whether the zone was deleted.
func (z *zone) lost() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.gone
}

// services returns the weights of the SRV records by name and container, "web 1": 1.
func (z *zone) services() map[string]int64 {
	found := map[string]int64{}
	for key, r := range z.all() {
		if id, ok := record.ParseSetID(key.SetID); ok && key.Type == record.SRV {
			found[strings.TrimSuffix(key.Name, ".sd.internal")+" "+strings.TrimLeft(id.Container, "0")] = r.Weight
		}
	}
	return found
}

// pagesRead returns how many pages were read.
func (z *zone) pagesRead() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.pages
}

// count returns how many batches were made.
func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.batches)
}

// world is a host in virtual time.
type world struct {
	t      *testing.T
	engine *engine
	zones  map[string]*zone // by ID
	zone   *zone            // Z1
	dir    string

	mu        sync.Mutex // guards zones, tasks, asked, ecsSilent and slept
	tasks     map[string]Task
	asked     int // how often the ECS agent was asked
	ecsSilent bool
	ecsHangs  bool
	slept     time.Duration
	config    Config // adjusted by tests before start, as owner and host are
	owner     record.Owner
	host      Host
	log       *logtest.Hook

	journal   *journal.Journal
	present   *Agent
	keeper    *keeper           // of the present agent
	readiness *health.Readiness // of the present agent
	registry  *prometheus.Registry
	stop      func()
}

// inWorld runs a test in virtual time.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		logger, hook := logtest.NewNullLogger()
		w := &world{
			t:      t,
			engine: newEngine(),
			zones:  map[string]*zone{},
			dir:    dir,
			tasks:  map[string]Task{},
			log:    hook,
		}
		w.zone = w.addZone("Z1")
		w.config = Config{
			ZoneName: "sd.internal",
			ZoneID:   "Z1",
			Policy:   endpoint.Policy{Zone: "sd.internal", DefaultWeight: 1, MaxWeight: 255},
			Engine:   w.engine,
			Tasks: func(ctx context.Context) (map[string]Task, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.asked++
				if w.ecsHangs {
					w.mu.Unlock()
					<-ctx.Done()
					w.mu.Lock()
					return nil, ctx.Err()
				}
				if w.ecsSilent {
					return nil, errors.New("connection refused")
				}
				return maps.Clone(w.tasks), nil
			},
			Suspended: func() (time.Duration, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.slept, nil
			},
			Resync: time.Minute,
			Log:    logrus.NewEntry(logger),
		}
		w.owner = record.Owner{
			InstanceID: self,
			Address:    netip.MustParseAddr("10.0.0.1"),
			Account:    "123456789012",
			Region:     "eu-west-1",
		}
		w.host = Host{
			FindZone: func(context.Context) (string, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				for id, z := range w.zones {
					if !z.lost() {
						return id, nil
					}
				}
				return "", plan.ErrNoSuchZone
			},
			OpenZone: func(id string) Zone {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.zones[id]
			},
		}
		test(t, w)
		w.end()
	})
}

func (w *world) addZone(id string) *zone {
	z := &zone{Zone: strict.New(w.t, "sd.internal")}
	w.with(func() { w.zones[id] = z })
	return z
}

// with changes the world while an agent may look at it.
func (w *world) with(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// run starts the agent, with an empty journal at first, and waits until nothing moves.
func (w *world) run() {
	w.t.Helper()
	w.openJournal()
	require.NoError(w.t, w.journal.Listed())
	w.launch()
}

// runUnlisted is run, but the zone is to be listed where there is no journal.
func (w *world) runUnlisted() {
	w.t.Helper()
	w.openJournal()
	w.launch()
}

func (w *world) launch() {
	w.t.Helper()
	a := w.agent()
	w.present = a
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- a.with(ctx, func(k *keeper, ctx context.Context) error {
			w.with(func() { w.keeper = k })
			return k.run(ctx)
		})
	}()
	w.stop = func() {
		cancel()
		require.NoError(w.t, <-done)
		require.NoError(w.t, w.journal.Close())
	}
	synctest.Wait()
}

func (w *world) openJournal() {
	w.t.Helper()
	var err error
	w.journal, err = journal.Open(w.dir, self, "boot-1")
	require.NoError(w.t, err)
}

// agent makes an agent with the open journal.
func (w *world) agent() *Agent {
	c := w.config
	w.host.Journal = w.journal
	c.Identify = func(context.Context) (record.Owner, error) { return w.owner, nil }
	c.Open = func(context.Context) (Host, error) { return w.host, nil }
	w.readiness = &health.Readiness{}
	w.registry = prometheus.NewRegistry()
	c.Readiness, c.Metrics, c.Writer = w.readiness, health.NewMetrics(w.registry), metrics.New(w.registry)
	a := New(c)
	w.registry.MustRegister(health.Collector(a.State))
	return a
}

// end stops the agent in order.
func (w *world) end() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// reasons gives why things are not announced, as far as that was logged.
func (w *world) reasons() (reasons []string) {
	for _, e := range w.log.AllEntries() {
		if reason, ok := e.Data["reason"].(string); ok {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// after lets virtual time pass.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// web gives a running container of the service web.
func web(n int) container.Container {
	id := fmt.Sprintf("%064d", n)
	return container.Container{
		ID:         id,
		Name:       fmt.Sprintf("ecs-web-%d", n),
		State:      container.Running,
		StartedAt:  time.Now(),
		StopSignal: 15,
		Labels: map[string]string{
			container.LabelName:    "web",
			container.LabelTaskARN: "arn:aws:ecs:eu-west-1:123456789012:task/a/b",
		},
		Mode: container.Bridge,
		Published: []container.Binding{{
			Port: container.Port{
				Number: 80,
				Proto:  container.TCP,
			}, HostIP: netip.IPv4Unspecified(), HostPort: uint16(32768 + n),
		}},
	}
}

// key returns the key of a record that a state has.
func key(r status.Record) record.Key {
	return record.Record{Name: r.Name, Type: record.Type(r.Type), SetID: r.SetID}.Key()
}
