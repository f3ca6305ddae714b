package sandbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

func ecsClient(s *sandbox.Server) *ecs.Client {
	return ecs.New(ecs.Options{
		BaseEndpoint:     aws.String(s.URL()),
		Region:           "eu-central-1",
		RetryMaxAttempts: 1,
		Credentials:      credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
		HTTPClient:       &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
}

// id is the n-th ID of a kind: 32 hexadecimal digits.
func id(kind string, n int) string { return fmt.Sprintf("%s%031x", kind, n) }

const arnOf = "arn:aws:ecs:eu-central-1:123456789012:"

// hosts returns a cluster of so many hosts with so many tasks each, one container in every task.
func hosts(cluster string, instances, tasks int) account.State {
	state := account.State{Clusters: []account.Cluster{{Name: cluster}}}
	for i := range instances {
		instance := fmt.Sprintf("i-%017x", i)
		state.Instances = append(state.Instances, account.Instance{
			ID:        instance,
			PrivateIP: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1),
		})
		state.ContainerInstances = append(state.ContainerInstances,
			account.ContainerInstance{ID: id("c", i), Cluster: cluster, InstanceID: instance})
		for j := range tasks {
			state.Tasks = append(state.Tasks, account.Task{
				ID:                id("a", i*tasks+j),
				Cluster:           cluster,
				ContainerInstance: id("c", i),
				Family:            "web",
				Revision:          3,
				Service:           "web",
				Containers: []account.Container{{Name: "web",
					RuntimeID: fmt.Sprintf("%064x", i*tasks+j), Bindings: []account.Binding{
						{ContainerPort: 80, HostPort: 32768 + j},
					}}},
			})
		}
	}
	return state
}

// withHosts starts a sandbox with a cluster called main.
func withHosts(t *testing.T, instances, tasks int) (*sandbox.Server, *ecs.Client) {
	t.Helper()
	s, _, _ := start(t, sandbox.Config{})
	require.NoError(t, s.Fleet().Replace(hosts("main", instances, tasks)))
	return s, ecsClient(s)
}

// tasksOf lists all tasks, page by page, and says how long the pages are.
func tasksOf(t *testing.T, c *ecs.Client, in *ecs.ListTasksInput) (ids []string, pages []int) {
	t.Helper()
	p := ecs.NewListTasksPaginator(c, in)
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		require.NoError(t, err)
		pages = append(pages, len(page.TaskArns))
		for _, arn := range page.TaskArns {
			ids = append(ids, strings.TrimPrefix(arn, arnOf+"task/"+aws.ToString(in.Cluster)+"/"))
		}
	}
	return ids, pages
}

func TestListAllPages(t *testing.T) {
	s, c := withHosts(t, 130, 80)
	require.NoError(t, s.Fleet().Put(hosts("second", 0, 0)))

	clusters, err := c.ListClusters(t.Context(), &ecs.ListClustersInput{MaxResults: aws.Int32(1)})
	require.NoError(t, err)
	assert.Equal(t, []string{arnOf + "cluster/main"}, clusters.ClusterArns)
	clusters, err = c.ListClusters(t.Context(), &ecs.ListClustersInput{NextToken: clusters.NextToken})
	require.NoError(t, err)
	assert.Equal(t, []string{arnOf + "cluster/second"}, clusters.ClusterArns)
	assert.Nil(t, clusters.NextToken)

	instances := map[string]bool{}
	var pages []int
	p := ecs.NewListContainerInstancesPaginator(c, &ecs.ListContainerInstancesInput{Cluster: aws.String("main")})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		require.NoError(t, err)
		pages = append(pages, len(page.ContainerInstanceArns))
		for _, arn := range page.ContainerInstanceArns {
			instances[arn] = true
		}
	}
	assert.Equal(t, []int{100, 30}, pages)
	assert.Len(t, instances, 130)
	assert.Contains(t, instances, arnOf+"container-instance/main/"+id("c", 129))

	ids, pages := tasksOf(t, c, &ecs.ListTasksInput{Cluster: aws.String("main")})
	assert.Len(t, pages, 104)
	unique := map[string]bool{}
	for _, i := range ids {
		unique[i] = true
	}
	assert.Len(t, unique, 10_400)
	assert.Contains(t, unique, id("a", 10_399))

	_, pages = tasksOf(
		t,
		c,
		&ecs.ListTasksInput{Cluster: aws.String(arnOf + "cluster/main"), ContainerInstance: aws.String(id("c", 3)),
			MaxResults: aws.Int32(30)},
	)
	assert.Equal(t, []int{30, 30, 20}, pages)
	s.Configure(func(c *sandbox.Settings) { c.Page = 50 })
	_, pages = tasksOf(t, c, &ecs.ListTasksInput{Cluster: aws.String("main"), MaxResults: aws.Int32(100),
		ContainerInstance: aws.String(arnOf + "container-instance/main/" + id("c", 3))})
	assert.Equal(t, []int{50, 30}, pages, "AWS may give less than was asked for")
}

