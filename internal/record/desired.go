package record

import (
	"net/netip"
	"strings"

	"github.com/ecssd/ecssd/internal/endpoint"
)

// Owner is the host that records are made for.
type Owner struct {
	InstanceID string     // [A-Za-z0-9._-]{1,45}
	Address    netip.Addr // IPv4, where consumers reach ports published on the host
	Account    string     // AWS account and region that the host is in; both empty off EC2
	Region     string
	// DNSName is the host's own name in DNS that SRV records point to. Where it is empty the host is named in the zone,
	// by an A record beside the first SRV record.
	DNSName string
}

// Zone is where the records go and how long resolvers may keep them.
type Zone struct {
	Name string // servicediscovery.internal: lower case, no final dot
	TTL  int64  // of SRV records, in seconds
}

// addressTTL is the TTL, in seconds, of the A records of hosts and of tasks with a network interface of their own.
// Their names hold the address, so that what a resolver keeps is never wrong; without it each look-up of a service
// takes a second query.
const addressTTL = 60

// TTLOf returns the TTL that the records of one type have, in seconds.
func (z Zone) TTLOf(t Type) int64 {
	if t == A {
		return addressTTL
	}
	return z.TTL
}

// Desired returns the records that register the endpoints: an SRV record for each, and an A record for each address
// that one of them points to by a name in the zone.
func Desired(zone Zone, owner Owner, endpoints []endpoint.Endpoint) []Record {
	var records []Record
	addresses := map[Key]bool{}
	for _, e := range endpoints {
		host := owner.DNSName
		var address Record
		switch {
		case e.Address.IsValid():
			address = zone.a(e.Address, SetID{Kind: ENI, Instance: owner.InstanceID, Container: e.ContainerID})
			host = address.Name
		case host == "":
			address = zone.HostRecord(owner)
			host = address.Name
		}
		if address.Name != "" && !addresses[address.Key()] {
			addresses[address.Key()] = true
			records = append(records, address)
		}
		records = append(records, zone.srv(owner, e, host))
	}
	return records
}

// HostRecord returns the A record that names the host in the zone. Once written it is kept when the last SRV record
// goes, so that the next one needs no second name to become visible.
func (z Zone) HostRecord(owner Owner) Record {
	return z.a(owner.Address, SetID{
		Kind:     Host,
		Instance: owner.InstanceID,
		Account:  owner.Account,
		Region:   owner.Region,
	})
}

func (z Zone) a(address netip.Addr, id SetID) Record {
	return Record{
		Name:   "ip-" + strings.ReplaceAll(address.String(), ".", "-") + "." + z.Name,
		Type:   A,
		SetID:  id.String(),
		TTL:    z.TTLOf(A),
		Weight: 1,
		Value:  address.String(),
	}
}

func (z Zone) srv(owner Owner, e endpoint.Endpoint, host string) Record {
	id := SetID{
		Kind:      Docker,
		Instance:  owner.InstanceID,
		Container: e.ContainerID,
		Port:      e.Port.Number,
		Proto:     string(e.Port.Proto),
	}
	if e.ECS {
		id.Kind = ECS
	}
	weight := int64(e.Weight)
	if e.Standby {
		weight = 0
	}
	return Record{
		Name:   e.Name + "." + z.Name,
		Type:   SRV,
		SetID:  id.String(),
		TTL:    z.TTLOf(SRV),
		Weight: weight,
		Value: Target{
			Priority: priority,
			Weight:   e.Weight,
			Port:     e.HostPort,
			Host:     host,
		}.String(),
	}
}
