package agent

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/container"
)

// view is what has to be looked at, and what is held against the looks to come. Looks are numbered, from 1 on; what
// came when n of them had begun is answered by the next one that begins, not by those under way.
type view struct {
	dirty     map[string]int // containers that hints named, and how many looks had begun then
	all       bool           // every container closely
	routine   bool           // everything is listed, for no reason but that time has passed
	fresh     bool           // the stream of events was interrupted before
	since     time.Time      // when the first of the hints came that are behind it
	kills     []kill
	begun     int   // looks
	connected bool  // there is a stream of events
	look      *look // under way; nil: there is none

	listAt, inspectAt time.Time // after one that failed: no other before
	listFailed        int       // how often in a row
	unreadAt          time.Time // when what could not be looked at is looked at again; zero: there is nothing
	judgeAt           time.Time // when signals and deaths of the past that still wait for a look are believed without
}

// kill is a signal that is to be held against the looks to come: when it came, the run that it was for was not certain.
type kill struct {
	heard
	begun int
}

// died is the death of a container.
type died struct {
	at    time.Time // by the Engine's clock
	sure  bool      // it ended the run that was known
	begun int
}

// ended says whether a container as it was found, maybe some time ago, is in the run that has ended.
func (d died) ended(c container.Container) bool { return !c.StartedAt.After(d.at) }

// look is one look at the Engine. Who takes it fills in what was found.
type look struct {
	n       int
	began   time.Time
	since   time.Time
	dirty   map[string]bool
	lists   bool // everything, else only what is dirty is inspected
	all     bool
	routine bool
	fresh   bool

	live   []container.Container
	err    error
	answer *answer // of the ECS agent, where it was asked
}

// begin begins a look where one is due and none is under way. It returns when the next one will be due; the zero time
// where something has to come first.
func (a *Agent) begin(ctx context.Context, v *view, now time.Time) (again time.Time) {
	if v.look != nil {
		return time.Time{}
	}
	lists, inspects := a.containers == nil || v.all || v.routine, len(v.dirty) > 0 && a.containers != nil
	switch {
	case a.containers == nil && !v.connected:
		return now.Add(lookRetry) // the first look comes after the events of the past, among them stop signals
	case lists && !v.listAt.After(now):
	case inspects && !v.inspectAt.After(now):
		lists = false
	case !v.unreadAt.IsZero() && !v.unreadAt.After(now):
		lists = false
	default:
		if lists {
			again = v.listAt
		}
		if inspects {
			again = earlier(again, v.inspectAt)
		}
		if !lists && !inspects {
			v.since = time.Time{}
		}
		return earlier(again, v.unreadAt)
	}
	v.begun++
	l := &look{
		n:     v.begun,
		began: now,
		since: v.since,
		dirty: map[string]bool{},
		lists: lists,
	}
	for id := range v.dirty {
		l.dirty[id] = true
	}
	if lists {
		l.all, l.routine, l.fresh = v.all, v.routine, v.fresh
		v.all, v.routine, v.fresh = false, false, false
	}
	v.look, v.since, v.unreadAt = l, time.Time{}, time.Time{}
	a.beside.Go(func() {
		a.take(ctx, l)
		a.inbox.put(func() { a.inbox.look = l })
	})
	return time.Time{}
}

// take takes a look.
func (a *Agent) take(ctx context.Context, l *look) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if l.lists {
		l.live, l.err = a.cfg.Engine.Snapshot(ctx, l.dirty, l.all)
	} else {
		l.live, l.err = a.cfg.Engine.Refresh(ctx, l.dirty)
	}
	if l.fresh && l.err == nil && slices.ContainsFunc(l.live, ofECS) {
		// Signals may have been sent while nobody listened, and what is to stop must not be announced first.
		about := map[string]bool{}
		for _, c := range l.live {
			about[c.ID] = true
		}
		answer := a.askECS(ctx, about)
		l.answer = &answer
	}
}

// takeLook takes in what a look has found, and says whether it has found anything.
func (a *Agent) takeLook(l *look, v *view) bool {
	v.look = nil
	now := time.Now()
	a.cfg.Metrics.snapshot(l.err)
	if l.lists || l.err != nil || v.listFailed == 0 {
		a.blindness(l.err)
	}
	switch {
	case l.err == nil && l.lists:
		v.listFailed = 0
	case l.err == nil:
	case l.lists: // until it is tried again, what hints name is inspected all the same
		v.all, v.routine, v.fresh = v.all || l.all, v.routine || l.routine, v.fresh || l.fresh
		v.listAt = now.Add(min(lookRetry<<min(v.listFailed, 10), longestListing))
		v.listFailed++
	default:
		v.inspectAt = now.Add(lookRetry)
	}
	if l.err != nil {
		v.since = earlier(v.since, l.since)
		a.lookAgain(v, now)
		return a.judge(v)
	}
	before := a.containers
	a.containers = make(map[string]container.Container, len(l.live))
	for _, c := range l.live {
		a.containers[c.ID] = c
	}
	a.lookAgain(v, now)
	for id, c := range before {
		if _, lives := a.containers[id]; !lives {
			a.mayRest(c, v, now)
		}
	}
	if l.routine && before != nil && !l.fresh && !v.fresh && a.missed(before, v.dirty) && a.inbox.reconnect() {
		a.cfg.Log.Warn("containers have changed and the Engine sent no event of it, connecting again")
	}
	if l.answer != nil {
		a.stopsAsked = question{at: now}
		a.takeAnswer(*l.answer, now)
	} else if l.fresh {
		a.stopsAsked = question{}
	}
	a.forget(l)
	// What died, or was asked to stop, after the look had begun may have been found as it was before.
	a.judge(v)
	if a.stops.prune(a.containers) {
		a.cfg.Journal.SetStops(a.stops.saved())
	}
	v.forget(l.n, a.containers)
	return true
}

