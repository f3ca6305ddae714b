package engine

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/ecssd/ecssd/internal/sandbox/account"
)

// Labels that the ECS agent puts on every container that it makes.
const (
	labelPrefix   = "com.amazonaws.ecs."
	labelTask     = labelPrefix + "task-arn"
	labelName     = labelPrefix + "container-name"
	labelFamily   = labelPrefix + "task-definition-family"
	labelRevision = labelPrefix + "task-definition-version"
	labelCluster  = labelPrefix + "cluster"
)

// internalPrefix is on the names of containers that the agent makes for itself; ECS does not list them.
const internalPrefix = "~internal~"

const userInitiated = "UserInitiated"

func last(s string) string { return s[strings.LastIndex(s, "/")+1:] }

// convert returns the tasks that containers belong to, and what those stand on. Containers whose task ARN does not end
// in an ID are left out.
func convert(found []api.InspectResponse, instanceID string) account.State {
	slices.SortFunc(found, func(a, b api.InspectResponse) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	byID := map[string]api.InspectResponse{}
	for _, in := range found {
		byID[in.ID] = in
	}
	clusters, tasks, definitions := map[string]string{}, map[string]*account.Task{},
		map[string]*account.TaskDefinition{}
	for _, in := range found {
		labels := in.Config.Labels
		id, name, family := last(labels[labelTask]), labels[labelName], labels[labelFamily]
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || strings.HasPrefix(name, internalPrefix) ||
			family == "" {
			continue
		}
		cluster := cmp.Or(last(labels[labelCluster]), "default")
		clusters[cluster] = containerInstanceID(cluster, instanceID)
		revision, err := strconv.Atoi(labels[labelRevision])
		if err != nil {
			revision = 1
		}
		t := tasks[id]
		if t == nil {
			t = &account.Task{
				ID:                id,
				Cluster:           cluster,
				ContainerInstance: clusters[cluster],
				Family:            family,
				Revision:          revision,
			}
			tasks[id] = t
		}
		t.Containers = append(t.Containers, container(in, byID))
		begin(t, in)
		d := definitions[t.TaskDefinition()]
		if d == nil {
			d = &account.TaskDefinition{Family: family, Revision: revision, NetworkMode: "bridge"}
			definitions[t.TaskDefinition()] = d
		}
		if in.HostConfig.NetworkMode.IsHost() {
			d.NetworkMode = "host"
		}
		if !slices.ContainsFunc(d.Containers, func(c account.ContainerDefinition) bool { return c.Name == name }) {
			d.Containers = append(d.Containers, definition(in))
		}
	}
	return toState(clusters, tasks, definitions, instanceID)
}

// toState orders what was found by ID.
func toState(clusters map[string]string, tasks map[string]*account.Task, definitions map[string]*account.TaskDefinition,
	instanceID string) account.State {
	var state account.State
	for _, cluster := range slices.Sorted(maps.Keys(clusters)) {
		state.Clusters = append(state.Clusters, account.Cluster{Name: cluster})
		state.ContainerInstances = append(state.ContainerInstances,
			account.ContainerInstance{ID: clusters[cluster], Cluster: cluster, InstanceID: instanceID})
	}
	for _, id := range slices.Sorted(maps.Keys(tasks)) {
		conclude(tasks[id])
		state.Tasks = append(state.Tasks, *tasks[id])
	}
	for _, key := range slices.Sorted(maps.Keys(definitions)) {
		state.TaskDefinitions = append(state.TaskDefinitions, *definitions[key])
	}
	return state
}

// containerInstanceID is the same whenever the sandbox starts.
func containerInstanceID(cluster, instanceID string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(cluster+"/"+instanceID)))[:32]
}

func container(in api.InspectResponse, byID map[string]api.InspectResponse) account.Container {
	c := account.Container{
		Name:       in.Config.Labels[labelName],
		RuntimeID:  in.ID,
		Image:      in.Config.Image,
		LastStatus: "STOPPED",
		Health:     "UNKNOWN",
		Bindings:   bindings(in),
	}
	// Service Connect's pause container has the ports
	if shared, ok := byID[in.HostConfig.NetworkMode.ConnectedContainer()]; ok {
		c.Bindings = bindings(shared)
	}
	switch in.State.Status {
	case api.StateRunning, api.StatePaused:
		c.LastStatus = "RUNNING"
	case api.StateCreated, api.StateRestarting:
		c.LastStatus = "PENDING"
	default:
		c.ExitCode = new(in.State.ExitCode)
	}
	if h := in.State.Health; h != nil {
		switch h.Status {
		case api.Healthy:
			c.Health = "HEALTHY"
		case api.Unhealthy:
			c.Health = "UNHEALTHY"
		}
	}
	return c
}

