package evidence

import (
	"net/netip"
	"slices"

	"github.com/ecssd/ecssd/internal/container"
)

// Fleet is what EC2 and ECS report at one moment.
type Fleet struct {
	Account, Region string               // of the sweeper; it judges no instances of others
	Instances       map[string]Instance  // by EC2 instance ID
	Containers      map[string]Container // by container ID, of tasks that run, are being stopped or have stopped
	Stuck           []Stuck              // by task
}

// Stuck is a container without a runtimeId although its task is no longer new: the task hangs in PENDING, for example
// because an image cannot be pulled.
type Stuck struct {
	Task      string `json:"task"`      // ARN
	Container string `json:"container"` // name in the task definition
	Instance  string `json:"instance"`  // EC2 instance ID
}

// State is what EC2 reports of an instance.
type State string

// The states that are distinguished.
const (
	Unknown State = ""      // EC2 has no such instance, or no longer
	Alive   State = "alive" // pending or running
	Gone    State = "gone"  // stopping, stopped, shutting-down or terminated
)

// Instance is a host.
type Instance struct {
	State     State
	Address   netip.Addr // private IPv4; the zero Addr where it has none (any more)
	Impaired  bool       // EC2's status checks fail
	InCluster bool       // a container instance of one of the clusters
	Connected bool       // its ECS agent is connected
	// Complete means that ECS knows the container ID of every container of the instance's tasks, except stuck ones.
	// Only then can a container that ECS does not know be taken for gone.
	Complete bool
}

// Container is a container of a task.
type Container struct {
	Instance string // EC2 instance ID
	Task     string // ARN
	Cluster  string // ARN
	Service  string // the ECS service that keeps the task running; empty for a task run by hand
	Running  bool   // its task is RUNNING, and so is the task's desired status
	Stopped  bool   // reported as STOPPED by the instance's ECS agent, not only asked to stop
	Address  netip.Addr
	Ports    []Port
	// Checks are the paths of the HTTP checks by container port (SERVICE_<port>_CHECK_HTTP).
	Checks map[uint16]string
}

// Port is where a container port is reached. With a network interface of the task's own both numbers are the same.
type Port struct {
	Container container.Port
	Host      uint16
}

// Publishes reports whether the container's port is reached at the host port.
func (c Container) Publishes(port container.Port, host uint16) bool {
	return slices.Contains(c.Ports, Port{Container: port, Host: host})
}
