package inventory_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/inventory"
)

const arn = "arn:aws:ecs:eu-central-1:123456789012:"

// ci, task, docker and host are the n-th ID of their kind.
func ci(n int) string     { return fmt.Sprintf("c%031x", n) }
func task(n int) string   { return fmt.Sprintf("a%031x", n) }
func docker(n int) string { return fmt.Sprintf("%064x", n) }
func host(n int) string   { return fmt.Sprintf("i-%017x", n) }

func address(n int) string { return fmt.Sprintf("10.0.%d.%d", n/250, n%250+1) }

func configFor(url string) aws.Config {
	return aws.Config{
		BaseEndpoint: &url,
		Region:       "eu-central-1",
		HTTPClient:   awshttp.NewBuildableClient(),
		Credentials:  credentials.NewStaticCredentialsProvider("k", "s", ""),
	}
}

// start starts a sandbox with a fleet, and gives a Source that reads it.
func start(t *testing.T, state account.State, checks bool, clusters ...string) (*sandbox.Server, *inventory.Source) {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	require.NoError(t, s.Fleet().Replace(state))
	return s, inventory.New(configFor(s.URL()), clusters, checks)
}

// cluster gives a cluster of hosts from..to, each with one task of one container that has host port 32768 for 80.
func cluster(name string, from, to int) account.State {
	state := account.State{Clusters: []account.Cluster{{Name: name}}}
	for n := from; n < to; n++ {
		state.Instances = append(state.Instances, account.Instance{ID: host(n), PrivateIP: address(n)})
		state.ContainerInstances = append(state.ContainerInstances, account.ContainerInstance{
			ID:         ci(n),
			Cluster:    name,
			InstanceID: host(n),
		})
		state.Tasks = append(state.Tasks, account.Task{
			ID:                task(n),
			Cluster:           name,
			ContainerInstance: ci(n),
			Family:            "web",
			Service:           "web",
			Containers: []account.Container{
				{Name: "web", RuntimeID: docker(n), Bindings: []account.Binding{{ContainerPort: 80, HostPort: 32768}}},
			},
		})
	}
	return state
}

func join(states ...account.State) (all account.State) {
	for _, s := range states {
		all.Clusters = append(all.Clusters, s.Clusters...)
		all.Instances = append(all.Instances, s.Instances...)
		all.ContainerInstances = append(all.ContainerInstances, s.ContainerInstances...)
		all.Tasks = append(all.Tasks, s.Tasks...)
		all.TaskDefinitions = append(all.TaskDefinitions, s.TaskDefinitions...)
	}
	return all
}

// expect adds to a fleet what cluster describes.
func expect(f *evidence.Fleet, name string, from, to int) {
	for n := from; n < to; n++ {
		f.Instances[host(n)] = member(n)
		f.Containers[docker(n)] = served(name, n)
	}
}

func member(n int) evidence.Instance {
	return evidence.Instance{
		State:     evidence.Alive,
		Address:   netip.MustParseAddr(address(n)),
		InCluster: true,
		Connected: true,
		Complete:  true,
	}
}

func served(name string, n int) evidence.Container {
	return evidence.Container{
		Instance: host(n),
		Task:     arn + "task/" + name + "/" + task(n),
		Cluster:  arn + "cluster/" + name,
		Service:  arn + "cluster/" + name + "/web",
		Running:  true,
		Ports:    []evidence.Port{port(80, 32768)},
	}
}

func port(inside, outside uint16) evidence.Port {
	return evidence.Port{Container: container.Port{Number: inside, Proto: container.TCP}, Host: outside}
}

func nothing() evidence.Fleet {
	return evidence.Fleet{
		Account:    "123456789012",
		Region:     "eu-central-1",
		Instances:  map[string]evidence.Instance{},
		Containers: map[string]evidence.Container{},
	}
}

func read(t *testing.T, s *inventory.Source, instances ...string) evidence.Fleet {
	t.Helper()
	f, err := s.Fleet(t.Context(), instances)
	require.NoError(t, err)
	return f
}

