// Package account is the hosts, clusters and tasks of one account in one region, in memory: what ECS and EC2 list.
// It knows no protocol, and nothing in it happens by itself: no task is placed, started, stopped or forgotten unless it
// is put so.
package account

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Instance is an EC2 instance. Put fills in what is empty, as for one that runs well, but for the address.
type Instance struct {
	ID               string `json:"id"`
	State            string `json:"state"` // pending running shutting-down terminated stopping stopped
	PrivateIP        string `json:"privateIp,omitempty"`
	PrivateDNSName   string `json:"privateDnsName,omitempty"`
	VPC              string `json:"vpc,omitempty"`
	AvailabilityZone string `json:"availabilityZone"`
	// instances of one stand in one reservation; one for each unless said
	Reservation string `json:"reservation"`
	// ok impaired initializing insufficient-data; shown while running
	InstanceStatus   string    `json:"instanceStatus"`
	SystemStatus     string    `json:"systemStatus"`
	Launched         time.Time `json:"launched"`
	MetadataTokens   string    `json:"metadataTokens"`   // optional required; required unless said
	MetadataHopLimit int       `json:"metadataHopLimit"` // 1 unless said

	Tags map[string]string `json:"tags,omitempty"`
}

// VPC is what can be said of a VPC. One that nothing is said of has both attributes on.
type VPC struct {
	ID             string `json:"id"`
	NoDNSSupport   bool   `json:"noDnsSupport,omitempty"`
	NoDNSHostnames bool   `json:"noDnsHostnames,omitempty"`
}

// Cluster is an ECS cluster.
type Cluster struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ACTIVE INACTIVE PROVISIONING DEPROVISIONING FAILED
}

// ContainerInstance is an EC2 instance as a member of a cluster.
type ContainerInstance struct {
	ID         string `json:"id"` // 32 hexadecimal digits
	Cluster    string `json:"cluster"`
	InstanceID string `json:"instanceId"` // EC2 need not know it
	// that of the instance, or the region's first, unless said
	AvailabilityZone string `json:"availabilityZone"`
	// ACTIVE DRAINING INACTIVE REGISTERING DEREGISTERING REGISTRATION_FAILED
	Status            string    `json:"status"`
	AgentDisconnected bool      `json:"agentDisconnected,omitempty"`
	Registered        time.Time `json:"registered"`
}

// Task is an ECS task. While it is being stopped its desired status is STOPPED and its last status not yet.
type Task struct {
	ID                string     `json:"id"` // 32 hexadecimal digits
	Cluster           string     `json:"cluster"`
	ContainerInstance string     `json:"containerInstance,omitempty"` // its ID; none with Fargate
	Family            string     `json:"family"`
	Revision          int        `json:"revision"`
	Service           string     `json:"service,omitempty"`
	StartedBy         string     `json:"startedBy,omitempty"`
	LaunchType        string     `json:"launchType"`    // EC2 FARGATE EXTERNAL
	DesiredStatus     string     `json:"desiredStatus"` // RUNNING STOPPED
	LastStatus        string     `json:"lastStatus"`    // PROVISIONING PENDING … RUNNING … STOPPING … STOPPED
	Health            string     `json:"health"`        // HEALTHY UNHEALTHY UNKNOWN
	Address           string     `json:"address,omitempty"`
	Created           time.Time  `json:"created"`
	Started           *time.Time `json:"started,omitempty"`
	Stopping          *time.Time `json:"stopping,omitempty"`
	Stopped           *time.Time `json:"stopped,omitempty"`
	StopCode          string     `json:"stopCode,omitempty"`
	StoppedReason     string     `json:"stoppedReason,omitempty"`

	Containers []Container `json:"containers,omitempty"`
	Overrides  []Override  `json:"overrides,omitempty"`
}

// Container is a container of a task.
type Container struct {
	Name       string    `json:"name"`
	RuntimeID  string    `json:"runtimeId,omitempty"` // Docker's; none until it is made
	Image      string    `json:"image,omitempty"`
	LastStatus string    `json:"lastStatus"` // that of the task, unless said
	Health     string    `json:"health"`
	ExitCode   *int      `json:"exitCode,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Bindings   []Binding `json:"bindings,omitempty"`
}

// Binding is a published port.
type Binding struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"` // tcp udp
	BindIP        string `json:"bindIp"`   // 0.0.0.0
}