// lookAgain has what could not be inspected looked at again.
func (a *Agent) lookAgain(v *view, now time.Time) {
	for _, c := range a.containers {
		if c.Unread != "" {
			v.unreadAt = now.Add(unreadRetry)
			return
		}
	}
}

// forget drops what a look has answered, which it has not of a container that could not be inspected.
func (v *view) forget(n int, live map[string]container.Container) {
	for id, begun := range v.dirty {
		if begun < n {
			delete(v.dirty, id)
		}
	}
	if len(v.dirty) == 0 {
		v.dirty = map[string]int{} // a map keeps the room that it once needed
	}
	v.kills = slices.DeleteFunc(v.kills, func(k kill) bool { return k.begun < n && live[k.ContainerID].Unread == "" })
}

// forget drops the deaths that a look has answered, and what is known of containers that are gone.
func (a *Agent) forget(l *look) {
	for id, d := range a.died {
		if d.begun < l.n && a.containers[id].Unread == "" {
			delete(a.died, id)
		}
	}
	if len(a.died) == 0 {
		a.died = map[string]died{}
	}
	a.forgetRests(time.Now())
	gone := func(id string) bool { return a.containers[id].ID == "" && a.resting[id].container.ID == "" }
	maps.DeleteFunc(a.tasks, func(id string, _ Task) bool { return gone(id) })
	maps.DeleteFunc(a.covered, func(id string, _ bool) bool { return gone(id) })
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

// takeHints notes what hints say, and says whether a container known to serve has been asked to stop, or has died.
func (a *Agent) takeHints(m mail, v *view) (changed bool) {
	fallen, stopping := false, false
	past := m.connected.IsZero() || time.Since(m.connected) < replaying
	for _, h := range m.hints {
		id := h.ContainerID
		c, known := a.containers[id]
		changed = a.disturb(h.Hint, time.Now()) || changed
		a.crashes.hint(h, c, known)
		switch h.Action {
		case container.Kill:
			if known && !past {
				stopping = stopSignal(c, h.Signal) && a.stops.mark(c, h.Time) || stopping
				if _, dirty := v.dirty[id]; !dirty && c.Unread == "" {
					continue
				}
			}
			v.kills = append(v.kills, kill{h, v.begun})
		case container.Start:
			// Signals before it were for an earlier run.
			v.kills = slices.DeleteFunc(v.kills, func(k kill) bool { return k.ContainerID == id })
			if !a.died[id].sure { // else the look under way may still find the run before this one
				delete(a.died, id)
			}
			fallen = a.stops.started(id, h.Time) || fallen
		case container.Network:
			// One of a container that is not known to run is part of its start or end, of which there is an event of
			// its own.
			if _, dirty := v.dirty[id]; !known && !dirty {
				continue
			}
		case container.Die:
			d := died{at: h.Time, begun: v.begun}
			if known && !past && d.ended(c) {
				d.sure = true
				a.mayRest(c, v, time.Now())
				delete(a.containers, id)
				changed = true
			}
			a.died[id] = d
		}
		v.dirty[id] = v.begun
		v.inspectAt = time.Time{}
		if past && v.judgeAt.IsZero() {
			v.judgeAt = time.Now().Add(replayTime)
		}
	}
	if stopping || fallen {
		a.cfg.Journal.SetStops(a.stops.saved())
	}
	return changed || stopping
}

// judge holds the signals and deaths that were heard of against what is known of the containers, and says whether a
// container is concerned that is known to serve. An Engine that shuts down, or is stuck, lists and inspects nothing,
// while its events go on.
func (a *Agent) judge(v *view) (changed bool) {
	for _, k := range v.kills {
		if c, ok := a.containers[k.ContainerID]; ok && stopSignal(c, k.Signal) && !c.StartedAt.After(k.Time) {
			changed = a.stops.mark(c, k.Time) || changed
		}
	}
	if changed {
		a.cfg.Journal.SetStops(a.stops.saved())
	}
	for id, d := range a.died {
		if c, ok := a.containers[id]; ok && d.ended(c) {
			a.mayRest(c, v, time.Now())
			delete(a.containers, id)
			changed = true
		}
	}
	return changed
}
