// Package doctor looks at all that the agent of a host rests on, and says of each thing how it stands and, where it is
// not as it should be, what to do about it. It takes nobody's place: the agent may run beside it and is not disturbed,
// no lock is taken, and nothing is changed, but for the one record of a round trip, which goes again. What cannot be
// looked at is said, too.
package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
)

const (
	// perCheck bounds each check. What needs longer to answer is no good to the agent either.
	perCheck = 4 * time.Second
	// atAll bounds all checks together but for a round trip: three wait for each other at most, and most wait for
	// nothing.
	atAll = 14 * time.Second
)

// State is how a thing stands.
type State string

// The states.
const (
	OK   State = "ok"
	Warn State = "warn" // services are found, for now
	Fail State = "FAIL" // services are not found, or not all
	Skip State = "skip" // not looked at
)

// Finding is one line of what was found.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do; empty where there is nothing to do
}

// Report is what was found, in the order in which things rest on each other, and how many calls of AWS's APIs it took.
type Report struct {
	Findings []Finding
	Calls    int
}

// Config is what is looked at.
type Config struct {
	Zone     string // name of the hosted zone, no final dot
	ZoneID   string // empty: found by the name
	TTL      int64  // that the records are to have
	StateDir string
	Listen   string // address of the agent
	Version  string // of this program
	Given    host.Given
	Policy   endpoint.Policy

	Engine        *docker.Engine
	Events        *docker.Engine // the same, for its event stream
	Introspection *host.Introspection
	Metadata      *host.Metadata
	// Address fills in the addresses of containers that only the ECS agent knows.
	Address  func(context.Context, []container.Container) []container.Container
	LoadAWS  func(ctx context.Context, region string) (aws.Config, error)
	Resolver *net.Resolver
	Server   string // that the resolver asks; empty: the system's

	RoundTrip bool
	Progress  func(line string) // told what is waited for
}

// doctor is one look at everything. What several checks need is found out once, and waited for.
type doctor struct {
	Config
	identity  func() identity
	access    func() access
	engine    func() engine
	journal   func() written
	zoneFound func() hosted
}

// Run looks at everything, at most at once what AWS is not asked for, and returns within 15 seconds, or within 3
// minutes with a round trip.
func Run(ctx context.Context, c Config) Report {
	d := &doctor{Config: c}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, atAll)
	defer cancel()

	wire := &wire{}
	d.identity = async(func() identity { return d.identify(ctx) })
	d.access = async(func() access { return d.credentials(ctx, wire) })
	d.engine = async(func() engine { return d.lookAtEngine(ctx) })
	d.journal = async(func() written { return d.lookAtState() })
	d.zoneFound = async(func() hosted { return d.findZone(ctx) })
	agent := async(func() []Finding { return d.lookAtAgent(ctx) })
	heard := async(func() []Finding { return d.lookAtHearing(ctx) })
	ecs := async(func() []Finding { return []Finding{d.lookAtECS(ctx)} })
	standby := async(func() []Finding { return []Finding{d.lookAtStandby(ctx)} })
	caller := async(func() []Finding { return []Finding{d.whoCalls(ctx)} })
	hops := async(func() []Finding { return []Finding{d.lookAtHops(ctx)} })
	vpc := async(func() []Finding { return []Finding{d.lookAtVPC(ctx)} })
	records := async(func() []Finding { return d.lookAtRecords(ctx) })
	dns := async(func() []Finding { return d.lookAtDNS(ctx) })

	findings := slices.Concat(
		d.engine().findings,
		agent(),
		heard(),
		standby(),
		ecs(),
		d.identity().findings,
		hops(),
		caller(),
	)
	zone := slices.Concat(d.zoneFound().findings, vpc(), records(), d.journal().findings, dns())
	findings = append(append(findings, wire.clock()), zone...)
	if c.RoundTrip {
		findings = append(findings, d.roundTrip(outer))
	}
	return Report{findings, wire.count()}
}

// async begins to work on something, and gives a function that waits for what comes of it.
func async[T any](work func() T) func() T {
	var result T
	done := make(chan struct{})
	go func() {
		defer close(done)
		result = work()
	}()
	return func() T {
		<-done
		return result
	}
}

// limited gives a check its time.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, perCheck)
}

func ok(check, format string, args ...any) Finding {
	return Finding{Check: check, State: OK, Detail: fmt.Sprintf(format, args...)}
}

// bad gives a Finding whose hint is still to be told.
func bad(check string, state State, format string, args ...any) Finding {
	return Finding{Check: check, State: state, Detail: fmt.Sprintf(format, args...)}
}

// hint tells what to do.
func (f Finding) hint(format string, args ...any) Finding {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}
