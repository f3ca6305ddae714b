package agent

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// replaying is how long after connecting hints may be of the past. A hint of the past may be about a run of a
	// container that has ended since, so that it is held against a look first.
	replaying = 2 * time.Second
	// lookRetry is the wait after a look that failed, until a hint comes; listings that go on failing are tried up to
	// longestListing apart.
	lookRetry, longestListing = time.Second, 4 * time.Second
	// unreadRetry is the wait before another look at a container of which alone the Engine does not tell.
	unreadRetry = 2 * time.Second
	// lookTimeout bounds a look as a whole.
	lookTimeout  = 10 * time.Second
	tasksTimeout = time.Second
	// blindFor is how long listings may fail before that is told: an Engine that restarts is away for some seconds.
	blindFor = 10 * time.Second
	// flushDelay is how long a stop mark waits for a change batch to take it along to the disk.
	flushDelay = time.Second
	// aliveEvery is how often the loop goes round where nothing happens, to show that it can.
	aliveEvery = 10 * time.Second
	// hangsAfter is how long the writer may be at one piece of work, or a look may take. A call ends after 8 s;
	// narrowing down a refusal takes a few.
	hangsAfter = time.Minute
)

// observe turns hints into wishes until ctx ends. It waits for nothing else: looks at the Engine, questions to the ECS
// agent and the disk have goroutines of their own, which put what they have found into the inbox.
func (a *Agent) observe(ctx context.Context, writer *apply.Writer) {
	if slept, err := a.cfg.Suspended(); err == nil {
		a.slept = slept
	}
	select {
	case <-a.standbyKnown:
	case <-time.After(standbyWait):
	case <-ctx.Done():
	}
	a.containers, a.due, a.asking = nil, time.Time{}, nil
	view := view{dirty: map[string]int{}, all: true, fresh: true}
	flush := make(chan struct{}, 1)
	a.beside.Go(func() { a.flush(ctx, flush) })
	defer a.beside.Wait()
	resync := time.Now().Add(spread(a.cfg.Resync, a.cfg.Jitter))
	for {
		if now := time.Now(); !now.Before(resync) {
			resync = now.Add(spread(a.cfg.Resync, a.cfg.Jitter))
			view.routine = true
			a.wokenUp(writer)
		}
		again := earlier(a.round(ctx, writer, &view), resync)
		select {
		case flush <- struct{}{}:
		default:
		}
		now := time.Now()
		if writer.Busy() < hangsAfter && (view.look == nil || now.Sub(view.look.began) < hangsAfter) {
			a.cfg.Alive()
		}
		timer := time.NewTimer(time.Until(earlier(again, now.Add(aliveEvery))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-a.inbox.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// flush writes the journal some time after it is asked to, until ctx ends. The journal itself tells of an error, and
// the next time tries again.
func (a *Agent) flush(ctx context.Context, asked <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
		sleep(ctx, flushDelay)
		_ = a.cfg.Journal.Flush()
	}
}

// round takes in what has come, passes on the wishes that follow, and begins the look that is due. It returns when it
// is to be called again at the latest.
func (a *Agent) round(ctx context.Context, writer *apply.Writer, v *view) (again time.Time) {
	m, now := a.inbox.drain(), time.Now()
	if m.fresh {
		v.all, v.fresh, v.listAt = true, true, time.Time{}
	}
	v.since, v.connected = earlier(v.since, m.first), !m.connected.IsZero()
	// A signal needs no look: the record goes while the container still serves. Nor does a death, or a host on standby.
	changed := a.takeHints(m, v)
	changed = m.standby != a.standby || changed
	a.standby = m.standby
	if m.answer != nil && m.answer == a.asking {
		a.asking = nil
		a.takeAnswer(*m.answer, now)
		changed = true
	}
	since := v.since
	if m.look != nil && m.look == v.look {
		since = earlier(since, m.look.since)
		changed = a.takeLook(m.look, v) || changed
	}
	if !v.judgeAt.IsZero() && !v.judgeAt.After(now) {
		v.judgeAt = time.Time{}
		changed = a.judge(v) || changed
	}
	if changed || !a.due.IsZero() && !a.due.After(now) {
		a.publish(writer, since)
	}
	a.ask(ctx, now)
	again = earlier(earlier(a.begin(ctx, v, now), v.judgeAt), a.due)
	if a.asking == nil && a.containers != nil {
		again = earlier(again, a.askAt())
	}
	return again
}

// missed says whether containers have changed without a hint.
func (a *Agent) missed(before map[string]container.Container, hinted map[string]int) bool {
	for id, c := range a.containers {
		_, told := hinted[id]
		old, ok := before[id]
		if !told && (!ok || !old.StartedAt.Equal(c.StartedAt) || old.State != c.State || old.Health != c.Health) {
			return true
		}
	}
	for id := range before {
		if _, told := hinted[id]; !told && a.containers[id].ID == "" {
			return true
		}
	}
	return false
}

// publish computes the wishes from all that is known and passes them on. It leaves in due the time at which they may
// differ without any hint.
func (a *Agent) publish(writer *apply.Writer, since time.Time) {
	if a.containers == nil {
		return
	}
	now := time.Now()
	a.crashes.look(a.containers, func(id string) bool { return announces(writer.Current(), id) }, now)
	a.fillIn(writer.Current, now)
	a.due = a.nextRested(now)
	all := make([]container.Container, 0, len(a.containers))
	withheld := map[string]Withheld{}
	for _, c := range a.containers {
		all = append(all, c)
		if a.stops.marked(c) && !a.outlived(c, now) {
			withheld[c.ID] = Withheld{Reason: Stopping, Until: a.stops.expires(c), Since: a.stops[c.ID].At}
		} else if until := a.crashes.held(c, now); !until.IsZero() {
			withheld[c.ID] = Withheld{Reason: CrashLoop, Until: until}
		}
		if until := withheld[c.ID].Until; until.After(now) {
			a.due = earlier(a.due, until)
		}
	}
	endpoints, problems := a.cfg.Policy.Map(all)
	endpoints = slices.DeleteFunc(
		endpoints,
		func(e endpoint.Endpoint) bool { return withheld[e.ContainerID].Reason != "" },
	)
	if a.standby != "" {
		for i := range endpoints {
			endpoints[i].Standby = true
		}
	}
	a.report(slices.DeleteFunc(slices.Clone(problems), func(p endpoint.Problem) bool {
		q, asked := a.addressesAsked[p.ContainerID]
		return asked && q.asked == 0
	}))
	kept := a.asKnown(writer, withheld, now)
	a.announce(published{
		containers: all,
		endpoints:  endpoints,
		problems:   problems,
		withheld:   withheld,
		kept:       kept,
		standby:    a.standby,
	})
	writer.SetDesired(append(a.wishes(endpoints), kept...), since)
}

// asKnown gives the records of containers of which it is not known yet what is announced: after a start of the agent,
// or of the ECS agent, that takes a moment, and meanwhile they serve. It gives those of containers that are to be
// started again, too.
func (a *Agent) asKnown(writer *apply.Writer, withheld map[string]Withheld, now time.Time) (wishes []apply.Desired) {
	pending := map[string]container.Container{}
	for id, c := range a.containers {
		if endpoint.Pending(c, a.containers[c.SharedWith]) && c.Live() && withheld[id].Reason == "" {
			pending[id] = c
		}
	}
	for id, r := range a.resting {
		if _, lives := a.containers[id]; !lives && r.rests(now) {
			pending[id] = r.container
		}
	}
	if len(pending) == 0 {
		return nil
	}
	for key, e := range writer.Current() {
		id, ok := record.ParseSetID(key.SetID)
		_, waits := pending[id.Container]
		if !ok || !waits || id.Kind == record.Legacy {
			continue
		}
		r := e.Record
		r.TTL = a.zone().TTLOf(r.Type) // which all records of a name share
		if a.standby != "" && r.Type == record.SRV {
			r.Weight = 0
		}
		wishes = append(wishes, apply.Desired{Record: r, Run: e.Run})
	}
	return wishes
}

// announces says whether there is a record of a container by which it may be found.
func announces(known plan.Current, id string) bool {
	for key, e := range known {
		if setID, ok := record.ParseSetID(key.SetID); ok && setID.Container == id && e.Record.Type == record.SRV &&
			e.Record.Weight > 0 {
			return true
		}
	}
	return false
}

// runOf names the present run and health of a container.
func runOf(c container.Container) string {
	return strconv.FormatInt(c.StartedAt.UnixNano(), 36) + " " + string(c.State) + " " + string(c.Health)
}

// wishes gives the records that announce the endpoints, and the host's own A record, which outlives the last that
// points to it.
func (a *Agent) wishes(endpoints []endpoint.Endpoint) []apply.Desired {
	records := a.records(endpoints)
	wishes := make([]apply.Desired, len(records), len(records)+1)
	for i, r := range records {
		wishes[i].Record = r
		if id, ok := record.ParseSetID(r.SetID); ok && r.Type == record.SRV {
			wishes[i].Run = runOf(a.containers[id.Container])
		}
	}
	if host := a.zone().HostRecord(a.cfg.Owner); a.cfg.Owner.DNSName == "" && !slices.Contains(records, host) {
		wishes = append(wishes, apply.Desired{Record: host, IfKnown: true})
	}
	return wishes
}

// records gives an SRV record for each endpoint, in their order, and the A records that those need.
func (a *Agent) records(endpoints []endpoint.Endpoint) []record.Record {
	return record.Desired(a.zone(), a.cfg.Owner, endpoints)
}

func (a *Agent) zone() record.Zone { return record.Zone{Name: a.cfg.ZoneName, TTL: a.cfg.TTL} }

// report says once what cannot be announced, and why.
func (a *Agent) report(problems []endpoint.Problem) {
	present := make(map[endpoint.Problem]bool, len(problems))
	faults := 0
	for _, p := range problems {
		if !p.Chosen {
			faults++
		}
		known := p
		known.ContainerName = "" // it can be renamed
		present[known] = true
		if p.Chosen || a.problems[known] {
			continue
		}
		a.cfg.Log.WithFields(logrus.Fields{
			"container": p.ContainerName, "container_id": p.ContainerID, "subject": p.Subject, "reason": p.Reason,
		}).Warn("not announced as asked")
	}
	a.problems = present
	a.cfg.Metrics.problem(faults)
}

// wokenUp has everything written once more after the host has slept: others may have taken it for gone.
func (a *Agent) wokenUp(writer *apply.Writer) {
	slept, err := a.cfg.Suspended()
	if err != nil || slept-a.slept < time.Second {
		return
	}
	a.cfg.Log.WithField("slept", (slept - a.slept).String()).Info("the host has slept, writing all records again")
	a.slept = slept
	writer.MarkAllUnconfirmed()
}

// earlier gives the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
