package host

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/introspectiontest"
)

const (
	webID    = "aaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	bridgeID = "cccccccccccceeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	newID    = "ddddddddddddffffffffffffffffffffffffffffffffffffffffffffffffffff"
)

// ask starts an ECS agent and gives a client of it.
func ask(t *testing.T, tasks ...introspectiontest.Task) (*Introspection, *introspectiontest.Server) {
	t.Helper()
	s := introspectiontest.Start(tasks...)
	t.Cleanup(s.Close)
	return NewIntrospection(s.URL), s
}

func container(id string, networks ...introspectiontest.Network) introspectiontest.Container {
	return introspectiontest.Container{
		DockerID:   id,
		DockerName: "ecs-web-1",
		Name:       "web",
		Networks:   networks,
	}
}

var (
	stopping = introspectiontest.Task{
		Arn:           "arn:1",
		DesiredStatus: "STOPPED",
		KnownStatus:   "RUNNING",
		Family:        "web",
		Version:       "3",
		Containers: []introspectiontest.Container{container(webID, introspectiontest.Network{NetworkMode: "awsvpc",
			IPv4Addresses: []string{"10.0.3.4"}, IPv6Addresses: []string{"2001:db8::4"}})},
	}
	bridged = introspectiontest.Task{
		Arn:         "arn:2",
		KnownStatus: "RUNNING",
		Family:      "api",
		Version:     "1",
		Containers: []introspectiontest.Container{container(bridgeID), container(newID,
			introspectiontest.Network{NetworkMode: "bridge", IPv4Addresses: []string{"172.17.0.2"}})},
	}
	starting = introspectiontest.Task{Arn: "arn:3", KnownStatus: "NONE"}
)

func TestTasks(t *testing.T) {
	client, server := ask(t, stopping, bridged, starting)
	got, err := client.Tasks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Task{
		{
			DesiredStatus: "STOPPED",
			Containers:    []TaskContainer{{DockerID: webID, Address: netip.MustParseAddr("10.0.3.4")}},
		},
		{Containers: []TaskContainer{{DockerID: bridgeID}, {DockerID: newID}}},
		{},
	}, got)

	server.Set()
	got, err = client.Tasks(t.Context())
	require.NoError(t, err)
	assert.Empty(t, got)
	assert.Equal(t, 2, server.Calls())
}

func TestECSAgent(t *testing.T) {
	client, server := ask(t)
	got, err := client.Agent(t.Context())
	require.NoError(t, err)
	assert.Equal(t, ECSAgent{
		Version:              "Amazon ECS Agent - v1.106.1",
		Cluster:              "default",
		ContainerInstanceArn: introspectiontest.Instance,
	}, got)
	server.Close()
	_, err = client.Agent(t.Context())
	assert.ErrorContains(t, err, "ask the ECS agent for its version")
}

func TestIntrospectionFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"an error of its own": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "it answers 500"},
		"not JSON": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
			"read the ECS agent's tasks",
		},
		"broken off": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"Tasks":[`)) },
			"read the ECS agent's tasks",
		},
		"longer than read": {func(w http.ResponseWriter, r *http.Request) {
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 16 {
				_, _ = w.Write(chunk)
			}
			_, _ = w.Write([]byte(`{"Tasks":[]}`))
		}, "read the ECS agent's tasks"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			_, err := NewIntrospection(server.URL).Tasks(t.Context())
			assert.ErrorContains(t, err, c.want)
		})
	}
	client, server := ask(t)
	server.Close()
	_, err := client.Tasks(t.Context())
	assert.ErrorContains(t, err, "ask the ECS agent for its tasks")
}

func TestDecodeTasks(t *testing.T) {
	v6 := Task{Containers: []TaskContainer{{DockerID: webID, Address: netip.MustParseAddr("2001:db8::4")}}}
	for name, c := range map[string]struct {
		body string
		want []Task
	}{
		"no list":         {`{"Tasks":null}`, []Task{}},
		"null task":       {`{"Tasks":[null]}`, []Task{{}}},
		"null containers": {`{"Tasks":[{"Arn":"a","Containers":null}]}`, []Task{{}}},
		"null networks": {
			`{"Tasks":[{"Arn":"a","Containers":[{"DockerId":"x","Networks":null,"Ports":null}]}]}`,
			[]Task{{Containers: []TaskContainer{{DockerID: "x"}}}},
		},
		"null addresses": {
			`{"Tasks":[{"Arn":"a","Containers":[{"DockerId":"x","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":null}]}]}]}`,
			[]Task{{Containers: []TaskContainer{{DockerID: "x"}}}},
		},
		"ports, which matter to nobody": {
			`{"Tasks":[{"Arn":"a","Containers":[{"DockerId":"x","Ports":[{"ContainerPort":70000,"Protocol":"tcp"},{"Protocol":"udp"}]}]}]}`,
			[]Task{{Containers: []TaskContainer{{DockerID: "x"}}}},
		},
		"a restart policy": {
			`{"Tasks":[{"Arn":"a","Containers":[{"DockerId":"x","RestartCount":0},{"DockerId":"y","RestartCount":7},{"DockerId":"z","RestartCount":null}]}]}`,
			[]Task{
				{
					Containers: []TaskContainer{
						{DockerID: "x", Restarts: true},
						{DockerID: "y", Restarts: true},
						{DockerID: "z"},
					},
				},
			},
		},
		"IPv6 only": {
			`{"Tasks":[{"Arn":"a","Containers":[{"DockerId":"` + webID + `","Networks":[{"NetworkMode":"awsvpc","IPv6Addresses":["2001:db8::4"]}]}]}]}`,
			[]Task{v6},
		},
		"a broken address": {
			`{"Tasks":[{"Arn":"a","Containers":[{"DockerId":"` + webID + `","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0"],"IPv6Addresses":["2001:db8::4"]}]}]}]}`,
			[]Task{v6},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeTasks(strings.NewReader(c.body))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

// The file was recorded from Amazon ECS agent 1.105.1, Docker Engine 20.10.24.
func TestDecodeTasksOfAnECSAgent(t *testing.T) {
	recorded, err := os.Open("testdata/ecs-agent/tasks.json")
	require.NoError(t, err)
	defer recorded.Close()
	tasks, err := decodeTasks(recorded)
	require.NoError(t, err)
	addresses, restarts, desired := map[string]netip.Addr{}, []string{}, map[string]int{}
	for _, task := range tasks {
		desired[task.DesiredStatus]++
		for _, c := range task.Containers {
			if c.Address.IsValid() {
				addresses[fmt.Sprintf("%.12s", c.DockerID)] = c.Address
			}
			if c.Restarts {
				restarts = append(restarts, fmt.Sprintf("%.12s", c.DockerID))
			}
		}
	}
	assert.Equal(t, map[string]int{"RUNNING": 14, "STOPPED": 6}, desired)
	ended, runs := netip.MustParseAddr("10.0.1.7"), netip.MustParseAddr("10.0.1.8")
	assert.Equal(t, map[string]netip.Addr{
		"ba1aa06cfb3e": ended,
		"":             ended,
		"3783cbc04fa1": runs,
		"1faeac25ab4c": runs,
		"c08a0914a092": runs,
	}, addresses, "of the tasks with awsvpc; one of their containers was never made")
	assert.Equal(t, []string{"22594762ac18", "de9e31aa862a", "c89940327ee9"}, restarts)
}

func FuzzDecodeTasks(f *testing.F) {
	f.Add(
		[]byte(
			`{"Tasks":[{"Arn":"a","DesiredStatus":"STOPPED","Containers":[{"DockerId":"x","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0.1"]}]}]}]}`,
		),
	)
	f.Add([]byte(`{"Tasks":[null,{"Arn":1}]}`))
	f.Add([]byte(`{"Arn":"","Containers":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		tasks, err := decodeTasks(bytes.NewReader(body))
		if err != nil {
			assert.Nil(t, tasks, "an answer that cannot be read is not taken for one without tasks")
		}
	})
}
