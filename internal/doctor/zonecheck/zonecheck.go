// Package zonecheck has the checks of ecssd doctor for the hosted zone: whether the agent can find, read and change it,
// what it holds of this host, and whether that can be looked up here. Only RoundTrip changes anything. A throttled
// account is left alone: once Route 53 throttles a call, it is asked nothing more.
package zonecheck

import (
	"context"
	"net"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/doctor/awscheck"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/plan"
)

// Host is what the checks of the host have found out.
type Host interface {
	// Identity returns who the host is; the zero Identity where that is not known.
	Identity(context.Context) host.Identity
	// Endpoints returns what the containers are registered as, and reports whether the containers could be listed.
	Endpoints(context.Context) ([]endpoint.Endpoint, bool)
	// Records returns what the journal holds, by hosted zone ID; nil where it could not be read.
	Records(context.Context) map[string]plan.Current
}

// Config is what is checked.
type Config struct {
	Host Host
	AWS  *awscheck.AWS
	Name string // of the hosted zone, no final dot
	ID   string // empty: found by the name
	TTL  int64  // that the SRV records are to have

	Resolver *net.Resolver
	Server   string // that the resolver asks; empty: the system's

	Progress func(line string) // reports what a round trip waits for
}

// Zone is one look at a hosted zone.
type Zone struct {
	Config
	trip   trip
	hosted doctor.Fact[hosted]
}

// New returns a look at a hosted zone. Nothing is asked before a check runs.
func New(c Config) *Zone { return &Zone{Config: c, trip: usualTrip()} }

// Checks returns the checks, in the order in which things depend on each other.
func (z *Zone) Checks() []doctor.Check {
	return []doctor.Check{
		z.AWS.Clock(func(ctx context.Context) { z.lookForZone(ctx) }),
		{Name: "zone", Run: doctor.One(func(ctx context.Context) doctor.Result { return z.lookForZone(ctx).result })},
		{Name: "read", Run: z.checkRecords},
		{Name: "dns", Run: doctor.One(z.checkDNS)},
	}
}

// RoundTrip returns the check that writes a record, waits until it can be looked up here, and removes it. It takes up
// to 3 minutes.
func (z *Zone) RoundTrip() doctor.Check {
	return doctor.Check{Name: "round-trip", Run: doctor.One(z.checkRoundTrip)}
}
