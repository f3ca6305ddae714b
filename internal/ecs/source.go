// Package ecs reads what ECS and EC2 say of a fleet: every cluster, container instance and task, and the state of every
// instance asked for, every page of it, or an error. Half a fleet would look like containers that are gone. Beside StopTask it
// changes nothing.
package ecs

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/sweep"
)

const (
	// describeAtOnce is the most tasks, container instances or clusters that one call describes.
	describeAtOnce = 100
	// filterAtOnce is the most values that a filter of EC2 takes.
	filterAtOnce = 200
	// callsAtOnce keeps the calls under way few: the account's rate is shared with everything else that uses these APIs.
	callsAtOnce = 4
	// attempts is how often a call is made before the reading is given up. Throttling passes.
	attempts = 10
)

// Source reads fleets. It may be used again; task definitions, which never change, are read once.
type Source struct {
	ecs      ecsCalls
	ec2      ec2Calls
	identity func(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
	region   string
	clusters []string
	checks   bool

	mu          sync.Mutex
	account     string
	definitions map[string]*types.TaskDefinition // by ARN
}

// ecsCalls and ec2Calls are the calls that are made, and not the SDK's clients: of a type that is reached through an interface
// the linker keeps all methods, and EC2's client alone has some 700, twice as much as all the rest of the program.
type ecsCalls struct {
	listClusters       func(context.Context, *ecs.ListClustersInput, ...func(*ecs.Options)) (*ecs.ListClustersOutput, error)
	listInstances      func(context.Context, *ecs.ListContainerInstancesInput, ...func(*ecs.Options)) (*ecs.ListContainerInstancesOutput, error)
	describeInstances  func(context.Context, *ecs.DescribeContainerInstancesInput, ...func(*ecs.Options)) (*ecs.DescribeContainerInstancesOutput, error)
	listTasks          func(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
	describeTasks      func(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
	describeDefinition func(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	stopTask           func(context.Context, *ecs.StopTaskInput, ...func(*ecs.Options)) (*ecs.StopTaskOutput, error)
}

type ec2Calls struct {
	describeInstances func(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
	describeStatus    func(context.Context, *ec2.DescribeInstanceStatusInput, ...func(*ec2.Options)) (*ec2.DescribeInstanceStatusOutput, error)
}

// New gives a Source for the region of config. clusters are names or ARNs; none means all of the region. With checks the
// task definitions are read too, for the paths of HTTP checks and for ports that no task lists.
func New(config aws.Config, clusters []string, checks bool) *Source {
	config.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = attempts })
	}
	e, i := ecs.NewFromConfig(config), ec2.NewFromConfig(config)
	return &Source{
		ecs: ecsCalls{
			listClusters: e.ListClusters, listInstances: e.ListContainerInstances, describeInstances: e.DescribeContainerInstances,
			listTasks: e.ListTasks, describeTasks: e.DescribeTasks, describeDefinition: e.DescribeTaskDefinition, stopTask: e.StopTask,
		},
		ec2:      ec2Calls{describeInstances: i.DescribeInstances, describeStatus: i.DescribeInstanceStatus},
		identity: sts.NewFromConfig(config).GetCallerIdentity,
		region:   config.Region, clusters: clusters, checks: checks,
		definitions: map[string]*types.TaskDefinition{},
	}
}

// Fleet reads all of ECS, and of EC2 what it says of the instances asked for and of those of the clusters.
func (s *Source) Fleet(ctx context.Context, instances []string) (sweep.Fleet, error) {
	account, err := s.accountID(ctx)
	if err != nil {
		return sweep.Fleet{}, err
	}
	fleet := sweep.Fleet{Account: account, Region: s.region, Instances: map[string]sweep.Instance{}, Containers: map[string]sweep.Container{}}
	clusters := s.clusters
	if len(clusters) == 0 {
		if clusters, err = s.allClusters(ctx); err != nil {
			return sweep.Fleet{}, err
		}
	}
	for _, cluster := range clusters {
		if err := s.readCluster(ctx, cluster, &fleet); err != nil {
			return sweep.Fleet{}, fmt.Errorf("read cluster %s: %w", cluster, err)
		}
	}
	if err := s.readEC2(ctx, instances, &fleet); err != nil {
		return sweep.Fleet{}, err
	}
	return fleet, nil
}

// accountID gives the account whose credentials are used.
func (s *Source) accountID(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.account != "" {
		return s.account, nil
	}
	caller, err := s.identity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("find out which account this is: %w", err)
	}
	s.account = aws.ToString(caller.Account)
	return s.account, nil
}

func (s *Source) allClusters(ctx context.Context) (clusters []string, err error) {
	input := &ecs.ListClustersInput{}
	for {
		page, err := s.ecs.listClusters(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("list clusters: %w", err)
		}
		clusters = append(clusters, page.ClusterArns...)
		if input.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			return clusters, nil
		}
	}
}

// StopTask asks ECS to stop a task.
func (s *Source) StopTask(ctx context.Context, cluster, task, reason string) error {
	_, err := s.ecs.stopTask(ctx, &ecs.StopTaskInput{Cluster: &cluster, Task: &task, Reason: &reason})
	if err != nil {
		return fmt.Errorf("stop task %s: %w", task, err)
	}
	return nil
}

// inChunks calls work for chunks of items, some at a time, until all are done or one fails.
func inChunks(ctx context.Context, items []string, size int, work func(ctx context.Context, chunk []string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callsAtOnce)
	for len(items) > 0 {
		chunk := items[:min(len(items), size)]
		items = items[len(chunk):]
		group.Go(func() error { return work(ctx, chunk) })
	}
	return group.Wait()
}
