package engine

import (
	"strings"
	"testing"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/account"
)

// inspected is a container of a task of the family web.
func inspected(id, task, name string, state api.State, mode api.NetworkMode, ports nat.PortMap) api.InspectResponse {
	in := api.InspectResponse{
		ContainerJSONBase: &api.ContainerJSONBase{
			ID:         strings.Repeat(id, 64),
			State:      &state,
			HostConfig: &api.HostConfig{NetworkMode: mode},
		},
		Config: &api.Config{Image: "web:1", Env: []string{"A=b=c"}, Labels: map[string]string{
			labelTask:     "arn:aws:ecs:eu-central-1:123456789012:task/main/" + strings.Repeat(task, 32),
			labelName:     name,
			labelFamily:   "web",
			labelRevision: "3",
			labelCluster:  "main",
			"own":         "label",
		}},
		NetworkSettings: &api.NetworkSettings{},
	}
	in.NetworkSettings.Ports = ports
	return in
}

func TestTheStateOfATaskFollowsFromItsContainers(t *testing.T) {
	healthy := &api.Health{Status: api.Healthy}
	unhealthy := &api.Health{Status: api.Unhealthy}
	for _, test := range []struct {
		name                  string
		states                []api.State
		last, desired, health string
	}{
		{"one runs", []api.State{{Status: api.StateRunning}, {Status: api.StateExited}}, "RUNNING", "RUNNING",
			"UNKNOWN"},
		{"one is unhealthy", []api.State{{Status: api.StateRunning, Health: healthy},
			{Status: api.StateRunning, Health: unhealthy}},
			"RUNNING", "RUNNING", "UNHEALTHY"},
		{"paused", []api.State{{Status: api.StatePaused, Health: healthy}}, "RUNNING", "RUNNING", "HEALTHY"},
		{"restarting", []api.State{{Status: api.StateRestarting}}, "PENDING", "RUNNING", "UNKNOWN"},
		{"all have ended", []api.State{{Status: api.StateExited}, {Status: api.StateDead}}, "STOPPED", "STOPPED",
			"UNKNOWN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var found []api.InspectResponse
			for n, state := range test.states {
				found = append(
					found,
					inspected(string(rune('a'+n)), "1", "web"+string(rune('0'+n)), state, "bridge", nil),
				)
			}
			tasks := convert(found, "i-1").Tasks
			require.Len(t, tasks, 1)
			assert.Equal(t, []string{test.last, test.desired, test.health},
				[]string{tasks[0].LastStatus, tasks[0].DesiredStatus, tasks[0].Health})
		})
	}
}

func TestWhatIsNoTaskOfECSIsLeftOut(t *testing.T) {
	running := api.State{Status: api.StateRunning}
	pause := inspected("a", "1", "~internal~ecs~pause", running, "bridge", nil)
	relay := inspected("b", "1", "relay", running, "host", nil)
	relay.Config.Labels[labelTask] = "arn:::::/service-connect-relay-1"
	assert.Empty(t, convert([]api.InspectResponse{pause, relay}, "i-1"))
}

func TestServiceConnectsPauseContainerHasThePorts(t *testing.T) {
	running := api.State{Status: api.StateRunning}
	ports := nat.PortMap{"80/tcp": {{HostIP: "0.0.0.0", HostPort: "32768"}, {HostIP: "::", HostPort: "32768"}}}
	pause := inspected("a", "1", "~internal~ecs~pause-web", running, "bridge", ports)
	web := inspected("b", "1", "web", running, api.NetworkMode("container:"+pause.ID), nil)
	state := convert([]api.InspectResponse{web, pause}, "i-1")
	require.Len(t, state.Tasks, 1)
	require.Len(t, state.Tasks[0].Containers, 1)
	assert.Equal(t, []account.Binding{
		{
			ContainerPort: 80,
			HostPort:      32768,
			Protocol:      "tcp",
			BindIP:        "0.0.0.0",
		},
		{
			ContainerPort: 80,
			HostPort:      32768,
			Protocol:      "tcp",
			BindIP:        "::",
		},
	}, state.Tasks[0].Containers[0].Bindings)
}

func TestTheHostsNetworkHasThePortOfTheContainer(t *testing.T) {
	in := inspected("a", "1", "web", api.State{Status: api.StateRunning}, "host", nil)
	in.HostConfig.PortBindings = nat.PortMap{"80/tcp": {{HostPort: "12345"}}}
	definitions := convert([]api.InspectResponse{in}, "i-1").TaskDefinitions
	require.Len(t, definitions, 1)
	assert.Equal(t, "host", definitions[0].NetworkMode)
	assert.Equal(t, account.ContainerDefinition{
		Name:         "web",
		Image:        "web:1",
		Environment:  map[string]string{"A": "b=c"},
		DockerLabels: map[string]string{"own": "label"},
		Ports:        []account.Port{{ContainerPort: 80, HostPort: 80, Protocol: "tcp"}},
	}, definitions[0].Containers[0])
}
