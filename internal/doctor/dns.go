package doctor

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/record"
)

// lookAtDNS asks the resolver of this host for the zone itself, which is there from its beginning, and for one record
// of this host and its target.
func (d *doctor) lookAtDNS(ctx context.Context) []Finding {
	const check = "dns"
	lookup, cancel := limited(ctx)
	defer cancel()
	if _, err := d.Resolver.LookupNS(lookup, d.Zone+"."); err != nil {
		return []Finding{d.unresolved(check, err)}
	}
	r, there := d.anyRecord()
	if !there {
		return []Finding{ok(check, "the resolver here sees the zone; this host has no record to look up")}
	}
	lookup, cancel = limited(ctx)
	defer cancel()
	_, targets, err := d.Resolver.LookupSRV(lookup, "", "", r.Name+".")
	if err == nil && len(targets) > 0 {
		_, err = d.Resolver.LookupNetIP(lookup, "ip4", targets[0].Target)
	}
	if err != nil {
		return []Finding{
			bad(check, Warn, "the resolver here sees the zone, and not %s: %s", r.Name, d.lookupError(err)).
				hint("Route 53 needs up to a minute to tell its servers, and resolvers keep what they were told before; see negative, names; ecssd resolve %s", r.Name),
		}
	}
	return []Finding{ok(check, "the resolver here answers for %s", r.Name)}
}

// unresolved tells why the zone is not seen.
func (d *doctor) unresolved(check string, err error) Finding {
	zone := d.Zone
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		return bad(
			check,
			Fail,
			"the resolver here says that %s does not exist: it does not see the private zone",
			zone,
		).
			hint("let /etc/resolv.conf name the VPC's resolver, 169.254.169.253, or one that forwards to it; see zone and vpc")
	case errors.As(err, &failed) && failed.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return bad(check, Fail, "the resolver here does not answer: %s", d.lookupError(err)).
			hint("let /etc/resolv.conf name the VPC's resolver, 169.254.169.253; see vpc")
	}
	return bad(check, Fail, "the resolver here answers for %s with an error: %s", zone, d.lookupError(err)).
		hint("let /etc/resolv.conf name the VPC's resolver, 169.254.169.253, or one that forwards to it; resolvectl query --type NS %s", zone)
}

// lookupError gives the heart of an error, with the server that was asked.
func (d *doctor) lookupError(err error) string {
	var failed *net.DNSError
	if !errors.As(err, &failed) {
		return why(err)
	}
	what := failed.Err
	if failed.IsTimeout {
		what = "no answer in time"
	}
	// Where a server is given, package net names the one that it would have asked.
	if server := cmp.Or(d.Server, failed.Server); server != "" {
		return what + " (" + server + ")"
	}
	return what
}

// anyRecord gives an SRV record that this host has written in the zone and that is answered with.
func (d *doctor) anyRecord() (record.Record, bool) {
	var found []record.Record
	for _, known := range d.journal().zones {
		for _, entry := range known {
			r := entry.Record
			if r.Type == record.SRV && r.Weight > 0 && !entry.Unconfirmed && strings.HasSuffix(r.Name, "."+d.Zone) {
				found = append(found, r)
			}
		}
	}
	if len(found) == 0 {
		return record.Record{}, false
	}
	slices.SortFunc(found, func(a, b record.Record) int { return strings.Compare(a.Name, b.Name) })
	return found[0], true
}