// TestListingGoesOnWhileTasksComeAndGo: a token remembers where the page ended, not how many there were.
func TestListingGoesOnWhileTasksComeAndGo(t *testing.T) {
	s, c := withHosts(t, 1, 6)
	in := &ecs.ListTasksInput{Cluster: aws.String("main"), MaxResults: aws.Int32(3)}
	first, err := c.ListTasks(t.Context(), in)
	require.NoError(t, err)
	s.Fleet().Remove(account.IDs{Tasks: []string{id("a", 0), id("a", 2), id("a", 4)}})
	in.NextToken = first.NextToken
	second, err := c.ListTasks(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, []string{arnOf + "task/main/" + id("a", 3), arnOf + "task/main/" + id("a", 5)}, second.TaskArns)
	assert.Nil(t, second.NextToken)
}

func TestListTasksBy(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	task := func(n int, edit func(*account.Task)) account.Task {
		t := account.Task{
			ID:                id("a", n),
			Cluster:           "main",
			ContainerInstance: id("c", 1),
			Family:            "web",
		}
		edit(&t)
		return t
	}
	require.NoError(t, s.Fleet().Put(account.State{
		Clusters: []account.Cluster{{Name: "main"}, {Name: "other"}},
		ContainerInstances: []account.ContainerInstance{
			{ID: id("c", 1), Cluster: "main", InstanceID: "i-1"},
			{ID: id("c", 2), Cluster: "main", InstanceID: "i-2"},
		},
		Tasks: []account.Task{
			task(1, func(*account.Task) {}),
			task(2, func(t *account.Task) { t.LastStatus = "PENDING" }),
			task(3, func(t *account.Task) { t.DesiredStatus = "STOPPED" }), // being stopped: may serve on
			task(4, func(t *account.Task) { t.DesiredStatus, t.LastStatus = "STOPPED", "STOPPING" }),
			task(5, func(t *account.Task) { t.LastStatus = "STOPPED" }),
			task(6, func(t *account.Task) { t.ContainerInstance, t.Family, t.Service = id("c", 2), "db", "data" }),
			task(7, func(t *account.Task) { t.StartedBy, t.LaunchType = "me", "EXTERNAL" }),
			task(8, func(t *account.Task) { t.Cluster, t.ContainerInstance = "other", "" }),
		},
	}))
	for _, test := range []struct {
		name string
		in   ecs.ListTasksInput
		want []int
	}{
		{"without a status: those desired to run", ecs.ListTasksInput{}, []int{1, 2, 6, 7}},
		{"desired to run", ecs.ListTasksInput{DesiredStatus: types.DesiredStatusRunning}, []int{1, 2, 6, 7}},
		{
			"desired to stop, stopped or not",
			ecs.ListTasksInput{DesiredStatus: types.DesiredStatusStopped},
			[]int{3, 4, 5},
		},
		{"PENDING is never desired", ecs.ListTasksInput{DesiredStatus: types.DesiredStatusPending}, nil},
		{"container instance", ecs.ListTasksInput{ContainerInstance: aws.String(id("c", 2))}, []int{6}},
		{"family", ecs.ListTasksInput{Family: aws.String("web")}, []int{1, 2, 7}},
		{
			"family and instance",
			ecs.ListTasksInput{Family: aws.String("web"), ContainerInstance: aws.String(id("c", 2))},
			nil,
		},
		{"service", ecs.ListTasksInput{ServiceName: aws.String("data")}, []int{6}},
		{"service by ARN", ecs.ListTasksInput{ServiceName: aws.String(arnOf + "service/main/data")}, []int{6}},
		{"who started it", ecs.ListTasksInput{StartedBy: aws.String("me")}, []int{7}},
		{"launch type", ecs.ListTasksInput{LaunchType: types.LaunchTypeExternal}, []int{7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			for _, n := range test.want {
				want = append(want, id("a", n))
			}
			test.in.Cluster = aws.String("main")
			got, _ := tasksOf(t, ecsClient(s), &test.in)
			assert.Equal(t, want, got)
		})
	}
}

