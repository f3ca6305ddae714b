// Package agent keeps a hosted zone in step with the containers of this host. Events of the Engine are hints that
// something has changed; a snapshot of the Engine is the truth, from which everything is computed anew each time:
//
//	hints → snapshot → endpoints → records → wishes → apply.Writer
//
// It never lists the zone on the way from an event to a record, and it touches only records of this host.
package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Engine is the container engine of this host.
type Engine interface {
	// Follow passes on hints, those of the recent past first, until the stream ends, and returns why. connected is
	// called when the Engine has answered.
	Follow(ctx context.Context, connected func(), hint func(container.Hint)) error
	// Snapshot gives the live containers: it lists them, and looks closely at the ones in dirty and those that seem to
	// have changed, or at all of them. It ends when ctx does, and says which containers there was no time for.
	Snapshot(ctx context.Context, dirty map[string]bool, all bool) ([]container.Container, error)
	// Refresh does not list them: it looks at the ones in dirty, and at those that could not be looked at before. It
	// comes after a Snapshot.
	Refresh(ctx context.Context, dirty map[string]bool) ([]container.Container, error)
}

// Task is what the ECS agent knows of a container and the Engine does not.
type Task = local.Task

// Zone is a hosted zone.
type Zone interface {
	apply.Zone
	// Each passes on the weighted SRV and A records of the whole zone, page by page, with the number of records of any
	// kind on the page, until visit returns an error, which it returns.
	Each(ctx context.Context, visit func(page []record.Record, listed int) error) error
}

// Config is what an agent works with.
type Config struct {
	Owner    record.Owner
	ZoneName string // lower case, no final dot
	ZoneID   string // empty: found by name
	TTL      int64  // seconds
	Policy   endpoint.Policy

	Engine Engine
	// Tasks asks the ECS agent of this host, by container ID.
	Tasks    func(context.Context) (map[string]Task, error)
	FindZone func(context.Context) (id string, err error) // by ZoneName
	OpenZone func(id string) Zone
	Journal  *journal.Journal
	// Suspended gives how long the host has slept since it booted.
	Suspended func() (time.Duration, error)
	// HostStandby says why the whole host is to be out of traffic; empty where it is not. It is asked every 5 s; while
	// it fails, its last answer counts. Nil: never.
	HostStandby func(context.Context) (why string, err error)

	Resync      time.Duration // between full snapshots
	VerifyEvery time.Duration // between readings of an own name; 0: none
	// LookUp gives the IPv4 addresses that DNS knows of a name, none where it knows that there are none. It is asked
	// for the host's own name once a minute. Nil: never.
	LookUp func(ctx context.Context, name string) ([]netip.Addr, error)
	// Jitter gives random numbers in [0, 1), by which waits are spread; nil: rand.Float64.
	Jitter func() float64

	Log       *logrus.Entry
	Readiness *Readiness
	Metrics   *Metrics
	// Following is called once, when the agent follows the Engine's events. Alive is called each time the work has gone
	// round, at least every 10 s unless it hangs, or waits for an answer that has a time limit of at most 30 s. Either
	// may be nil.
	Following, Alive func()
	// OnEvent is called with each Event; it must be quick. Nil: nobody is told.
	OnEvent func(Event)
}

// Agent keeps the zone in step with this host.
type Agent struct {
	cfg          Config
	inbox        inbox
	standbyKnown chan struct{} // closed when it was asked for the first time whether the host is to be on standby
	standbyAsked func()        // closes it

	beside sync.WaitGroup // what the observing goroutine has begun and does not wait for

	// Used by the observing goroutine alone.
	model         *local.Model
	slept         time.Duration
	failureLogged time.Time // when it was last logged that snapshots fail

	mu         sync.Mutex
	state      *local.State
	registered map[string]bool    // containers with an endpoint
	subjects   map[string]subject // containers by ID; only where there are events
	zoneNow    string             // ID of the zone in which the records are kept
	writerNow  *apply.Writer      // nil before there is a zone
}

// New gives an agent that has not looked at anything yet.
func New(cfg Config) *Agent {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Following == nil {
		cfg.Following = func() {}
	}
	if cfg.Alive == nil {
		cfg.Alive = func() {}
	}
	cfg.Policy.Address = cfg.Owner.Address
	cfg.Readiness.NotReady("zone", "not found yet")
	cfg.Readiness.NotReady("engine", "not connected yet")
	known := make(chan struct{})
	var stops []local.Stop
	for _, mark := range cfg.Journal.Stops() {
		stops = append(stops, local.Stop(mark))
	}
	return &Agent{
		cfg:          cfg,
		inbox:        inbox{wake: make(chan struct{}, 1)},
		standbyKnown: known,
		standbyAsked: sync.OnceFunc(func() { close(known) }),
		model: local.New(local.Config{
			Owner:  cfg.Owner,
			Zone:   record.Zone{Name: cfg.ZoneName, TTL: cfg.TTL},
			Policy: cfg.Policy,
			Stops:  stops,
		}, time.Now()),
		state:    &local.State{},
		subjects: map[string]subject{},
	}
}

// Run keeps the zone in step until ctx ends. The records stay: an agent that is upgraded must not take its host's
// services out of DNS.
func (a *Agent) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		a.follow(ctx)
		return nil
	})
	group.Go(func() error {
		a.watchStandby(ctx)
		return nil
	})
	group.Go(func() error { return a.inZones(ctx) })
	return group.Wait()
}

