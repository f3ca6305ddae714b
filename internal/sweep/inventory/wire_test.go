package inventory_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/inventory"
)

// wire answers calls as it is told, for what the sandbox does not say: one cluster with one instance that EC2 does not
// know, unless an answer is replaced. It remembers no state, and serves one call at a time.
type wire map[string]func(input request) string

// request is what is read of any call.
type request struct {
	DesiredStatus string
	NextToken     string
}

func says(answer string) func(request) string { return func(request) string { return answer } }

const noInstances = `<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>`

func (w wire) source(t *testing.T, checks bool) *inventory.Source {
	t.Helper()
	answers := wire{
		"ListClusters":               says(`{"clusterArns": ["main"]}`),
		"ListContainerInstances":     says(`{"containerInstanceArns": ["ci"]}`),
		"DescribeContainerInstances": says(`{"containerInstances": [` + oneInstance + `]}`),
		"ListTasks":                  says(`{"taskArns": ["task"]}`),
		"DescribeTasks": says(
			`{"tasks": [{"taskArn": "task", "containerInstanceArn": "ci", "clusterArn": "main"}]}`,
		),
		"DescribeInstances": says(noInstances),
		"GetCallerIdentity": says(
			`<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult>` +
				`</GetCallerIdentityResponse>`,
		),
	}
	for operation, answer := range w {
		answers[operation] = answer
	}
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		var input request
		_, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if isJSON {
			_ = json.Unmarshal(body, &input)
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		} else {
			form, _ := url.ParseQuery(string(body))
			operation = form.Get("Action")
			w.Header().Set("Content-Type", "text/xml")
		}
		answer, known := answers[operation]
		if !known {
			http.Error(w, "", http.StatusNotImplemented)
			return
		}
		_, _ = io.WriteString(w, answer(input))
	}))
	t.Cleanup(server.Close)
	return inventory.New(configFor(server.URL), nil, checks)
}

const oneInstance = `{"containerInstanceArn": "ci", "ec2InstanceId": "i-01234567", "status": "ACTIVE", "agentConnected": true}`

func TestWhatIsNotDescribed(t *testing.T) {
	for name, tt := range map[string]struct {
		w    wire
		want string // of the error; empty: it is no error
	}{
		"a task has vanished": {
			wire{"DescribeTasks": says(`{"tasks": [], "failures": [{"arn": "task", "reason": "MISSING"}]}`)}, ""},
		"a task could not be described": {
			wire{
				"DescribeTasks": says(`{"tasks": [], "failures": [{"arn": "task", "reason": "INTERNAL", "detail": "try again"}]}`),
			},
			"describe tasks of cluster main: task: INTERNAL try again"},
		"a task is missing in the answer": {
			wire{
				"DescribeTasks": says(`{"tasks": []}`),
			}, "describe tasks of cluster main: the answer lacks 1 of 1"},
		"an instance has vanished": {
			wire{
				"DescribeContainerInstances": says(`{"containerInstances": [], "failures": [{"arn": "ci", "reason": "MISSING"}]}`),
			}, ""},
		"an instance could not be described": {
			wire{
				"DescribeContainerInstances": says(`{"containerInstances": [], "failures": [{"arn": "ci", "reason": "INTERNAL"}]}`),
			},
			"describe container instances of cluster main: ci: INTERNAL"},
		"an instance is missing in the answer": {
			wire{
				"DescribeContainerInstances": says(`{}`),
			}, "describe container instances of cluster main: the answer lacks 1 of 1"},
		"a listing that does not end": {
			wire{
				"ListTasks": says(`{"taskArns": ["task"], "nextToken": "again"}`),
			}, "pagination loop"},
		"a task definition without one": {
			wire{"DescribeTaskDefinition": says(`{}`)}, "describe task definition web:1: the answer has no task definition"},
	} {
		t.Run(name, func(t *testing.T) {
			checks := tt.w["DescribeTaskDefinition"] != nil
			if checks {
				tt.w["DescribeTasks"] = says(taskOf(`{"name": "web", "runtimeId": "x"}`))
			}
			f, err := tt.w.source(t, checks).Fleet(t.Context(), nil)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			assert.Zero(t, f)
		})
	}
}