func TestListContainerInstancesByStatus(t *testing.T) {
	s, c := withHosts(t, 4, 0)
	for n, status := range []string{"ACTIVE", "DRAINING", "INACTIVE", "DEREGISTERING"} {
		require.NoError(t, s.Fleet().EditContainerInstance(id("c", n), func(c *account.ContainerInstance) error {
			c.Status = status
			return nil
		}))
	}
	for status, want := range map[types.ContainerInstanceStatus][]int{
		"":              {0, 1, 3},
		"ACTIVE":        {0},
		"DRAINING":      {1},
		"DEREGISTERING": {3},
		"REGISTERING":   nil,
	} {
		var arns []string
		for _, n := range want {
			arns = append(arns, arnOf+"container-instance/main/"+id("c", n))
		}
		got, err := c.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{
			Cluster: aws.String("main"),
			Status:  status,
		})
		require.NoError(t, err)
		assert.ElementsMatch(t, arns, got.ContainerInstanceArns, status)
	}
}

func TestDescribeTasks(t *testing.T) {
	s, c := withHosts(t, 1, 1)
	begun := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	exit := 137
	require.NoError(t, s.Fleet().Put(account.State{Tasks: []account.Task{{
		ID:                id("b", 1),
		Cluster:           "main",
		ContainerInstance: id("c", 0),
		Family:            "web",
		Revision:          7,
		StartedBy:         "me",
		Address:           "10.0.3.4",
		LastStatus:        "STOPPED",
		Health:            "UNHEALTHY",
		Created:           begun,
		Started:           &begun,
		Stopping:          &begun,
		Stopped:           &begun,
		StopCode:          "EssentialContainerExited",
		StoppedReason:     "why",
		Containers: []account.Container{{
			Name:      "web",
			RuntimeID: strings.Repeat("d", 64),
			Image:     "web:7",
			ExitCode:  &exit,
			Reason:    "OutOfMemory",
			Health:    "UNHEALTHY",
		}},
		Overrides: []account.Override{{Name: "web", Environment: map[string]string{"B": "2", "A": "1"}}},
	}}}))
	out, err := c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("main"),
		Tasks: []string{id("a", 0), arnOf + "task/main/" + id("b", 1), id("e", 9), id("a", 0)}})
	require.NoError(t, err)
	assert.Equal(t, []types.Failure{
		{Arn: aws.String(arnOf + "task/main/" + id("e", 9)), Reason: aws.String("MISSING")},
	}, out.Failures)
	require.Len(t, out.Tasks, 2)

	running, stopped := out.Tasks[0], out.Tasks[1]
	assert.Equal(t, types.Task{
		TaskArn:              aws.String(arnOf + "task/main/" + id("a", 0)),
		ClusterArn:           aws.String(arnOf + "cluster/main"),
		ContainerInstanceArn: aws.String(arnOf + "container-instance/main/" + id("c", 0)),
		TaskDefinitionArn:    aws.String(arnOf + "task-definition/web:3"),
		Group:                aws.String("service:web"),
		LaunchType:           "EC2",
		DesiredStatus:        aws.String("RUNNING"),
		LastStatus:           aws.String("RUNNING"),
		HealthStatus:         "UNKNOWN",
		Connectivity:         "CONNECTED",
		CreatedAt:            running.CreatedAt,
		StartedAt:            running.StartedAt,
		Attachments:          []types.Attachment{},
		Version:              1,
		Overrides:            &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{}},
		Containers: []types.Container{{
			ContainerArn: running.Containers[0].ContainerArn,
			TaskArn:      aws.String(arnOf + "task/main/" + id("a", 0)),
			Name:         aws.String("web"),
			RuntimeId:    aws.String(strings.Repeat("0", 64)),
			LastStatus:   aws.String("RUNNING"),
			HealthStatus: "UNKNOWN",
			NetworkBindings: []types.NetworkBinding{{
				BindIP:        aws.String("0.0.0.0"),
				ContainerPort: aws.Int32(80),
				HostPort:      aws.Int32(32768),
				Protocol:      "tcp",
			}},
			NetworkInterfaces: []types.NetworkInterface{},
		}},
	}, running)
	assert.WithinDuration(t, time.Now(), *running.StartedAt, time.Minute)
	assert.Contains(t, *running.Containers[0].ContainerArn, arnOf+"container/main/"+id("a", 0)+"/")

	assert.Equal(
		t,
		[]any{"STOPPED", "STOPPED", "UNHEALTHY", "why", "me", "family:web", begun, begun, begun, begun},
		[]any{
			*stopped.DesiredStatus,
			*stopped.LastStatus,
			string(stopped.HealthStatus),
			*stopped.StoppedReason,
			*stopped.StartedBy,
			*stopped.Group,
			*stopped.CreatedAt,
			*stopped.StartedAt,
			*stopped.StoppingAt,
			*stopped.StoppedAt,
		},
	)
	assert.Equal(t, types.TaskStopCodeEssentialContainerExited, stopped.StopCode)
	attached := stopped.Attachments[0]
	assert.Equal(t, []string{"ElasticNetworkInterface", "ATTACHED"}, []string{*attached.Type, *attached.Status})
	assert.Contains(t, attached.Details, types.KeyValuePair{
		Name:  aws.String("privateIPv4Address"),
		Value: aws.String("10.0.3.4"),
	})
	got := stopped.Containers[0]
	assert.Equal(t, []types.NetworkInterface{
		{AttachmentId: attached.Id, PrivateIpv4Address: aws.String("10.0.3.4")},
	}, got.NetworkInterfaces)
	assert.Equal(t, []any{int32(137), "OutOfMemory", "STOPPED", strings.Repeat("d", 64), "web:7"},
		[]any{*got.ExitCode, *got.Reason, *got.LastStatus, *got.RuntimeId, *got.Image})
	assert.Equal(t, []types.ContainerOverride{{Name: aws.String("web"), Environment: []types.KeyValuePair{
		{Name: aws.String("A"), Value: aws.String("1")}, {Name: aws.String("B"), Value: aws.String("2")}}}},
		stopped.Overrides.ContainerOverrides)
}