// Override is what a run-task replaced for one container.
type Override struct {
	Name        string            `json:"name"`
	Environment map[string]string `json:"environment,omitempty"`
}

// TaskDefinition is a revision of a family.
type TaskDefinition struct {
	Family      string                `json:"family"`
	Revision    int                   `json:"revision"`
	Status      string                `json:"status"`      // ACTIVE INACTIVE DELETE_IN_PROGRESS
	NetworkMode string                `json:"networkMode"` // bridge host awsvpc none
	Containers  []ContainerDefinition `json:"containers,omitempty"`
}

// ContainerDefinition is a container of a TaskDefinition.
type ContainerDefinition struct {
	Name         string            `json:"name"`
	Image        string            `json:"image,omitempty"`
	Environment  map[string]string `json:"environment,omitempty"`
	DockerLabels map[string]string `json:"dockerLabels,omitempty"`
	Ports        []Port            `json:"ports,omitempty"`
	StopTimeout  int               `json:"stopTimeout,omitempty"` // seconds; 0 where none is given
}

// Port is a port mapping. A host port of 0 is chosen by the host.
type Port struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"`
}

// Key of a task definition, as in web:3.
func (d TaskDefinition) Key() string { return fmt.Sprintf("%s:%d", d.Family, d.Revision) }

// TaskDefinition is the key of the task's.
func (t Task) TaskDefinition() string { return fmt.Sprintf("%s:%d", t.Family, t.Revision) }

// clone shares nothing with t that an edit might write through.
func (t Task) clone() Task {
	for _, at := range []**time.Time{&t.Started, &t.Stopping, &t.Stopped} {
		if *at != nil {
			*at = new(**at)
		}
	}
	t.Containers, t.Overrides = slices.Clone(t.Containers), slices.Clone(t.Overrides)
	for i := range t.Containers {
		t.Containers[i].Bindings = slices.Clone(t.Containers[i].Bindings)
	}
	for i := range t.Overrides {
		t.Overrides[i].Environment = maps.Clone(t.Overrides[i].Environment)
	}
	return t
}

// ID makes an ID as ECS gives them: 32 hexadecimal digits.
func ID(random *rand.Rand) string { return fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()) }

