// Package host finds out who this host is: its instance ID and address, from EC2 metadata or as given by hand, and what
// only the host itself knows: its present boot, how long it has slept, and what its ECS agent knows of the tasks it
// runs. It asks the instance metadata service in version 2 only, calls no AWS API, and keeps nothing.
package host

import (
	"fmt"
	"net/netip"

	"github.com/ecssd/ecssd/internal/record"
)

// Identity is who this host is. Account, Region, VPC and PrivateDNSName are empty off EC2.
type Identity struct {
	InstanceID     string     // [A-Za-z0-9._-]{1,45}
	Address        netip.Addr // the primary private IPv4 address
	Account        string     // 12 digits
	Region         string     // where the instance is, whichever region's APIs are called
	VPC            string     // of the primary network interface
	PrivateDNSName string     // no final dot
	EC2            bool       // EC2 metadata was asked, and answered
}

// Given is what the operator has set of the host. Each field that is set wins over EC2 metadata.
type Given struct {
	InstanceID string
	Address    netip.Addr // IPv4
}

// CheckInstanceID returns what is wrong with an instance ID.
func CheckInstanceID(id string) error {
	if !record.ValidInstanceID(id) {
		return fmt.Errorf("instance ID %.60q is not 1 to 45 letters, digits, '.', '_' or '-'", id)
	}
	return nil
}