func TestDescribeClustersAndContainerInstances(t *testing.T) {
	s, c := withHosts(t, 2, 3)
	require.NoError(t, s.Fleet().EditContainerInstance(id("c", 1), func(c *account.ContainerInstance) error {
		c.Status, c.AgentDisconnected = "DRAINING", true
		return nil
	}))
	require.NoError(
		t,
		s.Fleet().EditTask(id("a", 5), func(t *account.Task) error { t.LastStatus = "PENDING"; return nil }),
	)
	require.NoError(t, s.Fleet().Put(account.State{Clusters: []account.Cluster{{Name: "gone", Status: "INACTIVE"}}}))

	clusters, err := c.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{
		Clusters: []string{"main", arnOf + "cluster/gone", "none"},
	})
	require.NoError(t, err)
	assert.Equal(t, []types.Cluster{
		{
			ClusterArn:                        aws.String(arnOf + "cluster/main"),
			ClusterName:                       aws.String("main"),
			Status:                            aws.String("ACTIVE"),
			RegisteredContainerInstancesCount: 2,
			RunningTasksCount:                 5,
			PendingTasksCount:                 1,
		},
		{
			ClusterArn:  aws.String(arnOf + "cluster/gone"),
			ClusterName: aws.String("gone"),
			Status:      aws.String("INACTIVE"),
		},
	}, clusters.Clusters)
	assert.Equal(t, []types.Failure{
		{Arn: aws.String(arnOf + "cluster/none"), Reason: aws.String("MISSING")},
	}, clusters.Failures)
	listed, err := c.ListClusters(t.Context(), &ecs.ListClustersInput{})
	require.NoError(t, err)
	assert.Equal(t, []string{arnOf + "cluster/main"}, listed.ClusterArns)

	instances, err := c.DescribeContainerInstances(
		t.Context(),
		&ecs.DescribeContainerInstancesInput{Cluster: aws.String("main"),
			ContainerInstances: []string{id("c", 0), id("c", 1), id("c", 7)}},
	)
	require.NoError(t, err)
	require.Len(t, instances.ContainerInstances, 2)
	for i := range instances.ContainerInstances {
		instances.ContainerInstances[i].RegisteredAt = nil
		instances.ContainerInstances[i].Attributes = nil
	}
	assert.Equal(t, []types.ContainerInstance{
		{
			ContainerInstanceArn: aws.String(arnOf + "container-instance/main/" + id("c", 0)),
			Ec2InstanceId:        aws.String("i-00000000000000000"),
			Status:               aws.String("ACTIVE"),
			AgentConnected:       true,
			RunningTasksCount:    3,
			Version:              1,
		},
		{
			ContainerInstanceArn: aws.String(arnOf + "container-instance/main/" + id("c", 1)),
			Ec2InstanceId:        aws.String("i-00000000000000001"),
			Status:               aws.String("DRAINING"),
			RunningTasksCount:    2,
			PendingTasksCount:    1,
			Version:              1,
		},
	}, instances.ContainerInstances)
	assert.Equal(t, []types.Failure{
		{Arn: aws.String(arnOf + "container-instance/main/" + id("c", 7)), Reason: aws.String("MISSING")},
	},
		instances.Failures)
	tasks, err := c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{
		Cluster: aws.String("main"),
		Tasks:   []string{id("a", 5)},
	})
	require.NoError(t, err)
	assert.Equal(t, types.ConnectivityDisconnected, tasks.Tasks[0].Connectivity)
}

