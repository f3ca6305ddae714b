package simulation

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// bound is how long after the last thing that failed, or the last change of a container, the zone may differ from the
// truth.
const bound = 15 * time.Second

// probed is the bound on days on which Route 53 refuses something: the next try is at most 75 s away.
const probed = 90 * time.Second

// prompt is how long a change of a container may take while nothing has failed for a while: the longest gap between two
// calls, and a call.
const prompt = 4 * time.Second

// busy is how long after a throttled call a host waits before its calls as on an account that is busy, and turn is how
// long a change then waits for its first call. A change of which an event tells waits from then on, one that only a
// listing finds waits from the listing on.
const (
	busy = time.Minute + bound
	turn = 14 * time.Second
)

// What the agent promises about time, said once more: a stop mark holds for 10 minutes, and after 3 deaths of a service
// within 2 minutes its containers have to live for 30 seconds first.
const (
	markHolds   = 10 * time.Minute
	loopDeaths  = 3
	loopWindow  = 2 * time.Minute
	loopProof   = 30 * time.Second
	longWindow  = time.Hour
	clockMargin = time.Second
	// The sweeper's word on how old the answer of EC2 is on which it deletes, and how long its request may be under
	// way.
	answerAge    = 10 * time.Second
	requestTakes = 3 * time.Second
	markMargin   = 30 * time.Second
)

// told is what the agent can know of a container, and since when.
type told struct {
	since  time.Time // when what is to be in the zone last changed
	began  time.Time // of the present run, true time
	runs   int
	signal time.Time // when the present run was asked to stop; zero: it was not
	// forgotten says that no process can learn of the signal any more, or not before there is another stream: the
	// container may be in the zone or not.
	forgotten bool
	unheard   bool
	disturbed bool // some signal was sent; which of them ends a container that is gone the agent cannot know
	heardBy   *process
	certain   int // deaths of the service that the agent had been told of when the run began
	toldTo    *process
}

// stopped says whether the run was asked to end.
func (t told) stopped() bool { return !t.signal.IsZero() }

// death is one that nobody asked for, as far as the agent can know.
type death struct {
	service string
	at      time.Time
	sure    bool // nobody asked for it, whatever the agent has heard, and it was no end in order
	heardBy *process
	run     *box
	n       int // which run
}

func (b *box) began() {
	t := &b.told
	*t = told{
		since:  time.Now(),
		began:  time.Now(),
		runs:   t.runs + 1,
		toldTo: b.e.h.proc,
	}
	for _, d := range b.e.h.deaths {
		if d.service == b.service && d.sure && d.heardBy != nil && d.heardBy == b.e.h.proc &&
			time.Since(d.at) < loopWindow-loopProof-bound {
			t.certain++
		}
	}
	b.e.h.account.causes++
}

func (b *box) changed(string) {
	b.told.since = time.Now()
	b.e.h.account.causes++
}

// signalled notes a signal, if it is one that asks the container to end.
func (b *box) signalled(signal int) {
	t := &b.told
	t.disturbed = true
	if signal != b.signal && signal != 9 || t.stopped() {
		return
	}
	t.signal, t.since, t.forgotten, t.unheard, t.heardBy = time.Now(), time.Now(), false, false, nil
	// By the Engine's clock the signal may have come before the run began: after a step back nobody can tell.
	t.forgotten = b.e.now().Before(b.c.StartedAt)
	b.e.h.account.causes++
}

// ended notes the end of a run; announced says whether there may have been records of it.
func (b *box) ended(heard, announced bool, status int) {
	h := b.e.h
	asked := b.told.stopped()
	if !asked || b.told.forgotten || b.told.unheard || b.signal != 15 {
		h.deaths = append(h.deaths, death{
			service: b.service,
			at:      time.Now(),
			sure:    !b.told.disturbed && heard && status != 0,
			run:     b,
			n:       b.told.runs,
		})
	}
	if announced {
		b.told.since = time.Now()
		h.account.causes++
	}
}

