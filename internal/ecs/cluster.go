package ecs

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/ecssd/ecssd/internal/sweep"
)

// missing is the reason that ECS gives for what has vanished between a listing and a description.
const missing = "MISSING"

// readCluster adds a cluster's instances and containers to the fleet.
func (s *Source) readCluster(ctx context.Context, cluster string, fleet *sweep.Fleet) error {
	hosts, err := s.hosts(ctx, cluster, fleet)
	if err != nil {
		return err
	}
	// The default listing leaves out tasks that are being stopped and still serve; among those wanted stopped are also those
	// that have stopped, for an hour or more.
	for _, desired := range []types.DesiredStatus{types.DesiredStatusStopped, types.DesiredStatusRunning} {
		arns, err := s.taskARNs(ctx, cluster, desired)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		err = inChunks(ctx, arns, describeAtOnce, func(ctx context.Context, chunk []string) error {
			tasks, err := s.tasks(ctx, cluster, chunk)
			if err != nil {
				return err
			}
			definitions, err := s.definitionsOf(ctx, tasks)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, task := range tasks {
				addTask(fleet, task, hosts[aws.ToString(task.ContainerInstanceArn)], definitions[aws.ToString(task.TaskDefinitionArn)])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hosts adds the cluster's instances to the fleet, and gives the EC2 instance ID of each container instance. Instances outside
// EC2 (mi-…) have IDs that EC2 does not know.
func (s *Source) hosts(ctx context.Context, cluster string, fleet *sweep.Fleet) (map[string]string, error) {
	var arns []string
	input := &ecs.ListContainerInstancesInput{Cluster: &cluster}
	for {
		page, err := s.ecs.listInstances(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("list container instances: %w", err)
		}
		arns = append(arns, page.ContainerInstanceArns...)
		if input.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			break
		}
	}
	hosts := map[string]string{}
	var mu sync.Mutex
	err := inChunks(ctx, arns, describeAtOnce, func(ctx context.Context, chunk []string) error {
		described, err := s.ecs.describeInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: &cluster, ContainerInstances: chunk})
		if err != nil {
			return fmt.Errorf("describe container instances: %w", err)
		}
		if err := failed("container instances", described.Failures); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, instance := range described.ContainerInstances {
			id := aws.ToString(instance.Ec2InstanceId)
			hosts[aws.ToString(instance.ContainerInstanceArn)] = id
			if id != "" {
				known := fleet.Instances[id]
				// An instance may have been registered anew in another cluster: it is connected if it is so anywhere.
				known.Complete = !known.InCluster || known.Complete
				known.InCluster, known.Connected = true, known.Connected || instance.AgentConnected
				fleet.Instances[id] = known
			}
		}
		return nil
	})
	return hosts, err
}

func (s *Source) taskARNs(ctx context.Context, cluster string, desired types.DesiredStatus) (arns []string, err error) {
	input := &ecs.ListTasksInput{Cluster: &cluster, DesiredStatus: desired}
	for {
		page, err := s.ecs.listTasks(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("list tasks: %w", err)
		}
		arns = append(arns, page.TaskArns...)
		if input.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			return arns, nil
		}
	}
}

func (s *Source) tasks(ctx context.Context, cluster string, arns []string) ([]types.Task, error) {
	described, err := s.ecs.describeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: arns})
	if err != nil {
		return nil, fmt.Errorf("describe tasks: %w", err)
	}
	return described.Tasks, failed("tasks", described.Failures)
}

// failed gives an error for what ECS could not describe for another reason than that it has vanished.
func failed(what string, failures []types.Failure) error {
	for _, f := range failures {
		if aws.ToString(f.Reason) != missing {
			return fmt.Errorf("describe %s: %s: %s %s", what, aws.ToString(f.Arn), aws.ToString(f.Reason), aws.ToString(f.Detail))
		}
	}
	return nil
}

// definitionsOf gives the task definitions of tasks that run, by ARN; none where they are not needed.
func (s *Source) definitionsOf(ctx context.Context, tasks []types.Task) (map[string]*types.TaskDefinition, error) {
	found := map[string]*types.TaskDefinition{}
	if !s.checks {
		return found, nil
	}
	for _, task := range tasks {
		arn := aws.ToString(task.TaskDefinitionArn)
		if arn == "" || aws.ToString(task.LastStatus) == stopped || found[arn] != nil {
			continue
		}
		s.mu.Lock()
		known := s.definitions[arn]
		s.mu.Unlock()
		if known == nil {
			described, err := s.ecs.describeDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
			if err != nil {
				return nil, fmt.Errorf("describe task definition %s: %w", arn, err)
			}
			known = described.TaskDefinition
			s.mu.Lock()
			s.definitions[arn] = known
			s.mu.Unlock()
		}
		found[arn] = known
	}
	return found, nil
}
