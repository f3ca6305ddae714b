package agent

import (
	"context"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/backoff"
)

const (
	// lookUpEvery is how often DNS is asked for the host's own name. Its record may be kept by resolvers for a minute.
	lookUpEvery   = time.Minute
	lookUpTimeout = 5 * time.Second
)

// watchAddress looks the host's own name up in DNS, which costs no call of Route 53, until ctx ends. All SRV records of
// the host point to that name, so that a record that is lost is to be found soon. That DNS does not know the name
// counts only once it has known it here: a host need not use the resolver of its VPC, nor be in a VPC that the zone is
// associated with.
func (k *keeper) watchAddress(ctx context.Context, writer *apply.Writer) {
	if k.cfg.LookUp == nil || k.owner.DNSName != "" {
		return
	}
	name, known := zoneOf(k.cfg).HostRecord(k.owner).Name, false
	for {
		backoff.Sleep(ctx, backoff.Half(lookUpEvery, k.cfg.Jitter()))
		if ctx.Err() != nil {
			return
		}
		lookUp, cancel := context.WithTimeout(ctx, lookUpTimeout)
		found, err := k.cfg.LookUp(lookUp, name)
		cancel()
		switch {
		case err != nil: // which says nothing of the record
		case slices.Contains(found, k.owner.Address):
			known = true
		case known && writer.AddressMissing():
			known = false // the resolver may go on saying so for long after the record is there again
		}
	}
}