// heard notes that a process has been told of an event. It can know that nobody asked for a death only where the same
// stream told of the start of the run.
func (b *box) heard(ev event, p *process, s *stream) {
	switch ev.hint.Action {
	case container.Start:
		s.began[b] = ev.run
	case container.Kill:
		if b.told.stopped() && b.told.runs == ev.run {
			b.told.unheard, b.told.heardBy = false, p
		}
	case container.Die:
		for i := range b.e.h.deaths {
			if d := &b.e.h.deaths[i]; d.run == b && d.n == ev.run && s.began[b] == ev.run {
				d.heardBy = p
			}
		}
	}
}

// unheard notes that an event has got lost on a stream that goes on.
func (b *box) unheard(hint container.Hint) {
	switch hint.Action {
	case container.Kill:
		b.told.unheard = true
	case container.Die:
		b.e.h.deaths = append(b.e.h.deaths, death{
			service: b.service,
			at:      time.Now(),
			run:     b,
			n:       b.told.runs,
		})
	}
}

// forget is what an Engine that restarts does: its memory of events is gone.
func (e *engine) forget() {
	e.memory = nil
	for _, b := range e.boxes {
		// A process that has heard of the signal keeps it, and has written it down after a second or two.
		if b.told.stopped() && (b.told.heardBy == nil || time.Since(b.told.signal) < bound) {
			b.told.forgotten = true
		}
	}
}

// expectation is what the zone should hold of a container.
type expectation int

const (
	may expectation = iota
	mustNot
	mustBe
)

// expected gives what the zone should hold of a container now, whatever has failed.
func (b *box) expected(now time.Time) expectation {
	t, h := b.told, b.e.h
	if !b.c.Live() {
		return mustNot
	}
	if t.stopped() {
		age := now.Sub(t.signal)
		switch {
		case t.unheard,
			h.w.on(clocks) && h.started > 1,
			t.forgotten && (!h.ecs[b.c.ID] || h.w.on(mute) || h.w.on(clocks)):
			return may // where events are missing, the ECS agent is asked
		case age < markHolds:
			return mustNot
		case h.ecs[b.c.ID], h.proc == nil, min(age, now.Sub(h.proc.began)) < markHolds+markMargin:
			return may // an agent that hears of it again after a restart counts from then
		}
		return mustBe
	}
	if h.ecs[b.c.ID] {
		return may // asked for, and not yet told
	}
	age := now.Sub(t.began)
	if h.w.on(clocks) && h.proc != nil { // after a step nobody knows for how long it has run
		age = min(age, now.Sub(h.proc.began))
	}
	if age <= loopProof+bound && h.possible(b.service, now) >= loopDeaths {
		if t.certain >= loopDeaths && t.toldTo == h.proc && t.runs == 1 && age < loopProof-clockMargin &&
			!h.w.on(clocks) {
			return mustNot
		}
		return may
	}
	return mustBe
}

// possible counts the deaths of a service that the agent may count.
func (h *host) possible(service string, now time.Time) (n int) {
	window := loopWindow + loopProof + bound
	if h.w.on(clocks) {
		window = longWindow
	}
	for _, d := range h.deaths {
		if d.service == service && now.Sub(d.at) < window {
			n++
		}
	}
	return n
}

