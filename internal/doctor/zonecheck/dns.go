package zonecheck

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// checkDNS asks the resolver of this host for the zone itself, which is there from its beginning, and for one record
// of this host and its target.
func (z *Zone) checkDNS(ctx context.Context) doctor.Result {
	lookup, cancel := doctor.Limit(ctx)
	defer cancel()
	if _, err := z.Resolver.LookupNS(lookup, z.Name+"."); err != nil {
		return z.unresolved(err)
	}
	r, there := anyRecord(z.Name, z.Host.Records(ctx))
	if !there {
		return doctor.Okf("the resolver here sees the zone; this host has no record to look up")
	}
	lookup, cancel = doctor.Limit(ctx)
	defer cancel()
	_, targets, err := z.Resolver.LookupSRV(lookup, "", "", r.Name+".")
	if err == nil && len(targets) > 0 {
		_, err = z.Resolver.LookupNetIP(lookup, "ip4", targets[0].Target)
	}
	if err != nil {
		return doctor.Warnf("the resolver here sees the zone, and not %s: %s", r.Name, z.lookupError(err)).
			Hintf("Route 53 needs up to a minute to bring a change to its servers, and resolvers cache older answers; "+
				"see negative, names; ecssd resolve %s", r.Name)
	}
	return doctor.Okf("the resolver here answers for %s", r.Name)
}

// unresolved returns why the resolver does not see the zone.
func (z *Zone) unresolved(err error) doctor.Result {
	const vpcResolver = "let /etc/resolv.conf name the VPC's resolver, 169.254.169.253"
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		return doctor.Failf("the resolver here says that %s does not exist: it does not see the private zone", z.Name).
			Hintf(vpcResolver + ", or one that forwards to it; see zone and vpc")
	case errors.As(err, &failed) && failed.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return doctor.Failf("the resolver here does not answer: %s", z.lookupError(err)).
			Hintf(vpcResolver + "; see vpc")
	}
	return doctor.Failf("the resolver here answers for %s with an error: %s", z.Name, z.lookupError(err)).
		Hintf(vpcResolver+", or one that forwards to it; resolvectl query --type NS %s", z.Name)
}

// lookupError returns what the error of a look-up comes down to, with the server that was asked.
func (z *Zone) lookupError(err error) string {
	var failed *net.DNSError
	if !errors.As(err, &failed) {
		return doctor.Cause(err)
	}
	what := failed.Err
	if failed.IsTimeout {
		what = doctor.NoAnswer
	}
	// Where a server is given, package net names the one that it would have asked.
	if server := cmp.Or(z.Server, failed.Server); server != "" {
		return what + " (" + server + ")"
	}
	return what
}

// anyRecord returns an SRV record that this host has written in the zone and that DNS answers with.
func anyRecord(zone string, records map[string]plan.Current) (record.Record, bool) {
	var found []record.Record
	for _, current := range records {
		for _, entry := range current {
			r := entry.Record
			if r.Type == record.SRV && r.Weight > 0 && !entry.Unconfirmed && strings.HasSuffix(r.Name, "."+zone) {
				found = append(found, r)
			}
		}
	}
	if len(found) == 0 {
		return record.Record{}, false
	}
	return slices.MinFunc(found, func(a, b record.Record) int { return strings.Compare(a.Name, b.Name) }), true
}
