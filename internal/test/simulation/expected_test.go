package simulation

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
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

// expectation is what the zone should hold of a container.
type expectation int

const (
	may expectation = iota
	mustNot
	mustBe
)

// expected gives what the zone should hold of a container now, whatever has failed.
func (b *box) expected(now time.Time) expectation {
	t, h := b.known, b.e.h
	if !b.c.Live() {
		return mustNot
	}
	if t.stopped() {
		age := now.Sub(t.signal)
		switch {
		case t.unheard,
			h.w.on(clockSteps) && h.started > 1,
			t.forgotten && (!h.ecsStopping[b.c.ID] || h.w.on(introspectionFails) || h.w.on(clockSteps)):
			return may // where events are missing, the ECS agent is asked
		case age < markHolds:
			return mustNot
		case h.ecsStopping[b.c.ID], h.proc == nil, min(age, now.Sub(h.proc.began)) < markHolds+markMargin:
			return may // an agent that hears of it again after a restart counts from then
		}
		return mustBe
	}
	if h.ecsStopping[b.c.ID] {
		return may // asked for, and not yet told
	}
	age := now.Sub(t.began)
	if h.w.on(clockSteps) && h.proc != nil { // after a step nobody knows for how long it has run
		age = min(age, now.Sub(h.proc.began))
	}
	if age <= loopProof+bound && h.possible(b.service, now) >= loopDeaths {
		if t.certain >= loopDeaths && t.toldTo == h.proc && t.runs == 1 && age < loopProof-clockMargin &&
			!h.w.on(clockSteps) {
			return mustNot
		}
		return may
	}
	return mustBe
}

// possible counts the deaths of a service that the agent may count.
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

// records gives what announces a container. It is written down here once more, from what the README and the record
// format say, and asks nothing of the packages that do it in the product.
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
