package ecs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/account"
)

type failure struct {
	ARN    string `json:"arn"`
	Reason string `json:"reason"`
}

type cluster struct {
	ARN       string `json:"clusterArn"`
	Name      string `json:"clusterName"`
	Status    string `json:"status"`
	Instances int    `json:"registeredContainerInstancesCount"`
	Running   int    `json:"runningTasksCount"`
	Pending   int    `json:"pendingTasksCount"`
}

func (h *Handler) toCluster(v *account.View, c account.Cluster) cluster {
	result := cluster{ARN: h.store.ARN("cluster", c.Name), Name: c.Name, Status: c.Status}
	for _, i := range v.ContainerInstances {
		if i.Cluster == c.Name && (i.Status == "ACTIVE" || i.Status == "DRAINING") {
			result.Instances++
		}
	}
	for _, t := range v.Tasks {
		switch {
		case t.Cluster != c.Name:
		case t.LastStatus == "RUNNING":
			result.Running++
		case t.LastStatus == "PENDING":
			result.Pending++
		}
	}
	return result
}

type taskCounts struct{ running, pending int }

// countTasks counts the tasks of each container instance.
func countTasks(v *account.View) map[string]taskCounts {
	counts := map[string]taskCounts{}
	for _, t := range v.Tasks {
		n := counts[t.ContainerInstance]
		switch t.LastStatus {
		case "RUNNING":
			n.running++
		case "PENDING":
			n.pending++
		}
		counts[t.ContainerInstance] = n
	}
	return counts
}

type containerInstance struct {
	ARN            string  `json:"containerInstanceArn"`
	InstanceID     string  `json:"ec2InstanceId"`
	Status         string  `json:"status"`
	AgentConnected bool    `json:"agentConnected"`
	Running        int     `json:"runningTasksCount"`
	Pending        int     `json:"pendingTasksCount"`
	RegisteredAt   seconds `json:"registeredAt"`
	Version        int     `json:"version"`
	Attributes     []pair  `json:"attributes"`
}

func (h *Handler) toContainerInstance(c account.ContainerInstance, n taskCounts) containerInstance {
	return containerInstance{
		ARN:            h.store.ARN("container-instance", c.Cluster, c.ID),
		InstanceID:     c.InstanceID,
		Status:         c.Status,
		AgentConnected: !c.AgentDisconnected,
		Running:        n.running,
		Pending:        n.pending,
		RegisteredAt:   at(c.Registered),
		Version:        1,
		Attributes:     []pair{{"ecs.availability-zone", c.AvailabilityZone}, {"ecs.os-type", "linux"}},
	}
}

type task struct {
	ARN                  string       `json:"taskArn"`
	ClusterARN           string       `json:"clusterArn"`
	ContainerInstanceARN string       `json:"containerInstanceArn,omitempty"`
	DefinitionARN        string       `json:"taskDefinitionArn"`
	Group                string       `json:"group"`
	StartedBy            string       `json:"startedBy,omitempty"`
	LaunchType           string       `json:"launchType"`
	DesiredStatus        string       `json:"desiredStatus"`
	LastStatus           string       `json:"lastStatus"`
	Health               string       `json:"healthStatus"`
	Connectivity         string       `json:"connectivity"`
	CreatedAt            seconds      `json:"createdAt"`
	StartedAt            seconds      `json:"startedAt,omitempty"`
	StoppingAt           seconds      `json:"stoppingAt,omitempty"`
	StoppedAt            seconds      `json:"stoppedAt,omitempty"`
	StopCode             string       `json:"stopCode,omitempty"`
	StoppedReason        string       `json:"stoppedReason,omitempty"`
	Attachments          []attachment `json:"attachments"`
	Containers           []container  `json:"containers"`
	Overrides            overrides    `json:"overrides"`
	Version              int          `json:"version"`
}

type attachment struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Details []pair `json:"details"`
}

type pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type container struct {
	ARN        string         `json:"containerArn"`
	TaskARN    string         `json:"taskArn"`
	Name       string         `json:"name"`
	Image      string         `json:"image,omitempty"`
	RuntimeID  string         `json:"runtimeId,omitempty"`
	LastStatus string         `json:"lastStatus"`
	Health     string         `json:"healthStatus"`
	ExitCode   *int           `json:"exitCode,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Bindings   []binding      `json:"networkBindings"`
	Interfaces []netInterface `json:"networkInterfaces"`
}

type binding struct {
	BindIP        string `json:"bindIP"`
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"`
}

type netInterface struct {
	AttachmentID string `json:"attachmentId"`
	Address      string `json:"privateIpv4Address"`
}

type overrides struct {
	Containers []override `json:"containerOverrides"`
}

type override struct {
	Name        string `json:"name"`
	Environment []pair `json:"environment,omitempty"`
}

