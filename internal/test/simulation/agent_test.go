package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/statedir"
)

// process is one process of the agent, or one pass of the sweeper.
type process struct {
	w               *world
	h               *host // nil: the sweeper
	name            string
	dead            bool
	cancel          context.CancelFunc
	done            chan struct{}
	journal         *journal.Journal
	began           time.Time
	stopping        bool      // told to end
	listed          int       // records that the sweeper may have seen
	unprovenDeletes int       // deletions of the sweeper's without EC2's proof
	callHangs       bool      // a call does, at present
	failedInRow     int       // changes in a row, the last of them included
	failingSince    time.Time // since when
}

// dice returns a generator for one decision. Its numbers depend on nothing but the seed, who asks, what for and when:
// the order in which goroutines ask does not matter.
func (p *process) dice(what string) *rand.Rand { return p.w.dice(p.name + what) }

// wait lets time pass; it ends early with ctx.
func (p *process) wait(ctx context.Context, what string, shortest, longest time.Duration) error {
	timer := time.NewTimer(shortest + time.Duration(p.dice(what).Int64N(int64(longest-shortest)+1)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// mayDie kills the agent now and then.
func (p *process) mayDie(when string) {
	p.w.mu.Lock()
	dies := p.h != nil && !p.dead && p.h.proc == p && p.w.on(agentCrashes) && p.dice("die "+when).IntN(40) == 0
	p.w.mu.Unlock()
	if !dies {
		return
	}
	time.Sleep(time.Nanosecond) // until all else that happens at this moment has happened
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.h.proc == p {
		p.h.crash("killed " + when)
		p.h.restartLater()
	}
}

// isDead reports whether the process was killed.
func (p *process) isDead() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.dead
}

// launch starts an agent on the host, unless one runs. The caller holds the lock.
func (h *host) launch() {
	w := h.w
	if h.proc != nil || h.gone || h.booting {
		return
	}
	h.started++
	h.writeStateDir()
	h.agentStarts()
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &process{
		w:      w,
		h:      h,
		name:   h.name,
		cancel: cancel,
		done:   make(chan struct{}),
		began:  time.Now(),
	}
	h.proc = p
	j, err := journal.Open(h.disk.dir, h.id, fmt.Sprintf("boot-%d", h.boot))
	must(err)
	p.journal = j
	w.lostJournal = w.lostJournal || j.ListingDue()
	w.note(h.name, "agent starts: %d known, listing due: %v", len(j.Records("Z1")), j.ListingDue())
	a := agent.New(p.config())
	go func() {
		defer close(p.done)
		err := a.Run(ctx)
		_ = j.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil || !p.dead && !p.stopping {
			w.violated("%s: the agent has ended by itself: %v", h.name, err)
		}
	}()
}

// writeStateDir makes the state directory of the agent's next process.
func (h *host) writeStateDir() {
	h.disk.dir = filepath.Join(h.w.dir, fmt.Sprintf("%s-%d", h.name, h.started))
	must(os.Mkdir(h.disk.dir, 0o700))
	if h.disk.content != nil {
		must(os.WriteFile(h.disk.path(), h.disk.content, 0o600))
		if h.rand.IntN(4) == 0 { // a write that a crash interrupted
			must(os.WriteFile(filepath.Join(h.disk.dir, ".records.json123"), []byte("half a jour"), 0o600))
		}
	}
	if h.disk.standby != nil {
		must(os.WriteFile(filepath.Join(h.disk.dir, "standby"), h.disk.standby, 0o600))
	}
}

// config is the agent's configuration.
func (p *process) config() agent.Config {
	h, w := p.h, p.w
	return agent.Config{
		ZoneName: zoneName,
		ZoneID:   "Z1",
		Policy:   endpoint.Policy{Zone: zoneName, DefaultWeight: 1, MaxWeight: 255},
		Engine:   &connection{p: p},
		Tasks:    p.tasks,
		Identify: func(context.Context) (record.Owner, error) { return h.owner(), nil },
		Open: func(context.Context) (agent.Host, error) {
			return agent.Host{
				Journal:     p.journal,
				OpenZone:    func(string) agent.Zone { return client{p} },
				HostStandby: p.notices,
			}, nil
		},
		Suspended:   func() (time.Duration, error) { return 0, nil },
		LookUp:      p.lookUp,
		Resync:      w.resync,
		VerifyEvery: w.verifyEvery,
		Jitter:      func() float64 { return p.dice("jitter").Float64() },
		Log:         w.log(h.name),
		Readiness:   &health.Readiness{},
		Metrics:     health.NewMetrics(prometheus.NewRegistry()),
		Writer:      metrics.New(prometheus.NewRegistry()),
	}
}

// owner is the host in the words of records.
func (h *host) owner() record.Owner {
	return record.Owner{
		InstanceID: h.id,
		Address:    h.addr,
		Account:    account,
		Region:     region,
	}
}

// tasks is the introspection of the ECS agent.
func (p *process) tasks(ctx context.Context) (map[string]agent.Task, error) {
	if err := p.wait(ctx, "tasks", time.Millisecond, 20*time.Millisecond); err != nil {
		return nil, err
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.w.on(introspectionFails) && !p.w.noMoreFaults && p.dice("mute").IntN(3) == 0 {
		return nil, errors.New("connection refused")
	}
	found := map[string]agent.Task{}
	for _, b := range p.h.engine.boxes {
		if id := b.c.ID; b.ecs {
			found[id] = agent.Task{Stopping: p.h.ecsStopping[id], Restarts: b.ecsRestartPolicy}
		}
	}
	return found, nil
}

// lookUp asks DNS, which some hosts cannot, and which does not always know the newest records.
func (p *process) lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	if err := p.wait(ctx, "dns", time.Millisecond, 100*time.Millisecond); err != nil {
		return nil, err
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.w.fixed("dns "+p.name, 3) == 0 || p.dice("dns").IntN(20) == 0 {
		return nil, nil
	}
	for key := range p.w.zone.records {
		if key.Name == name && key.Type == record.A {
			return []netip.Addr{p.h.addr}, nil
		}
	}
	return nil, nil
}

func (p *process) notices(context.Context) (string, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if since, err := statedir.Standby(p.h.disk.dir, p.h.id); since != "" || err != nil {
		return since, err
	}
	return p.h.notice, nil
}

// crash ends the agent at once. The caller holds the lock.
func (h *host) crash(why string) {
	p := h.proc
	if p == nil {
		return
	}
	h.w.note(h.name, "agent dies: %s", why)
	h.disk.content = h.disk.read()
	h.disk.standby, _ = os.ReadFile(filepath.Join(h.disk.dir, "standby"))
	if h.disk.state == diskFrozen {
		h.disk.old = h.disk.stash
	}
	h.disk.state, h.disk.stash = diskWorks, nil
	p.dead, h.proc = true, nil
	p.cancel()
	h.agentEnded()
}

// stop ends the agent in order, and waits until it has ended.
func (h *host) stop() {
	h.w.mu.Lock()
	p := h.proc
	if p == nil {
		h.w.mu.Unlock()
		return
	}
	h.w.note(h.name, "agent is stopped")
	p.stopping = true
	h.w.mu.Unlock()
	p.cancel()
	<-p.done
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.proc == p {
		h.crash("in order")
	}
}

// restartLater starts the agent again after a while, as systemd does.
func (h *host) restartLater() {
	wait := time.Duration(h.w.dice(h.name + "restart").Int64N(int64(6 * time.Second)))
	h.w.background(func() {
		time.Sleep(wait)
		h.w.mu.Lock()
		defer h.w.mu.Unlock()
		h.launch()
	})
}

var errDead = errors.New("the process is dead")
