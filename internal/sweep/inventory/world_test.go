package inventory_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// TestTasks changes the only task of a host, or adds another, and compares the one container.
func TestTasks(t *testing.T) {
	for name, tt := range map[string]struct {
		change     func(*account.Task)
		want       func(*evidence.Container) // nil: the container is not in the fleet
		incomplete bool
	}{
		"running": {func(*account.Task) {}, func(*evidence.Container) {}, false},
		"being stopped, and still serving": {
			func(t *account.Task) { t.DesiredStatus = "STOPPED" }, func(c *evidence.Container) { c.Running = false },
			false},
		"stopping": {
			func(t *account.Task) { t.DesiredStatus, t.LastStatus = "STOPPED", "STOPPING" },
			func(c *evidence.Container) { c.Running = false }, false},
		"starting": {
			func(t *account.Task) { t.LastStatus = "ACTIVATING" }, func(c *evidence.Container) { c.Running = false },
			false},
		"its container has stopped, and its ports may be another's": {
			func(t *account.Task) {
				t.DesiredStatus, t.LastStatus, t.Containers[0].LastStatus = "STOPPED", "DEPROVISIONING", "STOPPED"
			},
			func(c *evidence.Container) { c.Running, c.Stopped, c.Ports = false, true, nil }, false},
		"its container has stopped, and others of its task run": {
			func(t *account.Task) {
				t.Containers[0].LastStatus = "STOPPED"
				t.Containers = append(t.Containers, account.Container{Name: "beside", LastStatus: "STOPPED"})
			},
			func(c *evidence.Container) { c.Stopped, c.Ports = true, nil }, false},
		"stopped": {
			func(t *account.Task) { t.LastStatus = "STOPPED" },
			func(c *evidence.Container) { c.Running, c.Stopped, c.Ports = false, true, nil }, false},
		"run by hand": {
			func(t *account.Task) { t.Service = "" }, func(c *evidence.Container) { c.Service = "" }, false},
		"the Engine's ID is not known yet": {
			func(t *account.Task) { t.LastStatus, t.Containers[0].RuntimeID = "PENDING", "" }, nil, true},
		"the Engine's ID is not known, and the task is almost old": {
			func(t *account.Task) {
				t.LastStatus, t.Containers[0].RuntimeID, t.Created = "PENDING", "",
					time.Now().Add(-9*time.Minute-30*time.Second)
			}, nil, true},
		"the Engine's ID is not known, by a clock that is behind": {
			func(t *account.Task) {
				t.LastStatus, t.Containers[0].RuntimeID, t.Created = "PENDING", "", time.Now().Add(time.Minute)
			}, nil, true},
		"the Engine's ID was never known, of a stopped task": {
			func(t *account.Task) { t.LastStatus, t.Containers[0].RuntimeID = "STOPPED", "" }, nil, false},
		"the Engine's ID was never known, of a container that stopped in a running task": {
			func(t *account.Task) { t.Containers[0].LastStatus, t.Containers[0].RuntimeID = "STOPPED", "" }, nil,
			false},
		"on no instance": {
			func(t *account.Task) { t.ContainerInstance, t.LaunchType = "", "FARGATE" }, nil, false},
		"with a network interface of its own": {
			func(t *account.Task) { t.Address, t.Containers[0].Bindings = "10.0.9.9", nil },
			func(c *evidence.Container) { c.Address, c.Ports = netip.MustParseAddr("10.0.9.9"), nil }, false},
		"several ports, told twice": {
			func(t *account.Task) {
				t.Containers[0].Bindings = []account.Binding{
					{
						ContainerPort: 80,
						HostPort:      40000,
					}, {
						ContainerPort: 80,
						HostPort:      32768,
					}, {
						ContainerPort: 80,
						HostPort:      32768,
						BindIP:        "::",
					},
					{
						ContainerPort: 53,
						HostPort:      32769,
						Protocol:      "udp",
					}, {
						ContainerPort: 81,
						HostPort:      32770,
						BindIP:        "127.0.0.1",
					},
					{
						ContainerPort: 82,
						HostPort:      0,
					}, {
						ContainerPort: 83,
						HostPort:      65537,
					}, {
						ContainerPort: 0,
						HostPort:      7,
					}, {
						ContainerPort: 70000,
						HostPort:      8,
					},
				}
			},
			func(c *evidence.Container) {
				c.Ports = []evidence.Port{
					{Container: container.Port{Number: 53, Proto: container.UDP}, Host: 32769},
					port(80, 32768),
					port(80, 40000),
				}
			}, false},
	} {
		t.Run(name, func(t *testing.T) {
			state := cluster("main", 0, 2)
			tt.change(&state.Tasks[1])
			_, source := start(t, state, false)
			want := nothing()
			expect(&want, "main", 0, 2)
			delete(want.Containers, docker(1))
			if tt.want != nil {
				c := served("main", 1)
				tt.want(&c)
				want.Containers[docker(1)] = c
			}
			if tt.incomplete {
				i := member(1)
				i.Complete = false
				want.Instances[host(1)] = i
			}
			assert.Equal(t, want, read(t, source))
		})
	}
}

