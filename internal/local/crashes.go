package local

import (
	"cmp"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// While a service is in a crash loop, a new container of it is registered only once it has run for some time, so that
// consumers are not sent to containers that are gone the next moment. One that is registered stays, whatever happens to
// others.
const (
	crashLoop   = 3 // deaths of a service's containers on this host
	crashWindow = 2 * time.Minute
	proof       = 30 * time.Second
)

// crashes counts the deaths with an exit status other than 0 that nobody asked for.
type crashes struct {
	// deaths are by service, or by container where its settings name only ports: a restart policy keeps the ID. They
	// are a set, since the Engine replays its events.
	deaths map[string]map[crash]bool
	// runs are those, by container, of which all events are known, from the start on, and none was a stop signal. A
	// stream begins with events that the Engine remembers, and the signal before a death may be missing there.
	runs  map[string]run
	first map[string]sighting // when each container's present run was first seen
}

type crash struct {
	containerID string
	at          int64 // nanoseconds, by the Engine's clock
}

type run struct {
	stream   int // the one that its start event came by
	received time.Time
}

type sighting struct {
	run   time.Time // its start, by the Engine's clock
	since time.Time // by the monotonic clock: clock steps do not age a container
	held  bool      // it has to run for some time first
}

func newCrashes() crashes {
	return crashes{deaths: map[string]map[crash]bool{}, runs: map[string]run{}, first: map[string]sighting{}}
}

// hint counts a death. c is the container where it is known.
func (k crashes) hint(h Hint, c container.Container, known bool, now time.Time) {
	switch h.Action {
	case container.Start:
		k.runs[h.ContainerID] = run{h.Stream, now}
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
		if r, ok := k.runs[h.ContainerID]; ok && r.stream == h.Stream && h.ExitStatus != 0 {
			if k.deaths[service] == nil {
				k.deaths[service] = map[crash]bool{}
			}
			k.deaths[service][crash{h.ContainerID, h.Time.UnixNano()}] = true
		}
		delete(k.runs, h.ContainerID)
	}
}

// update notes which containers live now, decides which of those seen for the first time are held, and forgets what is
// past. registered reports whether the host has a record of a container.
func (k crashes) update(live map[string]container.Container, registered func(id string) bool, now time.Time) {
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
			k.first[id] = sighting{c.StartedAt, now.Add(-age), k.suspects(c, registered)}
		}
	}
	for id := range k.first {
		if _, ok := live[id]; !ok {
			delete(k.first, id)
		}
	}
	for id, r := range k.runs { // it has ended, and the event was lost
		if _, ok := live[id]; !ok && now.Sub(r.received) > time.Hour {
			delete(k.runs, id)
		}
	}
}

// suspects reports whether a container that is seen for the first time is held. One that was registered before the
// agent started is not, unless the record is of a run that has died.
func (k crashes) suspects(c container.Container, registered func(id string) bool) bool {
	deaths := k.deaths[cmp.Or(endpoint.Service(c), c.ID)]
	if len(deaths) < crashLoop {
		return false
	}
	for d := range deaths {
		if d.containerID == c.ID {
			return true
		}
	}
	return !registered(c.ID)
}

// held returns until when a container is held; the zero time where it is not.
func (k crashes) held(id string, now time.Time) time.Time {
	seen := k.first[id]
	if until := seen.since.Add(proof); seen.held && until.After(now) {
		return until
	}
	return time.Time{}
}