func TestEveryPageOfEveryClusterIsRead(t *testing.T) {
	state := join(cluster("main", 0, 4), cluster("second", 4, 9))
	state.Instances = append(state.Instances, account.Instance{ID: host(20), PrivateIP: address(20)})
	s, source := start(t, state, false)
	s.Configure(func(c *sandbox.Settings) { c.Page = 1 })
	want := nothing()
	expect(&want, "main", 0, 4)
	expect(&want, "second", 4, 9)
	want.Instances[host(20)] = evidence.Instance{State: evidence.Alive, Address: netip.MustParseAddr(address(20))}
	assert.Equal(t, want, read(t, source, host(2), host(20), host(404), "mi-0123456789abcdef0", "by-hand", ""))
	assert.Equal(t, want, read(t, source, host(20)), "a second reading finds the same")
	assert.Len(t, s.Calls("sts:GetCallerIdentity"), 1)
	assert.Empty(t, s.Calls("ecs:DescribeTaskDefinition"), "definitions are not read where there are no checks")
	assert.Empty(t, s.Calls("ec2:DescribeInstanceStatus"), "every agent is connected")
}

// TestNoCallAsksForTooMuch: the sandbox refuses more than 100 ARNs and more than 200 filter values, as AWS does.
func TestNoCallAsksForTooMuch(t *testing.T) {
	_, source := start(t, cluster("main", 0, 450), false)
	want := nothing()
	expect(&want, "main", 0, 450)
	assert.Equal(t, want, read(t, source))
}

func TestOnlyTheClustersNamed(t *testing.T) {
	for name, clusters := range map[string][]string{
		"by name": {"second"}, "by ARN": {arn + "cluster/second"}, "twice": {"second", arn + "cluster/second"},
	} {
		t.Run(name, func(t *testing.T) {
			s, source := start(t, join(cluster("main", 0, 2), cluster("second", 2, 4)), false, clusters...)
			want := nothing()
			expect(&want, "second", 2, 4)
			want.Instances[host(0)] = evidence.Instance{State: evidence.Alive, Address: netip.MustParseAddr(address(0))}
			assert.Equal(t, want, read(t, source, host(0)))
			assert.Empty(t, s.Calls("ecs:ListClusters"))
		})
	}
}

func TestAnUnknownClusterIsAnErrorThatNamesIt(t *testing.T) {
	_, source := start(t, cluster("main", 0, 2), false, "main", "mian")
	f, err := source.Fleet(t.Context(), nil)
	require.ErrorContains(t, err, "cluster mian: ")
	require.ErrorContains(t, err, "ClusterNotFoundException")
	assert.Zero(t, f)
}

// TestAFleetIsNeverHalfRead: whichever call fails, on its first page or a later one, there is an error and no fleet.
func TestAFleetIsNeverHalfRead(t *testing.T) {
	state := join(cluster("main", 0, 3), cluster("second", 3, 205))
	state.ContainerInstances[0].AgentDisconnected = true
	state.Instances[0].InstanceStatus, state.Instances[1].InstanceStatus = "impaired", "impaired"
	state.TaskDefinitions = []account.TaskDefinition{{Family: "web"}}
	s, source := start(t, state, true)
	s.Configure(func(c *sandbox.Settings) { c.Page = 70 })
	for operation, after := range map[string][]int{
		"sts:GetCallerIdentity": {
			0,
		},
		"ecs:ListClusters": {
			0,
		},
		"ecs:ListContainerInstances": {
			0,
			1,
			3,
		},
		"ecs:ListTasks": {0, 1, 2, 3, 4},
		"ecs:DescribeContainerInstances": {
			0,
			1,
			2,
		},
		"ecs:DescribeTasks": {0, 1, 2, 3},
		"ecs:DescribeTaskDefinition": {
			0,
		},
		"ec2:DescribeInstances":      {0, 1, 2},
		"ec2:DescribeInstanceStatus": {0, 1},
	} {
		for _, n := range after {
			t.Run(fmt.Sprintf("%s after %d", operation, n), func(t *testing.T) {
				code := "AccessDeniedException"
				if !strings.HasPrefix(operation, "ecs:") {
					code = "UnauthorizedOperation"
				}
				require.NoError(t, s.SetFaults(sandbox.Fault{
					Kind:      sandbox.Fail,
					Code:      code,
					Operation: operation,
					After:     n,
				}))
				fresh := inventory.New(configFor(s.URL()), nil, true)
				f, err := fresh.Fleet(t.Context(), nil)
				require.ErrorContains(t, err, code)
				require.ErrorContains(t, err, operation[4:])
				assert.Zero(t, f)
			})
		}
	}
	require.NoError(t, s.SetFaults())
	assert.Len(t, read(t, source).Containers, 205)
}

