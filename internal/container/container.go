// Package container describes one container of this host as ecssd sees it: what the Engine said, bounded in size, with
// no type of the Engine's API. It decides nothing; which containers are registered, and as what, is package endpoint's.
package container

import (
	"net/netip"
	"time"
)

// Labels that the ECS agent puts on every container it creates. They override a user's label of the same name.
const (
	LabelTaskARN  = "com.amazonaws.ecs.task-arn"
	LabelName     = "com.amazonaws.ecs.container-name"
	LabelFamily   = "com.amazonaws.ecs.task-definition-family"
	LabelRevision = "com.amazonaws.ecs.task-definition-version"
	LabelCluster  = "com.amazonaws.ecs.cluster"
)

// State is the Engine's word for what a container is doing.
type State string

// The states in which a container has live processes. Every other state counts as not running.
const (
	Running State = "running"
	Paused  State = "paused"
	// Restarting is a container that died and waits for its restart policy; the Engine also says running=true of it.
	Restarting State = "restarting"
)

// Health is the result of an image's or task definition's health check; empty where there is none.
type Health string

// The values of Health.
const (
	NoHealthCheck Health = ""
	Starting      Health = "starting"
	Healthy       Health = "healthy"
	Unhealthy     Health = "unhealthy"
)

// Proto is a transport protocol in lower case, as the Engine writes it.
type Proto string

// The protocols the Engine knows.
const (
	TCP  Proto = "tcp"
	UDP  Proto = "udp"
	SCTP Proto = "sctp"
)

// Binding is a container port published on the host.
type Binding struct {
	Port     Port
	HostIP   netip.Addr // 0.0.0.0 or :: for every address of the host
	HostPort uint16
}

// Mode is where a container's network namespace comes from.
type Mode string

// The modes. A user-defined network publishes ports as the default bridge does and is Bridge here.
const (
	Bridge Mode = "bridge"
	Host   Mode = "host"
	None   Mode = "none"
	Shared Mode = "container" // the namespace of another container: Container.SharedWith
)

// Container is one container, as of one snapshot.
type Container struct {
	ID    string // 64 hexadecimal digits
	Name  string // the Engine's name, without the leading slash
	Image string // as it was named when the container was created

	// Labels and Env hold only what names and settings are read from: labels that begin with com.amazonaws.ecs. or
	// SERVICE_, variables that begin with SERVICE_.
	Labels map[string]string
	Env    map[string]string
	// SettingsBytes is the size of the whole environment and all labels as the Engine gave them.
	SettingsBytes int

	State     State
	Health    Health
	StartedAt time.Time // of the present run, by the Engine's clock

	StopSignal  int           // the number of the signal that asks it to stop; SIGTERM where the image names none
	StopTimeout time.Duration // as inspect shows it; 0 where unset (the one ECS uses is never shown)

	Mode       Mode
	SharedWith string     // with Mode Shared: ID of the container that owns the network namespace
	Exposed    []Port     // ports that the image or the container's creator declares
	Mapped     []Port     // ports that the container's creator asked to publish, whether or not they are
	Published  []Binding  // ports published on the host
	Address    netip.Addr // of the task's own network interface (awsvpc), where it is known

	// Unread is why the last inspection of the container failed; mostly empty. Then all but State is as the last
	// inspection that succeeded had it; where none did, only ID, Name, State and Labels are set.
	Unread string
}

// Unknown reports whether no inspection of the container has succeeded yet.
func (c Container) Unknown() bool { return c.Unread != "" && c.StartedAt.IsZero() }

// Live reports whether the container has processes that can serve: running or paused, and not waiting to be restarted.
func (c Container) Live() bool { return c.State == Running || c.State == Paused }