// taskOf is an answer with one task of one container.
func taskOf(container string, more ...string) string {
	return fmt.Sprintf(
		`{"tasks": [{"taskArn": "task", "clusterArn": "main", "containerInstanceArn": "ci", "taskDefinitionArn": "web:1",
		"lastStatus": "RUNNING", "containers": [%s]%s}]}`,
		container,
		strings.Join(more, ""),
	)
}

// TestATaskThatIsAskedToStopMeanwhile passes from one listing to the other between two calls, and is in the fleet all
// the same.
func TestATaskThatIsAskedToStopMeanwhile(t *testing.T) {
	desired := "RUNNING"
	w := wire{
		"ListTasks": func(in request) string {
			defer func() { desired = "STOPPED" }()
			if in.DesiredStatus != desired {
				return `{"taskArns": []}`
			}
			return `{"taskArns": ["task"]}`
		},
		"DescribeTasks": says(taskOf(`{"runtimeId": "x"}`)),
	}
	f, err := w.source(t, false).Fleet(t.Context(), nil)
	require.NoError(t, err)
	assert.Contains(t, f.Containers, "x")
}

// TestAnInstanceRegisteredMeanwhile is not among the clusters' until the next reading: tasks of it may be missing.
func TestAnInstanceRegisteredMeanwhile(t *testing.T) {
	registered := false
	w := wire{
		"ListContainerInstances": func(request) string {
			if registered {
				return `{"containerInstanceArns": ["ci"]}`
			}
			return `{"containerInstanceArns": []}`
		},
		"ListTasks": func(request) string {
			registered = true
			return `{"taskArns": ["task"]}`
		},
		"DescribeTasks": says(taskOf(`{"runtimeId": "x"}`)),
	}
	f, err := w.source(t, false).Fleet(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, map[string]evidence.Instance{"i-01234567": {}}, f.Instances)
	assert.Equal(t, "i-01234567", f.Containers["x"].Instance)
}

