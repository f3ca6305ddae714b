// Package engine mirrors the local Docker Engine: containers that carry the labels of ECS show as tasks of container
// instances, one for each cluster, on one EC2 instance.
//
// It looks once a second, so what lives shorter may never show. What the Engine does not know is not there: services,
// the addresses of awsvpc tasks, run-task overrides, whether a running task is meant to stop. Account and region of a
// task ARN are passed over in favour of the fleet's. StopTask stops no container. A task whose containers are removed
// stays, stopped.
package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/ecssd/ecssd/internal/sandbox/account"
)

const (
	interval = time.Second
	patience = 10 * time.Second // for one look
	// The first look fails the sandbox as a whole, and an Engine that is busy inspects some containers only after a
	// while.
	firstPatience = time.Minute
)

// Mirror follows one Engine.
type Mirror struct {
	cli      *client.Client
	store    *account.Store
	instance string

	shown        account.State // what the last look found
	disconnected bool
}

// New connects to the Engine that the environment names, and looks once.
func New(ctx context.Context, store *account.Store, instanceID string) (*Mirror, error) {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("connect to the Docker Engine: %w", err)
	}
	m := &Mirror{cli: cli, store: store, instance: instanceID}
	if err := m.look(ctx, firstPatience); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	return m, nil
}

// Run follows the Engine until the context ends. While the Engine does not answer, the tasks stay, and the agents of
// the container instances are disconnected.
func (m *Mirror) Run(ctx context.Context) {
	defer func() { _ = m.cli.Close() }() // nothing is left to be done with it
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		if err := m.look(ctx, patience); ctx.Err() == nil {
			m.connect(err == nil)
		}
	}
}

// connect reports whether the agents are connected, when that changes.
func (m *Mirror) connect(connected bool) {
	if m.disconnected == !connected {
		return
	}
	m.disconnected = !connected
	for _, c := range m.shown.ContainerInstances {
		// unless somebody has removed it
		_ = m.store.EditContainerInstance(c.ID, func(c *account.ContainerInstance) error {
			c.AgentDisconnected = !connected
			return nil
		})
	}
}

// look puts what there is now, where it differs from what the last look found. What others have changed since stays,
// also a StopTask when the task changes.
func (m *Mirror) look(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := m.containers(ctx)
	if err != nil {
		return err
	}
	state := convert(found, m.instance)
	gone := map[string]account.Task{}
	for _, t := range m.shown.Tasks {
		gone[t.ID] = t
	}
	v, put := m.store.Newest(), account.State{}
	for _, t := range state.Tasks {
		before := gone[t.ID]
		delete(gone, t.ID)
		old, there := v.Tasks[t.ID]
		if there && reflect.DeepEqual(before, t) {
			continue
		}
		if old.StopCode == userInitiated {
			t.DesiredStatus, t.Stopping = old.DesiredStatus, old.Stopping
			t.StopCode, t.StoppedReason = old.StopCode, old.StoppedReason
		}
		t.Created = old.Created
		put.Tasks = append(put.Tasks, t)
	}
	for id := range gone {
		if t, ok := v.Tasks[id]; ok {
			put.Tasks = append(put.Tasks, ended(t))
		}
	}
	for _, c := range state.Clusters {
		if _, ok := v.Clusters[c.Name]; !ok {
			put.Clusters = append(put.Clusters, c)
		}
	}
	for _, c := range state.ContainerInstances {
		if _, ok := v.ContainerInstances[c.ID]; !ok {
			put.ContainerInstances = append(put.ContainerInstances, c)
		}
	}
	if !reflect.DeepEqual(m.shown.TaskDefinitions, state.TaskDefinitions) {
		put.TaskDefinitions = state.TaskDefinitions
	}
	if !reflect.DeepEqual(put, account.State{}) {
		if err := m.store.Put(put); err != nil {
			return fmt.Errorf("mirror the Docker Engine: %w", err)
		}
	}
	m.shown = state
	return nil
}

// containers inspects all that carry ECS's labels, whether they run or not.
func (m *Mirror) containers(ctx context.Context) ([]api.InspectResponse, error) {
	list, err := m.cli.ContainerList(ctx, api.ListOptions{
		All:     true,
		Filters: filters.NewArgs(filters.Arg("label", labelTask)),
	})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var found []api.InspectResponse
	for _, c := range list {
		in, err := m.cli.ContainerInspect(ctx, c.ID)
		switch {
		case cerrdefs.IsNotFound(err):
			continue // removed meanwhile
		case err != nil:
			return nil, fmt.Errorf("inspect container %s: %w", c.ID, err)
		}
		found = append(found, in)
	}
	return found, nil
}
