package agent

import (
	"cmp"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// A service that keeps dying is announced only once a container of it has proved itself, so that consumers are not sent
// to containers that are gone the next moment. One that is announced already stays, whatever becomes of others.
const (
	crashLoop   = 3 // deaths of a service's containers on this host
	crashWindow = 2 * time.Minute
	proof       = 30 * time.Second
)

// crashes counts the deaths with an exit status other than 0 that nobody asked for.
type crashes struct {
	// deaths are by service, or by container where its settings name only ports: a restart policy keeps the ID. They
	// are a set, since the Engine's events are replayed.
	deaths map[string]map[death]bool
	// runs are those, by container, of which all events are known, from their start on, and no signal among them was to
	// end them. A stream begins with what the Engine remembers of the past, in which the signal before a death may be
	// missing.
	runs  map[string]run
	first map[string]sighting // when each container's present run was first seen
}

type death struct {
	containerID string
	at          int64 // nanoseconds, by the Engine's clock
}

type run struct {
	stream int       // that told of its start
	heard  time.Time // when
}

type sighting struct {
	run   time.Time
	since time.Time // by the monotonic clock: clock steps do not age a container
	held  bool      // it has to prove itself
}

func newCrashes() crashes {
	return crashes{deaths: map[string]map[death]bool{}, runs: map[string]run{}, first: map[string]sighting{}}
}

// hint counts a death. c is the container where it is known.
func (k crashes) hint(h heard, c container.Container, known bool) {
	switch h.Action {
	case container.Start:
		k.runs[h.ContainerID] = run{h.stream, time.Now()}
	case container.Kill:
		if !known || stopSignal(c, h.Signal) {
			delete(k.runs, h.ContainerID)
		}
	case container.Die:
		service := h.Service
		if known {
			service = endpoint.Service(c)
		}
		service = cmp.Or(service, h.ContainerID)
		if r, ok := k.runs[h.ContainerID]; ok && r.stream == h.stream && h.ExitStatus != 0 {
			if k.deaths[service] == nil {
				k.deaths[service] = map[death]bool{}
			}
			k.deaths[service][death{h.ContainerID, h.Time.UnixNano()}] = true
		}
		delete(k.runs, h.ContainerID)
	}
}

// look notes which containers live now, decides of those seen for the first time whether they have to prove themselves,
// and forgets what is past. announced says whether the host has a record of a container.
func (k crashes) look(live map[string]container.Container, announced func(id string) bool, now time.Time) {
	for service, deaths := range k.deaths {
		for d := range deaths {
			if now.Sub(time.Unix(0, d.at)) > crashWindow {
				delete(deaths, d)
			}
		}
		if len(deaths) == 0 {
			delete(k.deaths, service)
		}
	}
	for id, c := range live {
		if seen, ok := k.first[id]; !ok || !seen.run.Equal(c.StartedAt) {
			age := min(max(now.Sub(c.StartedAt), 0), proof)
			k.first[id] = sighting{c.StartedAt, now.Add(-age), k.suspects(c, announced)}
		}
	}
	for id := range k.first {
		if _, ok := live[id]; !ok {
			delete(k.first, id)
		}
	}
	for id, r := range k.runs { // ended, and the event of it was lost
		if _, ok := live[id]; !ok && now.Sub(r.heard) > time.Hour {
			delete(k.runs, id)
		}
	}
}

// suspects says whether a container that is seen for the first time has to prove itself. One that the host announced
// before this agent was started need not, unless the record is of a run that has died.
func (k crashes) suspects(c container.Container, announced func(id string) bool) bool {
	deaths := k.deaths[cmp.Or(endpoint.Service(c), c.ID)]
	if len(deaths) < crashLoop {
		return false
	}
	for d := range deaths {
		if d.containerID == c.ID {
			return true
		}
	}
	return !announced(c.ID)
}

// held gives until when a container has to live before it is announced; the zero time where it need not wait.
func (k crashes) held(c container.Container, now time.Time) time.Time {
	seen := k.first[c.ID]
	if until := seen.since.Add(proof); seen.held && until.After(now) {
		return until
	}
	return time.Time{}
}
