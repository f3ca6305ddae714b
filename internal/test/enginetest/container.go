package enginetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/patience"
)

const (
	// ownerLabel is on every container of a test and holds the process ID of that test.
	ownerLabel = "ecssd.test"
	// MappedLabel holds a port that a container on the host's network maps, which the Engine does not list.
	MappedLabel = "ecssd.test.mapped"
)

// Options say what to run. The zero Options run the service on 8080/tcp of the default bridge, unpublished.
type Options struct {
	Name   string // a unique one is made up where this is empty
	Args   []string
	Labels map[string]string
	Env    []string
	// as docker run -p: "8080", "53/udp", "127.0.0.1::8080", "18080:8080/tcp"; on the host's network mapped only
	Publish     []string
	Expose      []string // "8080/tcp", as an image exposes it
	Network     string   // "bridge" (default), "host", "none", "container:<ID>"
	Health      *api.HealthConfig
	Restart     api.RestartPolicyMode
	StopSignal  string
	StopTimeout *int // seconds
	AutoRemove  bool // as docker run --rm
	Engine      *Own // nil: the one of this machine
}

// OnHost are the options of a container that is cheap to start: it shares the host's network, on which it listens on
// nothing, and maps 8080/tcp. To make networks is most of what it costs the Engine to start one.
func OnHost() Options {
	return Options{Network: "host", Publish: []string{"8080"}, Args: []string{"-tcp", ""}}
}

// Container is a container that was started for a test and goes with it.
type Container struct {
	ID   string
	Name string

	t   testing.TB
	cli *client.Client
}

// ECSLabels are the labels that the ECS agent puts on a container, for one called name.
func ECSLabels(name string) map[string]string {
	const id = "0123456789abcdef0123456789abcdef"
	return map[string]string{
		"com.amazonaws.ecs.task-arn":                "arn:aws:ecs:eu-central-1:123456789012:task/test/" + id,
		"com.amazonaws.ecs.container-name":          name,
		"com.amazonaws.ecs.task-definition-family":  name,
		"com.amazonaws.ecs.task-definition-version": "1",
		"com.amazonaws.ecs.cluster":                 "test",
	}
}

// Probe is a health check of the service, run every interval with the flags that the service has; one result decides.
func Probe(interval time.Duration, flags ...string) *api.HealthConfig {
	return &api.HealthConfig{
		Test:     append(append([]string{"CMD", "/service"}, flags...), "probe"),
		Interval: interval,
		Timeout:  patience.Limit, // on a busy machine it takes seconds to run a program in a container
		Retries:  1,
	}
}

// Run creates and starts a container, waits until it is ready for signals, and removes it when the test ends.
func Run(t testing.TB, o Options) *Container {
	t.Helper()
	c := Create(t, o)
	c.Start()
	log, err := c.cli.ContainerLogs(context.Background(), c.ID, api.LogsOptions{
		ShowStdout: true,
		ShowStderr: true,
		Follow:     true,
	})
	require.NoError(t, err)
	defer log.Close()
	line, err := bufio.NewReader(log).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "ready")
	return c
}