// records gives what announces a container. It is written down here once more, from what the README and the record
// format say, and asks nothing of the packages that do it in the product.
func (b *box) records() []record.Record {
	h := b.e.h
	weight := b.weight
	if b.c.State == container.Paused || b.c.Health == container.Starting || b.c.Health == container.Unhealthy ||
		h.notices != "" {
		weight = 0
	}
	if b.names == nil {
		kind := map[bool]string{true: "ecs", false: "docker"}[b.ecs]
		add := func(name string, port int) {
			b.names = append(b.names, announcement{
				record.Key{
					Name:  name + "." + zoneName,
					Type:  "SRV",
					SetID: fmt.Sprintf("%s:%s:%s:%d/tcp", h.id, kind, b.c.ID, port),
				}, port,
			})
		}
		add(b.service, 80)
		if b.second {
			add(b.service+"-80", 80)
			add(b.service+"-9000", 9000)
		}
	}
	found := make([]record.Record, 0, 3)
	for _, n := range b.names {
		value := ""
		for _, p := range b.c.Published {
			if int(p.Port.Number) == n.port {
				value = "1 " + strconv.FormatInt(
					b.weight,
					10,
				) + " " + strconv.Itoa(
					int(p.HostPort),
				) + " " + h.hostName()
			}
		}
		found = append(found, record.Record{
			Name:   n.key.Name,
			Type:   n.key.Type,
			SetID:  n.key.SetID,
			Weight: weight,
			Value:  value,
		})
	}
	return found
}

// announcement is one name of one port of a container.
type announcement struct {
	key  record.Key
	port int
}

func (h *host) hostName() string { return "ip-10-0-0-" + strconv.Itoa(h.index+1) + "." + zoneName }

func (h *host) address() record.Record {
	return record.Record{
		Name:   h.hostName(),
		Type:   "A",
		SetID:  h.id + ":host:" + account + "/" + region,
		TTL:    60,
		Weight: 1,
		Value:  h.addr.String(),
	}
}

func (h *host) owns(key record.Key) bool { return strings.HasPrefix(key.SetID, h.id+":") }

// working says whether an agent works on the host.
func (h *host) working() bool {
	return h.proc != nil && !h.proc.stopping && !h.proc.hangs
}

// check compares the zone with the truth.
func (h *host) check(now time.Time) {
	w := h.w
	if h.gone {
		return
	}
	if !h.working() {
		h.trouble = now
	}
	if !h.engine.up || h.engine.closed {
		h.engine.away = now
	}
	missing := map[record.Key]string{}
	allowed := map[record.Key]record.Record{} // the zero Record: any
	for _, b := range h.engine.boxes {
		want := b.expected(now)
		if now.Sub(b.stuck) < bound {
			h.engine.untold = now                 // looks take some seconds longer
			if want == mustBe || b.signal != 15 { // by which signal it stops, nobody may know
				want = may
			}
		}
		limit := w.bound
		switch {
		case now.Sub(h.engine.untold) > bound && now.Sub(h.trouble) > busy:
			limit = prompt
		case now.Sub(h.engine.untold) < bound+turn && now.Sub(h.throttled) < busy:
			limit += turn
		}
		settled := now.Sub(b.told.since) > limit && now.Sub(h.trouble) > w.bound && now.Sub(h.engine.away) > prompt
		immediately := want == mustNot && b.c.Live() && !b.told.stopped() // in a crash loop, it is never to appear
		if settled && !b.c.Live() || immediately && h.proc != nil {
			continue
		}
		for _, r := range b.records() {
			key := r.Key()
			switch {
			case w.squatted(h), w.zone.denied != nil:
				allowed[key] = record.Record{}
			case !settled || want == may:
				allowed[key] = record.Record{}
			case want == mustBe:
				allowed[key] = r
				missing[key] = "is missing"
			}
		}
	}
	own := h.address()
	allowed[own.Key()] = own
	if w.squatted(h) || w.zone.denied != nil {
		h.trouble = now
	} else if h.addressed && now.Sub(h.trouble) > w.bound {
		missing[own.Key()] = "is missing, and was to be kept"
	}
	for key := range missing {
		if key.Type == record.SRV {
			missing[own.Key()] = "is missing, to which records point"
			break
		}
	}
	for key, have := range w.zone.records {
		if !h.owns(key) {
			continue
		}
		delete(missing, key)
		want, ok := allowed[key]
		switch {
		case h.exempt[key] != "":
		case !ok:
			w.violated("%s: %s %s of %s should not be in the zone", h.name, key.Name, key.SetID, h.nameOf(key))
		case want == record.Record{}:
		default:
			if w.foreign(key) {
				want.TTL = have.TTL // that others have forced on the name
			}
			if have != want && !w.marked[key] {
				w.violated("%s: in the zone is %+v, and it should be %+v", h.name, have, want)
			}
		}
	}
	for key, why := range missing {
		if h.exempt[key] == "" && !w.fullName(key) {
			w.violated("%s: %s %s of %s %s", h.name, key.Name, key.SetID, h.nameOf(key), why)
		}
	}
}

