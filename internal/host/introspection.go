package host

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// Task is a task that the ECS agent of this host runs.
type Task struct {
	DesiredStatus string // RUNNING, or STOPPED while ECS wants it to end; empty where that is not known
	Containers    []TaskContainer
}

// TaskContainer is one container of a task. ECS's own containers are not among them.
type TaskContainer struct {
	DockerID string // empty while the container does not exist yet
	// Address is the IPv4 address of the task's own network interface (awsvpc), or the IPv6 address where it has no
	// other; the zero Addr in every other network mode, and before ECS knows it.
	Address netip.Addr
	// Restarts reports whether the container definition has a restart policy. The ECS agent carries it out, and Docker
	// has none.
	Restarts bool
}

// Introspection is the ECS agent's introspection API, which it serves to its host alone.
type Introspection struct {
	url    string
	client *http.Client
}

// IntrospectionURL is where the ECS agent listens; the port is fixed.
const IntrospectionURL = "http://localhost:51678"

const (
	introspectionTimeout = time.Second
	// maxIntrospection bounds an answer, in bytes. A task takes about 1 KB.
	maxIntrospection = 8 << 20
)

// NewIntrospection returns the API at url: IntrospectionURL, but in tests.
func NewIntrospection(url string) *Introspection {
	// without a proxy
	return &Introspection{url: url, client: &http.Client{Timeout: introspectionTimeout, Transport: &http.Transport{}}}
}

// Tasks returns all tasks that the ECS agent knows.
func (i *Introspection) Tasks(ctx context.Context) ([]Task, error) {
	body, err := i.get(ctx, "/v1/tasks")
	if err != nil {
		return nil, fmt.Errorf("ask the ECS agent for its tasks: %w", err)
	}
	defer body.Close()
	tasks, err := decodeTasks(io.LimitReader(body, maxIntrospection))
	if err != nil {
		return nil, fmt.Errorf("read the ECS agent's tasks: %w", err)
	}
	return tasks, nil
}

// ECSAgent is what the ECS agent of this host returns about itself.
type ECSAgent struct {
	Version string // "Amazon ECS Agent - v1.106.1 (…)"
	Cluster string
	// ContainerInstanceArn is empty until the agent has registered the host in its cluster.
	ContainerInstanceArn string
}

// Agent asks the ECS agent for itself.
func (i *Introspection) Agent(ctx context.Context) (ECSAgent, error) {
	body, err := i.get(ctx, "/v1/metadata")
	if err != nil {
		return ECSAgent{}, fmt.Errorf("ask the ECS agent for its version: %w", err)
	}
	defer body.Close()
	var agent ECSAgent
	if err := json.NewDecoder(io.LimitReader(body, maxIntrospection)).Decode(&agent); err != nil {
		return ECSAgent{}, fmt.Errorf("read the ECS agent's version: %w", err)
	}
	return agent, nil
}

// get returns the body of an answer, to be closed.
func (i *Introspection) get(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := i.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("it answers %s", response.Status)
	}
	return response.Body, nil
}

// decodeTasks reads the answer to /v1/tasks. Only awsvpc tasks have Networks; an address that cannot be read counts as
// none. Only containers with a restart policy have a RestartCount, from 0 on. Ports are not read: Docker has more about
// them (amazon-ecs-agent 1.105.1 writes each binding twice, nothing of a mapping with awsvpc, and of a range of ports
// on the host's network the protocol alone).
func decodeTasks(body io.Reader) ([]Task, error) {
	var answer struct {
		Tasks []struct {
			DesiredStatus string
			Containers    []struct {
				DockerID     string `json:"DockerId"`
				RestartCount *json.RawMessage
				Networks     []struct {
					NetworkMode   string
					IPv4Addresses []string
					IPv6Addresses []string
				}
			}
		}
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return nil, err
	}
	tasks := make([]Task, 0, len(answer.Tasks))
	for _, t := range answer.Tasks {
		task := Task{DesiredStatus: t.DesiredStatus}
		for _, c := range t.Containers {
			found := TaskContainer{DockerID: c.DockerID, Restarts: c.RestartCount != nil}
			for _, n := range c.Networks {
				if n.NetworkMode != "awsvpc" {
					continue
				}
				for _, address := range append(n.IPv4Addresses, n.IPv6Addresses...) {
					if parsed, err := netip.ParseAddr(address); err == nil && !found.Address.IsValid() {
						found.Address = parsed
					}
				}
			}
			task.Containers = append(task.Containers, found)
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}