// TestStuckTasks: a task that never starts does not keep what ECS knows of its host from being complete for good.
func TestStuckTasks(t *testing.T) {
	stuck := account.Task{
		ID:                task(7),
		Cluster:           "main",
		ContainerInstance: ci(1),
		Family:            "job",
		LastStatus:        "PENDING",
		Created:           time.Now().Add(-10*time.Minute - time.Second),
		Containers: []account.Container{
			{
				Name: "web",
			}, {
				Name: "side",
			}, {
				Name:       "first",
				LastStatus: "STOPPED",
			}, {
				Name:      "runs",
				RuntimeID: docker(7),
			}},
	}
	young := stuck
	young.ID, young.ContainerInstance, young.Created = task(8), ci(0), time.Now()
	state := cluster("main", 0, 2)
	state.Tasks = append(state.Tasks, stuck, young)
	_, source := start(t, state, false)
	got := read(t, source)
	assert.True(t, got.Instances[host(1)].Complete)
	assert.False(t, got.Instances[host(0)].Complete)
	arn := arn + "task/main/" + task(7)
	assert.Equal(t, []evidence.Stuck{
		{Task: arn, Container: "side", Instance: host(1)},
		{Task: arn, Container: "web", Instance: host(1)},
	}, got.Stuck)
}

// TestTasksOfAnEarlierRegistration: with the registration of its host a task ends for ECS, whatever its containers do.
// They are not known to have stopped where another registration is followed now.
func TestTasksOfAnEarlierRegistration(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*account.State)
		known  bool
	}{
		"which is the present one": {func(s *account.State) { s.ContainerInstances = s.ContainerInstances[:1] }, true},
		"which is gone":            {func(s *account.State) { s.ContainerInstances[0].Status = "INACTIVE" }, false},
		"which lingers": {func(s *account.State) { s.ContainerInstances[0].AgentDisconnected = true },
			false},
		"which ends": {func(s *account.State) { s.ContainerInstances[0].Status = "DEREGISTERING" },
			false},
	} {
		t.Run(name, func(t *testing.T) {
			state := cluster("main", 0, 1)
			state.Tasks[0].LastStatus = "STOPPED"
			state.ContainerInstances = append(state.ContainerInstances, account.ContainerInstance{
				ID:         ci(7),
				Cluster:    "main",
				InstanceID: host(0),
			})
			tt.change(&state)
			_, source := start(t, state, false)
			got := read(t, source)
			assert.True(t, got.Instances[host(0)].Connected)
			stopped, known := got.Containers[docker(0)]
			assert.Equal(t, tt.known, known)
			assert.Equal(t, tt.known, stopped.Stopped)
		})
	}
}

// TestStates asks EC2 alone: 200 instances a call, those that it does not know among them.
func TestStates(t *testing.T) {
	state := cluster("main", 0, 401)
	state.Instances[3].State, state.Instances[400].State = "stopped", "terminated"
	s, source := start(t, state, false)
	var ids []string
	want := map[string]evidence.State{}
	for n := range 401 {
		ids = append(ids, host(n))
		want[host(n)] = evidence.Alive
	}
	want[host(3)], want[host(400)] = evidence.Gone, evidence.Gone
	got, err := source.States(t.Context(), append(ids, host(500), host(0), "mi-0123456789abcdef0", "by-hand", ""))
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Len(t, s.Calls(), 3)
	for _, call := range s.Calls() {
		assert.Equal(t, "ec2:DescribeInstances", call.Operation)
	}
	s.Fleet().Remove(account.IDs{Instances: []string{host(3)}})
	got, err = source.States(t.Context(), []string{host(3), host(4)})
	require.NoError(t, err)
	assert.Equal(t, map[string]evidence.State{host(4): evidence.Alive}, got, "and not what it said before")
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: "UnauthorizedOperation"}))
	got, err = source.States(t.Context(), []string{host(4)})
	assert.ErrorContains(t, err, "describe instances: ")
	assert.Nil(t, got)
}

