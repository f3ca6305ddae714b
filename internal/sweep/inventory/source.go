// Package inventory reads ECS and EC2: every cluster, container instance and task, and the state of every instance
// asked for. It reads every page or returns an error, because a fleet that is read in part looks like containers that
// are gone. It judges nothing, and apart from StopTask it changes nothing.
package inventory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

const (
	// callsAtOnce bounds concurrent calls: an account's rate is shared with everything else that uses these APIs.
	callsAtOnce = 4
	// attempts is how often a call is made before the reading fails. Throttling passes.
	attempts = 10
	// longestWait is between two attempts. A throttled account gains some 20 calls a second.
	longestWait = 5 * time.Second
	// callTimeout bounds one attempt.
	callTimeout = 15 * time.Second
)

// Source reads fleets, one at a time. Task definitions, which never change, and the account are read once.
type Source struct {
	ecs      ecsCalls
	ec2      ec2Calls
	identity func(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput,
		error)
	region   string
	clusters []string
	checks   bool

	account     string
	definitions map[string]definition // by ARN
}

// ecsCalls and ec2Calls are the calls that are made, and not the SDK's clients: in a program that finds methods by
// name, as text/template does, the linker keeps all methods of a type that is reached through an interface. Those of
// EC2's client, some 700, are 30 MB.
type ecsCalls struct {
	listClusters func(context.Context, *ecs.ListClustersInput, ...func(*ecs.Options)) (*ecs.ListClustersOutput,
		error)
	listInstances func(context.Context, *ecs.ListContainerInstancesInput,
		...func(*ecs.Options)) (*ecs.ListContainerInstancesOutput, error)
	describeInstances func(context.Context, *ecs.DescribeContainerInstancesInput,
		...func(*ecs.Options)) (*ecs.DescribeContainerInstancesOutput, error)
	listTasks     func(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
	describeTasks func(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput,
		error)
	describeDefinition func(context.Context, *ecs.DescribeTaskDefinitionInput,
		...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	stopTask func(context.Context, *ecs.StopTaskInput, ...func(*ecs.Options)) (*ecs.StopTaskOutput, error)
}

type ec2Calls struct {
	describeInstances func(context.Context, *ec2.DescribeInstancesInput,
		...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
	describeStatus func(context.Context, *ec2.DescribeInstanceStatusInput,
		...func(*ec2.Options)) (*ec2.DescribeInstanceStatusOutput, error)
}

// New returns a Source for the region of config. clusters are names or ARNs; none means all of the region. With checks
// the task definitions are read too, for the paths of HTTP checks and for ports that ECS lists only there (awsvpc,
// host).
func New(config aws.Config, clusters []string, checks bool) *Source {
	config.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, longestWait
			// Attempts are few and calls are few at once: a quota of retries beside that would only fail long readings.
			o.RateLimiter = ratelimit.None
		})
	}
	// The configured client is built upon and not replaced: it knows of AWS_CA_BUNDLE.
	if client, ok := config.HTTPClient.(*awshttp.BuildableClient); ok {
		config.HTTPClient = client.WithTimeout(callTimeout)
	}
	e, i := ecs.NewFromConfig(config), ec2.NewFromConfig(config)
	return &Source{
		ecs: ecsCalls{
			listClusters:       e.ListClusters,
			listInstances:      e.ListContainerInstances,
			describeInstances:  e.DescribeContainerInstances,
			listTasks:          e.ListTasks,
			describeTasks:      e.DescribeTasks,
			describeDefinition: e.DescribeTaskDefinition,
			stopTask:           e.StopTask,
		},
		ec2:         ec2Calls{describeInstances: i.DescribeInstances, describeStatus: i.DescribeInstanceStatus},
		identity:    sts.NewFromConfig(config).GetCallerIdentity,
		region:      config.Region,
		clusters:    clusters,
		checks:      checks,
		definitions: map[string]definition{},
	}
}

// reading is one reading of a fleet under way.
type reading struct {
	*Source
	mu       sync.Mutex // of what calls that are made at the same time find
	fleet    evidence.Fleet
	hosts    map[string]string // EC2 instance ID by the ARN of a container instance
	followed map[string]bool   // ARNs of container instances that are full members, and whose ECS agents are connected
	members  []member
}

// Fleet reads all of ECS, and from EC2 the instances asked for and those that ECS knows.
func (s *Source) Fleet(ctx context.Context, instances []string) (evidence.Fleet, error) {
	if err := s.learnAccount(ctx); err != nil {
		return evidence.Fleet{}, err
	}
	r := &reading{
		Source:   s,
		hosts:    map[string]string{},
		followed: map[string]bool{},
		fleet: evidence.Fleet{
			Account:    s.account,
			Region:     s.region,
			Instances:  map[string]evidence.Instance{},
			Containers: map[string]evidence.Container{},
		},
	}
	if err := r.readECS(ctx); err != nil {
		return evidence.Fleet{}, err
	}
	if err := r.readEC2(ctx, instances); err != nil {
		return evidence.Fleet{}, err
	}
	return r.fleet, nil
}

// States asks EC2 about instances. Those that it does not know are left out.
func (s *Source) States(ctx context.Context, instances []string) (map[string]evidence.State, error) {
	r := &reading{Source: s, fleet: evidence.Fleet{Instances: map[string]evidence.Instance{}}}
	if err := r.readStates(ctx, instances); err != nil {
		return nil, err
	}
	states := map[string]evidence.State{}
	for id, i := range r.fleet.Instances {
		states[id] = i.State
	}
	return states, nil
}

// learnAccount asks STS once which account the credentials belong to.
func (s *Source) learnAccount(ctx context.Context) error {
	if s.account != "" {
		return nil
	}
	caller, err := s.identity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("get the account of the credentials from STS: %w", err)
	}
	s.account = aws.ToString(caller.Account)
	return nil
}

// StopTask asks ECS to stop a task. cluster and task are ARNs; the reason has at most 1,024 characters.
func (s *Source) StopTask(ctx context.Context, cluster, task, reason string) error {
	_, err := s.ecs.stopTask(ctx, &ecs.StopTaskInput{Cluster: &cluster, Task: &task, Reason: &reason})
	if err != nil {
		return fmt.Errorf("stop task %s: %w", task, err)
	}
	return nil
}

// each does work for all items, some at a time, until one fails.
func each[T any](ctx context.Context, items []T, work func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callsAtOnce)
	for _, item := range items {
		group.Go(func() error { return work(ctx, item) })
	}
	return group.Wait()
}

// pages makes a call for each page of a listing. call returns the token of the next page.
func pages(call func(token *string) (next *string, err error)) error {
	var token *string
	seen := map[string]bool{}
	for {
		next, err := call(token)
		switch {
		case err != nil:
			return err
		case aws.ToString(next) == "":
			return nil
		case seen[*next]:
			return fmt.Errorf("pagination loop: the next-page token repeats")
		}
		seen[*next] = true
		token = next
	}
}
