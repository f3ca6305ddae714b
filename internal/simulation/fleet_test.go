package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/sweep"
)

// fleet is EC2 and ECS as the sweeper sees them: some things late, and at times not at all.
type fleet struct{ p *process }

// lag is after how long ECS knows of a container, or that it has stopped. The sweeper looks twice, 90 s apart; what takes ECS
// longer than that it cannot tell from an orphan.
const lag = 40 * time.Second

func (f fleet) Fleet(ctx context.Context, _ []string) (sweep.Fleet, error) {
	w := f.p.w
	if err := f.p.wait(ctx, "fleet", 100*time.Millisecond, 5*time.Second); err != nil {
		return sweep.Fleet{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on(blind) && f.p.dice("blind").IntN(3) == 0 {
		w.note(f.p.name, "a page of ECS cannot be read")
		return sweep.Fleet{}, errors.New("describe tasks, page 2: Rate exceeded")
	}
	found := sweep.Fleet{Account: account, Region: region, Instances: map[string]sweep.Instance{}, Containers: map[string]sweep.Container{}}
	for _, h := range w.hosts {
		i := sweep.Instance{
			State: sweep.Alive, Address: h.addr, InCluster: true, Connected: !h.gone && !h.hung, Impaired: h.hung, Complete: true,
		}
		if h.gone || h.down {
			i.State = sweep.Gone
		}
		found.Instances[h.id] = i
		for _, b := range h.engine.boxes {
			if !b.ecs || b.told.runs == 0 || w.on(amnesia) {
				continue
			}
			late := time.Duration(w.fixed(b.c.ID, int(lag/time.Millisecond))) * time.Millisecond
			if time.Since(b.told.began) < late {
				continue
			}
			c := sweep.Container{Instance: h.id, Task: "task/" + b.name, Cluster: "main", Service: "main/" + b.service}
			for _, p := range b.c.Published {
				c.Ports = append(c.Ports, sweep.Port{Container: container.Port{Number: p.Port.Number, Proto: container.TCP}, Host: p.HostPort})
			}
			c.Stopped = !b.c.Live() && time.Since(b.told.since) > late
			if b.removed && time.Since(b.told.since) > 2*late {
				continue
			}
			found.Containers[b.c.ID] = c
		}
	}
	return found, nil
}