// TestAContainerThatRunsInOneTaskHasStoppedInNone: the same Engine's ID in two tasks, whichever is read first.
func TestAContainerThatRunsInOneTaskHasStoppedInNone(t *testing.T) {
	for _, stopped := range []int{0, 1} {
		state := cluster("main", 0, 2)
		state.Tasks[stopped].LastStatus = "STOPPED"
		state.Tasks[stopped].Containers[0].RuntimeID = docker(1 - stopped)
		_, source := start(t, state, false)
		assert.Equal(t, map[string]evidence.Container{
			docker(1 - stopped): served("main", 1-stopped),
		}, read(t, source).Containers)
	}
}

func TestInstances(t *testing.T) {
	here := netip.MustParseAddr(address(0))
	for name, tt := range map[string]struct {
		change func(*account.State)
		want   evidence.Instance
	}{
		"draining": {
			func(s *account.State) { s.ContainerInstances[0].Status = "DRAINING" }, member(0)},
		"registering: ECS has not heard of all its containers": {
			func(s *account.State) { s.ContainerInstances[0].Status = "REGISTERING" },
			evidence.Instance{
				State:     evidence.Alive,
				Address:   here,
				InCluster: true,
				Connected: true,
			}},
		"deregistering: its tasks run on unfollowed": {
			func(s *account.State) { s.ContainerInstances[0].Status = "DEREGISTERING" },
			evidence.Instance{
				State:     evidence.Alive,
				Address:   here,
				InCluster: true,
				Connected: true,
			}},
		"deregistered": {
			func(s *account.State) { s.ContainerInstances[0].Status = "INACTIVE" },
			evidence.Instance{State: evidence.Alive, Address: here}},
		"registered anew, and the old registration lingers": {
			func(s *account.State) {
				s.ContainerInstances[0].AgentDisconnected = true
				s.ContainerInstances = append(s.ContainerInstances, account.ContainerInstance{
					ID:         ci(7),
					Cluster:    "main",
					InstanceID: host(0),
				})
			}, member(0)},
		"registered anew, and the old registration is told last": {
			func(s *account.State) {
				s.ContainerInstances = append(s.ContainerInstances,
					account.ContainerInstance{
						ID:                ci(7),
						Cluster:           "main",
						InstanceID:        host(0),
						AgentDisconnected: true,
					})
			}, member(0)},
		"registered twice, and deregistering once": {
			func(s *account.State) {
				s.ContainerInstances[0].Status = "DEREGISTERING"
				s.ContainerInstances = append(s.ContainerInstances, account.ContainerInstance{
					ID:         ci(7),
					Cluster:    "main",
					InstanceID: host(0),
				})
			}, evidence.Instance{
				State:     evidence.Alive,
				Address:   here,
				InCluster: true,
				Connected: true,
			}},
		"disconnected, and well": {
			func(s *account.State) { s.ContainerInstances[0].AgentDisconnected = true },
			evidence.Instance{
				State:     evidence.Alive,
				Address:   here,
				InCluster: true,
				Complete:  true,
			}},
		"disconnected, and impaired": {
			func(s *account.State) {
				s.ContainerInstances[0].AgentDisconnected, s.Instances[0].InstanceStatus = true, "impaired"
			}, evidence.Instance{
				State:     evidence.Alive,
				Address:   here,
				InCluster: true,
				Complete:  true,
				Impaired:  true,
			}},
		"disconnected, and on an impaired system": {
			func(s *account.State) {
				s.ContainerInstances[0].AgentDisconnected, s.Instances[0].SystemStatus = true, "impaired"
			}, evidence.Instance{
				State:     evidence.Alive,
				Address:   here,
				InCluster: true,
				Complete:  true,
				Impaired:  true,
			}},
		"disconnected, and not known to be impaired": {
			func(s *account.State) {
				s.ContainerInstances[0].AgentDisconnected, s.Instances[0].SystemStatus = true, "insufficient-data"
			}, evidence.Instance{
				State:     evidence.Alive,
				Address:   here,
				InCluster: true,
				Complete:  true,
			}},
		"pending": {
			func(s *account.State) { s.Instances[0].State = "pending" }, member(0)},
		"shutting down": {
			func(s *account.State) { s.Instances[0].State = "shutting-down" },
			evidence.Instance{
				State:     evidence.Gone,
				Address:   here,
				InCluster: true,
				Connected: true,
				Complete:  true,
			}},
		"stopping": {
			func(s *account.State) { s.Instances[0].State = "stopping" },
			evidence.Instance{
				State:     evidence.Gone,
				Address:   here,
				InCluster: true,
				Connected: true,
				Complete:  true,
			}},
		"stopped, and impaired before": {
			func(s *account.State) {
				s.ContainerInstances[0].AgentDisconnected, s.Instances[0].State, s.Instances[0].InstanceStatus = true,
					"stopped", "impaired"
			}, evidence.Instance{
				State:     evidence.Gone,
				Address:   here,
				InCluster: true,
				Complete:  true,
			}},
		"terminated": {
			func(s *account.State) { s.Instances[0].State = "terminated" },
			evidence.Instance{
				State:     evidence.Gone,
				InCluster: true,
				Connected: true,
				Complete:  true,
			}},
		"unknown to EC2": {
			func(s *account.State) { s.Instances = s.Instances[1:] },
			evidence.Instance{InCluster: true, Connected: true, Complete: true}},
	} {
		t.Run(name, func(t *testing.T) {
			state := cluster("main", 0, 2)
			tt.change(&state)
			_, source := start(t, state, false)
			got := read(t, source)
			assert.Equal(t, tt.want, got.Instances[host(0)])
			assert.Equal(t, member(1), got.Instances[host(1)])
			assert.Len(t, got.Instances, 2)
		})
	}
}

