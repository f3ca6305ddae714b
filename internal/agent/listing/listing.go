// Package listing finds the records of this host by reading the whole zone, where the journal may lack some. It reads
// slowly, and gives up on a large zone, or one of many hosts: what is left over there is the sweeper's.
package listing

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/record"
)

// Zone is a hosted zone.
type Zone interface {
	// Each passes on the weighted SRV and A records of the whole zone, page by page, with the number of records of any
	// kind on the page, until visit returns an error, which it returns.
	Each(ctx context.Context, visit func(page []record.Record, listed int) error) error
}

// Limits bound one listing.
type Limits struct {
	Records int
	Hosts   int           // whose records are found
	Pace    time.Duration // between two pages
}

// Slow are the limits for an agent. All hosts share the account's 5 calls a second. Where many hosts start at once each
// of them lists, and a page shows about how many they are, so that most give up after the first.
var Slow = Limits{Records: 3000, Hosts: 150, Pace: time.Second}

// Unlimited are the limits for a command that somebody waits for.
var Unlimited = Limits{Records: math.MaxInt, Hosts: math.MaxInt}

// LargeError is the error of a listing that has reached a limit.
type LargeError struct{ Limits }

func (e LargeError) Error() string {
	return fmt.Sprintf("more than %d records, or records of more than %d hosts", e.Records, e.Hosts)
}

// Find returns the records that owns is true of. Its error is a LargeError where the zone is larger than the limits.
func Find(ctx context.Context, zone Zone, owns func(record.Record) bool, l Limits) (own []record.Record, err error) {
	seen, hosts := 0, map[string]bool{}
	err = zone.Each(ctx, func(page []record.Record, listed int) error {
		seen += listed
		for _, r := range page {
			if id, ok := record.ParseSetID(r.SetID); ok {
				hosts[id.Instance] = true
			}
			if owns(r) {
				own = append(own, r)
			}
		}
		if seen > l.Records || len(hosts) > l.Hosts {
			return LargeError{l}
		}
		backoff.Sleep(ctx, l.Pace)
		return ctx.Err()
	})
	return own, err
}
