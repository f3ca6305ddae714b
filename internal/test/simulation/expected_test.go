package simulation

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
)

// The agent's times, repeated here: a stop mark holds for 10 minutes, and after 3 deaths of a service within 2 minutes
// its containers have to live for 30 seconds first.
const (
	markHolds   = 10 * time.Minute
	loopDeaths  = 3
	loopWindow  = 2 * time.Minute
	loopProof   = 30 * time.Second
	longWindow  = time.Hour
	clockMargin = time.Second
	// How old the answer of EC2 may be on which the sweeper deletes, and how long its request may take.
	answerAge    = 10 * time.Second
	requestTakes = 3 * time.Second
	markMargin   = 30 * time.Second
)

// expectation says whether a container may, must or must not have records.
type expectation int

const (
	may expectation = iota
	mustNot
	mustBe
)

// expected returns what the zone should hold of a container now, whatever has failed.
func (b *box) expected(now time.Time) expectation {
	h := b.e.h
	switch {
	case !b.c.Live():
		return mustNot
	case b.known.stopped():
		return b.expectedAfterSignal(now)
	case h.ecsStopping[b.c.ID]:
		return may // ECS has asked for the stop, and no event has reported it yet
	}
	age := now.Sub(b.known.began)
	if h.w.on(clockSteps) && h.proc != nil { // after a step the agent counts from its own start
		age = min(age, now.Sub(h.proc.began))
	}
	if age > loopProof+bound || h.possible(b.service, now) < loopDeaths {
		return mustBe
	}
	if b.known.certain >= loopDeaths && b.known.toldTo == h.proc && b.known.runs == 1 &&
		age < loopProof-clockMargin && !h.w.on(clockSteps) {
		return mustNot
	}
	return may
}

// expectedAfterSignal is expected for a container that was asked to stop and still runs.
func (b *box) expectedAfterSignal(now time.Time) expectation {
	t, h := b.known, b.e.h
	age := now.Sub(t.signal)
	switch {
	case t.unheard,
		h.w.on(clockSteps) && h.started > 1,
		t.forgotten && (!h.ecsStopping[b.c.ID] || h.w.on(introspectionFails) || h.w.on(clockSteps)):
		return may // where events are missing, the agent asks the ECS agent
	case age < markHolds:
		return mustNot
	case h.ecsStopping[b.c.ID], h.proc == nil, min(age, now.Sub(h.proc.began)) < markHolds+markMargin:
		return may // an agent that hears of the signal again after a restart counts from then
	}
	return mustBe
}

// possible returns how many deaths of a service the agent may count.
func (h *host) possible(service string, now time.Time) (n int) {
	window := loopWindow + loopProof + bound
	if h.w.on(clockSteps) {
		window = longWindow
	}
	for _, d := range h.deaths {
		if d.service == service && now.Sub(d.at) < window {
			n++
		}
	}
	return n
}

// records returns the SRV records of a container, from the README and the record format. It does not use the product's
// packages for that.
func (b *box) records() []record.Record {
	h := b.e.h
	weight := b.weight
	if b.c.State == container.Paused || b.c.Health == container.Starting || b.c.Health == container.Unhealthy ||
		h.notice != "" {
		weight = 0
	}
	if b.srvNames == nil {
		kind := map[bool]string{true: "ecs", false: "docker"}[b.ecs]
		add := func(name string, port int) {
			b.srvNames = append(b.srvNames, srvName{
				record.Key{
					Name:  name + "." + zoneName,
					Type:  "SRV",
					SetID: fmt.Sprintf("%s:%s:%s:%d/tcp", h.id, kind, b.c.ID, port),
				}, port,
			})
		}
		add(b.service, 80)
		if b.twoPorts {
			add(b.service+"-80", 80)
			add(b.service+"-9000", 9000)
		}
	}
	found := make([]record.Record, 0, 3)
	for _, n := range b.srvNames {
		value := ""
		for _, p := range b.c.Published {
			if int(p.Port.Number) == n.port {
				value = fmt.Sprintf("1 %d %d %s", b.weight, p.HostPort, h.hostName())
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

// srvName is one name of one port of a container.
type srvName struct {
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
