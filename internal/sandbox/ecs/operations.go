package ecs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
)

type pages struct {
	MaxResults *int   `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

type listClusters struct{ pages }

func (h *Handler) listClusters(in listClusters) (any, *gate.Failure) {
	var arns []string
	for _, c := range h.store.ECS().Clusters {
		if c.Status != "INACTIVE" {
			arns = append(arns, h.store.ARN("cluster", c.Name))
		}
	}
	page, next, f := h.listing(arns, "clusters", in.NextToken, in.MaxResults)
	return struct {
		ARNs []string `json:"clusterArns"`
		Next string   `json:"nextToken,omitempty"`
	}{notNil(page), next}, f
}

type describeClusters struct {
	Clusters []string `json:"clusters"`
}

func (h *Handler) describeClusters(in describeClusters) (any, *gate.Failure) {
	v := h.store.ECS()
	if len(in.Clusters) == 0 {
		in.Clusters = []string{"default"}
	}
	if len(in.Clusters) > 100 {
		return nil, invalid("Clusters can have at most 100 items.")
	}
	clusters, failures := []cluster{}, []failure{}
	for _, id := range in.Clusters {
		name, f := h.clusterName(id)
		if f != nil {
			return nil, f
		}
		if c, ok := v.Clusters[name]; ok {
			clusters = append(clusters, h.toCluster(v, c))
			continue
		}
		failures = append(failures, failure{h.store.ARN("cluster", name), "MISSING"})
	}
	return struct {
		Clusters []cluster `json:"clusters"`
		Failures []failure `json:"failures"`
	}{clusters, failures}, nil
}

type listContainerInstances struct {
	pages
	Cluster string `json:"cluster"`
	Filter  string `json:"filter"`
	Status  string `json:"status"`
}

func (h *Handler) listContainerInstances(in listContainerInstances) (any, *gate.Failure) {
	v := h.store.ECS()
	c, f := h.cluster(v, in.Cluster, false)
	if f != nil {
		return nil, f
	}
	statuses := []string{"", "ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED"}
	switch {
	case in.Filter != "":
		return nil, invalid("The sandbox does not imitate the cluster query language")
	case !slices.Contains(statuses, in.Status):
		return nil, invalid("Invalid status: %s", in.Status)
	}
	var arns []string
	for _, i := range v.ContainerInstances {
		if i.Cluster == c.Name && i.Status != "INACTIVE" && (in.Status == "" || i.Status == in.Status) {
			arns = append(arns, h.store.ARN("container-instance", i.Cluster, i.ID))
		}
	}
	page, next, f := h.listing(arns, "instances "+c.Name+" "+in.Status, in.NextToken, in.MaxResults)
	return struct {
		ARNs []string `json:"containerInstanceArns"`
		Next string   `json:"nextToken,omitempty"`
	}{notNil(page), next}, f
}

type describeContainerInstances struct {
	Cluster string   `json:"cluster"`
	IDs     []string `json:"containerInstances"`
}

func (h *Handler) describeContainerInstances(in describeContainerInstances) (any, *gate.Failure) {
	v := h.store.ECS()
	c, f := h.cluster(v, in.Cluster, true)
	if f != nil {
		return nil, f
	}
	ids, f := h.members("container-instance", c.Name, in.IDs)
	if f != nil {
		return nil, f
	}
	instances, failures := []containerInstance{}, []failure{}
	counts := countTasks(v)
	for _, id := range ids {
		i, ok := v.ContainerInstances[id]
		if !ok || i.Cluster != c.Name {
			failures = append(failures, failure{h.store.ARN("container-instance", c.Name, id), "MISSING"})
			continue
		}
		instances = append(instances, h.toContainerInstance(i, counts[id]))
	}
	return struct {
		Instances []containerInstance `json:"containerInstances"`
		Failures  []failure           `json:"failures"`
	}{instances, failures}, nil
}

type listTasks struct {
	pages
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	DaemonName        string `json:"daemonName"`
	DesiredStatus     string `json:"desiredStatus"`
	Family            string `json:"family"`
	LaunchType        string `json:"launchType"`
	ServiceName       string `json:"serviceName"`
	StartedBy         string `json:"startedBy"`
}

// listTasks lists by the desired status, RUNNING unless another is asked for. A task that is being stopped has STOPPED,
// though it may serve on; none ever has PENDING (ECS API reference, ListTasks).
// check returns the failure of arguments that are not valid, or that do not go together.
func (in listTasks) check() *gate.Failure {
	switch {
	case !slices.Contains([]string{"", "RUNNING", "PENDING", "STOPPED"}, in.DesiredStatus):
		return invalid("Invalid desiredStatus: %s", in.DesiredStatus)
	case !slices.Contains([]string{"", "EC2", "FARGATE", "EXTERNAL"}, in.LaunchType):
		return invalid("Invalid launchType: %s", in.LaunchType)
	case in.DaemonName != "":
		return invalid("The sandbox does not imitate daemons")
	case in.StartedBy != "" && in.ContainerInstance+in.Family+in.LaunchType+in.ServiceName != "":
		return invalid("cannot specify startedBy with other arguments")
	case in.ServiceName != "" && in.ContainerInstance+in.Family != "": // boto/boto3#874
		return invalid("cannot specify serviceName with other arguments")
	}
	return nil
}

func (h *Handler) listTasks(in listTasks) (any, *gate.Failure) {
	v := h.store.ECS()
	c, f := h.cluster(v, in.Cluster, false)
	if f != nil {
		return nil, f
	}
	if f := in.check(); f != nil {
		return nil, f
	}
	if in.DesiredStatus == "" {
		in.DesiredStatus = "RUNNING"
	}
	on := ""
	if in.ContainerInstance != "" {
		if on, f = h.member("container-instance", c.Name, in.ContainerInstance); f != nil {
			return nil, f
		}
		if v.ContainerInstances[on].Cluster != c.Name {
			return nil, invalid("The referenced container instance was not found.")
		}
	}
	service := in.ServiceName[strings.LastIndex(in.ServiceName, "/")+1:]
	selects := func(t account.Task) bool {
		for _, of := range [][2]string{
			{on, t.ContainerInstance},
			{in.Family, t.Family},
			{service, t.Service},
			{in.StartedBy, t.StartedBy},
			{in.LaunchType, t.LaunchType},
		} {
			if filter, value := of[0], of[1]; filter != "" && filter != value {
				return false
			}
		}
		return t.Cluster == c.Name && t.DesiredStatus == in.DesiredStatus
	}
	var arns []string
	for _, t := range v.Tasks {
		if selects(t) {
			arns = append(arns, h.store.ARN("task", t.Cluster, t.ID))
		}
	}
	listing := fmt.Sprintf("tasks %q", []string{
		c.Name,
		in.DesiredStatus,
		on,
		in.Family,
		service,
		in.StartedBy,
		in.LaunchType,
	})
	page, next, f := h.listing(arns, listing, in.NextToken, in.MaxResults)
	return struct {
		ARNs []string `json:"taskArns"`
		Next string   `json:"nextToken,omitempty"`
	}{notNil(page), next}, f
}

type describeTasks struct {
	Cluster string   `json:"cluster"`
	IDs     []string `json:"tasks"`
}

func (h *Handler) describeTasks(in describeTasks) (any, *gate.Failure) {
	v := h.store.ECS()
	c, f := h.cluster(v, in.Cluster, true)
	if f != nil {
		return nil, f
	}
	ids, f := h.members("task", c.Name, in.IDs)
	if f != nil {
		return nil, f
	}
	tasks, failures := []task{}, []failure{}
	for _, id := range ids {
		t, ok := v.Tasks[id]
		if !ok || t.Cluster != c.Name {
			failures = append(failures, failure{h.store.ARN("task", c.Name, id), "MISSING"})
			continue
		}
		tasks = append(tasks, h.toTask(v, t))
	}
	return struct {
		Tasks    []task    `json:"tasks"`
		Failures []failure `json:"failures"`
	}{tasks, failures}, nil
}

type describeTaskDefinition struct {
	ID string `json:"taskDefinition"`
}

func (h *Handler) describeTaskDefinition(in describeTaskDefinition) (any, *gate.Failure) {
	v := h.store.ECS()
	id, f := h.resource("task-definition", in.ID)
	if f != nil {
		return nil, f
	}
	if id == "" {
		return nil, gate.Refuse(400, "ClientException", "Task Definition can not be blank.")
	}
	d, ok := v.TaskDefinitions[id]
	if !strings.Contains(id, ":") { // a family means its newest active revision
		for _, other := range v.TaskDefinitions {
			if other.Family == id && other.Status == "ACTIVE" && other.Revision > d.Revision {
				d, ok = other, true
			}
		}
	}
	if !ok {
		return nil, gate.Refuse(400, "ClientException", "Unable to describe task definition.")
	}
	return struct {
		Definition taskDefinition `json:"taskDefinition"`
		Tags       []string       `json:"tags"`
	}{h.toTaskDefinition(d), []string{}}, nil
}

type stopTask struct {
	Cluster string `json:"cluster"`
	Task    string `json:"task"`
	Reason  string `json:"reason"`
}

// stopTask marks a task; its last status stays until somebody puts another.
func (h *Handler) stopTask(in stopTask) (any, *gate.Failure) {
	c, f := h.cluster(h.store.Newest(), in.Cluster, false)
	if f != nil {
		return nil, f
	}
	id, f := h.member("task", c.Name, in.Task)
	if f != nil {
		return nil, f
	}
	const longest = 1024 // UTF-8 characters of a reason (ECS API reference, StopTask)
	if len([]rune(in.Reason)) > longest {
		return nil, invalid("Stopped reason must be at most %s characters", strconv.Itoa(longest))
	}
	if v := h.store.Newest(); v.Tasks[id].Cluster != c.Name {
		return nil, invalid("The referenced task was not found.")
	}
	err := h.store.EditTask(id, func(t *account.Task) error {
		if t.DesiredStatus != "STOPPED" {
			t.DesiredStatus, t.StopCode, t.StoppedReason = "STOPPED", "UserInitiated", in.Reason
			if in.Reason == "" {
				t.StoppedReason = "Task stopped by user"
			}
		}
		return nil
	})
	if err != nil {
		return nil, invalid("The referenced task was not found.")
	}
	v := h.store.Newest()
	return struct {
		Task task `json:"task"`
	}{h.toTask(v, v.Tasks[id])}, nil
}

// notNil makes an empty list [] in JSON.
func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