// squatted reports whether somebody's A record of a host's name is in the way of the host's own.
func (w *world) squatted(h *host) bool {
	return w.zone.other[record.Key{Name: h.hostName(), Type: record.A}] != ""
}

// leads holds SRV records to their rule the moment they are written: each leads to its host.
func (h *host) leads(before map[record.Key]record.Record, c plan.Change) {
	w, key := h.w, c.Record.Key()
	if had, there := before[key]; c.Action == plan.Delete || key.Type != record.SRV ||
		there && had.Value == c.Record.Value ||
		h.exempt[h.address().Key()] != "" {
		return
	}
	name := record.Key{Name: h.hostName(), Type: record.A}
	_, ours := w.zone.records[h.address().Key()]
	if !ours && w.zone.other[name] != h.addr.String() && time.Since(w.zone.squatted) > probed {
		w.violated("%s: writes %s, which leads to %q", h.name, key.SetID, w.zone.other[name])
	}
}

// nameOf gives the container that a record is of, for the trace.
func (h *host) nameOf(key record.Key) string {
	for _, b := range h.engine.boxes {
		if strings.Contains(key.SetID, b.c.ID) {
			return b.name
		}
	}
	return "the host"
}

// foreign says whether others have records of the name.
func (w *world) foreign(key record.Key) bool {
	for other := range w.elsewhere {
		if other.Name == key.Name && other.Type == key.Type {
			return true
		}
	}
	return false
}

// fullName says whether no record of the name can be added.
func (w *world) fullName(key record.Key) bool {
	return w.zone.count(w.zone.records, key) >= w.zone.nameMax
}

// starting notes what a process that starts cannot know. The caller holds the lock, and the disk is as the process
// finds it.
func (h *host) starting() {
	listing, keys, err := covers(h.disk.content)
	lost, stale := h.disk.content == nil || err != nil || listing || h.disk.restored, h.disk.old != nil
	lost = lost || bytes.Contains(h.disk.content, []byte(original))
	if h.disk.restored { // an old journal says so: what it has and lacks is made good
		for key := range keys {
			h.exempt[key] = "the journal was lost"
		}
		for _, b := range h.engine.boxes {
			for _, r := range b.records() {
				h.exempt[r.Key()] = "the journal was lost"
			}
		}
	}
	h.disk.old, h.disk.restored = nil, false
	for key := range h.w.zone.records {
		if h.owns(key) && (lost || !keys[key]) {
			switch {
			case lost:
				h.exempt[key] = "the journal was lost" // the zone is to be listed
			case stale:
				h.exempt[key] = "the journal was old"
			case h.exempt[key] == "":
				h.w.violated("%s: a journal that nothing was wrong with lacks %s %s", h.name, key.Name, key.SetID)
			}
		}
	}
	if stale { // what is in an old journal may have gone since
		for key := range keys {
			if _, there := h.w.zone.records[key]; !there {
				h.exempt[key] = "the journal was old"
			}
		}
		for _, b := range h.engine.boxes {
			for _, r := range b.records() {
				h.exempt[r.Key()] = "the journal was old"
			}
		}
	}
	if lost {
		h.w.lostJournal, h.addressed = true, false
	}
	if stale || lost { // the stop marks with it, unless the Engine remembers
		h.trouble = time.Now()
	}
	h.account.extra += 3
}

