package agent

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/agent/event"
	"github.com/ecssd/ecssd/internal/agent/look"
	"github.com/ecssd/ecssd/internal/agent/stream"
	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// keeper keeps the zone in step with a host that it knows.
type keeper struct {
	cfg Config
	Host
	owner  record.Owner
	inbox  *stream.Inbox
	look   look.Looker
	memory *event.Memory
	shown  *shown

	standbyKnown chan struct{} // closed when it was asked for the first time whether the host is to be on standby
	standbyAsked func()        // closes it

	beside sync.WaitGroup // what the observing goroutine has begun and does not wait for

	// Used by the observing goroutine alone.
	model  *local.Model
	slept  time.Duration
	failed backoff.Minutely // limits the log that snapshots fail
}

func newKeeper(cfg Config, owner record.Owner, host Host, shown *shown) *keeper {
	cfg.Policy.Address = owner.Address
	known := make(chan struct{})
	var stops []local.Stop
	for _, mark := range host.Journal.State().Stops {
		stops = append(stops, local.Stop(mark))
	}
	shown.knowHost(owner, host.Journal)
	cfg.Readiness.Check("journal", host.Journal.Err)
	cfg.Readiness.NotReady("engine", "not connected yet")
	cfg.Readiness.NotReady("zone", "not found yet")
	return &keeper{
		cfg:          cfg,
		Host:         host,
		owner:        owner,
		inbox:        stream.NewInbox(),
		look:         look.Looker{Engine: cfg.Engine, Tasks: cfg.Tasks, Log: cfg.Log},
		memory:       event.NewMemory(),
		shown:        shown,
		standbyKnown: known,
		standbyAsked: sync.OnceFunc(func() { close(known) }),
		model: local.New(local.Config{
			Owner:  owner,
			Zone:   zoneOf(cfg),
			Policy: cfg.Policy,
			Stops:  stops,
		}, time.Now()),
	}
}

// run keeps the zone in step until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		k.follow(ctx)
		return nil
	})
	group.Go(func() error {
		k.watchStandby(ctx)
		return nil
	})
	group.Go(func() error { return k.inZones(ctx) })
	return group.Wait()
}

// follow follows the Engine's events until ctx ends.
func (k *keeper) follow(ctx context.Context) {
	stream.Follower{
		Engine:    k.cfg.Engine,
		Inbox:     k.inbox,
		Readiness: k.cfg.Readiness,
		Metrics:   k.cfg.Metrics,
		Jitter:    k.cfg.Jitter,
		Log:       k.cfg.Log,
		Connected: k.cfg.Following,
	}.Run(ctx)
}

// writer returns a writer for one zone, configured as c says for the rest, knowing what the journal knows of it. What
// is not this host's own in there, whoever wrote it, is not believed.
func (k *keeper) writer(id string, zone Zone, c apply.Config) *apply.Writer {
	current := maps.Clone(k.Journal.State().Records[id])
	maps.DeleteFunc(current, func(key record.Key, e plan.Entry) bool {
		setID, ok := record.ParseSetID(key.SetID)
		return !e.Record.Owned(k.owner.InstanceID) && !(ok && setID.Kind == record.Legacy)
	})
	if k.OnEvent != nil {
		c.OnOutcome = func(o outcome.Outcome) { k.OnEvent(k.memory.Event(id, o, time.Now())) }
	}
	c.Zone, c.Current, c.Owns = zone, current, k.owns
	c.Save = func(current plan.Current) error { return k.Journal.SetRecords(id, current) }
	c.Jitter, c.Metrics = k.cfg.Jitter, k.cfg.Writer
	c.Log = k.cfg.Log.WithField("zone_id", id)
	return apply.New(c)
}

// owns reports whether a record found in the zone is this host's: by its instance ID, or written by the original agent
// for a container that is registered here, and thus to be replaced.
func (k *keeper) owns(r record.Record) bool {
	if r.Owned(k.owner.InstanceID) {
		return true
	}
	id, ok := record.ParseSetID(r.SetID)
	return ok && id.Kind == record.Legacy && k.shown.registered(id.Container)
}
