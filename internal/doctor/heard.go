package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

const (
	// hearsWithin is how long a container may run and the agent not know of it. An event takes it some milliseconds.
	hearsWithin = 5 * time.Second
	// lookAgain is after how long an agent that knows less than the Engine is asked again: it may have begun just now,
	// and takes up to 2 s then.
	lookAgain = 3 * time.Second
)

// lookAtHearing holds what the agent knows against what runs. An agent whose stream of events has ended is not ready;
// one whose stream is open and silent is, and learns of containers only when it looks at all of them, every --resync.
func (d *doctor) lookAtHearing(ctx context.Context) []Finding {
	e := d.engine()
	ctx, cancel := limited(ctx)
	defer cancel()
	state, known := d.askState(ctx)
	if !e.seen || !known || !state.Ready { // which other checks tell
		return nil
	}
	unheard := state.lacks(e.announced)
	if len(unheard) > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
		state, known = d.askState(ctx)
		now, err := d.Engine.Snapshot(ctx, nil, false)
		if !known || !state.Ready || err != nil {
			return nil
		}
		unheard = state.lacks(slices.DeleteFunc(unheard, func(c container.Container) bool { // has it ended meanwhile?
			return !slices.ContainsFunc(
				now,
				func(n container.Container) bool { return n.ID == c.ID && n.StartedAt.Equal(c.StartedAt) },
			)
		}))
	}
	if len(unheard) == 0 {
		return []Finding{ok("heard", "the agent knows every container that is to be announced")}
	}
	first := slices.MinFunc(unheard, func(a, b container.Container) int { return a.StartedAt.Compare(b.StartedAt) })
	more := ""
	if n := len(unheard) - 1; n > 0 {
		more = fmt.Sprintf(", nor of %d more", n)
	}
	f := bad(
		"heard",
		Fail,
		"the agent has not heard of %s, which started %s ago%s",
		first.Name,
		state.Now.Sub(first.StartedAt).Round(time.Second),
		more,
	)
	return []Finding{
		f.hint(
			"journalctl -u ecssd; it looks at all containers every minute (--resync); where this stays so: systemctl restart ecssd; " +
				"where the agent was given another --docker-host, give it here too (ECSSD_DOCKER_HOST)",
		),
	}
}

// lacks gives the containers that the agent should have known when it told its state, and did not.
func (t told) lacks(containers []container.Container) []container.Container {
	known := map[string]bool{}
	for _, c := range t.Containers {
		known[c.ID] = true
	}
	var lacking []container.Container
	for _, c := range containers {
		if !known[c.ID] && t.Now.Sub(c.StartedAt) > hearsWithin {
			lacking = append(lacking, c)
		}
	}
	return lacking
}
