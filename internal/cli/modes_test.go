package cli

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/introspectiontest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// ecsAgent is an ECS agent on its well-known port of this machine, for which it waits: one test at a time can have it.
func ecsAgent(t *testing.T, tasks ...introspectiontest.Task) *introspectiontest.Server {
	t.Helper()
	agent := introspectiontest.Start(tasks...)
	t.Cleanup(agent.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:51678")
	for ; err != nil; listener, err = net.Listen("tcp", "127.0.0.1:51678") {
		time.Sleep(patience.Every) // as long as tests before this one take
	}
	server := &http.Server{Handler: agent.Config.Handler}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	return agent
}

// task is a task of one container as the ECS agent tells of it; address is that of its network interface, if it has
// one.
func task(c *enginetest.Container, desired, address string) introspectiontest.Task {
	told := introspectiontest.Container{DockerID: c.ID, DockerName: c.Name, Name: "web"}
	if address != "" {
		told.Networks = []introspectiontest.Network{{NetworkMode: "awsvpc", IPv4Addresses: []string{address}}}
	}
	return introspectiontest.Task{
		Arn:           "arn:aws:ecs:eu-central-1:123456789012:task/test/0123456789abcdef0123456789abcdef",
		DesiredStatus: desired,
		KnownStatus:   "RUNNING",
		Family:        "web",
		Version:       "1",
		Containers:    []introspectiontest.Container{told},
	}
}

// srv is the record of one port of a container of the sandbox's instance, kind being ecs or docker.
func (w *world) srv(name, kind string, c *enginetest.Container, port string, weight int64, value string) sandbox.Set {
	return sandbox.Set{
		Name:          w.prefix + name + "." + zoneName + ".",
		Type:          "SRV",
		SetIdentifier: instanceID + ":" + kind + ":" + c.ID + ":" + port,
		Weight:        &weight,
		Values:        []string{value},
	}
}

// hostRecord is the A record of the sandbox's instance.
func hostRecord() sandbox.Set {
	return sandbox.Set{
		Name:          hostTarget + ".",
		Type:          "A",
		TTL:           60,
		SetIdentifier: instanceID + ":host:123456789012/eu-central-1",
		Weight:        new(int64(1)),
		Values:        []string{"10.0.0.1"},
	}
}

func TestHostNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	_, port, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	// Its image exposes another port than the one that is mapped; the container beside it exposes that one, too, and
	// maps none.
	w.container("side", enginetest.Options{Network: "host", Expose: []string{"80/tcp"}, Args: []string{"-tcp", ""}})
	c := w.container("web", enginetest.Options{
		Network: "host",
		Publish: []string{port},
		Expose:  []string{"80/tcp"},
		Args:    []string{"-tcp", port},
	})
	w.has("web", 1)
	assert.Equal(t, []sandbox.Set{
		hostRecord(),
		w.srv("web", "ecs", c, port+"/tcp", 1, "1 1 "+port+" "+hostTarget),
	}, w.own())
}

func TestTaskWithANetworkInterfaceOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pause := w.container("pause", enginetest.Options{
		Labels:  enginetest.ECSLabels("~internal~ecs~pause"),
		Network: "none",
	})
	c := w.container("web", enginetest.Options{
		Network: "container:" + pause.ID,
		Args:    []string{"-tcp", "8081"},
		Env:     []string{"SERVICE_8081_NAME=" + w.prefix + "web"},
	})
	ecs := ecsAgent(t, task(c, "RUNNING", ""))
	w.start()
	before := ecs.Calls()
	w.eventually(
		"the ECS agent is asked again while it knows no address",
		func() bool { return ecs.Calls() > before },
	)
	require.Empty(t, w.own())

	ecs.Set(task(c, "RUNNING", "10.0.7.7"))
	w.has("web", 1)
	assert.Equal(t, []sandbox.Set{
		{
			Name:          "ip-10-0-7-7." + zoneName + ".",
			Type:          "A",
			TTL:           60,
			SetIdentifier: instanceID + ":eni:" + c.ID,
			Weight:        new(int64(1)),
			Values:        []string{"10.0.7.7"},
		},
		w.srv("web", "ecs", c, "8081/tcp", 1, "1 1 8081 ip-10-0-7-7."+zoneName),
	}, w.own())

	c.Stop(5)
	w.eventually("the address goes with the task", func() bool { return len(w.own()) == 0 })
}

func TestServiceConnectInBridgeMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pause := w.container("pause", enginetest.Options{
		Labels: enginetest.ECSLabels("~internal~ecs~pause-" + w.prefix + "web"), Publish: []string{
			"8080",
		}, Args: []string{
			"-tcp",
			"9",
		},
	})
	c := w.container("web", enginetest.Options{Network: "container:" + pause.ID})
	w.has("web", 1)
	value := fmt.Sprintf("1 1 %d %s", pause.HostPort("8080/tcp"), hostTarget)
	assert.Equal(t, []sandbox.Set{hostRecord(), w.srv("web", "ecs", c, "8080/tcp", 1, value)}, w.own())

	cli := enginetest.Client(t)
	at := startedAt(t, c)
	require.NoError(t, cli.ContainerRestart(t.Context(), pause.ID, api.StopOptions{}))
	w.caughtUp("witness")
	assert.Empty(t, w.service("web"), "its network is gone with the former run of the other container")
	explained, err := w.command("explain", "--listen", w.listen, c.ID).Output()
	require.NoError(t, err)
	assert.Contains(t, string(explained), "has started again since, with a new network: restart this one")
	assert.Equal(t, at, startedAt(t, c), "it has run on meanwhile")
	require.NoError(t, cli.ContainerRestart(t.Context(), c.ID, api.StopOptions{}))
	w.has("web", 1)
}

func TestContainersOfECSItselfAreNeverAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, port, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	relay := enginetest.ECSLabels(w.prefix + "relay")
	relay["com.amazonaws.ecs.task-arn"] = "arn:::::/service-connect-relay-0123456789abcdef"
	relay["SERVICE_NAME"] = w.prefix + "relay"
	daemon := enginetest.ECSLabels("ecs-managed-" + w.prefix + "daemon")
	daemon["com.amazonaws.ecs.task-arn"] = "arn:::::/managed-daemon-0123456789abcdef"
	daemon["SERVICE_NAME"] = w.prefix + "daemon"
	volume := enginetest.ECSLabels("~internal~ecs-emptyvolume-source")
	volume["SERVICE_NAME"] = w.prefix + "volume"
	w.container("relay", enginetest.Options{Labels: relay})
	w.container("daemon", enginetest.Options{
		Labels:  daemon,
		Network: "host",
		Publish: []string{port},
		Args:    []string{"-tcp", port},
	})
	w.container("volume", enginetest.Options{Labels: volume})
	w.start()
	w.caughtUp("witness")
	for _, name := range []string{"relay", "daemon", "volume"} {
		assert.Empty(t, w.history(name), name)
	}
}

func TestTaskThatECSStopsIsNotAnnouncedAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.container("web", enginetest.Options{})
	ecsAgent(t, task(c, "STOPPED", ""))
	w.start()
	w.caughtUp("witness")
	assert.Empty(t, w.history("web"))
}

func TestRecordsOfTheOriginalAgentAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.container("web", enginetest.Options{})
	port := c.HostPort("8080/tcp")
	legacy := func(id string) sandbox.Set {
		return sandbox.Set{
			Name:          w.prefix + "web." + zoneName + ".",
			Type:          "SRV",
			SetIdentifier: id,
			Weight:        new(int64(1)),
			TTL:           60,
			Values:        []string{fmt.Sprintf("1 1 %d ip-10-0-0-1.eu-central-1.compute.internal", port)},
		}
	}
	elsewhere := legacy("ip-10-0-0-2.eu-central-1.compute.internal:" + strings.Repeat("7", 64))
	require.NoError(
		t,
		w.sandbox.Seed(w.zone, legacy("ip-10-0-0-1.eu-central-1.compute.internal:"+c.ID), legacy(c.ID), elsewhere),
	)
	// Route 53 refuses another TTL than theirs, so that the name is read back; else they are found when the zone is
	// listed.
	w.start()
	ours := w.srv("web", "ecs", c, "8080/tcp", 1, fmt.Sprintf("1 1 %d %s", port, hostTarget))
	ours.TTL = 60
	w.eventually("three records make two", func() bool { return len(w.service("web")) == 2 })
	assert.ElementsMatch(t, []sandbox.Set{ours, elsewhere}, w.service("web"))
	w.eventually("in one batch: two removed, ours and the host's added", func() bool {
		calls := w.changes() // a call is among them once it is answered
		return len(calls[len(calls)-1].Changes) == 4
	})
}
