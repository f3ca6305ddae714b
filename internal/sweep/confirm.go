package sweep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// fresh is how old what EC2 says may be when a deletion that rests on it is sent, counted from when EC2 was asked.
	// An instance that is started again keeps its ID and its address, so that its agent's records are equal to those
	// that were read before.
	fresh = 8 * time.Second
	// asks is how often EC2 is asked before the deletions that rest on it are left for the next pass.
	asks = 3
)

// answer is what EC2 has said of an instance.
type answer struct {
	state State
	asked time.Time
}

// confirm drops the deletions that rest on the end of an instance which runs after all: EC2 is asked again before each
// attempt for which its last answer is too old. Where EC2 cannot be asked, all deletions that rest on it are dropped.
func (c *changing) confirm(ctx context.Context, units []unit) (kept []unit) {
	old := map[string]bool{}
	for _, u := range units {
		if a, ok := c.answers[u.gone]; u.gone != "" && (!ok || time.Since(a.asked) >= fresh) {
			old[u.gone] = true
		}
	}
	if len(old) > 0 && c.askErr == nil {
		c.askErr = c.ask(ctx, slices.Sorted(maps.Keys(old)))
	}
	for _, u := range units {
		switch {
		case u.gone == "":
			kept = append(kept, u)
		case c.askErr != nil:
			c.stays[u.instance] = true
		case c.answers[u.gone].state == Alive:
			c.Log.WithField("instance", u.gone).
				WithField("record", u.changes[0].Record.Key()).
				Info("the instance runs again; keeping its record")
			c.report.Conflicts++
			c.stays[u.instance] = true
		default:
			kept = append(kept, u)
		}
	}
	return kept
}

// ask asks EC2 about instances. An answer that takes too long is of no use, and is asked for again.
func (c *changing) ask(ctx context.Context, instances []string) error {
	for n := 1; ; n++ {
		asked := time.Now()
		askCtx, cancel := context.WithTimeout(ctx, fresh)
		states, err := c.Source.States(askCtx, instances)
		cancel()
		switch {
		case err == nil:
			for _, id := range instances {
				c.answers[id] = answer{states[id], asked}
			}
			return nil
		case ctx.Err() != nil || n == asks:
			return fmt.Errorf("ask EC2 again before deleting records of instances that are gone: %w", err)
		}
	}
}
