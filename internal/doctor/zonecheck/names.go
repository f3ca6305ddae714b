package zonecheck

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

const (
	// maxWeighted is how many weighted records of one name and type Route 53 holds ("Quotas", Route 53 developer
	// guide).
	maxWeighted = 100
	// maxNames is how many names are read, at one call each.
	maxNames = 5
)

// ownName is a name that this host registers, or has registered.
type ownName struct {
	name    string
	desired []string                 // set identifiers of the records that the containers ask for
	current map[string]record.Record // by set identifier, as the journal has them
	absent  int                      // of those desired, how many the journal does not have
}

// checkNames reads names of this host back, first those of which records may be missing.
func (z *Zone) checkNames(ctx context.Context, zone *route53.Zone) ([]doctor.Result, error) {
	endpoints, listed := z.Host.Endpoints(ctx)
	records, instance := z.Host.Records(ctx), z.Host.Identity(ctx).InstanceID
	if !listed && records == nil || instance == "" {
		return []doctor.Result{
			doctor.Skipf("not checked: neither the containers nor the journal could be read").
				Hintf("run this as root: sudo ecssd doctor"),
		}, nil
	}
	names := ownNames(z.Name, instance, endpoints, records[zone.ID])
	if len(names) == 0 {
		return []doctor.Result{doctor.Okf("this host registers nothing")}, nil
	}
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	var results, ttls []doctor.Result
	var read []string
	for _, n := range names[:min(len(names), maxNames)] {
		group, err := zone.Group(ctx, n.name, record.SRV)
		if err != nil {
			return append(results, unread(zone.ID, err)), err
		}
		read = append(read, fmt.Sprintf("%s %d", strings.TrimSuffix(n.name, "."+z.Name), len(group)))
		results = append(results, n.judge(group)...)
		ttls = append(ttls, z.judgeTTL(n.name, group)...)
	}
	if results == nil {
		results = []doctor.Result{
			doctor.Okf("%d of %s read; records of each, at most %d: %s",
				len(read), doctor.Count(len(names), "name"), maxWeighted, strings.Join(read, ", ")),
		}
	}
	if ttls == nil {
		ttls = []doctor.Result{doctor.Okf("the names that were read have the TTL %d", z.TTL).Of("ttl")}
	}
	return append(results, ttls...), nil
}

// judgeTTL returns a warning where the records of a name have another TTL than this host is to give them.
func (z *Zone) judgeTTL(name string, group []record.Record) []doctor.Result {
	if len(group) == 0 || group[0].SetID == "" || group[0].TTL == z.TTL {
		return nil
	}
	return []doctor.Result{
		doctor.Warnf("%s has the TTL %d, which its records share, and --ttl is %d", name, group[0].TTL, z.TTL).
			Hintf("let the sweeper rewrite every name at once, TTL=%d (parameter Ttl of sweeper.cform), or use "+
				"--ttl %d (ECSSD_TTL) on all hosts",
				z.TTL, group[0].TTL).Of("ttl"),
	}
}

// ownNames returns the names that containers or the journal have, those first of which the journal lacks a record.
func ownNames(zone, instance string, endpoints []endpoint.Endpoint, current plan.Current) []*ownName {
	byName := map[string]*ownName{}
	at := func(name string) *ownName {
		if byName[name] == nil {
			byName[name] = &ownName{name: name, current: map[string]record.Record{}}
		}
		return byName[name]
	}
	for key, entry := range current {
		if key.Type == record.SRV {
			n := at(key.Name)
			if !entry.Unconfirmed {
				n.current[key.SetID] = entry.Record
			}
		}
	}
	for _, e := range endpoints {
		id := setID(instance, e)
		n := at(e.Name + "." + zone)
		n.desired = append(n.desired, id)
		if _, there := n.current[id]; !there {
			n.absent++
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b *ownName) int {
		return cmp.Or(cmp.Compare(b.absent, a.absent), cmp.Compare(a.name, b.name))
	})
}

func setID(instance string, e endpoint.Endpoint) string {
	kind := record.Docker
	if e.ECS {
		kind = record.ECS
	}
	return record.SetID{
		Kind:      kind,
		Instance:  instance,
		Container: e.ContainerID,
		Port:      e.Port.Number,
		Proto:     string(e.Port.Proto),
	}.String()
}

// judge compares a name with what the zone holds of it. That a record is desired and not there yet is no fault: the
// agent may be writing it, or its container be stopping.
func (n *ownName) judge(group []record.Record) (results []doctor.Result) {
	present := map[string]record.Record{}
	for _, r := range group {
		if r.SetID == "" {
			return []doctor.Result{
				doctor.Failf("%s has a record set that is not weighted and not ecssd's, so that none can be "+
					"added", n.name).
					Hintf("remove that record set, or rename the service"),
			}
		}
		present[r.SetID] = r
	}
	absent := 0
	for _, id := range n.desired {
		if _, there := present[id]; !there {
			absent++
		}
	}
	const split = "run fewer containers of the service, or split it: give some of them another name by SERVICE_NAME"
	switch {
	case len(group) >= maxWeighted && absent > 0:
		verb := "are"
		if absent == 1 {
			verb = "is"
		}
		results = append(results,
			doctor.Failf("%s is full: it has the %d records that Route 53 holds of a name, and %s of this host %s "+
				"not among them",
				n.name, maxWeighted, doctor.Count(absent, "container port"), verb).Hintf(split))
	case float64(len(group)) >= nearlyFull*maxWeighted:
		results = append(results,
			doctor.Warnf("%s is nearly full: it has %d of the %d records that Route 53 holds of a name",
				n.name, len(group), maxWeighted).
				Hintf(split))
	}
	if lost := n.lost(present); lost > 0 {
		verb := "were"
		if lost == 1 {
			verb = "was"
		}
		results = append(results,
			doctor.Warnf("%s lacks %s of this host that %s written", n.name, doctor.Count(lost, "record"), verb).
				Hintf("find who removes records (CloudTrail, ChangeResourceRecordSets); a running agent reads a "+
					"page of the zone back every 15 minutes, and writes again what is missing"))
	}
	return results
}

// lost returns how many records of the journal are not in the zone as they were written.
func (n *ownName) lost(present map[string]record.Record) (lost int) {
	for id, r := range n.current {
		if found, there := present[id]; !there || found.Value != r.Value && !found.Same(r) {
			lost++
		}
	}
	return lost
}
