package hostcheck

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/status"
)

const (
	// heardWithin is how long a container may run before the agent has to know it. An event takes some milliseconds.
	heardWithin = 5 * time.Second
	// askAgain is after how long an agent that knows less than the Engine is asked again: it may have started just now,
	// and takes up to 2 s then.
	askAgain = 3 * time.Second
)

// checkHeard compares what the agent knows with what runs. An agent whose stream of events has ended is not ready; one
// whose stream is open and silent is, and learns of containers only when it lists all of them, every --resync.
func (h *Host) checkHeard(ctx context.Context) []doctor.Result {
	view := h.lookAtContainers(ctx)
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	state, err := h.agent.State(ctx)
	if !view.listed || err != nil || !state.Ready { // other checks report it
		return nil
	}
	unheard := unheardOf(view.registered(), state)
	if len(unheard) > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(askAgain):
		}
		now, listErr := h.Engine.Snapshot(ctx, nil, false)
		state, err = h.agent.State(ctx)
		if err != nil || !state.Ready || listErr != nil {
			return nil
		}
		unheard = unheardOf(stillRunning(unheard, now), state)
	}
	if len(unheard) == 0 {
		return []doctor.Result{doctor.Okf("the agent knows every container that is to be registered")}
	}
	return []doctor.Result{unheardResult(unheard, state.Now)}
}

func unheardResult(unheard []container.Container, now time.Time) doctor.Result {
	first := slices.MinFunc(unheard, func(a, b container.Container) int { return a.StartedAt.Compare(b.StartedAt) })
	more := ""
	if n := len(unheard) - 1; n > 0 {
		more = fmt.Sprintf(", nor of %d more", n)
	}
	ago := now.Sub(first.StartedAt).Round(time.Second)
	return doctor.Failf("the agent has not heard of %s, which started %s ago%s", first.Name, ago, more).
		Hintf("journalctl -u ecssd; it lists all containers every minute (--resync); where this stays so: systemctl " +
			"restart ecssd; " +
			"where the agent was given another --docker-host, give it here too (ECSSD_DOCKER_HOST)")
}

// unheardOf returns the containers that the agent should have known when it made its state, and did not.
func unheardOf(containers []container.Container, state status.State) (unheard []container.Container) {
	known := map[string]bool{}
	for _, c := range state.Containers {
		known[c.ID] = true
	}
	for _, c := range containers {
		if !known[c.ID] && state.Now.Sub(c.StartedAt) > heardWithin {
			unheard = append(unheard, c)
		}
	}
	return unheard
}

// stillRunning returns those containers that are in the same run now.
func stillRunning(containers, now []container.Container) (running []container.Container) {
	for _, c := range containers {
		sameRun := func(n container.Container) bool { return n.ID == c.ID && n.StartedAt.Equal(c.StartedAt) }
		if slices.ContainsFunc(now, sameRun) {
			running = append(running, c)
		}
	}
	return running
}
