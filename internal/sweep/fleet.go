// Package sweep decides which records of a zone are left over from hosts and containers that are gone, and removes
// them: a host that fails whole cannot remove its own. It never removes what it cannot prove dead in bulk, the last
// record of a name without proof, or a record that has changed since it was read; and where any reading fails it
// changes nothing.
package sweep

import (
	"context"
	"net/netip"

	"github.com/ecssd/ecssd/internal/container"
)

// Fleet is what EC2 and ECS say at one moment.
type Fleet struct {
	Account, Region string               // where the sweeper looks; instances elsewhere are none of its business
	Instances       map[string]Instance  // by EC2 instance ID
	Containers      map[string]Container // by the Engine's ID, of tasks that run, are being stopped or have stopped
	Stuck           []Stuck              // in the order of their tasks
}

// Stuck is a container of which ECS has not learnt the Engine's ID although its task is no longer new: a task that
// hangs in PENDING, such as one whose image cannot be pulled.
type Stuck struct {
	Task      string `json:"task"`      // ARN
	Container string `json:"container"` // name in the task definition
	Instance  string `json:"instance"`  // EC2 instance ID
}

// State is what EC2 says of an instance.
type State string

// The states told apart.
const (
	Unknown State = ""      // EC2 knows no such instance, or no longer
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
	// Complete says that ECS knows the Engine's ID of every container of its tasks, but for those that are stuck: only
	// then is a container that ECS does not know a container that is not there.
	Complete bool
}

// Container is a container of a task.
type Container struct {
	Instance string // EC2 instance ID
	Task     string // ARN
	Cluster  string // ARN
	Service  string // the ECS service that keeps the task running; empty for a task run by hand
	Running  bool   // its task runs, and is to
	Stopped  bool   // it has stopped, as the ECS agent of its instance has told ECS, and not just been asked to
	Address  netip.Addr
	Ports    []Port
	// Checks are the paths of the HTTP checks of container ports (SERVICE_<port>_CHECK_HTTP).
	Checks map[uint16]string
}

// Port is where a container port is reached. With a network interface of the task's own both numbers are the same.
type Port struct {
	Container container.Port
	Host      uint16
}

// Source tells what EC2 and ECS say, all of it or an error.
type Source interface {
	// Fleet reads every page of every cluster. The instances asked for are told of where EC2 knows them, beside those
	// of the clusters.
	Fleet(ctx context.Context, instances []string) (Fleet, error)
	// States asks EC2 alone, and anew, about instances. Those that EC2 does not know are left out.
	States(ctx context.Context, instances []string) (map[string]State, error)
}