// Create is Run without the start.
func Create(t testing.TB, o Options) *Container {
	t.Helper()
	var cli *client.Client
	var image string
	if o.Engine != nil {
		cli, image = o.Engine.cli, o.Engine.image
	} else {
		cli, image = Client(t), Image(t)
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("ecssd-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	}
	exposed, bindings, err := nat.ParsePortSpecs(o.Publish)
	require.NoError(t, err)
	for _, port := range o.Expose {
		exposed[nat.Port(port)] = struct{}{}
	}
	labels := map[string]string{ownerLabel: strconv.Itoa(os.Getpid())}
	for port := range bindings {
		if o.Network == "host" {
			labels[MappedLabel] = string(port)
		}
	}
	maps.Copy(labels, o.Labels)
	c := &Container{Name: o.Name, t: t, cli: cli}
	created, err := c.cli.ContainerCreate(context.Background(), &api.Config{
		Image:        image,
		Cmd:          o.Args,
		Env:          o.Env,
		Labels:       labels,
		ExposedPorts: exposed,
		Healthcheck:  o.Health,
		StopSignal:   o.StopSignal,
		StopTimeout:  o.StopTimeout,
	}, &api.HostConfig{
		NetworkMode:   api.NetworkMode(o.Network),
		PortBindings:  bindings,
		RestartPolicy: api.RestartPolicy{Name: o.Restart},
		AutoRemove:    o.AutoRemove,
	}, nil, nil, o.Name)
	require.NoError(t, err)
	c.ID = created.ID
	if o.Engine == nil { // which else goes as a whole
		t.Cleanup(c.Remove)
	}
	return c
}

// Start starts it, again or at last, and waits for nothing.
func (c *Container) Start() {
	c.t.Helper()
	require.NoError(c.t, c.cli.ContainerStart(context.Background(), c.ID, api.StartOptions{}))
}

// Kill sends it a signal: "HUP", "SIGTERM", "9".
func (c *Container) Kill(signal string) {
	c.t.Helper()
	require.NoError(c.t, c.cli.ContainerKill(context.Background(), c.ID, signal))
}

// Stop asks it to stop, waits, and kills it after the timeout, given in seconds. It waits until the Engine does not
// list it any more, which newer Engines (25) go on with for some milliseconds after a stop has returned, and tell of
// the death only then.
func (c *Container) Stop(timeout int) {
	c.t.Helper()
	require.NoError(c.t, c.cli.ContainerStop(context.Background(), c.ID, api.StopOptions{Timeout: &timeout}))
	patience.Eventually(c.t, "the Engine no longer lists "+c.Name+", which is stopped", func() bool {
		listed, err := c.cli.ContainerList(context.Background(), api.ListOptions{
			Filters: filters.NewArgs(filters.Arg("id", c.ID)),
		})
		return err == nil && len(listed) == 0
	})
}

// Pause freezes its processes, which an Engine on a busy machine may be unable to at first.
func (c *Container) Pause() {
	c.t.Helper()
	var err error
	patience.Until(func() bool {
		err = c.cli.ContainerPause(context.Background(), c.ID)
		return err == nil
	})
	require.NoError(c.t, err)
}

// Unpause is the opposite of Pause.
func (c *Container) Unpause() {
	c.t.Helper()
	require.NoError(c.t, c.cli.ContainerUnpause(context.Background(), c.ID))
}

// Remove kills and removes it. It may be gone already.
func (c *Container) Remove() {
	err := c.cli.ContainerRemove(context.Background(), c.ID, api.RemoveOptions{Force: true})
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) { // conflict: its removal is in progress
		c.t.Errorf("remove container %s: %v", c.Name, err)
	}
}

// HostPort is the port of the host that a port such as "8080/tcp" is published on, over IPv4.
func (c *Container) HostPort(port string) uint16 {
	c.t.Helper()
	in, err := c.cli.ContainerInspect(context.Background(), c.ID)
	require.NoError(c.t, err)
	bindings := in.NetworkSettings.Ports[nat.Port(port)]
	require.NotEmpty(c.t, bindings, "%s is not published", port)
	n, err := strconv.ParseUint(bindings[0].HostPort, 10, 16)
	require.NoError(c.t, err)
	return uint16(n)
}

// removeLeftovers removes the containers of tests that did not live to do it.
func removeLeftovers(ctx context.Context, cli *client.Client) error {
	left, err := cli.ContainerList(ctx, api.ListOptions{
		All:     true,
		Filters: filters.NewArgs(filters.Arg("label", ownerLabel)),
	})
	if err != nil {
		return fmt.Errorf("list leftover containers: %w", err)
	}
	for _, c := range left {
		if _, err := os.Stat("/proc/" + c.Labels[ownerLabel]); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		err := cli.ContainerRemove(ctx, c.ID, api.RemoveOptions{Force: true})
		if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
			return fmt.Errorf("remove leftover container %s: %w", c.ID, err)
		}
	}
	return nil
}
