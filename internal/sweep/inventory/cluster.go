package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// describeAtOnce is the most tasks or container instances that one call describes.
const describeAtOnce = 100

// missing is the reason in ECS's answer for an ARN that was listed and no longer exists when it is described.
const missing = "MISSING"

// inactive is the status of an instance that has been deregistered. Listings leave it out.
const inactive = "INACTIVE"

// batch is what one call describes: things of a cluster, by ARN.
type batch struct {
	cluster string
	arns    []string
}

// readECS adds all instances and containers of the clusters to the fleet. Instances are listed before tasks: of one
// that is registered in between, tasks may be missing, so it must not pass for one of the clusters.
func (r *reading) readECS(ctx context.Context) error {
	clusters := r.clusters
	if len(clusters) == 0 {
		var err error
		if clusters, err = r.allClusters(ctx); err != nil {
			return err
		}
	}
	instances, err := r.list(ctx, clusters, r.instanceARNs)
	if err != nil {
		return err
	}
	if err := r.describeInstances(ctx, instances, r.addListed); err != nil {
		return err
	}
	tasks, err := r.list(ctx, clusters, r.taskARNs)
	if err != nil {
		return err
	}
	if err := each(ctx, tasks, r.describeTasks); err != nil {
		return err
	}
	// Tasks that stopped when their host went outlive its registration.
	if err := r.describeInstances(ctx, r.unlisted(), r.addUnlisted); err != nil {
		return err
	}
	if err := r.readDefinitions(ctx); err != nil {
		return err
	}
	for _, m := range r.members {
		r.add(m)
	}
	slices.SortFunc(r.fleet.Stuck, func(a, b evidence.Stuck) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Container, b.Container))
	})
	return nil
}

func (r *reading) allClusters(ctx context.Context) (arns []string, err error) {
	err = pages(func(token *string) (*string, error) {
		page, err := r.ecs.listClusters(ctx, &ecs.ListClustersInput{NextToken: token})
		if err != nil {
			return nil, err
		}
		arns = append(arns, page.ClusterArns...)
		return page.NextToken, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	return arns, nil
}

// list lists something in all clusters, and divides it into what one call can describe.
func (r *reading) list(
	ctx context.Context,
	clusters []string,
	arnsOf func(context.Context, string) ([]string, error),
) (batches []batch, err error) {
	err = each(ctx, clusters, func(ctx context.Context, cluster string) error {
		arns, err := arnsOf(ctx, cluster)
		r.mu.Lock()
		defer r.mu.Unlock()
		batches = append(batches, divide(cluster, arns)...)
		return err
	})
	return batches, err
}

func divide(cluster string, arns []string) (batches []batch) {
	slices.Sort(arns)
	for chunk := range slices.Chunk(slices.Compact(arns), describeAtOnce) {
		batches = append(batches, batch{cluster, chunk})
	}
	return batches
}

func (r *reading) instanceARNs(ctx context.Context, cluster string) (arns []string, err error) {
	err = pages(func(token *string) (*string, error) {
		page, err := r.ecs.listInstances(ctx, &ecs.ListContainerInstancesInput{Cluster: &cluster, NextToken: token})
		if err != nil {
			return nil, fmt.Errorf("list container instances of cluster %s: %w", cluster, err)
		}
		arns = append(arns, page.ContainerInstanceArns...)
		return page.NextToken, nil
	})
	return arns, err
}

// taskARNs lists first the tasks whose desired status is RUNNING and then those whose desired status is STOPPED, which
// may still serve, or have stopped within the last hour or so. In this order no task is missed: its desired status
// never changes back.
func (r *reading) taskARNs(ctx context.Context, cluster string) (arns []string, err error) {
	for _, desired := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		err = pages(func(token *string) (*string, error) {
			page, err := r.ecs.listTasks(ctx, &ecs.ListTasksInput{
				Cluster:       &cluster,
				DesiredStatus: desired,
				NextToken:     token,
			})
			if err != nil {
				return nil, fmt.Errorf("list tasks of cluster %s: %w", cluster, err)
			}
			arns = append(arns, page.TaskArns...)
			return page.NextToken, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return arns, nil
}

func (r *reading) describeInstances(ctx context.Context, batches []batch, found func(types.ContainerInstance)) error {
	return each(ctx, batches, func(ctx context.Context, b batch) error {
		answer, err := r.ecs.describeInstances(ctx, &ecs.DescribeContainerInstancesInput{
			Cluster:            &b.cluster,
			ContainerInstances: b.arns,
		})
		if err == nil {
			err = b.answered(len(answer.ContainerInstances), answer.Failures)
		}
		if err != nil {
			return fmt.Errorf("describe container instances of cluster %s: %w", b.cluster, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, instance := range answer.ContainerInstances {
			found(instance)
		}
		return nil
	})
}

// addListed adds an instance of the clusters. Only of an ACTIVE or DRAINING one does ECS learn what runs on it: while
// it is being deregistered, containers may run that ECS does not know.
func (r *reading) addListed(i types.ContainerInstance) {
	id := aws.ToString(i.Ec2InstanceId)
	r.hosts[aws.ToString(i.ContainerInstanceArn)] = id
	status := aws.ToString(i.Status)
	if id == "" || status == inactive {
		return
	}
	member := status == string(types.ContainerInstanceStatusActive) ||
		status == string(types.ContainerInstanceStatusDraining)
	r.followed[aws.ToString(i.ContainerInstanceArn)] = member && i.AgentConnected
	known := r.fleet.Instances[id]
	// One that was registered twice is complete if it is so in both registrations, and connected if it is so in one.
	known.Complete = member && (known.Complete || !known.InCluster)
	known.InCluster, known.Connected = true, known.Connected || i.AgentConnected
	r.fleet.Instances[id] = known
}

// addUnlisted notes which EC2 instance this is or was, so that EC2 is asked about it.
func (r *reading) addUnlisted(i types.ContainerInstance) {
	id := aws.ToString(i.Ec2InstanceId)
	r.hosts[aws.ToString(i.ContainerInstanceArn)] = id
	if _, known := r.fleet.Instances[id]; !known && id != "" {
		r.fleet.Instances[id] = evidence.Instance{}
	}
}

// unlisted returns the container instances that tasks name and that were not listed.
func (r *reading) unlisted() (batches []batch) {
	byCluster := map[string][]string{}
	for _, m := range r.members {
		if _, known := r.hosts[m.host]; !known {
			byCluster[m.Cluster] = append(byCluster[m.Cluster], m.host)
		}
	}
	for cluster, arns := range byCluster {
		batches = append(batches, divide(cluster, arns)...)
	}
	return batches
}

func (r *reading) describeTasks(ctx context.Context, b batch) error {
	answer, err := r.ecs.describeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &b.cluster, Tasks: b.arns})
	if err == nil {
		err = b.answered(len(answer.Tasks), answer.Failures)
	}
	if err != nil {
		return fmt.Errorf("describe tasks of cluster %s: %w", b.cluster, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, task := range answer.Tasks {
		r.members = append(r.members, membersOf(task)...)
	}
	return nil
}

// answered returns an error where ECS has not described the whole batch, apart from what no longer exists.
func (b batch) answered(described int, failures []types.Failure) error {
	for _, f := range failures {
		if aws.ToString(f.Reason) != missing {
			return fmt.Errorf("%s: %s %s", aws.ToString(f.Arn), aws.ToString(f.Reason), aws.ToString(f.Detail))
		}
	}
	if silent := len(b.arns) - described - len(failures); silent > 0 {
		return fmt.Errorf("the answer lacks %d of %d", silent, len(b.arns))
	}
	return nil
}