func isID(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

func fallback(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// oneOf returns what is wrong with a value.
func oneOf(what, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("read %s %q: there are %s", what, value, strings.Join(allowed, ", "))
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *Instance) complete(s *Store, now time.Time) error {
	if i.ID == "" {
		return fmt.Errorf("read instance: it has no ID")
	}
	fallback(&i.State, "running")
	fallback(&i.AvailabilityZone, s.Region+"a")
	fallback(&i.Reservation, "r-"+strings.TrimPrefix(i.ID, "i-"))
	fallback(&i.InstanceStatus, "ok")
	fallback(&i.SystemStatus, "ok")
	fallback(&i.VPC, s.VPC)
	fallback(&i.MetadataTokens, "required")
	if i.MetadataHopLimit == 0 {
		i.MetadataHopLimit = 1
	}
	if i.PrivateDNSName == "" && i.PrivateIP != "" {
		i.PrivateDNSName = "ip-" + strings.ReplaceAll(i.PrivateIP, ".", "-") + "." + s.Region + ".compute.internal"
	}
	if i.Launched.IsZero() {
		i.Launched = now
	}
	statuses := []string{"ok", "impaired", "initializing", "insufficient-data", "not-applicable"}
	return first(
		oneOf("state", i.State, "pending", "running", "shutting-down", "terminated", "stopping", "stopped"),
		oneOf("instance status", i.InstanceStatus, statuses...),
		oneOf("system status", i.SystemStatus, statuses...),
		oneOf("metadata tokens", i.MetadataTokens, "optional", "required"),
	)
}

func (c *Cluster) complete() error {
	if c.Name == "" {
		return fmt.Errorf("read cluster: it has no name")
	}
	fallback(&c.Status, "ACTIVE")
	return oneOf("cluster status", c.Status, "ACTIVE", "INACTIVE", "PROVISIONING", "DEPROVISIONING", "FAILED")
}

func (c *ContainerInstance) complete(s *Store, v *View, now time.Time) error {
	if c.ID == "" {
		c.ID = ID(s.Random)
	}
	fallback(&c.Cluster, "default")
	fallback(&c.Status, "ACTIVE")
	fallback(&c.AvailabilityZone, cmp.Or(v.Instances[c.InstanceID].AvailabilityZone, s.Region+"a"))
	if c.Registered.IsZero() {
		c.Registered = now
	}
	switch {
	case !isID(c.ID):
		return fmt.Errorf("read container instance %q: its ID is not 32 hexadecimal digits", c.ID)
	case c.InstanceID == "":
		return fmt.Errorf("read container instance %s: it has no instance ID", c.ID)
	}
	return oneOf("container instance status", c.Status,
		"ACTIVE", "DRAINING", "INACTIVE", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED")
}

func (t *Task) complete(s *Store, now time.Time) error {
	t.fill(s, now)
	switch {
	case !isID(t.ID):
		return fmt.Errorf("read task %q: its ID is not 32 hexadecimal digits", t.ID)
	case t.Family == "":
		return fmt.Errorf("read task %s: it has no family", t.ID)
	}
	return first(
		oneOf("launch type", t.LaunchType, "EC2", "FARGATE", "EXTERNAL"),
		oneOf("desired status", t.DesiredStatus, "RUNNING", "STOPPED"),
		oneOf("last status", t.LastStatus, taskStatuses...),
		oneOf("health", t.Health, "HEALTHY", "UNHEALTHY", "UNKNOWN"),
	)
}

// taskStatuses are in the order of a task's life.
var taskStatuses = []string{
	"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED",
}

// fill sets the fields that are empty.
func (t *Task) fill(s *Store, now time.Time) {
	if t.ID == "" {
		t.ID = ID(s.Random)
	}
	fallback(&t.Cluster, "default")
	fallback(&t.LaunchType, "EC2")
	fallback(&t.LastStatus, "RUNNING")
	if t.LastStatus == "STOPPED" {
		fallback(&t.DesiredStatus, "STOPPED")
	}
	fallback(&t.DesiredStatus, "RUNNING")
	fallback(&t.Health, "UNKNOWN")
	if t.Revision == 0 {
		t.Revision = 1
	}
	if t.Created.IsZero() {
		t.Created = now
	}
	ran := slices.Index(taskStatuses, t.LastStatus) >= slices.Index(taskStatuses, "RUNNING")
	if t.Started == nil && ran {
		t.Started = &now
	}
	if t.Stopping == nil && t.DesiredStatus == "STOPPED" {
		t.Stopping = &now
	}
	if t.Stopped == nil && t.LastStatus == "STOPPED" {
		t.Stopped = &now
	}
	t.Containers = slices.Clone(t.Containers)
	for i := range t.Containers {
		c := &t.Containers[i]
		fallback(&c.LastStatus, t.LastStatus)
		fallback(&c.Health, "UNKNOWN")
		c.Bindings = slices.Clone(c.Bindings)
		for j := range c.Bindings {
			fallback(&c.Bindings[j].Protocol, "tcp")
			fallback(&c.Bindings[j].BindIP, "0.0.0.0")
		}
	}
}

func (d *TaskDefinition) complete() error {
	if d.Family == "" {
		return fmt.Errorf("read task definition: it has no family")
	}
	if d.Revision == 0 {
		d.Revision = 1
	}
	fallback(&d.Status, "ACTIVE")
	fallback(&d.NetworkMode, "bridge")
	d.Containers = slices.Clone(d.Containers)
	for i := range d.Containers {
		d.Containers[i].Ports = slices.Clone(d.Containers[i].Ports)
		for j := range d.Containers[i].Ports {
			fallback(&d.Containers[i].Ports[j].Protocol, "tcp")
		}
	}
	return first(
		oneOf("task definition status", d.Status, "ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"),
		oneOf("network mode", d.NetworkMode, "bridge", "host", "awsvpc", "none"),
	)
}