func TestPorts(t *testing.T) {
	many := make([]evidence.Port, 0, 1000)
	for n := range uint16(1000) {
		many = append(many, port(1+n, 10001+n))
	}
	for name, tt := range map[string]struct {
		bindings string
		want     []evidence.Port
	}{
		"a range": {
			`{"containerPortRange": "8000-8002", "hostPortRange": "40000-40002", "protocol": "udp"}`,
			[]evidence.Port{
				{Container: container.Port{Number: 8000, Proto: container.UDP}, Host: 40000},
				{Container: container.Port{Number: 8001, Proto: container.UDP}, Host: 40001},
				{Container: container.Port{Number: 8002, Proto: container.UDP}, Host: 40002},
			}},
		"no protocol means TCP":    {`{"containerPort": 80, "hostPort": 81}`, []evidence.Port{port(80, 81)}},
		"a range that is bounded":  {`{"containerPortRange": "1-20000", "hostPortRange": "10001-30000"}`, many},
		"ranges of unequal length": {`{"containerPortRange": "8000-8002", "hostPortRange": "40000-40001"}`, nil},
		"half a range":             {`{"containerPortRange": "8000-8002"}`, nil},
		"no range":                 {`{"containerPortRange": "8000", "hostPortRange": "web-40000"}`, nil},
		"a range beyond what ports are": {
			`{"containerPortRange": "8000-99999999999", "hostPortRange": "8000-99999999999"}`,
			nil,
		},
		"a range that runs backwards":    {`{"containerPortRange": "90-80", "hostPortRange": "90-80"}`, nil},
		"a port that is not bound (yet)": {`{"containerPort": 80}`, nil},
		"no port":                        {`{}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := wire{"DescribeTasks": says(taskOf(`{"runtimeId": "x", "networkBindings": [` + tt.bindings + `]}`))}
			f, err := w.source(t, false).Fleet(t.Context(), nil)
			require.NoError(t, err)
			assert.Equal(t, tt.want, f.Containers["x"].Ports)
		})
	}
}

// TestPortRangesOfDefinitions: with a network interface of the task's own they are reached as they are mapped.
func TestPortRangesOfDefinitions(t *testing.T) {
	attachment := `{"type": "%s", "details": [{"name": "subnetId", "value": "10.0.0.1"}, {"name": "privateIPv4Address", "value": "%s"}]}`
	for name, tt := range map[string]struct {
		kind, address string
		want          netip.Addr
	}{
		"its own":                        {"ElasticNetworkInterface", "10.0.9.9", netip.MustParseAddr("10.0.9.9")},
		"another attachment":             {"AmazonElasticBlockStorage", "10.0.9.9", netip.Addr{}},
		"an address that is no IPv4 one": {"ElasticNetworkInterface", "fd00::1", netip.Addr{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := wire{
				"DescribeTasks": says(
					taskOf(
						`{"name": "web", "runtimeId": "x"}`,
						`, "attachments": [`+fmt.Sprintf(attachment, tt.kind, tt.address)+`]`,
					),
				),
				"DescribeTaskDefinition": says(
					`{"taskDefinition": {"networkMode": "awsvpc", "containerDefinitions": [{"name": "web",
					"portMappings": [{"containerPortRange": "8000-8001"}, {"containerPort": 80, "hostPort": 80}]}]}}`,
				),
			}
			f, err := w.source(t, true).Fleet(t.Context(), nil)
			require.NoError(t, err)
			assert.Equal(t, tt.want, f.Containers["x"].Address)
			var ports []evidence.Port
			if tt.want.IsValid() {
				ports = []evidence.Port{port(80, 80), port(8000, 8000), port(8001, 8001)}
			}
			assert.Equal(t, ports, f.Containers["x"].Ports)
		})
	}
}

func TestStatesOfEC2(t *testing.T) {
	for code, want := range map[int]evidence.State{
		0:      evidence.Alive,
		16:     evidence.Alive,
		32:     evidence.Gone,
		48:     evidence.Gone,
		64:     evidence.Gone,
		80:     evidence.Gone,
		0x0110: evidence.Alive,
		0x0150: evidence.Gone,  // the high byte means nothing
		96:     evidence.Alive, // one that is not known here proves nothing
	} {
		w := wire{
			"DescribeInstances": says(
				fmt.Sprintf(
					`<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-01234567</instanceId>
			<instanceState><code>%d</code></instanceState></item></instancesSet></item></reservationSet></DescribeInstancesResponse>`,
					code,
				),
			),
		}
		f, err := w.source(t, false).Fleet(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, want, f.Instances["i-01234567"].State, "code %d", code)
	}
}

// TestATaskThatEndedBeforeItsContainersWereMade says nothing of their status, and leaves its host complete.
func TestATaskThatEndedBeforeItsContainersWereMade(t *testing.T) {
	w := wire{
		"DescribeTasks": says(
			`{"tasks": [{"taskArn": "task", "clusterArn": "main", "containerInstanceArn": "ci", "lastStatus": "STOPPED",
		"containers": [{"name": "web"}]}]}`,
		),
	}
	f, err := w.source(t, false).Fleet(t.Context(), nil)
	require.NoError(t, err)
	assert.True(t, f.Instances["i-01234567"].Complete)
	assert.Empty(t, f.Containers)
}

// TestAnInstanceWithoutAnID of EC2 is no instance of the fleet, and its containers are.
func TestAnInstanceWithoutAnID(t *testing.T) {
	w := wire{
		"DescribeContainerInstances": says(
			`{"containerInstances": [{"containerInstanceArn": "ci", "status": "ACTIVE", "agentConnected": true}]}`,
		),
		"DescribeTasks": says(taskOf(`{"runtimeId": "x"}, {"name": "pending"}`)),
	}
	f, err := w.source(t, false).Fleet(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, f.Instances)
	assert.Equal(t, map[string]evidence.Container{"x": {Task: "task", Cluster: "main"}}, f.Containers)
}