func TestEveryPageOfClustersIsNeeded(t *testing.T) {
	s, source := start(t, join(cluster("main", 0, 1), cluster("second", 1, 2), cluster("third", 2, 3)), false)
	s.Configure(func(c *sandbox.Settings) { c.Page = 1 })
	for _, operation := range []string{"ecs:ListClusters", "ec2:DescribeInstances"} {
		for after := 1; after <= 2; after++ {
			require.NoError(t, s.SetFaults(sandbox.Fault{
				Kind:      sandbox.Fail,
				Status:    400,
				Code:      "Sorry",
				Operation: operation,
				After:     after,
			}))
			f, err := source.Fleet(t.Context(), nil)
			require.ErrorContains(t, err, "Sorry")
			assert.Zero(t, f)
		}
	}
}

func TestThrottlingAndLostConnectionsAreSurvived(t *testing.T) {
	t.Parallel()
	s, source := start(t, cluster("main", 0, 30), false)
	require.NoError(t, s.SetFaults(
		sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "ThrottlingException",
			Operation: "ecs:ListTasks",
			Count:     3,
		},
		sandbox.Fault{Kind: sandbox.Reset, Operation: "ecs:DescribeTasks", Count: 1},
		sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "ServerException",
			Operation: "ecs:DescribeContainerInstances",
			Count:     1,
		},
		sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "RequestLimitExceeded",
			Operation: "ec2:DescribeInstances",
			Count:     1,
		},
	))
	want := nothing()
	expect(&want, "main", 0, 30)
	assert.Equal(t, want, read(t, source))
	assert.Len(t, s.Calls("ecs:ListTasks"), 5, "one for each of the two listings, and three that failed")
}

// TestThrottlingMayLast: calls are repeated with waits between them, and not until their number is used up at once.
func TestThrottlingMayLast(t *testing.T) {
	t.Parallel()
	s, source := start(t, cluster("main", 0, 3), false)
	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "ThrottlingException",
		Operation: "ecs:ListTasks",
	}))
	time.AfterFunc(time.Second, func() { assert.NoError(t, s.SetFaults()) })
	assert.Len(t, read(t, source).Containers, 3)
}

func TestAReadingEndsWithItsContext(t *testing.T) {
	s, source := start(t, cluster("main", 0, 1), false)
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Stall, Operation: "ecs:DescribeTasks"}))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	f, err := source.Fleet(ctx, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Zero(t, f)
}

// TestFewCallsAtOnce counts the calls that overlap by when they came and were answered.
func TestFewCallsAtOnce(t *testing.T) {
	var states []account.State
	for n := range 12 {
		states = append(states, cluster(fmt.Sprintf("c%d", n), n*110, (n+1)*110))
	}
	s, source := start(t, join(states...), false)
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Delay, Latency: 20 * time.Millisecond}))
	assert.Len(t, read(t, source).Containers, 1320)
	most := 0
	calls := s.Calls()
	for _, c := range calls {
		under := 0
		for _, other := range calls {
			if !other.Received.After(c.Received) && other.Answered.After(c.Received) {
				under++
			}
		}
		most = max(most, under)
	}
	assert.LessOrEqual(t, most, 4)
	assert.Greater(t, most, 1, "the calls are made side by side")
}

func TestStopTask(t *testing.T) {
	s, source := start(t, cluster("main", 0, 1), false)
	known := read(t, source).Containers[docker(0)]
	require.NoError(t, source.StopTask(t.Context(), known.Cluster, known.Task, "it fails its check"))
	stopped := s.Fleet().Newest().Tasks[task(0)]
	assert.Equal(t, "STOPPED", stopped.DesiredStatus)
	assert.Equal(t, "it fails its check", stopped.StoppedReason)
	require.ErrorContains(
		t,
		source.StopTask(t.Context(), known.Cluster, known.Task+"0", ""),
		"stop task "+known.Task+"0: ",
	)
}
