package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
)

// sweep makes a pass of the sweeper.
func (w *world) sweep(ctx context.Context, limit time.Duration) {
	w.mu.Lock()
	w.sweeps++
	p := &process{w: w, name: fmt.Sprint("sweep", w.sweeps), began: time.Now()}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	w.mu.Lock()
	for _, rec := range w.zone.records {
		if _, others := w.strangers[rec.Key()]; !others || strings.HasPrefix(rec.SetID, "i-") {
			p.listed++
		}
	}
	w.mu.Unlock()
	report, err := sweep.Sweep(ctx, sweep.Config{
		Zone:   client{p},
		Source: inventory{p},
		Check:  p.checker(),
		Budget: 0.3,
		Log:    w.log(p.name),
		Jitter: func() float64 { return p.dice("jitter").Float64() },
	})
	w.note(
		p.name,
		"seen %d, deleted %d, standby %d, restored %d, error %v",
		report.Seen,
		report.Deleted,
		report.Standby,
		report.Restored,
		err,
	)
}

// stopAndSweep has EC2 stop a host, and start it again while a pass checks the containers of the others.
func (w *world) stopAndSweep(ctx context.Context, r *rand.Rand) {
	if !pause(ctx, time.Duration(r.Int64N(int64(20*time.Second)))) {
		return
	}
	w.mu.Lock()
	h := w.hosts[r.IntN(len(w.hosts))]
	stopped := !h.gone && !h.down && !h.booting &&
		h.reboot(time.Second+time.Duration(r.Int64N(int64(2*time.Second))), true)
	if stopped {
		h.calls.extra++
	}
	w.mu.Unlock()
	if stopped && pause(ctx, time.Duration(r.Int64N(int64(5*time.Second)))) {
		w.sweep(w.t.Context(), time.Duration(120+r.IntN(180))*time.Second)
	}
}

// lag is how long ECS may take to list a container, or to report that it has stopped. It is shorter than the 90 s
// between the sweeper's two looks, beyond which the sweeper takes a container for an orphan.
const lag = 40 * time.Second

// lag is short on the days on which the sweeper checks containers, so that some passes need no second look: their
// changes rest on what was read before the checks.
func (w *world) lag() time.Duration {
	if w.checksContainers {
		return 2 * time.Second
	}
	return lag
}

// inventory is ECS and EC2 as the sweeper sees them: late, and with calls that fail.
type inventory struct{ p *process }

func (f inventory) Fleet(ctx context.Context, _ []string) (evidence.Fleet, error) {
	w := f.p.w
	if err := f.p.wait(ctx, "fleet", 100*time.Millisecond, 5*time.Second); err != nil {
		return evidence.Fleet{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on(inventoryFails) && f.p.dice("blind").IntN(3) == 0 {
		w.note(f.p.name, "a page of ECS cannot be read")
		return evidence.Fleet{}, errors.New("describe tasks, page 2: Rate exceeded")
	}
	found := evidence.Fleet{
		Account:    account,
		Region:     region,
		Instances:  map[string]evidence.Instance{},
		Containers: map[string]evidence.Container{},
	}
	for _, h := range w.hosts {
		found.Instances[h.id] = evidence.Instance{
			State:     h.state(),
			Address:   h.addr,
			InCluster: true,
			Connected: !h.gone && !h.reportedHung,
			Impaired:  h.reportedHung,
			Complete:  true,
		}
		for _, b := range h.engine.boxes {
			if !b.ecs || b.known.runs == 0 || w.on(inventoryEmpty) {
				continue
			}
			late := time.Duration(w.fixed(b.c.ID, int(w.lag()/time.Millisecond))) * time.Millisecond
			if time.Since(b.known.began) < late {
				continue
			}
			c := evidence.Container{
				Instance: h.id,
				Task:     "task/" + b.name,
				Cluster:  "main",
				Service:  "main/" + b.service,
			}
			for _, p := range b.c.Published {
				c.Ports = append(c.Ports, evidence.Port{
					Container: container.Port{Number: p.Port.Number, Proto: container.TCP},
					Host:      p.HostPort,
				})
			}
			// ECS never reports STOPPED between a death and the start that its restart policy brings.
			c.Stopped = !b.c.Live() && !b.ecsRestartPending && time.Since(b.known.since) > late
			if b.removed && time.Since(b.known.since) > 2*late {
				continue
			}
			found.Containers[b.c.ID] = c
		}
	}
	return found, nil
}

// state returns the state of a host in EC2.
func (h *host) state() evidence.State {
	if h.gone || h.down {
		return evidence.Gone
	}
	return evidence.Alive
}

func (f inventory) States(ctx context.Context, instances []string) (map[string]evidence.State, error) {
	w := f.p.w
	if err := f.p.wait(ctx, "states", 50*time.Millisecond, 2*time.Second); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on(inventoryFails) && f.p.dice("states blind").IntN(3) == 0 {
		return nil, errors.New("describe instances: Rate exceeded")
	}
	states := map[string]evidence.State{}
	for _, h := range w.hosts {
		if slices.Contains(instances, h.id) {
			states[h.id] = h.state()
		}
	}
	return states, nil
}

// checkTransport carries the sweeper's HTTP checks.
type checkTransport struct{ p *process }

// checker returns the sweeper's checks on a third of the days; nil on the others.
func (p *process) checker() *httpcheck.Checker {
	if !p.w.checksContainers {
		return nil
	}
	c := httpcheck.New("/health")
	c.Client.Transport, c.Client.Timeout = checkTransport{p}, 20*time.Second // as long as many that hang take
	return c
}

// RoundTrip answers for the container that has the port. Some fail for a while, or do not answer.
func (n checkTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := n.p.wait(r.Context(), "check "+r.URL.Host, time.Millisecond, 50*time.Millisecond); err != nil {
		return nil, err
	}
	status, found := n.status(r.URL.Host)
	switch {
	case !found:
		return nil, errRefused
	case status == 0:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

// status returns a container's status code; 0: it hangs.
func (n checkTransport) status(at string) (status int, found bool) {
	w := n.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		for _, b := range h.engine.boxes {
			for _, p := range b.c.Published {
				if !b.c.Live() || h.gone || netip.AddrPortFrom(h.addr, p.HostPort).String() != at {
					continue
				}
				ill := !w.noMoreFaults && int(time.Since(b.known.began)/(30*time.Second))%2 == 0
				switch kind := w.fixed("check "+b.c.ID, 4); {
				case ill && kind == 0:
					return http.StatusServiceUnavailable, true
				case ill && kind == 1:
					return 0, true
				}
				return http.StatusOK, true
			}
		}
	}
	return 0, false
}