// TestImpairedInstancesAreFoundOnEveryPage: and none is marked whose agent is connected.
func TestImpairedInstancesAreFoundOnEveryPage(t *testing.T) {
	state := cluster("main", 0, 8)
	for n := range 8 {
		state.Instances[n].InstanceStatus = "impaired"
		state.ContainerInstances[n].AgentDisconnected = n%2 == 0
	}
	s, source := start(t, state, false)
	s.Configure(func(c *sandbox.Settings) { c.Page = 3 })
	for n := range 8 {
		i := read(t, source).Instances[host(n)]
		assert.Equal(t, n%2 == 0, i.Impaired, "instance %d", n)
	}
}

// TestTheStatusOfAHostThatIsGoneIsNotAsked, though its agent is disconnected of course.
func TestTheStatusOfAHostThatIsGoneIsNotAsked(t *testing.T) {
	state := cluster("main", 0, 1)
	state.ContainerInstances[0].AgentDisconnected, state.Instances[0].State = true, "stopped"
	s, source := start(t, state, false)
	read(t, source)
	assert.Empty(t, s.Calls("ec2:DescribeInstanceStatus"))
}

// TestHostsOutsideEC2: EC2 is not asked for mi-…, and such a host is one of the clusters like others.
func TestHostsOutsideEC2(t *testing.T) {
	state := cluster("main", 0, 2)
	state.Instances = state.Instances[1:]
	state.ContainerInstances[0].InstanceID = "mi-0123456789abcdef0"
	s, source := start(t, state, false)
	got := read(t, source, "mi-0123456789abcdef0", host(1))
	assert.Equal(t, evidence.Instance{
		InCluster: true,
		Connected: true,
		Complete:  true,
	}, got.Instances["mi-0123456789abcdef0"])
	assert.Equal(t, "mi-0123456789abcdef0", got.Containers[docker(0)].Instance)
	calls := s.Calls("ec2:DescribeInstances")
	require.Len(t, calls, 1)
	assert.Equal(t, host(1), calls[0].Query["Filter.1.Value.1"])
	assert.NotContains(t, calls[0].Query, "Filter.1.Value.2")
}

// TestTasksOutliveTheRegistrationOfTheirHost: the tasks of a host that went are stopped, and which host that was is
// asked of the container instance, which no listing shows any more.
func TestTasksOutliveTheRegistrationOfTheirHost(t *testing.T) {
	state := cluster("main", 0, 3)
	state.ContainerInstances[0].Status = "INACTIVE"
	state.Instances[0].State = "terminated"
	state.Tasks[0].LastStatus = "STOPPED"
	state.Tasks[2].LastStatus = "STOPPED"
	s, source := start(t, state, false)
	s.Fleet().Remove(account.IDs{ContainerInstances: []string{ci(2)}}) // forgotten by ECS altogether
	got := read(t, source)
	gone := served("main", 0)
	gone.Running, gone.Stopped, gone.Ports = false, true, nil
	assert.Equal(t, gone, got.Containers[docker(0)])
	assert.Equal(t, evidence.Instance{State: evidence.Gone}, got.Instances[host(0)])
	assert.True(t, got.Containers[docker(2)].Stopped)
	assert.Empty(t, got.Containers[docker(2)].Instance)
}

