// Package agent keeps a hosted zone in step with the containers of this host. Events of the Engine are hints that
// something has changed; a snapshot of the Engine is the truth, from which everything is computed anew each time:
//
//	hints → snapshot → endpoints → records → desired → apply.Writer
//
// It never lists the zone on the way from an event to a record, and it touches only records of this host. In the order
// of a run: Agent waits for who the host is, and keeper, which lives from then on, for the zone; then keeper.observe is
// the loop around the model of the host (package local).
package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent/event"
	"github.com/ecssd/ecssd/internal/agent/listing"
	"github.com/ecssd/ecssd/internal/agent/look"
	"github.com/ecssd/ecssd/internal/agent/stream"
	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// Engine is the container engine of this host.
type Engine interface {
	stream.Engine
	look.Engine
}

// Task is what the ECS agent knows of a container and the Engine does not.
type Task = local.Task

// Zone is a hosted zone.
type Zone interface {
	apply.Zone
	listing.Zone
}

// Config is what an agent works with before it knows who the host is.
type Config struct {
	Version  string
	ZoneName string // lower case, no final dot
	ZoneID   string // empty: found by name
	TTL      int64  // seconds
	Policy   endpoint.Policy

	// Identify returns who the host is. It is called until its error is nil.
	Identify func(context.Context) (record.Owner, error)
	// Open returns what the agent has on that host. It is called once; its error ends Run.
	Open func(context.Context) (Host, error)

	Engine Engine
	// Tasks asks the ECS agent of this host, by container ID.
	Tasks func(context.Context) (map[string]Task, error)
	// Suspended returns how long the host has slept since it booted.
	Suspended func() (time.Duration, error)

	Resync      time.Duration // between full snapshots
	VerifyEvery time.Duration // between readings of an own name; 0: none
	// LookUp returns the IPv4 addresses that DNS knows of a name, none where it knows that there are none. It is asked
	// for the host's own name once a minute. Nil: never.
	LookUp func(ctx context.Context, name string) ([]netip.Addr, error)
	// Jitter returns random numbers in [0, 1), by which waits are spread; nil: rand.Float64.
	Jitter func() float64

	Log       *logrus.Entry
	Readiness *health.Readiness
	Metrics   *health.Metrics
	Writer    *metrics.Metrics
	// Following is called once, when the agent follows the Engine's events. Alive is called each time the work has gone
	// round, at least every 10 s unless it hangs, or waits for an answer that has a time limit of at most 30 s. Either
	// may be nil.
	Following, Alive func()
}

// Host is what an agent works with once it knows who the host is.
type Host struct {
	Journal  *journal.Journal // closed by who opened it, after Run
	FindZone func(context.Context) (id string, err error)
	OpenZone func(id string) Zone
	// HostStandby returns why the whole host is to be out of traffic; empty where it is not. It is asked every 5 s;
	// while it fails, its last answer counts. Nil: never.
	HostStandby func(context.Context) (why string, err error)
	// OnEvent is called with each Event; it must be quick. Nil: none.
	OnEvent func(event.Event)
}

// Agent keeps the zone in step with this host.
type Agent struct {
	cfg   Config
	shown *shown
}

// New returns an agent that has not looked at anything yet.
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
	cfg.Readiness.NotReady("identity", "not known yet")
	cfg.Readiness.NotReady("agent", "starting")
	return &Agent{cfg: cfg, shown: newShown()}
}

// State returns the answer to /state.
func (a *Agent) State() status.State { return a.shown.state(a.cfg) }

// Run keeps the zone in step until ctx ends, which is no error. The records stay: an agent that is upgraded must not
// take its host's services out of DNS.
func (a *Agent) Run(ctx context.Context) error {
	err := a.with(ctx, (*keeper).run)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// with waits until the agent knows who the host is, opens what it has there, and works with it.
func (a *Agent) with(ctx context.Context, work func(*keeper, context.Context) error) error {
	var owner record.Owner
	err := health.Await(ctx, a.cfg.Log, a.cfg.Readiness, "identity", func(ctx context.Context) (err error) {
		owner, err = a.cfg.Identify(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("find out who this host is: %w", waited(err, a.cfg.Readiness.Why("identity")))
	}
	host, err := a.cfg.Open(ctx)
	if err != nil {
		return err
	}
	return work(newKeeper(a.cfg, owner, host, a.shown), ctx)
}
