package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/record"
)

const account, region = "123456789012", "eu-west-1"

var errDead = errors.New("the process is dead")

// host is a container instance. The world's lock guards all of it.
type host struct {
	w      *world
	index  int
	name   string // for the trace
	id     string
	addr   netip.Addr
	engine *engine
	rand   *rand.Rand // the scenario's, for this host

	boot    int
	proc    *process // nil while no agent runs
	started int      // how many did
	gone    bool     // for good
	booting bool
	down    bool      // stopped, for EC2 too
	up      time.Time // when EC2 last began to say that it runs
	hung    bool      // EC2's status check fails, and the ECS agent is disconnected; the agent works
	disk    disk
	ecs     map[string]bool // containers that ECS wants stopped
	notices string

	account   ledger
	addressed bool                  // has written the record of its address
	trouble   time.Time             // when something last failed on which this host's records depend
	throttled time.Time             // when a call of its agent last was
	exempt    map[record.Key]string // keys that the agent can't know to be wrong, and why
	deaths    []death
}

// process is one life of an agent, or a pass of the sweeper.
type process struct {
	w        *world
	h        *host // nil for the sweeper
	name     string
	dead     bool
	cancel   context.CancelFunc
	done     chan struct{}
	journal  *journal.Journal
	began    time.Time
	stopping bool      // told to end
	listed   int       // records that the sweeper may have seen
	unproven int       // deletions of the sweeper's without EC2's proof
	hangs    bool      // a call does, at present
	failed   int       // changes in a row, the last of them included
	failing  time.Time // since when
}

// dice gives random numbers for one decision. They depend on nothing but the seed, who asks, what for and when, so that
// it does not matter in which order goroutines ask.
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

// mayDie is a moment at which an agent is killed now and then.
func (p *process) mayDie(when string) {
	p.w.mu.Lock()
	dies := p.h != nil && !p.dead && p.h.proc == p && p.w.on(crashes) && p.dice("die "+when).IntN(40) == 0
	p.w.mu.Unlock()
	if !dies {
		return
	}
	time.Sleep(time.Nanosecond) // everything else that happens at this moment has happened
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.h.proc == p {
		p.h.crash("killed " + when)
		p.h.restartLater()
	}
}

// disk is what a host's state directory is on.
type disk struct {
	dir     string // of the present process
	content []byte // of the journal while no process runs; nil: there is none
	state   diskState
	stash   []byte // while it fails: what is on it
	old     []byte // what was on it when it could not be written, though the agent went on; nil: it has not failed so
	standby []byte // beside the journal while no process runs; nil: there is none

	snapshot []byte // of the journal, taken earlier
	restored bool   // to the snapshot, and no process has started since
}

// original is the host of which images are made.
const original = "i-00000000000000abc"

// image gives the journal that comes with one: of records that are the original's, and none of whoever starts from it.
func image(now time.Time) []byte {
	return []byte(
		`{"Version":1,"Instance":"` + original + `","Boot":"boot-9","AsOf":"` + now.Format(
			time.RFC3339,
		) + `","Records":[` +
			`{"Zone":"Z1","Record":{"Name":"else.` + zoneName + `","Type":"A","SetID":"else","TTL":60,"Weight":1,"Value":"10.9.9.9"}}]}`,
	)
}

// restore brings back what was on the disk before, hours later as the journal sees it.
func (d *disk) restore() {
	var file map[string]json.RawMessage
	must(json.Unmarshal(d.snapshot, &file))
	file["AsOf"] = json.RawMessage(`"` + time.Now().Add(-3*time.Hour).Format(time.RFC3339) + `"`)
	content, err := json.Marshal(file)
	must(err)
	d.content, d.restored = content, true
}

type diskState string

const (
	diskWorks  diskState = ""
	diskFull   diskState = "full"      // nothing can be written, and files can be removed
	diskFrozen diskState = "read-only" // nothing can be written or removed
)

func (d *disk) path() string { return filepath.Join(d.dir, "records.json") }

// fail makes writing fail: a directory in the journal's place cannot be replaced by a file. An empty one can be
// removed, once, as a file on a full disk can.
func (d *disk) fail(state diskState) {
	d.stash, _ = os.ReadFile(d.path())
	_ = os.Remove(d.path())
	_ = os.Mkdir(d.path(), 0o700)
	if state == diskFrozen {
		_ = os.WriteFile(filepath.Join(d.path(), "frozen"), nil, 0o600)
	}
	d.state = state
}

func (d *disk) heal() {
	if d.state == diskFrozen {
		d.old = d.stash
	}
	if info, err := os.Stat(d.path()); d.state != diskWorks && err == nil && info.IsDir() {
		_ = os.RemoveAll(d.path())
		if d.stash != nil {
			_ = os.WriteFile(d.path(), d.stash, 0o600)
		}
	}
	d.state, d.stash = diskWorks, nil
}

// stale says whether what is on the disk is older than what the agent has done.
func (d *disk) stale() bool {
	if d.old != nil && d.state != diskFrozen && string(d.read()) != string(d.old) {
		d.old = nil
	}
	return d.state == diskFrozen || d.old != nil
}