func (h *Handler) toTask(v *account.View, t account.Task) task {
	result := task{
		ARN:           h.store.ARN("task", t.Cluster, t.ID),
		ClusterARN:    h.store.ARN("cluster", t.Cluster),
		DefinitionARN: h.store.ARN("task-definition", t.TaskDefinition()),
		Group:         "family:" + t.Family,
		StartedBy:     t.StartedBy,
		LaunchType:    t.LaunchType,
		DesiredStatus: t.DesiredStatus,
		LastStatus:    t.LastStatus,
		Health:        t.Health,
		Connectivity:  "CONNECTED",
		CreatedAt:     at(t.Created),
		StopCode:      t.StopCode,
		StoppedReason: t.StoppedReason,
		Attachments:   []attachment{},
		Containers:    []container{},
		Overrides:     overrides{[]override{}},
		Version:       1,
	}
	if t.ContainerInstance != "" {
		result.ContainerInstanceARN = h.store.ARN("container-instance", t.Cluster, t.ContainerInstance)
		if v.ContainerInstances[t.ContainerInstance].AgentDisconnected {
			result.Connectivity = "DISCONNECTED"
		}
	}
	if t.Service != "" {
		result.Group = "service:" + t.Service
	}
	for _, moment := range []struct {
		from *time.Time
		to   *seconds
	}{{t.Started, &result.StartedAt}, {t.Stopping, &result.StoppingAt}, {t.Stopped, &result.StoppedAt}} {
		if moment.from != nil {
			*moment.to = at(*moment.from)
		}
	}
	interfaces := []netInterface{}
	if t.Address != "" {
		id := uuid(t.ID)
		result.Attachments = []attachment{{
			ID:      id,
			Type:    "ElasticNetworkInterface",
			Status:  "ATTACHED",
			Details: []pair{{"networkInterfaceId", "eni-" + t.ID[:17]}, {"privateIPv4Address", t.Address}},
		}}
		interfaces = []netInterface{{id, t.Address}}
	}
	for i, c := range t.Containers {
		converted := toContainer(c, interfaces)
		converted.ARN = h.store.ARN("container", t.Cluster, t.ID, uuid(fmt.Sprintf("%04x%s", i, t.ID[:28])))
		converted.TaskARN = result.ARN
		result.Containers = append(result.Containers, converted)
	}
	for _, o := range t.Overrides {
		result.Overrides.Containers = append(result.Overrides.Containers, override{o.Name, pairs(o.Environment)})
	}
	return result
}

func toContainer(c account.Container, interfaces []netInterface) container {
	result := container{
		Name:       c.Name,
		Image:      c.Image,
		RuntimeID:  c.RuntimeID,
		LastStatus: c.LastStatus,
		Health:     c.Health,
		ExitCode:   c.ExitCode,
		Reason:     c.Reason,
		Bindings:   []binding{},
		Interfaces: interfaces,
	}
	for _, b := range c.Bindings {
		result.Bindings = append(result.Bindings, binding{b.BindIP, b.ContainerPort, b.HostPort, b.Protocol})
	}
	return result
}

type taskDefinition struct {
	ARN         string                `json:"taskDefinitionArn"`
	Family      string                `json:"family"`
	Revision    int                   `json:"revision"`
	Status      string                `json:"status"`
	NetworkMode string                `json:"networkMode"`
	Containers  []containerDefinition `json:"containerDefinitions"`
}

type containerDefinition struct {
	Name         string            `json:"name"`
	Image        string            `json:"image,omitempty"`
	Essential    bool              `json:"essential"`
	Environment  []pair            `json:"environment"`
	DockerLabels map[string]string `json:"dockerLabels,omitempty"`
	Ports        []portMapping     `json:"portMappings"`
	StopTimeout  int               `json:"stopTimeout,omitempty"`
}

type portMapping struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"`
}

func (h *Handler) toTaskDefinition(d account.TaskDefinition) taskDefinition {
	result := taskDefinition{
		ARN:         h.store.ARN("task-definition", d.Key()),
		Family:      d.Family,
		Revision:    d.Revision,
		Status:      d.Status,
		NetworkMode: d.NetworkMode,
		Containers:  []containerDefinition{},
	}
	for _, c := range d.Containers {
		converted := containerDefinition{
			Name:         c.Name,
			Image:        c.Image,
			Essential:    true,
			Environment:  pairs(c.Environment),
			DockerLabels: c.DockerLabels,
			Ports:        []portMapping{},
			StopTimeout:  c.StopTimeout,
		}
		for _, p := range c.Ports {
			converted.Ports = append(converted.Ports, portMapping(p))
		}
		result.Containers = append(result.Containers, converted)
	}
	return result
}

func pairs(m map[string]string) []pair {
	result := make([]pair, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		result = append(result, pair{k, m[k]})
	}
	return result
}

// seconds since 1970 with milliseconds, as JSON 1.1 writes a time.
type seconds float64

func at(t time.Time) seconds { return seconds(float64(t.UnixMilli()) / 1000) }

// uuid hyphenates 32 hexadecimal digits.
func uuid(id string) string {
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
}
