package simulation

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

const account, region = "123456789012", "eu-west-1"

// host is a container instance. The world's lock guards all of it.
type host struct {
	w      *world
	index  int
	name   string // for the trace
	id     string
	addr   netip.Addr
	engine *engine
	rand   *rand.Rand // the scenario's, for this host

	boot         int
	proc         *process // nil while no agent runs
	started      int      // how many did
	gone         bool     // for good
	booting      bool
	down         bool      // stopped, for EC2 too
	up           time.Time // when EC2 last began to say that it runs
	reportedHung bool      // EC2's status check fails, and the ECS agent is disconnected; the agent works
	disk         disk
	ecsStopping  map[string]bool // containers that ECS wants stopped
	notice       string

	calls         callCount
	wroteAddress  bool                  // has written the record of its address
	lastFailure   time.Time             // when something last failed on which this host's records depend
	lastFault     time.Time             // when a call of its agent last failed, or its answer was lost
	lastThrottled time.Time             // when a call of its agent last was
	exempt        map[record.Key]string // keys that the agent can't know to be wrong, and why
	deaths        []death
}

func must(err error) {
	if err != nil {
		panic(err) // of the simulation itself: no disk space, say
	}
}
