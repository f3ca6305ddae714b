package agent

// Status is how an agent stands.
type Status struct {
	Counts
	HostStandby string // why the whole host is on standby; empty where it is not
}

// Counts says how many endpoints of this host are in which state, and how many containers are withheld.
type Counts struct {
	Serving, Standby int // endpoints
	Stopping, Held   int // containers: asked to stop; in a crash loop
}

// Status tells how the agent stands now.
func (a *Agent) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}
