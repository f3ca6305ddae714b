package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// post sends a request to the path / as it is on the wire.
func post(t *testing.T, s *sandbox.Server, header map[string]string, body string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/", strings.NewReader(body))
	require.NoError(t, err)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text), response.Header
}

func signedFor(service string) string { return strings.ReplaceAll(signature, "route53", service) }

func TestECSOnTheWire(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	require.NoError(t, s.Fleet().Put(hosts("main", 1, 1)))
	const target = "AmazonEC2ContainerServiceV20141113."
	for _, c := range []struct {
		name        string
		target      string
		contentType string
		signed      string
		body        string
		status      int
		want        string
	}{
		{"as botocore does", target + "ListClusters", "application/x-amz-json-1.1", "ecs", `{}`, 200,
			`{"clusterArns":["` + arnOf + `cluster/main"]}`},
		{"a charset, a member that is not known", target + "ListClusters", "application/x-amz-json-1.1; " +
			"charset=utf-8", "ecs",
			`{"novel": {"x": [1]}}`, 200, `{"clusterArns":["` + arnOf + `cluster/main"]}`},
		{"nothing is []", target + "ListTasks", "application/x-amz-json-1.1", "ecs", `{"cluster":"main","family":"x"}`, 200, `{"taskArns":[]}`},
		{"error", target + "ListTasks", "application/x-amz-json-1.1", "ecs", `{"cluster":"none"}`, 400,
			`{"__type":"ClusterNotFoundException","message":"Cluster not found."}`},
		{"no JSON", target + "ListTasks", "application/x-amz-json-1.1", "ecs", `<x/>`, 400, `"__type":"SerializationException"`},
		{"a number for a name", target + "ListTasks", "application/x-amz-json-1.1", "ecs", `{"cluster":1}`, 400, `"__type":"SerializationException"`},
		{"an operation that is not imitated", target + "RunTask", "application/x-amz-json-1.1", "ecs", `{}`, 400,
			`{"__type":"UnknownOperationException","message":"The sandbox does not imitate RunTask"}`},
		{"another service", "DynamoDB_20120810.ListTables", "application/x-amz-json-1.1", "ecs", `{}`, 400, `"__type":"UnknownOperationException"`},
		{"another protocol", target + "ListClusters", "application/json", "ecs", `{}`, 404, `"__type":"UnknownOperationException"`},
		{"signed for another service", target + "ListClusters", "application/x-amz-json-1.1", "ec2", `{}`, 400,
			`"__type":"MissingAuthenticationTokenException"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body, header := post(
				t,
				s,
				map[string]string{"X-Amz-Target": c.target, "Content-Type": c.contentType,
					"Authorization": signedFor(c.signed)},
				c.body,
			)
			assert.Equal(t, c.status, status)
			assert.Contains(t, body, c.want)
			assert.Equal(t, "application/x-amz-json-1.1", header.Get("Content-Type"))
			calls := s.Calls()
			assert.Equal(t, calls[len(calls)-1].RequestID, header.Get("X-Amzn-Requestid"))
		})
	}
	_, body, _ := post(
		t,
		s,
		map[string]string{"X-Amz-Target": target + "DescribeTasks", "Content-Type": "application/x-amz-json-1.1",
			"Authorization": signedFor("ecs")},
		`{"cluster":"main","tasks":["`+id("a", 0)+`"]}`,
	)
	var document struct {
		Tasks []map[string]json.RawMessage `json:"tasks"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	assert.Regexp(t, `^\d{10}(\.\d{1,3})?$`, string(document.Tasks[0]["createdAt"]), "seconds since 1970, as a number")
	assert.NotContains(t, document.Tasks[0], "stoppedAt", "what has not been is not said")
}

func TestEC2OnTheWire(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }})
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	request := func(service, body string) (int, string) {
		status, text, header := post(
			t,
			s,
			map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
				"Authorization": signedFor(service)},
			body,
		)
		assert.Equal(t, "text/xml;charset=UTF-8", header.Get("Content-Type"))
		return status, strings.ReplaceAll(text, header.Get("X-Amzn-Requestid"), "R")
	}
	status, body := request(
		"ec2",
		"Version=2016-11-15&Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=running",
	)
	assert.Equal(t, 200, status)
	assert.Equal(
		t,
		head+`<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>R</requestId><reservationSet>`+
			`<item><reservationId>r-0123456789abcdef0</reservationId><ownerId>123456789012</ownerId><instancesSet><item>`+
			`<instanceId>i-0123456789abcdef0</instanceId><instanceState><code>16</code><name>running</name></instanceState>`+
			`<privateDnsName>ip-10-0-0-1.eu-central-1.compute.internal</privateDnsName><privateIpAddress>10.0.0.1</privateIpAddress>`+
			`<vpcId>vpc-sandbox</vpcId><instanceType>t3.small</instanceType><launchTime>2026-01-02T03:04:05.000Z</launchTime><placement>`+
			`<availabilityZone>eu-central-1a</availabilityZone></placement><metadataOptions><state>applied</state><httpTokens>required</httpTokens>`+
			`<httpPutResponseHopLimit>1</httpPutResponseHopLimit><httpEndpoint>enabled</httpEndpoint></metadataOptions></item></instancesSet></item>`+
			`</reservationSet></DescribeInstancesResponse>`,
		body,
	)
	status, body = request("ec2", "Version=2016-11-15&Action=DescribeInstances&InstanceId.1=i-00000000")
	assert.Equal(t, 400, status)
	assert.Equal(
		t,
		head+`<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>The instance ID &#39;i-00000000&#39; does not `+
			`exist</Message></Error></Errors><RequestID>R</RequestID></Response>`,
		body,
	)
	status, body = request("sts", "Action=GetCallerIdentity&Version=2011-06-15")
	assert.Equal(t, 200, status)
	assert.Contains(
		t,
		body,
		`<Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>R</RequestId>`,
	)
	status, body = request("sts", "Action=AssumeRole&Version=2011-06-15")
	assert.Equal(t, 400, status)
	assert.Equal(
		t,
		head+`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>InvalidAction</Code>`+
			`<Message>The sandbox does not imitate sts:AssumeRole</Message></Error><RequestId>R</RequestId></ErrorResponse>`,
		body,
	)
	for _, c := range []struct {
		service, body string
		status        int
		want          string
	}{
		{"ecs", "Version=2016-11-15&Action=DescribeInstances", 401, "<Code>AuthFailure</Code>"},
		{"ec2", "Version=2006-01-01&Action=DescribeVpcs", 400, "<Code>NoSuchVersion</Code>"},
		{"ec2", "%zz", 400, "<Code>MalformedQueryString</Code>"},
	} {
		status, body := request(c.service, c.body)
		assert.Equal(t, c.status, status)
		assert.Contains(t, body, c.want)
	}
	form, err := url.ParseQuery("Action=GetCallerIdentity&Version=2011-06-15")
	require.NoError(t, err)
	assert.Equal(t, form.Get("Action"), s.Calls("sts:GetCallerIdentity")[0].Query["Action"])
}

