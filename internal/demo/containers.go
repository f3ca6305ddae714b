package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/go-connections/nat"
)

const (
	ownerLabel = "ecssd.demo"         // on each container of a demo: the process ID of that demo
	port       = nat.Port("8080/tcp") // of the service in its container
	drain      = 30 * time.Second     // for which it serves on after its stop signal
)

type container struct {
	id       string // as the Engine shortens it, which is the container's host name, too
	service  string
	weight   int
	hostPort string
	started  time.Time
}

// url is where a container answers, whatever DNS says.
func (d *demo) url(c *container) string { return "http://" + net.JoinHostPort(d.address, c.hostPort) }

// run runs a container as the ECS agent would. The end of ctx does not interrupt it: the Engine might make the
// container all the same, after the demo has cleaned up.
func (d *demo) run(ctx context.Context, service string, weight int) (*container, error) {
	ctx = context.WithoutCancel(ctx)
	created, err := d.engine.ContainerCreate(ctx, &api.Config{
		Image: d.image,
		Cmd:   []string{"-name", service, "-drain", drain.String()},
		Env:   []string{"SERVICE_WEIGHT=" + strconv.Itoa(weight)},
		Labels: map[string]string{
			"com.amazonaws.ecs.cluster": "demo",
			"com.amazonaws.ecs.task-arn": fmt.Sprintf(
				"arn:aws:ecs:eu-central-1:123456789012:task/demo/%032x",
				time.Now().UnixNano(),
			),
			"com.amazonaws.ecs.task-definition-family":  service,
			"com.amazonaws.ecs.task-definition-version": "1",
			"com.amazonaws.ecs.container-name":          service,
			ownerLabel:                                  strconv.Itoa(os.Getpid()),
		},
		ExposedPorts: nat.PortSet{port: {}},
	}, &api.HostConfig{PortBindings: nat.PortMap{port: {{HostIP: "0.0.0.0"}}}}, nil, nil, "")
	if err != nil {
		return nil, err
	}
	if err := d.engine.ContainerStart(ctx, created.ID, api.StartOptions{}); err != nil {
		return nil, err
	}
	inspected, err := d.engine.ContainerInspect(ctx, created.ID)
	if err != nil {
		return nil, err
	}
	started, err := time.Parse(time.RFC3339Nano, inspected.State.StartedAt)
	if err != nil {
		return nil, err
	}
	bindings := inspected.NetworkSettings.Ports[port]
	if len(bindings) == 0 {
		return nil, fmt.Errorf("no port is published, and it is %s", inspected.State.Status)
	}
	return &container{created.ID[:12], service, weight, bindings[0].HostPort, started}, nil
}

// removeContainers removes this demo's containers, and those of demos that run no more.
func (d *demo) removeContainers(ctx context.Context) error {
	if d.engine == nil {
		return nil
	}
	found, err := d.engine.ContainerList(ctx, api.ListOptions{
		All:     true,
		Filters: filters.NewArgs(filters.Arg("label", ownerLabel)),
	})
	if err != nil {
		return fmt.Errorf("list the containers of demos: %w", err)
	}
	var errs []error
	for _, c := range found {
		owner := c.Labels[ownerLabel]
		if _, err := os.Stat("/proc/" + owner); owner != strconv.Itoa(os.Getpid()) && !errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := d.engine.ContainerRemove(ctx, c.ID, api.RemoveOptions{Force: true}); err != nil {
			errs = append(errs, fmt.Errorf("remove container %.12s: %w", c.ID, err))
		}
	}
	return errors.Join(errs...)
}
