package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

const (
	// mostWeighted is how many weighted records of one name and type Route 53 holds ("Quotas", Route 53 developer
	// guide).
	mostWeighted = 100
	// mostNames is how many names are read, at one call each.
	mostNames = 5
)

// ownName is a name that this host announces, or has announced.
type ownName struct {
	name   string
	wanted []string                 // set identifiers of the records that the containers ask for
	known  map[string]record.Record // by set identifier, as the journal has them
	absent int                      // of those wanted, that the journal does not have
}

// lookAtNames reads the names of this host back, first those of which records may be missing.
func (d *doctor) lookAtNames(ctx context.Context, zone *route53.Zone) ([]Finding, error) {
	const check = "names"
	engine, journal, host := d.engine(), d.journal(), d.identity()
	if !engine.seen && journal.zones == nil || host.InstanceID == "" {
		return []Finding{
			bad(
				check,
				Skip,
				"not checked: neither the containers nor the journal could be read",
			).hint("run this as root: sudo ecssd doctor"),
		}, nil
	}
	names := ownNames(d.Zone, host.InstanceID, engine.endpoints, journal.zones[zone.ID])
	if len(names) == 0 {
		return []Finding{ok(check, "this host announces nothing")}, nil
	}
	var findings, ttls []Finding
	var read []string
	for _, n := range names[:min(len(names), mostNames)] {
		group, err := zone.Group(ctx, n.name, record.SRV)
		if err != nil {
			return append(
				findings,
				required(check, "read the zone", "route53:ListResourceRecordSets on hosted zone "+zone.ID, err),
			), err
		}
		read = append(read, fmt.Sprintf("%s %d", strings.TrimSuffix(n.name, "."+d.Zone), len(group)))
		findings = append(findings, n.judge(group)...)
		if len(group) > 0 && group[0].SetID != "" && group[0].TTL != d.TTL {
			ttls = append(
				ttls,
				bad(
					"ttl",
					Warn,
					"%s has the TTL %d, which its records share, and --ttl is %d",
					n.name,
					group[0].TTL,
					d.TTL,
				).
					hint("let the sweeper rewrite every name at once, TTL=%d (parameter Ttl of sweeper.cform), or use --ttl %d (ECSSD_TTL) on all hosts", d.TTL, group[0].TTL),
			)
		}
	}
	if findings == nil {
		findings = []Finding{
			ok(
				check,
				"%d of %s read, with so many of %d records: %s",
				len(read),
				count(len(names), "name"),
				mostWeighted,
				strings.Join(read, ", "),
			),
		}
	}
	if ttls == nil {
		ttls = []Finding{ok("ttl", "the names that were read have the TTL %d", d.TTL)}
	}
	return append(findings, ttls...), nil
}

// ownNames gives the names that containers or the journal have, those first of which the journal lacks a record.
func ownNames(zone, instance string, endpoints []endpoint.Endpoint, known plan.Current) []*ownName {
	byName := map[string]*ownName{}
	at := func(name string) *ownName {
		if byName[name] == nil {
			byName[name] = &ownName{name: name, known: map[string]record.Record{}}
		}
		return byName[name]
	}
	for key, entry := range known {
		if key.Type == record.SRV {
			n := at(key.Name)
			if !entry.Unconfirmed {
				n.known[key.SetID] = entry.Record
			}
		}
	}
	for _, e := range endpoints {
		kind := record.Docker
		if e.ECS {
			kind = record.ECS
		}
		id := record.SetID{
			Kind:      kind,
			Instance:  instance,
			Container: e.ContainerID,
			Port:      e.Port.Number,
			Proto:     string(e.Port.Proto),
		}.String()
		n := at(e.Name + "." + zone)
		n.wanted = append(n.wanted, id)
		if _, there := n.known[id]; !there {
			n.absent++
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b *ownName) int {
		return cmp.Or(cmp.Compare(b.absent, a.absent), cmp.Compare(a.name, b.name))
	})
}

// judge compares a name with what the zone holds of it. That a record is wanted and not there yet is no fault: the
// agent may be writing it, or its container be stopping.
func (n *ownName) judge(group []record.Record) []Finding {
	const check = "names"
	present := map[string]record.Record{}
	for _, r := range group {
		if r.SetID == "" {
			return []Finding{
				bad(
					check,
					Fail,
					"%s has a record set that is not weighted and not ecssd's, so that none can be added",
					n.name,
				).
					hint("remove that record set, or rename the service"),
			}
		}
		present[r.SetID] = r
	}
	absent := 0
	for _, id := range n.wanted {
		if _, there := present[id]; !there {
			absent++
		}
	}
	lost := 0
	for id, r := range n.known {
		if found, there := present[id]; !there || found.Value != r.Value && !found.Same(r) {
			lost++
		}
	}
	const split = "run fewer containers of the service, or split it: give some of them another name by SERVICE_NAME"
	var findings []Finding
	switch {
	case len(group) >= mostWeighted && absent > 0:
		findings = append(
			findings,
			bad(
				check,
				Fail,
				"%s is full: it has the %d records that Route 53 holds of a name, and %s of this host %s not among them",
				n.name,
				mostWeighted,
				count(absent, "container port"),
				are(absent),
			).hint(split),
		)
	case float64(len(group)) >= nearlyFull*mostWeighted:
		findings = append(
			findings,
			bad(
				check,
				Warn,
				"%s is nearly full: it has %d of the %d records that Route 53 holds of a name",
				n.name,
				len(group),
				mostWeighted,
			).hint(split),
		)
	}
	if lost > 0 {
		findings = append(
			findings,
			bad(check, Warn, "%s lacks %s of this host that %s written", n.name, count(lost, "record"), was(lost)).
				hint("find who removes records (CloudTrail, ChangeResourceRecordSets); a running agent reads a page of the zone back every 15 minutes, and writes again what is missing"),
		)
	}
	return findings
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