func TestDescribeTaskDefinition(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	c := ecsClient(s)
	web := account.TaskDefinition{
		Family:      "web",
		Revision:    3,
		NetworkMode: "host",
		Containers: []account.ContainerDefinition{{
			Name:         "web",
			Image:        "web:3",
			Environment:  map[string]string{"SERVICE_80_CHECK_HTTP": "/up"},
			DockerLabels: map[string]string{"SERVICE_NAME": "www"},
			Ports:        []account.Port{{ContainerPort: 80}, {ContainerPort: 53, HostPort: 53, Protocol: "udp"}},
			StopTimeout:  90,
		}},
	}
	require.NoError(t, s.Fleet().Put(account.State{TaskDefinitions: []account.TaskDefinition{web, {
		Family:   "web",
		Revision: 2,
	},
		{Family: "web", Revision: 4, Status: "INACTIVE"}}}))
	for _, name := range []string{"web", "web:3", arnOf + "task-definition/web:3"} {
		out, err := c.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &name})
		require.NoError(t, err, name)
		assert.Equal(t, &types.TaskDefinition{
			TaskDefinitionArn: aws.String(arnOf + "task-definition/web:3"),
			Family:            aws.String("web"),
			Revision:          3,
			Status:            "ACTIVE",
			NetworkMode:       "host",
			ContainerDefinitions: []types.ContainerDefinition{{
				Name:        aws.String("web"),
				Image:       aws.String("web:3"),
				Essential:   aws.Bool(true),
				StopTimeout: aws.Int32(90),
				Environment: []types.KeyValuePair{
					{Name: aws.String("SERVICE_80_CHECK_HTTP"), Value: aws.String("/up")},
				},
				DockerLabels: map[string]string{"SERVICE_NAME": "www"},
				PortMappings: []types.PortMapping{{
					ContainerPort: aws.Int32(80),
					HostPort:      aws.Int32(0),
					Protocol:      "tcp",
				},
					{ContainerPort: aws.Int32(53), HostPort: aws.Int32(53), Protocol: "udp"}},
			}},
		}, out.TaskDefinition, name)
	}
	out, err := c.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{
		TaskDefinition: aws.String("web:4"),
	})
	require.NoError(t, err)
	assert.Equal(t, types.TaskDefinitionStatusInactive, out.TaskDefinition.Status)
	for _, name := range []string{"web:9", "none"} {
		_, err := c.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &name})
		var refused *types.ClientException
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "Unable to describe task definition.", refused.ErrorMessage())
	}
}

