// Package awscheck has the checks of ecssd doctor for the way to AWS: the credentials and who can take them, the VPC
// and
// the clock. It changes nothing, and says of an error of AWS what it means and what to do.
package awscheck

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
)

// Config is what is checked.
type Config struct {
	Metadata *host.Metadata
	// Identity returns who the host is; the zero Identity where that is not known.
	Identity func(context.Context) host.Identity
	LoadAWS  func(ctx context.Context, region string) (aws.Config, error)
}

// AWS is one look at the way to AWS.
type AWS struct {
	Config
	wire wire

	access doctor.Fact[access]
	caller doctor.Fact[doctor.Result]
	vpc    doctor.Fact[doctor.Result]
}

// New returns a look at the way to AWS. Nothing is asked before a check runs.
func New(c Config) *AWS { return &AWS{Config: c} }

// Checks returns the checks, in the order in which things depend on each other, without that of the clock.
func (a *AWS) Checks() []doctor.Check {
	return []doctor.Check{
		{Name: "hops", Run: doctor.One(a.checkHops)},
		{Name: "credentials", Run: doctor.One(a.checkCaller)},
		{Name: "vpc", Run: doctor.One(a.checkVPC)},
	}
}

// Clock returns the check of the clock. It compares with the answers to all calls, so it waits for those of the checks
// here, and for more.
func (a *AWS) Clock(more func(context.Context)) doctor.Check {
	return doctor.Check{Name: "clock", Run: doctor.One(func(ctx context.Context) doctor.Result {
		a.checkCaller(ctx)
		a.checkVPC(ctx)
		more(ctx)
		return judgeClock(a.wire.skew())
	})}
}

// Access returns the AWS configuration with credentials that were retrieved, and reports whether there is one.
func (a *AWS) Access(ctx context.Context) (aws.Config, bool) {
	way := a.lookForAccess(ctx)
	return way.config, way.failed == nil
}

// Calls returns how many calls of AWS's APIs were made.
func (a *AWS) Calls() int { return a.wire.count() }
