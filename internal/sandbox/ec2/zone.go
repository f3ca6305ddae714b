package ec2

import (
	"slices"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
)

// reachable refuses a call that names, or without IDs includes, instances of an availability zone that fails
// ("DescribeInstances", EC2 API reference). AWS is silent about filters: here only that for the zone keeps one out.
func reachable(v *account.View, ids []string, filters []filter) *gate.Failure {
	if len(v.FailingZones) == 0 {
		return nil
	}
	filters = slices.DeleteFunc(slices.Clone(filters), func(f filter) bool { return f.name != "availability-zone" })
	inZone, f := matcher(filters, instanceFilters)
	if f != nil {
		return f
	}
	for _, id := range ids {
		if i := v.Instances[id]; v.FailingZones[i.AvailabilityZone] && inZone(i) {
			return gate.Known("InternalError")
		}
	}
	return nil
}