func TestStopTask(t *testing.T) {
	s, c := withHosts(t, 1, 2)
	out, err := c.StopTask(t.Context(), &ecs.StopTaskInput{
		Cluster: aws.String("main"),
		Task:    aws.String(id("a", 0)),
		Reason:  aws.String("unhealthy"),
	})
	require.NoError(t, err)
	assert.Equal(t, []any{"STOPPED", "RUNNING", "unhealthy", types.TaskStopCodeUserInitiated},
		[]any{*out.Task.DesiredStatus, *out.Task.LastStatus, *out.Task.StoppedReason, out.Task.StopCode})
	assert.NotNil(t, out.Task.StoppingAt)
	ids, _ := tasksOf(t, c, &ecs.ListTasksInput{Cluster: aws.String("main")})
	assert.Equal(t, []string{id("a", 1)}, ids)
	ids, _ = tasksOf(t, c, &ecs.ListTasksInput{Cluster: aws.String("main"), DesiredStatus: "STOPPED"})
	assert.Equal(t, []string{id("a", 0)}, ids)

	calls := s.Calls("ecs:StopTask")
	require.Len(t, calls, 1)
	assert.True(t, calls[0].Applied)
	assert.JSONEq(t, `{"cluster": "main", "task": "`+id("a", 0)+`", "reason": "unhealthy"}`, string(calls[0].Input))

	_, err = c.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("main"), Task: aws.String(id("e", 0))})
	code, message := codeOf(t, err)
	assert.Equal(t, []string{
		"InvalidParameterException",
		"The referenced task was not found.",
	}, []string{
		code,
		message,
	})
}

