package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// filterAtOnce is the most values that the filters of one call may have.
const filterAtOnce = 200

// readEC2 adds the state, from EC2, of the instances asked for and of those already in the fleet.
func (r *reading) readEC2(ctx context.Context, instances []string) error {
	if err := r.readStates(ctx, slices.Concat(instances, slices.Collect(maps.Keys(r.fleet.Instances)))); err != nil {
		return err
	}
	// Only of a host whose ECS agent is disconnected does it matter whether EC2 finds it impaired.
	suspects := map[string]bool{}
	for id, i := range r.fleet.Instances {
		if i.State == evidence.Alive && i.InCluster && !i.Connected {
			suspects[id] = true
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	if err := each(ctx, []string{
		"instance-status.status",
		"system-status.status",
	}, func(ctx context.Context, filter string) error {
		return r.readImpaired(ctx, filter, suspects)
	}); err != nil {
		return fmt.Errorf("describe the status of instances: %w", err)
	}
	return nil
}

// readStates reads the state and address of those of the instances that EC2 knows.
func (r *reading) readStates(ctx context.Context, instances []string) error {
	ids := slices.DeleteFunc(slices.Clone(instances), func(id string) bool { return !record.ValidEC2InstanceID(id) })
	slices.Sort(ids)
	chunks := slices.Collect(slices.Chunk(slices.Compact(ids), filterAtOnce))
	if err := each(ctx, chunks, r.readState); err != nil {
		return fmt.Errorf("describe instances: %w", err)
	}
	return nil
}

// readState reads the state and address of instances. They are asked for by a filter: where they are named as
// InstanceIds, EC2 answers with nothing but an error if it does not know one of them.
func (r *reading) readState(ctx context.Context, ids []string) error {
	byID := []types.Filter{{Name: aws.String("instance-id"), Values: ids}}
	return pages(func(token *string) (*string, error) {
		page, err := r.ec2.describeInstances(ctx, &ec2.DescribeInstancesInput{Filters: byID, NextToken: token})
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, reservation := range page.Reservations {
			for _, i := range reservation.Instances {
				known := r.fleet.Instances[aws.ToString(i.InstanceId)]
				known.State = stateOf(i.State)
				if address, ok := ipv4(i.PrivateIpAddress); ok {
					known.Address = address
				}
				r.fleet.Instances[aws.ToString(i.InstanceId)] = known
			}
		}
		return page.NextToken, nil
	})
}

// readImpaired finds which of the suspects fail a status check. EC2 has no filter for the ID here, so that all of the
// region that fail it are listed, which are few.
func (r *reading) readImpaired(ctx context.Context, filter string, suspects map[string]bool) error {
	impaired := []types.Filter{{Name: &filter, Values: []string{string(types.SummaryStatusImpaired)}}}
	return pages(func(token *string) (*string, error) {
		page, err := r.ec2.describeStatus(ctx, &ec2.DescribeInstanceStatusInput{Filters: impaired, NextToken: token})
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, status := range page.InstanceStatuses {
			if id := aws.ToString(status.InstanceId); suspects[id] {
				known := r.fleet.Instances[id]
				known.Impaired = true
				r.fleet.Instances[id] = known
			}
		}
		return page.NextToken, nil
	})
}

// stateOf returns Gone only for the states that mean it: an instance in a state unknown here counts as alive. The high
// byte of the code is for EC2's own use.
func stateOf(state *types.InstanceState) evidence.State {
	if state != nil && state.Code != nil {
		switch *state.Code & 0xff {
		case 32, 48, 64, 80: // shutting-down, terminated, stopping, stopped
			return evidence.Gone
		}
	}
	return evidence.Alive
}
