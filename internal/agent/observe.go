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
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// replaying is how long after connecting hints may be of the past. A hint of the past may be about a run of a container
	// that has ended since, so that it is held against a snapshot first.
	replaying = 2 * time.Second
	// snapshotRetry is the wait after a failed snapshot; events go on meanwhile.
	snapshotRetry = time.Second
	// unreadRetry is the wait before another look at a container of which alone the Engine does not tell.
	unreadRetry  = 2 * time.Second
	tasksTimeout = time.Second
	// blindFor is how long snapshots may fail before that is told: an Engine that restarts is away for some seconds.
	blindFor = 10 * time.Second
	// flushDelay is how long a stop mark waits for a change batch to take it along to the disk.
	flushDelay = time.Second
	// aliveEvery is how often the loop goes round where nothing happens, to show that it can.
	aliveEvery = 10 * time.Second
	// hangsAfter is how long the writer may be at one piece of work. A call ends after 8 s; narrowing down a refusal takes a few.
	hangsAfter = time.Minute
)

// observe turns hints into wishes until ctx ends.
func (a *Agent) observe(ctx context.Context, writer *apply.Writer) {
	if slept, err := a.cfg.Suspended(); err == nil {
		a.slept = slept
	}
	select {
	case <-a.standbyKnown:
	case <-time.After(standbyWait):
	case <-ctx.Done():
	}
	a.containers, a.due = nil, time.Time{}
	view := view{dirty: map[string]bool{}, all: true, fresh: true}
	resync := time.Now().Add(spread(a.cfg.Resync, a.cfg.Luck))
	var flush time.Time // when the journal is to be written, whether or not hints go on; zero: in the next round without any
	for {
		mail := a.inbox.drain()
		if now := time.Now(); !now.Before(resync) {
			resync = now.Add(spread(a.cfg.Resync, a.cfg.Luck))
			view.routine = true
			a.wokenUp(writer)
		}
		again := earlier(a.look(ctx, writer, mail, &view), resync)
		if now := time.Now(); len(mail.hints) > 0 && flush.IsZero() {
			flush = now.Add(flushDelay)
		} else if !flush.After(now) {
			flush = time.Time{}
			_ = a.cfg.Journal.Flush() // the journal itself tells of an error, and the next round tries again
		}
		again = earlier(again, flush)
		if writer.Busy() < hangsAfter {
			a.cfg.Alive()
		}
		again = earlier(again, time.Now().Add(aliveEvery))
		timer := time.NewTimer(time.Until(earlier(again, a.due)))
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

// view is what has to be looked at next, kept over looks that fail.
type view struct {
	dirty   map[string]bool
	all     bool // every container closely
	routine bool // everything is listed, for no reason but that time has passed
	fresh   bool // the stream of events was interrupted before
	since   time.Time
	kills   []container.Hint // signals to be held against the next snapshot
	deaths  map[string]container.Hint
}

// look takes hints in, looks at the Engine where they ask for it, and passes on the wishes that follow. It gives the time of
// the next attempt where it could not look; else the zero time.
func (a *Agent) look(ctx context.Context, writer *apply.Writer, m mail, v *view) (retry time.Time) {
	if m.fresh {
		v.all, v.fresh = true, true
	}
	if v.since.IsZero() {
		v.since = m.first
	}
	stopping := a.takeHints(m, v)
	turned := m.standby != a.standby
	a.standby = m.standby
	if stopping || turned || !a.due.IsZero() && !a.due.After(time.Now()) {
		// A signal needs no snapshot: the record goes while the container still serves. Nor does a host on standby.
		a.publish(writer, v.since)
	}
	if a.containers != nil && !v.all && !v.routine && len(v.dirty) == 0 {
		v.since = time.Time{}
		return time.Time{}
	}
	if m.connected.IsZero() && a.containers == nil {
		return time.Now().Add(snapshotRetry) // the first look comes after the events of the past, among them stop signals
	}
	var live []container.Container
	var err error
	if a.containers == nil || v.all || v.routine {
		live, err = a.cfg.Engine.Snapshot(ctx, v.dirty, v.all)
	} else {
		live, err = a.cfg.Engine.Refresh(ctx, v.dirty)
	}
	a.cfg.Metrics.snapshot(err)
	a.blindness(err)
	if err != nil {
		a.applyDeaths(writer, v)
		return time.Now().Add(snapshotRetry)
	}
	var late mail
	if v.fresh || v.routine {
		// Events of the past have come meanwhile: a signal among them must not find its container announced first, and what a
		// routine look finds changed was not told of only if no event is on its way.
		late = a.inbox.drain()
		a.takeHints(late, v)
	}
	a.takeSnapshot(ctx, live, v)
	a.publish(writer, v.since)
	*v = view{dirty: map[string]bool{}, all: late.fresh, fresh: late.fresh, since: late.first}
	for id, c := range a.containers {
		if c.Unread != "" {
			v.dirty[id] = true
			retry = time.Now().Add(unreadRetry)
		}
	}
	for _, h := range late.hints {
		v.dirty[h.ContainerID] = true
	}
	if late.fresh || len(late.hints) > 0 {
		retry = time.Now()
	}
	return retry
}

// blindness tells of an Engine that does not say what runs, once that lasts.
func (a *Agent) blindness(err error) {
	a.blind.err = err
	if err == nil {
		a.blind.since = time.Time{}
		a.cfg.Readiness.Ready("containers")
		return
	}
	now := time.Now()
	if a.blind.since.IsZero() {
		a.blind.since = now
	}
	if now.Sub(a.blind.since) < blindFor {
		return
	}
	a.cfg.Readiness.NotReady("containers", err.Error())
	if now.Sub(a.blind.said) >= time.Minute {
		a.blind.said = now
		a.cfg.Log.WithError(err).Warn("the Engine does not say what runs, the records stay as they are")
	}
}

// takeHints notes what hints say, and says whether a container known to serve has been asked to stop.
func (a *Agent) takeHints(m mail, v *view) (stopping bool) {
	fallen := false
	past := m.connected.IsZero() || time.Since(m.connected) < replaying
	for _, h := range m.hints {
		c, known := a.containers[h.ContainerID]
		a.crashes.hint(h, c, known)
		switch h.Action {
		case container.Kill:
			if known && !past && !v.dirty[h.ContainerID] {
				stopping = stopSignal(c, h.Signal) && a.stops.mark(c, h.Time) || stopping
				continue
			}
			v.kills = append(v.kills, h)
		case container.Start:
			// Signals before it were for an earlier run.
			v.kills = slices.DeleteFunc(v.kills, func(k container.Hint) bool { return k.ContainerID == h.ContainerID })
			delete(v.deaths, h.ContainerID)
			fallen = a.stops.started(h.ContainerID, h.Time) || fallen
		case container.Die:
			if v.deaths == nil {
				v.deaths = map[string]container.Hint{}
			}
			v.deaths[h.ContainerID] = h
		}
		v.dirty[h.ContainerID] = true
	}
	if stopping || fallen {
		a.cfg.Journal.SetStops(a.stops.saved())
	}
	return stopping
}

// applyDeaths believes events of deaths where no snapshot can be had: an Engine that shuts down stops answering before it
// stops the containers, while the stream of events goes on.
func (a *Agent) applyDeaths(writer *apply.Writer, v *view) {
	changed := false
	for id, h := range v.deaths {
		if c, ok := a.containers[id]; ok && !c.StartedAt.After(h.Time) {
			delete(a.containers, id)
			changed = true
		}
	}
	if changed {
		a.publish(writer, v.since)
	}
}

// takeSnapshot replaces what is known of the containers.
func (a *Agent) takeSnapshot(ctx context.Context, live []container.Container, v *view) {
	before := a.containers
	a.containers = make(map[string]container.Container, len(live))
	for _, c := range live {
		a.containers[c.ID] = c
	}
	if v.routine && before != nil && !v.fresh && a.missed(before, v.dirty) && a.inbox.reconnect() {
		a.cfg.Log.Warn("containers have changed and the Engine sent no event of it, connecting again")
	}
	marked := false
	for _, h := range v.kills {
		if c, ok := a.containers[h.ContainerID]; ok && stopSignal(c, h.Signal) && !c.StartedAt.After(h.Time) {
			marked = a.stops.mark(c, h.Time) || marked
		}
	}
	if v.fresh {
		marked = a.askWhatStops(ctx) || marked
	}
	if a.stops.prune(a.containers) || marked {
		a.cfg.Journal.SetStops(a.stops.saved())
	}
	for id := range a.tasks {
		if _, ok := a.containers[id]; !ok {
			delete(a.tasks, id)
		}
	}
}

// missed says whether containers have changed without a hint.
func (a *Agent) missed(before map[string]container.Container, hinted map[string]bool) bool {
	for id, c := range a.containers {
		old, ok := before[id]
		if !hinted[id] && (!ok || !old.StartedAt.Equal(c.StartedAt) || old.State != c.State || old.Health != c.Health) {
			return true
		}
	}
	for id := range before {
		if _, ok := a.containers[id]; !ok && !hinted[id] {
			return true
		}
	}
	return false
}

// publish computes the wishes from all that is known and passes them on. It leaves in due the time at which they may differ
// without any hint.
func (a *Agent) publish(writer *apply.Writer, since time.Time) {
	if a.containers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tasksTimeout)
	defer cancel()
	now := time.Now()
	a.crashes.look(a.containers, now)
	if at := a.stopsAsked.at; !at.IsZero() && !now.Before(at) && a.askWhatStops(ctx) {
		a.cfg.Journal.SetStops(a.stops.saved())
	}
	a.due = earlier(a.learnAddresses(ctx, now), a.stopsAsked.at)
	all := make([]container.Container, 0, len(a.containers))
	withheld := map[string]Withheld{}
	for _, c := range a.containers {
		all = append(all, c)
		if a.stops.marked(c) && !a.outlived(ctx, c, now) {
			withheld[c.ID] = Withheld{Reason: Stopping, Until: a.stops.expires(c), Since: a.stops[c.ID].At}
		} else if until := a.crashes.held(c, now); !until.IsZero() {
			withheld[c.ID] = Withheld{Reason: CrashLoop, Until: until}
		}
		a.due = earlier(a.due, withheld[c.ID].Until)
	}
	endpoints, problems := a.cfg.Policy.Map(all)
	endpoints = slices.DeleteFunc(endpoints, func(e endpoint.Endpoint) bool { return withheld[e.ContainerID].Reason != "" })
	if a.standby != "" {
		for i := range endpoints {
			endpoints[i].Standby = true
		}
	}
	a.report(problems)
	a.announce(published{containers: all, endpoints: endpoints, problems: problems, withheld: withheld, standby: a.standby})
	writer.Want(append(a.wishes(endpoints), a.asKnown(writer, withheld)...), since)
}

// asKnown gives the records of containers of which it is not known yet what is announced: after a start of the agent, or of the
// ECS agent, that takes a moment, and meanwhile they serve.
func (a *Agent) asKnown(writer *apply.Writer, withheld map[string]Withheld) (wishes []apply.Wish) {
	pending := map[string]container.Container{}
	for id, c := range a.containers {
		if endpoint.Pending(c, a.containers[c.SharedWith]) && c.Live() && withheld[id].Reason == "" {
			pending[id] = c
		}
	}
	if len(pending) == 0 {
		return nil
	}
	for key, e := range writer.Known() {
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
		wishes = append(wishes, apply.Wish{Record: r, Run: e.Run})
	}
	return wishes
}

// runOf names the present run and health of a container.
func runOf(c container.Container) string {
	return strconv.FormatInt(c.StartedAt.UnixNano(), 36) + " " + string(c.State) + " " + string(c.Health)
}

// wishes gives the records that announce the endpoints, and the host's own A record, which outlives the last that points to it.
func (a *Agent) wishes(endpoints []endpoint.Endpoint) []apply.Wish {
	records := a.records(endpoints)
	wishes := make([]apply.Wish, len(records), len(records)+1)
	for i, r := range records {
		wishes[i].Record = r
		if id, ok := record.ParseSetID(r.SetID); ok && r.Type == record.SRV {
			wishes[i].Run = runOf(a.containers[id.Container])
		}
	}
	if host := a.zone().HostRecord(a.cfg.Owner); a.cfg.Owner.DNSName == "" && !slices.Contains(records, host) {
		wishes = append(wishes, apply.Wish{Record: host, IfKnown: true})
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
	writer.DoubtAll()
}

// earlier gives the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
