package ecs

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ecssd/ecssd/internal/sweep"
)

// ec2ID is the form of EC2's instance IDs. Others, such as mi-… of hosts outside EC2, are nothing it can be asked for.
var ec2ID = regexp.MustCompile(`^i-[0-9a-f]{1,32}$`)

// readEC2 adds what EC2 says of the instances asked for, and of those that the fleet has.
func (s *Source) readEC2(ctx context.Context, instances []string, fleet *sweep.Fleet) error {
	ids := slices.Concat(instances, slices.Collect(maps.Keys(fleet.Instances)))
	ids = slices.DeleteFunc(ids, func(id string) bool { return !ec2ID.MatchString(id) })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var mu sync.Mutex
	err := inChunks(ctx, ids, filterAtOnce, func(ctx context.Context, chunk []string) error {
		return s.describe(ctx, chunk, func(i types.Instance) {
			mu.Lock()
			defer mu.Unlock()
			known := fleet.Instances[aws.ToString(i.InstanceId)]
			known.State = stateOf(i.State)
			if address, err := netip.ParseAddr(aws.ToString(i.PrivateIpAddress)); err == nil {
				known.Address = address
			}
			fleet.Instances[aws.ToString(i.InstanceId)] = known
		})
	})
	if err != nil {
		return fmt.Errorf("describe instances: %w", err)
	}
	// Only of a host whose ECS agent is disconnected does it matter whether EC2 finds it impaired.
	suspects := slices.DeleteFunc(ids, func(id string) bool {
		known := fleet.Instances[id]
		return known.State != sweep.Alive || !known.InCluster || known.Connected
	})
	err = inChunks(ctx, suspects, describeAtOnce, func(ctx context.Context, chunk []string) error {
		return s.impaired(ctx, chunk, func(id string) {
			mu.Lock()
			defer mu.Unlock()
			known := fleet.Instances[id]
			known.Impaired = true
			fleet.Instances[id] = known
		})
	})
	if err != nil {
		return fmt.Errorf("describe the status of instances: %w", err)
	}
	return nil
}

// byID selects instances by a filter. Asked for by InstanceIds, EC2 answers with an error if it does not know one of them.
func byID(ids []string) []types.Filter {
	return []types.Filter{{Name: aws.String("instance-id"), Values: ids}}
}

func (s *Source) describe(ctx context.Context, ids []string, found func(types.Instance)) error {
	input := &ec2.DescribeInstancesInput{Filters: byID(ids)}
	for {
		page, err := s.ec2.describeInstances(ctx, input)
		if err != nil {
			return err
		}
		for _, reservation := range page.Reservations {
			for _, instance := range reservation.Instances {
				found(instance)
			}
		}
		if input.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			return nil
		}
	}
}

// impaired finds those of some instances that fail a status check. There is no filter by ID here; the instances have just been
// seen, so that EC2 knows each of them.
func (s *Source) impaired(ctx context.Context, ids []string, found func(id string)) error {
	input := &ec2.DescribeInstanceStatusInput{InstanceIds: ids}
	for {
		page, err := s.ec2.describeStatus(ctx, input)
		if err != nil {
			return err
		}
		for _, status := range page.InstanceStatuses {
			if bad(status.InstanceStatus) || bad(status.SystemStatus) {
				found(aws.ToString(status.InstanceId))
			}
		}
		if input.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			return nil
		}
	}
}

func bad(summary *types.InstanceStatusSummary) bool {
	return summary != nil && summary.Status == types.SummaryStatusImpaired
}

// stateOf tells whether an instance is there or gone. The high byte of the code is for EC2's own use.
func stateOf(state *types.InstanceState) sweep.State {
	if state == nil || state.Code == nil {
		return sweep.Unknown
	}
	switch *state.Code & 0xff {
	case 0, 16: // pending, running
		return sweep.Alive
	}
	return sweep.Gone // shutting-down, terminated, stopping, stopped
}
