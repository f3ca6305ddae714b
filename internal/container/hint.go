package container

import "time"

// Hint is one event of the Engine: a reason to look again, and the facts that no snapshot shows.
type Hint struct {
	ContainerID string
	Action      Action
	Signal      int       // with Kill: the number of the signal that was sent
	ExitStatus  int       // with Die; 0 where the Engine did not say
	Service     string    // with Die: the service the container was one of, as endpoint.Service names it; may be empty
	Time        time.Time // by the Engine's clock
}

// Action is what has happened by an event, as far as it matters.
type Action string

// The actions that are distinguished.
const (
	Start Action = "start"
	Kill  Action = "kill" // a signal was sent, not necessarily a deadly one
	Die   Action = "die"
	// Network: it was connected to a network or disconnected from one, which each start and each end does, too.
	Network Action = "network"
	Other   Action = "other"
)