// read gives the journal as a process would find it that starts now; nil where there is none.
func (d *disk) read() []byte {
	info, err := os.Stat(d.path())
	if err != nil {
		return nil
	}
	if info.IsDir() {
		return d.stash
	}
	content, _ := os.ReadFile(d.path())
	return content
}

// page is the part of a journal that matters here, read by this package's own eyes.
type page struct {
	ListingDue bool
	Records    []struct {
		Zone   string
		Record struct{ Name, Type, SetID string }
	}
}

// covers says whether a journal tells of a record, or that it may not tell of all.
func covers(content []byte) (all bool, keys map[record.Key]bool, err error) {
	if content == nil {
		return true, nil, nil
	}
	var p page
	if err := json.Unmarshal(content, &p); err != nil {
		return false, nil, err
	}
	keys = map[record.Key]bool{}
	for _, r := range p.Records {
		if r.Zone == "Z1" {
			keys[record.Key{Name: r.Record.Name, Type: record.Type(r.Record.Type), SetID: r.Record.SetID}] = true
		}
	}
	return p.ListingDue, keys, nil
}

// launch starts an agent on the host. The caller holds the lock.
func (h *host) launch() {
	w := h.w
	if h.proc != nil || h.gone || h.booting {
		return
	}
	h.started++
	h.disk.dir = filepath.Join(w.dir, fmt.Sprintf("%s-%d", h.name, h.started))
	must(os.Mkdir(h.disk.dir, 0o700))
	if h.disk.content != nil {
		must(os.WriteFile(h.disk.path(), h.disk.content, 0o600))
		if h.rand.IntN(4) == 0 {
			must(os.WriteFile(filepath.Join(h.disk.dir, ".records.json123"), []byte("half a jour"), 0o600))
		}
	}
	if h.disk.standby != nil {
		must(os.WriteFile(filepath.Join(h.disk.dir, "standby"), h.disk.standby, 0o600))
	}
	h.starting()
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
	w.note(h.name, "agent starts: %d known, listing due: %v", len(j.Records("Z1")), j.ListingDue())
	a := agent.New(agent.Config{
		Owner: record.Owner{
			InstanceID: h.id,
			Address:    h.addr,
			Account:    account,
			Region:     region,
		},
		ZoneName: zoneName,
		ZoneID:   "Z1",
		Policy:   endpoint.Policy{Zone: zoneName, DefaultWeight: 1, MaxWeight: 255},
		Engine:   &connection{p: p},
		Tasks:    p.tasks,
		FindZone: func(context.Context) (string, error) {
			return "", errors.New("it is given")
		},
		OpenZone:    func(string) agent.Zone { return client{p} },
		Journal:     j,
		Suspended:   func() (time.Duration, error) { return 0, nil },
		HostStandby: p.notices,
		LookUp:      p.lookUp,
		Resync:      w.resync,
		VerifyEvery: w.verifyEvery,
		Jitter:      func() float64 { return p.dice("jitter").Float64() },
		Log:         w.log(h.name),
		Readiness:   &agent.Readiness{},
		Metrics:     agent.NewMetrics(prometheus.NewRegistry()),
	})
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

// tasks is the ECS agent's introspection.
func (p *process) tasks(ctx context.Context) (map[string]agent.Task, error) {
	if err := p.wait(ctx, "tasks", time.Millisecond, 20*time.Millisecond); err != nil {
		return nil, err
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.w.on(mute) && !p.w.over && p.dice("mute").IntN(3) == 0 {
		return nil, errors.New("connection refused")
	}
	found := map[string]agent.Task{}
	for _, b := range p.h.engine.boxes {
		if id := b.c.ID; b.ecs {
			found[id] = agent.Task{Stopping: p.h.ecs[id], Restarts: b.again}
		}
	}
	return found, nil
}

// lookUp is DNS: not known to all hosts, and late at times.
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
	if since, err := journal.Standby(p.h.disk.dir, p.h.id); since != "" || err != nil {
		return since, err
	}
	return p.h.notices, nil
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
	h.ending()
}

// stop asks the agent to end and waits until it has.
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

func must(err error) {
	if err != nil {
		panic(err) // of the simulation itself: no disk space, say
	}
}

// log gives a logger whose lines go to the trace of a replay, but are no part of what is compared.
func (w *world) log(name string) *logrus.Entry {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	logger.SetLevel(logrus.PanicLevel)
	if w.verbose {
		logger.SetLevel(logrus.InfoLevel)
		logger.AddHook(hook{w, name})
	}
	return logrus.NewEntry(logger)
}

type hook struct {
	w    *world
	name string
}

func (h hook) Levels() []logrus.Level { return logrus.AllLevels }

func (h hook) Fire(e *logrus.Entry) error {
	text := fmt.Sprint(e.Data)
	h.w.said(h.name, "log: "+e.Message+" "+strings.ReplaceAll(text, "\n", " "))
	return nil
}
