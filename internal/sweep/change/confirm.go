package change

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// fresh is the greatest age of EC2's answer when a deletion that depends on it is sent, counted from the question.
	// An instance that is started again keeps its ID and its address, so that its agent writes the very records that
	// were read before. The limit for both together is 10 s.
	fresh = 8 * time.Second
	// asks is how often EC2 is asked before the deletions that depend on it are left for the next pass.
	asks = 3
)

// answer is what EC2 has said of an instance.
type answer struct {
	running bool
	asked   time.Time
}

// confirm drops the deletions of records whose instance is running after all. It asks EC2 again where the last answer
// is too old. Where EC2 cannot be asked, it drops all deletions that depend on EC2.
func (m *maker) confirm(ctx context.Context, units []Unit) (rest []Unit) {
	old := map[string]bool{}
	for _, u := range units {
		if a, ok := m.answers[u.Gone]; u.Gone != "" && (!ok || time.Since(a.asked) >= fresh) {
			old[u.Gone] = true
		}
	}
	if len(old) > 0 && m.askErr == nil {
		m.askErr = m.ask(ctx, slices.Sorted(maps.Keys(old)))
	}
	for _, u := range units {
		switch {
		case u.Gone == "":
			rest = append(rest, u)
		case m.askErr != nil:
			m.kept[u.Instance] = true
		case m.answers[u.Gone].running:
			m.Log.WithField("instance", u.Gone).WithField("record", u.Changes[0].Record.Key()).
				Info("instance is running again; keeping its record")
			m.conflicts(1)
			m.kept[u.Instance] = true
		default:
			rest = append(rest, u)
		}
	}
	return rest
}

// ask asks EC2 about instances. An answer that takes longer than fresh is useless, and is asked for again.
func (m *maker) ask(ctx context.Context, instances []string) error {
	for n := 1; ; n++ {
		asked := time.Now()
		askCtx, cancel := context.WithTimeout(ctx, fresh)
		running, err := m.Running(askCtx, instances)
		cancel()
		switch {
		case err == nil:
			for _, id := range instances {
				m.answers[id] = answer{running[id], asked}
			}
			return nil
		case ctx.Err() != nil || n == asks:
			return fmt.Errorf("ask EC2 again before deleting records of instances that are gone: %w", err)
		}
	}
}