func TestECSRefuses(t *testing.T) {
	s, c := withHosts(t, 1, 3)
	require.NoError(t, s.Fleet().Put(account.State{
		Clusters: []account.Cluster{{Name: "gone", Status: "INACTIVE"}, {Name: "other"}},
	}))
	many := func(n int) []string {
		var ids []string
		for i := range n {
			ids = append(ids, id("a", i))
		}
		return ids
	}
	first, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("main"), MaxResults: aws.Int32(1)})
	require.NoError(t, err)
	list := func(in ecs.ListTasksInput) error {
		if in.Cluster == nil {
			in.Cluster = aws.String("main")
		}
		_, err := c.ListTasks(t.Context(), &in)
		return err
	}
	describe := func(cluster string, ids ...string) error {
		_, err := c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: ids})
		return err
	}
	instances := func(ids ...string) error {
		_, err := c.DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{
			Cluster:            aws.String("main"),
			ContainerInstances: ids,
		})
		return err
	}
	require.NoError(t, describe("main", many(100)...))
	require.NoError(t, describe("gone", many(1)...), "a deleted cluster's tasks can be described for a while")
	const invalid = "InvalidParameterException"
	for name, test := range map[string]struct {
		err           error
		code, message string
	}{
		"no such cluster": {
			list(ecs.ListTasksInput{Cluster: aws.String("none")}),
			"ClusterNotFoundException",
			"Cluster not found.",
		},
		"no default cluster": {
			list(ecs.ListTasksInput{Cluster: aws.String("")}),
			"ClusterNotFoundException",
			"Cluster not found.",
		},
		"deleted cluster": {
			list(ecs.ListTasksInput{Cluster: aws.String("gone")}),
			"ClusterNotFoundException",
			"The referenced cluster was inactive.",
		},
		"cluster elsewhere": {
			list(ecs.ListTasksInput{Cluster: aws.String("arn:aws:ecs:eu-west-1:123456789012:cluster/main")}),
			invalid,
			"Identifier is for eu-west-1",
		},
		"cluster of others": {
			list(ecs.ListTasksInput{Cluster: aws.String("arn:aws:ecs:eu-central-1:999999999999:cluster/main")}),
			invalid,
			"Identifier is for 999999999999",
		},
		"not a cluster": {
			list(ecs.ListTasksInput{Cluster: aws.String(arnOf + "task/main")}),
			invalid,
			"Identifier is not for a cluster",
		},
		"slashes": {
			list(ecs.ListTasksInput{Cluster: aws.String("a/b")}),
			invalid,
			"Unexpected number of separators",
		},
		"page of none":    {list(ecs.ListTasksInput{MaxResults: aws.Int32(0)}), invalid, "between 1 and 100"},
		"page of 101":     {list(ecs.ListTasksInput{MaxResults: aws.Int32(101)}), invalid, "between 1 and 100"},
		"token of nobody": {list(ecs.ListTasksInput{NextToken: aws.String("x")}), invalid, "Invalid token."},
		"token of other lists": {
			list(ecs.ListTasksInput{NextToken: first.NextToken, Family: aws.String("web")}),
			invalid,
			"Invalid token.",
		},
		"token of other status": {
			list(ecs.ListTasksInput{NextToken: first.NextToken, DesiredStatus: "STOPPED"}),
			invalid,
			"Invalid token.",
		},
		"odd status":      {list(ecs.ListTasksInput{DesiredStatus: "DONE"}), invalid, "Invalid desiredStatus"},
		"odd launch type": {list(ecs.ListTasksInput{LaunchType: "MOON"}), invalid, "Invalid launchType"},
		"service and family": {
			list(ecs.ListTasksInput{ServiceName: aws.String("web"), Family: aws.String("web")}),
			invalid,
			"cannot specify serviceName with other arguments",
		},
		"starter and family": {
			list(ecs.ListTasksInput{StartedBy: aws.String("me"), Family: aws.String("web")}),
			invalid,
			"cannot specify startedBy with other arguments",
		},
		"daemons": {list(ecs.ListTasksInput{DaemonName: aws.String("d")}), invalid, "does not imitate"},
		"unknown instance": {
			list(ecs.ListTasksInput{ContainerInstance: aws.String(id("c", 9))}),
			invalid,
			"was not found",
		},
		"no instance ID": {
			list(ecs.ListTasksInput{ContainerInstance: aws.String("i-1")}),
			invalid,
			"length should be one of [32,36]",
		},
		"no tasks":   {describe("main", []string{}...), invalid, "Tasks cannot be empty."},
		"101 tasks":  {describe("main", many(101)...), invalid, "can have at most 100 items."},
		"no task ID": {describe("main", "x"), invalid, "taskId length should be one of [32,36]"},
		"task of other cluster": {
			describe("other", arnOf+"task/main/"+id("a", 0)),
			invalid,
			"Identifier is for cluster main. Your cluster is other",
		},
		"short ARN": {
			describe("main", arnOf+"task/"+id("a", 0)),
			invalid,
			"Unexpected number of separators",
		},
		"101 instances": {instances(many(101)...), invalid, "instanceIds can have at most 100 items."},
		"no instances":  {instances([]string{}...), invalid, "Container instances cannot be empty."},
	} {
		t.Run(name, func(t *testing.T) {
			code, message := codeOf(t, test.err)
			assert.Equal(t, test.code, code)
			assert.Contains(t, message, test.message)
		})
	}
	var missing *types.ClusterNotFoundException
	assert.ErrorAs(t, list(ecs.ListTasksInput{Cluster: aws.String("none")}), &missing)
}