func TestManageFleet(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	task, host := id("a", 1), id("c", 1)
	manage(
		t,
		s,
		"PUT",
		"/fleet",
		`{"instances": [{"id": "i-1", "privateIp": "10.0.0.7"}], "clusters": [{"name": "main"}],
		"containerInstances": [{"id": "`+host+`", "cluster": "main", "instanceId": "i-1"}],
		"taskDefinitions": [{"family": "web", "containers": [{"name": "web", "environment": {"A": "1"}}]}]}`,
		200,
	)
	manage(
		t,
		s,
		"POST",
		"/fleet",
		`{"tasks": [{"id": "`+task+`", "cluster": "main", "containerInstance": "`+host+`", "family": "web",
		"containers": [{"name": "web", "runtimeId": "d0", "bindings": [{"containerPort": 80, "hostPort": 32768}]}]}]}`,
		200,
	)
	before := s.Fleet().Newest()
	manage(t, s, "PATCH", "/fleet/instances/i-1", `{"state": "terminated"}`, 200)
	manage(t, s, "PATCH", "/fleet/containerInstances/"+host, `{"status": "DRAINING", "agentDisconnected": true}`, 200)
	manage(
		t,
		s,
		"PATCH",
		"/fleet/tasks/"+task,
		`{"desiredStatus": "STOPPED", "containers": [{"name": "web", "runtimeId": "d1"}]}`,
		200,
	)
	v := s.Fleet().Newest()
	assert.Equal(t, []any{"terminated", "10.0.0.7", "DRAINING", true, "STOPPED", "RUNNING"},
		[]any{v.Instances["i-1"].State, v.Instances["i-1"].PrivateIP, v.ContainerInstances[host].Status,
			v.ContainerInstances[host].AgentDisconnected, v.Tasks[task].DesiredStatus, v.Tasks[task].LastStatus})
	assert.Equal(t, []account.Container{{
		Name:       "web",
		RuntimeID:  "d1",
		LastStatus: "RUNNING",
		Health:     "UNKNOWN",
	}}, v.Tasks[task].Containers)
	assert.Equal(t, "d0", before.Tasks[task].Containers[0].RuntimeID, "an earlier view does not change")
	assert.Contains(t, manage(t, s, "GET", "/fleet", "", 200), `"state": "terminated"`)
	manage(t, s, "DELETE", "/fleet", `{"tasks": ["`+task+`"]}`, 200)
	assert.Empty(t, s.Fleet().Newest().Tasks)

	for path, body := range map[string]string{
		"PATCH /fleet/tasks/none":                 `{}`,
		"PATCH /fleet/instances/i-1":              `{"colour": "red"}`,
		"PATCH /fleet/odd/x":                      `{}`,
		"PATCH /fleet/containerInstances/" + host: `{"status": "ODD"}`,
		"POST /fleet":                             `{"tasks": [{"cluster": "none", "family": "web"}]}`,
		"PUT /fleet":                              `{"clusters": [{}]}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		manage(t, s, method, path, body, 400)
	}
	assert.Contains(t, s.Fleet().Newest().Clusters, "main", "what is wrong changes nothing")

	manage(
		t,
		s,
		"PATCH",
		"/settings",
		`{"ecsDelay": "20s", "ec2Delay": "5s", "page": 3, "ecsThrottle": {"special": {"ListTasks": {"burst": 2, "perSecond": 1}}}}`,
		200,
	)
	got := s.Settings()
	assert.Equal(t, []any{20 * time.Second, 5 * time.Second, 3, throttle.Bucket{Burst: 2, PerSecond: 1}},
		[]any{got.ECSDelay, got.EC2Delay, got.Page, got.ECSThrottle.Special["ListTasks"]})
	assert.Contains(t, manage(t, s, "GET", "/settings", "", 200), `"ecsDelay": "20s"`)
}

// TestEngine mirrors a real container, on an Engine of its own: with the containers of other tests a look takes long.
func TestEngine(t *testing.T) {
	engine := enginetest.NewOwn(t)
	t.Setenv("DOCKER_HOST", engine.Host())
	labels := enginetest.ECSLabels("web")
	task := id("e", int(time.Now().UnixNano()))
	labels["com.amazonaws.ecs.task-arn"] = arnOf + "task/mirror/" + task
	labels["com.amazonaws.ecs.cluster"], labels["com.amazonaws.ecs.task-definition-version"] = "mirror", "7"
	labels["com.amazonaws.ecs.task-definition-family"] = "web" + task
	labels["SERVICE_NAME"] = "www"
	container := enginetest.Run(t, enginetest.Options{
		Engine:  engine,
		Labels:  labels,
		Env:     []string{"SERVICE_8080_CHECK_HTTP=/up"},
		Publish: []string{"127.0.0.1::8080"},
	})

	s, _, _ := start(t, sandbox.Config{Engine: true, Instance: sandbox.Instance{ID: "i-00000000000000007"}})
	c := ecsClient(s)
	described := func() (string, string, []string) {
		out, err := c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{
			Cluster: aws.String("mirror"),
			Tasks:   []string{task},
		})
		require.NoError(t, err)
		require.Len(t, out.Tasks, 1)
		got := out.Tasks[0]
		var ids []string
		for _, c := range got.Containers {
			ids = append(ids, *c.RuntimeId)
		}
		return *got.DesiredStatus, *got.LastStatus, ids
	}
	desired, last, ids := described()
	assert.Equal(t, []string{"RUNNING", "RUNNING"}, []string{desired, last})
	assert.Equal(t, []string{container.ID}, ids)
	listed, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{
		Cluster: aws.String("mirror"),
		Family:  aws.String("web" + task),
	})
	require.NoError(t, err)
	require.Equal(t, []string{arnOf + "task/mirror/" + task}, listed.TaskArns)

	v := s.Fleet().Newest()
	mirrored := v.Tasks[task]
	assert.Equal(t, []account.Binding{{
		ContainerPort: 8080,
		HostPort:      int(container.HostPort("8080/tcp")),
		Protocol:      "tcp",
		BindIP:        "127.0.0.1",
	}},
		mirrored.Containers[0].Bindings)
	assert.Equal(t, "i-00000000000000007", v.ContainerInstances[mirrored.ContainerInstance].InstanceID)
	definition, err := c.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{
		TaskDefinition: aws.String("web" + task + ":7"),
	})
	require.NoError(t, err)
	first := definition.TaskDefinition.ContainerDefinitions[0]
	assert.Equal(t, map[string]string{
		"SERVICE_NAME": "www",
		"ecssd.test":   first.DockerLabels["ecssd.test"],
	}, first.DockerLabels)
	environment := map[string]string{}
	for _, pair := range first.Environment {
		environment[*pair.Name] = *pair.Value
	}
	assert.Equal(t, "/up", environment["SERVICE_8080_CHECK_HTTP"])
	assert.Equal(t, int32(8080), *first.PortMappings[0].ContainerPort)

	_, err = c.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("mirror"), Task: &task})
	require.NoError(t, err)
	container.Stop(5)
	patience.Eventually(t, "the mirror shows the task as stopped", func() bool {
		_, last, _ := described()
		return last == "STOPPED"
	})
	assert.Equal(t, "UserInitiated", s.Fleet().Newest().Tasks[task].StopCode, "the mirror keeps why it was stopped")
	container.Remove()
	desired, last, ids = described()
	assert.Equal(t, []string{
		"STOPPED",
		"STOPPED",
		container.ID,
	}, append([]string{
		desired,
		last,
	}, ids...), "as ECS shows it for an hour")
}