// bindings of the published ports. With the host's network there are none: ECS has those ports in the task
// definition alone.
func bindings(in api.InspectResponse) []account.Binding {
	var result []account.Binding
	for p, hosts := range in.NetworkSettings.Ports {
		for _, h := range hosts {
			if port, err := strconv.Atoi(h.HostPort); err == nil {
				result = append(result, account.Binding{
					ContainerPort: p.Int(),
					HostPort:      port,
					Protocol:      p.Proto(),
					BindIP:        cmp.Or(h.HostIP, "0.0.0.0"),
				})
			}
		}
	}
	slices.SortFunc(result, func(a, b account.Binding) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.BindIP, b.BindIP))
	})
	return result
}

// begin sets the time at which a task started: that of its first container.
func begin(t *account.Task, in api.InspectResponse) {
	at, err := time.Parse(time.RFC3339Nano, in.State.StartedAt)
	if err == nil && at.Year() > 1 && (t.Started == nil || at.Before(*t.Started)) { // year 1: never
		t.Started = &at
	}
	at, err = time.Parse(time.RFC3339Nano, in.State.FinishedAt)
	if err == nil && at.Year() > 1 && (t.Stopped == nil || at.After(*t.Stopped)) {
		t.Stopped = &at
	}
}

// conclude derives the state of a task from those of its containers.
func conclude(t *account.Task) {
	has := func(status string) bool {
		return slices.ContainsFunc(
			t.Containers,
			func(c account.Container) bool { return c.LastStatus == status || c.Health == status },
		)
	}
	t.LaunchType, t.DesiredStatus, t.Health = "EC2", "RUNNING", "UNKNOWN"
	switch {
	case has("RUNNING"):
		t.LastStatus, t.Stopped = "RUNNING", nil
	case has("PENDING"):
		t.LastStatus, t.Stopped = "PENDING", nil
	default:
		t.LastStatus, t.DesiredStatus, t.Stopping = "STOPPED", "STOPPED", t.Stopped
		t.StopCode, t.StoppedReason = "EssentialContainerExited", "Essential container in task exited"
	}
	switch {
	case has("UNHEALTHY"):
		t.Health = "UNHEALTHY"
	case has("HEALTHY"):
		t.Health = "HEALTHY"
	}
}

// ended is a task whose containers are gone.
func ended(t account.Task) account.Task {
	if t.StopCode != userInitiated {
		t.StopCode, t.StoppedReason = "EssentialContainerExited", "Essential container in task exited"
	}
	t.DesiredStatus, t.LastStatus = "STOPPED", "STOPPED"
	t.Containers = slices.Clone(t.Containers)
	for i := range t.Containers {
		t.Containers[i].LastStatus = "STOPPED"
	}
	return t
}

// definition is what a task definition must have said of a container.
func definition(in api.InspectResponse) account.ContainerDefinition {
	d := account.ContainerDefinition{
		Name:         in.Config.Labels[labelName],
		Image:        in.Config.Image,
		Environment:  map[string]string{},
		DockerLabels: map[string]string{},
	}
	for _, kv := range in.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		d.Environment[k] = v
	}
	for k, v := range in.Config.Labels {
		if !strings.HasPrefix(k, labelPrefix) {
			d.DockerLabels[k] = v
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(in.HostConfig.PortBindings), func(a, b nat.Port) int {
		return cmp.Or(cmp.Compare(a.Int(), b.Int()), cmp.Compare(a.Proto(), b.Proto()))
	}) {
		host := 0
		if in.HostConfig.NetworkMode.IsHost() {
			host = p.Int() // whatever the binding says
		} else if hosts := in.HostConfig.PortBindings[p]; len(hosts) > 0 {
			host, _ = strconv.Atoi(hosts[0].HostPort) // none: chosen by the host
		}
		d.Ports = append(d.Ports, account.Port{ContainerPort: p.Int(), HostPort: host, Protocol: p.Proto()})
	}
	if in.Config.StopTimeout != nil {
		d.StopTimeout = *in.Config.StopTimeout
	}
	return d
}