func (h *host) ending() { h.trouble = time.Now() }

// changed holds a batch that was applied to the rules, the moment it is.
func (p *process) changed(before map[record.Key]record.Record, changes []plan.Change) {
	w := p.w
	if p.h == nil {
		w.swept(p, before, changes)
		return
	}
	h := p.h
	h.account.applied++
	for _, c := range changes {
		key := c.Record.Key()
		if !h.owns(key) && !h.legacy(key) {
			w.violated("%s: changes a record of somebody else: %s %s", h.name, c.Action, key.SetID)
		}
		delete(h.exempt, key)
		delete(w.marked, key)
		h.leads(before, c)
		h.addressed = h.addressed || c.Action != plan.Delete && key == h.address().Key()
	}
	// A journal that is behind is either gone, so that the next start lists the zone, or could not be removed either.
	content := h.disk.read()
	listing, keys, err := covers(content)
	if err != nil {
		w.violated("%s: the journal cannot be read while a change is made: %v", h.name, err)
	}
	if listing || h.disk.stale() || h.disk.state != diskWorks {
		return
	}
	for _, records := range []map[record.Key]record.Record{before, w.zone.records} {
		for key := range records {
			if h.owns(key) && !keys[key] && h.exempt[key] == "" {
				w.violated("%s: the journal does not cover %s %s", h.name, key.Name, key.SetID)
			}
		}
	}
}

// legacy says whether a record is the original agent's, for a container of this host.
func (h *host) legacy(key record.Key) bool {
	for _, b := range h.engine.boxes {
		if key.SetID == b.c.ID || strings.HasSuffix(key.SetID, ":"+b.c.ID) && strings.Count(key.SetID, ":") == 1 {
			return true
		}
	}
	return false
}

// ledger counts what a host has to do, and what it does.
type ledger struct {
	causes  int // changes of containers
	faults  int // calls that failed, or of which the answer was lost
	refused int
	extra   int // for starts, and what others do
	calls   int
	applied int
	last    time.Time
	// Calls that read, and those of them that failed.
	reads, badReads int
	proofs          int // of the calls that read: those that were to show that changes are permitted
}

func (p *process) calls(now time.Time) {
	if p.h != nil {
		p.h.account.calls++
		p.h.account.last = now
		if p.w.quiet && !p.w.crowded {
			p.w.violated("%s: a call while nothing happens", p.h.name)
		}
	}
}

// answered notes how a call ended.
func (p *process) answered(f fate, err error, took time.Duration) {
	p.hangs = false
	if p.h == nil || p.dead {
		return
	}
	refusal := (*plan.Refusal)(nil)
	switch {
	case errors.As(err, &refusal):
		p.h.account.refused++
		p.h.trouble = time.Now()
	case f != good || err != nil:
		p.h.account.faults++
		p.h.trouble = time.Now()
		if f == throttle {
			p.h.throttled = time.Now()
		}
	case took > time.Second:
		p.h.trouble = time.Now()
	}
}

// patient holds a process to waits between calls that fail in a row: 2 a second at the most, but for the first 8.
func (p *process) patient(f fate) {
	if f == good {
		p.failed = 0
		return
	}
	if p.failed == 0 {
		p.failing = time.Now()
	}
	p.failed++
	if row := time.Since(p.failing); float64(p.failed) > 8+2*row.Seconds() {
		p.w.violated("%s: %d calls failed within %v", p.name, p.failed, row)
	}
}