// inZones keeps the zone in step, and looks for it again where it turns out not to exist, until ctx ends.
func (a *Agent) inZones(ctx context.Context) error {
	for {
		id, err := a.zoneID(ctx)
		if err != nil {
			return nil // ctx has ended
		}
		err = a.inZone(ctx, id)
		if !errors.Is(err, plan.ErrNoSuchZone) {
			return err
		}
		a.cfg.Readiness.NotReady("zone", noSuchZone(id).Error())
		_ = a.cfg.Journal.SetZoneID(a.cfg.ZoneName, "")
		if a.cfg.ZoneID == "" {
			a.cfg.Log.WithField("zone_id", id).
				Error("the hosted zone does not exist, or no longer: looking for it again")
		}
		sleep(ctx, spread(10*time.Second, a.cfg.Jitter))
		if a.cfg.ZoneID != "" {
			a.awaitZone(ctx, id)
		}
	}
}

// awaitZone waits until the zone that was chosen by its ID exists, as far as reading it tells.
func (a *Agent) awaitZone(ctx context.Context, id string) {
	_ = Await(ctx, a.cfg.Log, a.cfg.Readiness, "zone", func(ctx context.Context) error {
		a.cfg.Alive()
		ctx, cancel := context.WithTimeout(ctx, findTimeout)
		defer cancel()
		if _, err := a.cfg.OpenZone(id).Group(ctx, a.cfg.ZoneName, record.A); errors.Is(err, plan.ErrNoSuchZone) {
			return noSuchZone(id)
		}
		return nil
	})
}

func noSuchZone(id string) error {
	return fmt.Errorf("hosted zone %s does not exist: make it, or correct --zone-id", id)
}

// findTimeout bounds one attempt at finding the zone: a few calls.
const findTimeout = 30 * time.Second

// zoneID gives the ID of the hosted zone; it waits for a zone that is not there yet. Its only error is that ctx has
// ended.
func (a *Agent) zoneID(ctx context.Context) (string, error) {
	if a.cfg.ZoneID != "" {
		return a.cfg.ZoneID, ctx.Err()
	}
	if id := a.cfg.Journal.ZoneID(a.cfg.ZoneName); id != "" {
		return id, ctx.Err()
	}
	var id string
	err := Await(ctx, a.cfg.Log, a.cfg.Readiness, "zone", func(ctx context.Context) (err error) {
		a.cfg.Alive()
		ctx, cancel := context.WithTimeout(ctx, findTimeout)
		defer cancel()
		id, err = a.cfg.FindZone(ctx)
		return err
	})
	if err == nil {
		_ = a.cfg.Journal.SetZoneID(a.cfg.ZoneName, id)
	}
	return id, err
}

// inZone keeps one zone in step until ctx ends, or the zone turns out not to exist.
func (a *Agent) inZone(ctx context.Context, id string) error {
	zone := a.cfg.OpenZone(id)
	writer := a.writer(id, zone, apply.Config{VerifyEvery: a.cfg.VerifyEvery, Proof: a.proof()})
	if a.cfg.Journal.Rebooted() {
		writer.MarkAllUnconfirmed()
	}
	a.mu.Lock()
	a.zoneNow, a.writerNow = id, writer
	a.mu.Unlock()
	a.cfg.Readiness.watch(writer, a.cfg.Journal)
	a.cfg.Metrics.watch(writer, a.cfg.Journal)
	a.cfg.Readiness.Ready("zone")

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return writer.Run(ctx) })
	group.Go(func() error {
		a.observe(ctx, writer)
		return nil
	})
	group.Go(func() error {
		a.watchAddress(ctx, writer)
		return nil
	})
	group.Go(func() error { return a.leaveOtherZones(ctx, id) })
	group.Go(func() error { return a.listOnce(ctx, zone, writer) })
	return group.Wait()
}

// writer gives a writer for one zone, configured as c says for the rest, knowing what the journal knows of it. What is
// not this host's own in there, whoever wrote it, is not believed.
func (a *Agent) writer(id string, zone Zone, c apply.Config) *apply.Writer {
	known := a.cfg.Journal.Records(id)
	maps.DeleteFunc(known, func(key record.Key, e plan.Entry) bool {
		setID, ok := record.ParseSetID(key.SetID)
		return !e.Record.Owned(a.cfg.Owner.InstanceID) && !(ok && setID.Kind == record.Legacy)
	})
	var told func(outcome.Outcome)
	if a.cfg.OnEvent != nil {
		told = func(o outcome.Outcome) { a.tell(id, o) }
	}
	c.Zone, c.Current, c.Owns = zone, known, a.owns
	c.Save = func(known plan.Current) error { return a.cfg.Journal.SetRecords(id, known) }
	c.Jitter, c.OnOutcome, c.Metrics = a.cfg.Jitter, told, a.cfg.Metrics.Writer
	c.Log = a.cfg.Log.WithField("zone_id", id)
	return apply.New(c)
}

// owns says whether a record found in the zone is this host's: by its instance ID, or written by the original agent for
// a container that is registered here, and thus to be replaced.
func (a *Agent) owns(r record.Record) bool {
	if r.Owned(a.cfg.Owner.InstanceID) {
		return true
	}
	id, ok := record.ParseSetID(r.SetID)
	if !ok || id.Kind != record.Legacy {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.registered[id.Container]
}
