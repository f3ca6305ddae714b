package agent

import (
	"cmp"
	"syscall"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

// A service that keeps dying is announced only once a container of it has proved itself, so that consumers are not sent to
// containers that are gone the next moment.
const (
	crashLoop   = 3 // deaths of a service's containers on this host
	crashWindow = 2 * time.Minute
	proof       = 30 * time.Second
)

// crashes counts the deaths that nobody asked for.
type crashes struct {
	// deaths are by service, or by container where its settings name only ports: a restart policy keeps the ID. They are a set,
	// since the Engine's events are replayed.
	deaths map[string]map[death]bool
	asked  map[string]time.Time // containers that were sent a deadly signal and have not died yet, and when
	first  map[string]sighting  // when each container's present run was first seen
}

type death struct {
	containerID string
	at          int64 // nanoseconds, by the Engine's clock
}

type sighting struct {
	run   time.Time
	since time.Time // by the monotonic clock: clock steps do not age a container
}

func newCrashes() crashes {
	return crashes{deaths: map[string]map[death]bool{}, asked: map[string]time.Time{}, first: map[string]sighting{}}
}

// hint counts a death. c is the container where it is known.
func (k crashes) hint(h container.Hint, c container.Container, known bool) {
	switch h.Action {
	case container.Kill:
		if known && stopSignal(c, h.Signal) || !known && (h.Signal == int(syscall.SIGTERM) || h.Signal == int(syscall.SIGKILL)) {
			k.asked[h.ContainerID] = time.Now()
		}
	case container.Die:
		service := h.Service
		if known {
			service = endpoint.Service(c)
		}
		service = cmp.Or(service, h.ContainerID)
		if _, asked := k.asked[h.ContainerID]; !asked {
			if k.deaths[service] == nil {
				k.deaths[service] = map[death]bool{}
			}
			k.deaths[service][death{h.ContainerID, h.Time.UnixNano()}] = true
		}
		delete(k.asked, h.ContainerID)
	}
}

// look notes which containers live now and forgets what is past.
func (k crashes) look(live map[string]container.Container, now time.Time) {
	for id, c := range live {
		if seen, ok := k.first[id]; !ok || !seen.run.Equal(c.StartedAt) {
			age := min(max(now.Sub(c.StartedAt), 0), proof)
			k.first[id] = sighting{c.StartedAt, now.Add(-age)}
		}
	}
	for id := range k.first {
		if _, ok := live[id]; !ok {
			delete(k.first, id)
		}
	}
	for id, at := range k.asked { // a death whose event was lost
		if now.Sub(at) > time.Hour {
			delete(k.asked, id)
		}
	}
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
}

// held gives until when a container has to live before it is announced; the zero time where it need not wait.
func (k crashes) held(c container.Container, now time.Time) time.Time {
	if len(k.deaths[cmp.Or(endpoint.Service(c), c.ID)]) < crashLoop {
		return time.Time{}
	}
	if until := k.first[c.ID].since.Add(proof); until.After(now) {
		return until
	}
	return time.Time{}
}