// audit holds the number of calls to what there was to do.
func (h *host) audit() {
	a := h.account
	allowed := a.causes + a.causes/5 + a.faults + 2*a.refused + a.extra + 3
	if a.calls > allowed {
		h.w.violated(
			"%s: %d calls for %d changes of containers, %d calls that failed, %d refused ones and %d others",
			h.name,
			a.calls,
			a.causes,
			a.faults,
			a.refused,
			a.extra,
		)
	}
	// A name is read back each time; a refusal may ask for one more; where the journal was lost the zone is listed. A
	// refusal may ask for two where it is of an A record; DNS may cause a reading as often, and each that failed one
	// more; a start has the zone read out of turn.
	readings := 2*int(
		time.Since(h.w.start)/(h.w.verifyEvery*3/4),
	) + 2*a.refused + 2*a.badReads + 3*h.started + a.extra + 3
	if h.w.lostJournal {
		readings += 10 // pages
	}
	if h.w.on(permits) {
		readings += a.proofs
	}
	if a.reads > readings {
		h.w.violated(
			"%s: %d calls that read, of which %d failed, with %d changes refused and %d starts",
			h.name,
			a.reads,
			a.badReads,
			a.refused,
			h.started,
		)
	}
	if a.proofs > h.started+1 && !h.w.on(permits) {
		h.w.violated("%s: asks %d times whether it may change the zone, with %d starts", h.name, a.proofs, h.started)
	}
	if a.refused > 40+a.causes && !h.w.crowded && !h.w.on(permits) { // what finds a name full is tried every 15 s
		h.w.violated("%s: %d calls refused", h.name, a.refused)
	}
}

// swept holds what the sweeper changes to its rules.
func (w *world) swept(p *process, before map[record.Key]record.Record, changes []plan.Change) {
	created := map[record.Key]bool{}
	for _, c := range changes {
		if c.Action == plan.Create {
			created[c.Record.Key()] = true
		}
		if c.Action == plan.Upsert {
			w.violated("sweeper: an UPSERT: %s", c.Record.SetID)
		}
	}
	for _, c := range changes {
		key := c.Record.Key()
		if created[key] {
			if c.Action == plan.Create {
				w.marked[key] = true
				w.host(key, func(h *host) { h.account.extra++ })
			}
			continue
		}
		known := false
		for _, h := range w.hosts {
			if !h.owns(key) {
				continue
			}
			known = true
			delete(h.exempt, key)
			h.addressed = h.addressed && key.Type != record.A
			if h.gone || h.down {
				continue
			}
			// nobody can know; its agent starts later, and writes all anew
			if time.Since(h.up) < answerAge+requestTakes {
				h.account.extra++
				continue
			}
			if !h.stopped(key) {
				p.unproven++
			}
			if w.on(amnesia) {
				h.exempt[key] = "the sweeper was told that there are no containers"
				h.account.extra += 2
				continue
			}
			if key == h.address().Key() {
				w.violated("sweeper: deletes the address of %s, which lives", h.name)
			}
			for _, b := range h.engine.boxes {
				if strings.Contains(key.SetID, b.c.ID) && b.c.Live() && !b.told.stopped() {
					w.violated("sweeper: deletes %s %s of %s, which lives", key.Name, key.SetID, b.name)
				}
			}
		}
		if !known {
			w.violated("sweeper: deletes %s, which is not ecssd's", key.SetID)
		}
	}
	if p.unproven > 10 && 10*p.unproven > 3*p.listed {
		w.violated("sweeper: deletes %d of %d records without EC2's proof", p.unproven, p.listed)
	}
}

// stopped reports whether a record is of a container of which ECS says that it has stopped.
func (h *host) stopped(key record.Key) bool {
	return slices.ContainsFunc(h.engine.boxes, func(b *box) bool {
		return b.ecs && !b.c.Live() && !b.returns && !b.removed && strings.Contains(key.SetID, b.c.ID)
	})
}

// host does something with the owner of a record.
func (w *world) host(key record.Key, do func(*host)) {
	for _, h := range w.hosts {
		if h.owns(key) {
			do(h)
		}
	}
}

// others checks that what is not ecssd's is as it was.
func (w *world) others() {
	for key, r := range w.elsewhere {
		if w.zone.records[key] != r {
			w.violated("a record of somebody else has changed: %s", key.SetID)
		}
	}
}