func TestECSFaults(t *testing.T) {
	s, c := withHosts(t, 1, 5)
	in := &ecs.ListTasksInput{Cluster: aws.String("main"), MaxResults: aws.Int32(2)}
	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "ServerException",
		Operation: "ecs:ListTasks",
		After:     1,
	}))
	p := ecs.NewListTasksPaginator(c, in)
	_, err := p.NextPage(t.Context())
	require.NoError(t, err)
	_, err = p.NextPage(t.Context())
	var down *types.ServerException
	require.ErrorAs(t, err, &down, "page 2 fails")
	_, err = c.ListClusters(t.Context(), &ecs.ListClustersInput{})
	require.NoError(t, err, "another operation")

	for _, fault := range []sandbox.Fault{
		{Kind: sandbox.Lose}, {Kind: sandbox.Reset}, {Kind: sandbox.Garble},
	} {
		require.NoError(t, s.SetFaults(fault))
		_, err = c.ListTasks(t.Context(), in)
		require.Error(t, err, fault.Kind)
	}
	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind: sandbox.Flood,
	}, sandbox.Fault{
		Kind:    sandbox.Delay,
		Latency: time.Millisecond,
	}))
	long, err := c.ListTasks(t.Context(), in)
	require.NoError(t, err)
	assert.Len(t, long.TaskArns, 2, "valid, only long")

	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "AccessDeniedException",
		Operation: "ecs:DescribeTasks",
	}))
	_, err = c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{
		Cluster: aws.String("main"),
		Tasks:   []string{id("a", 0)},
	})
	var denied *types.AccessDeniedException
	require.ErrorAs(t, err, &denied)
	assert.Contains(t, denied.ErrorMessage(), "is not authorized to perform: ecs:DescribeTasks on resource: *")

	require.NoError(t, s.SetFaults())
	s.ClearCalls()
	s.Configure(func(c *sandbox.Settings) { c.ECSThrottle = throttle.Policy{Action: throttle.Bucket{Burst: 2}} })
	for _, want := range []string{"", "", "ThrottlingException"} {
		_, err := c.ListTasks(t.Context(), in)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		code, message := codeOf(t, err)
		assert.Equal(t, []string{want, "Rate exceeded"}, []string{code, message})
	}
	_, err = c.ListClusters(t.Context(), &ecs.ListClustersInput{})
	require.NoError(t, err, "each operation has its bucket")
	codes := []string{}
	for _, call := range s.Calls("ecs:ListTasks") {
		codes = append(codes, fmt.Sprint(call.Status, call.Code))
	}
	assert.Equal(t, []string{"200", "200", "400ThrottlingException"}, codes)
}

func TestECSIsLate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, _, _ := start(t, sandbox.Config{Now: func() time.Time { return now }})
	c := ecsClient(s)
	require.NoError(t, s.Fleet().Put(hosts("main", 1, 1)))
	s.Configure(func(c *sandbox.Settings) { c.ECSDelay = 20 * time.Second })
	in := &ecs.ListTasksInput{Cluster: aws.String("main")}
	listed := func() []string {
		ids, _ := tasksOf(t, c, in)
		return ids
	}
	assert.Equal(t, []string{id("a", 0)}, listed(), "what was there before is not late")
	require.NoError(t, s.Fleet().Put(account.State{
		Tasks: []account.Task{{ID: id("a", 1), Cluster: "main", Family: "web"}},
	}))
	now = now.Add(10 * time.Second)
	s.Fleet().Remove(account.IDs{Tasks: []string{id("a", 0)}, Instances: []string{"i-00000000000000000"}})
	assert.Equal(t, []string{id("a", 0)}, listed())
	assert.NotContains(t, s.Fleet().EC2().Instances, "i-00000000000000000", "EC2 is not late")
	now = now.Add(10 * time.Second)
	assert.Equal(t, []string{id("a", 0), id("a", 1)}, listed())
	now = now.Add(10 * time.Second)
	assert.Equal(t, []string{id("a", 1)}, listed())
	s.Fleet().Remove(account.IDs{Tasks: []string{id("a", 1)}})
	assert.Equal(t, []string{id("a", 1)}, listed())
	s.Configure(func(c *sandbox.Settings) { c.ECSDelay = 0 })
	assert.Empty(t, listed())
}