func TestDefinitions(t *testing.T) {
	state := cluster("main", 0, 6)
	for n, family := range []string{"bridged", "hosted", "own", "bridged", "gone", "hosted"} {
		state.Tasks[n].Family = family
	}
	state.Tasks[1].Containers[0].Bindings = nil
	state.Tasks[2].Containers[0].Bindings, state.Tasks[2].Address = nil, "10.0.9.9"
	state.Tasks[3].Overrides = []account.Override{
		{
			Name: "web",
			Environment: map[string]string{
				"SERVICE_80_CHECK_HTTP": "/run",
				"SERVICE_82_CHECK_HTTP": "/run",
				"SERVICE_85_CHECK_HTTP": "/run",
			},
		},
		{Name: "sidecar", Environment: map[string]string{"SERVICE_81_CHECK_HTTP": "/wrong"}},
	}
	state.Tasks[4].LastStatus, state.Tasks[5].LastStatus = "STOPPED", "STOPPED"
	define := func(family, mode string) account.TaskDefinition {
		return account.TaskDefinition{Family: family, NetworkMode: mode, Containers: []account.ContainerDefinition{
			{
				Name:        "sidecar",
				Environment: map[string]string{"SERVICE_80_CHECK_HTTP": "/wrong"},
				Ports:       []account.Port{{ContainerPort: 9}},
			},
			{
				Name: "web",
				Environment: map[string]string{
					"SERVICE_80_CHECK_HTTP":    "/variable",
					"SERVICE_81_CHECK_HTTP":    "/variable",
					"SERVICE_82_CHECK_HTTP":    "/variable",
					"SERVICE_83_CHECK_HTTP":    "/variable",
					"SERVICE_084_CHECK_HTTP":   "/no",
					"SERVICE_65536_CHECK_HTTP": "/no",
					"SERVICE_80_NAME":          "web",
				},
				DockerLabels: map[string]string{"SERVICE_82_CHECK_HTTP": "/label", "SERVICE_83_CHECK_HTTP": ""},
				Ports:        []account.Port{{ContainerPort: 80}, {ContainerPort: 53, Protocol: "udp"}},
			},
		}}
	}
	state.TaskDefinitions = []account.TaskDefinition{
		define("bridged", "bridge"),
		define("hosted", "host"),
		define("own", "awsvpc"),
	}
	s, source := start(t, state, true)
	got := read(t, source).Containers

	checks := map[uint16]string{
		80: "/variable",
		81: "/variable",
		82: "/label",
		83: "",
	}
	ports := []evidence.Port{{Container: container.Port{Number: 53, Proto: container.UDP}, Host: 53}, port(80, 80)}
	bridged, hosted, own, run, stopped := served(
		"main",
		0,
	), served(
		"main",
		1,
	), served(
		"main",
		2,
	), served(
		"main",
		3,
	), served(
		"main",
		4,
	)
	bridged.Checks, hosted.Checks, own.Checks = checks, checks, checks
	run.Checks = map[uint16]string{
		80: "/run",
		81: "/variable",
		82: "/label",
		83: "",
		85: "/run",
	}
	hosted.Ports, own.Ports, own.Address = ports, ports, netip.MustParseAddr("10.0.9.9")
	stopped.Running, stopped.Stopped, stopped.Ports = false, true, nil
	ended := served("main", 5) // of a definition that is known
	ended.Running, ended.Stopped, ended.Ports = false, true, nil
	assert.Equal(t, map[string]evidence.Container{
		docker(5): ended,
		docker(0): bridged,
		docker(1): hosted,
		docker(2): own,
		docker(3): run,
		docker(4): stopped,
	}, got)

	assert.Len(t, s.Calls("ecs:DescribeTaskDefinition"), 3, "once for each, and not for stopped tasks")
	assert.Equal(t, got, read(t, source).Containers)
	assert.Len(t, s.Calls("ecs:DescribeTaskDefinition"), 3, "definitions never change")
}

// TestAnInterfaceNotAttachedYetMakesNoPortsOfTheHost: they would look like ports that another container of the host
// lost.
func TestAnInterfaceNotAttachedYetMakesNoPortsOfTheHost(t *testing.T) {
	state := cluster("main", 0, 1)
	state.Tasks[0].Containers[0].Bindings = nil
	state.TaskDefinitions = []account.TaskDefinition{{Family: "web", NetworkMode: "awsvpc",
		Containers: []account.ContainerDefinition{{Name: "web", Ports: []account.Port{{ContainerPort: 80}}}}}}
	_, source := start(t, state, true)
	assert.Empty(t, read(t, source).Containers[docker(0)].Ports)
}
