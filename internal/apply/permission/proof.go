package permission

import (
	"strings"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Proof returns a batch that a host may send if it may change the zone, and that changes nothing: the removal of an
// SRV record and of an A record that do not exist, since no container has that ID. Their name is the host's own, which
// every policy that lets the host register anything allows.
func Proof(zone record.Zone, owner record.Owner) []plan.Change {
	id := record.SetID{
		Kind:      record.Docker,
		Instance:  owner.InstanceID,
		Container: strings.Repeat("0", 64),
		Port:      9,
		Proto:     "tcp",
	}
	address := zone.HostRecord(owner)
	address.SetID = id.String()
	service := record.Record{
		Name:   address.Name,
		Type:   record.SRV,
		SetID:  address.SetID,
		Weight: 1,
		Value: record.Target{
			Priority: 1,
			Weight:   1,
			Port:     9,
			Host:     address.Name,
		}.String(),
	}
	proof := []plan.Change{{Action: plan.Delete, Record: service}}
	if owner.DNSName == "" { // else the host has no A record in the zone
		proof = append(proof, plan.Change{Action: plan.Delete, Record: address})
	}
	return proof
}
