package fleet

import (
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/plan"
)

// kind of software that hosts run.
type kind string

const (
	ecssd          kind = "ecssd"
	threeTries     kind = "call an event, 3 tries"
	retriesForever kind = "call an event, for ever"
)

// setup is one run.
type setup struct {
	scene scene
	kind  kind
	hosts int
	rules rules
	seed  uint64
}

// scene is what happens.
type scene struct {
	name, text string
	names      int  // services
	cold       bool // hosts begin with no journal and nothing in the zone
	play       func(w *world)
	over       time.Duration // after play, while the zone is not right, at most
}

const perHost = 20 // containers

var (
	coldStart = scene{
		name:  "cold start",
		text:  "All hosts start at the same moment, with an empty zone; 250 services.",
		names: 250,
		cold:  true,
		over:  time.Hour,
		play:  func(*world) {},
	}
	coldStartTenMinutes = scene{
		name:  "cold start, the first ten minutes",
		text:  "Where it does not end soon: what has been done by then, and what has not.",
		names: 250,
		cold:  true,
		over:  10 * time.Minute,
		play:  func(*world) {},
	}
	coldStartListing = scene{
		name:  "cold start, a quarter of an hour",
		text:  "The same until every host, as it has no journal, has looked for records of an earlier life (reads).",
		names: 250,
		cold:  true,
		over:  time.Hour,
		play:  func(*world) { time.Sleep(15 * time.Minute) },
	}
	oneAtATime = scene{
		name:  "one container at a time",
		text:  "Another host replaces a container every 12 s.",
		names: 250,
		over:  time.Minute,
		play: func(w *world) {
			for n := range 100 {
				h := w.hosts[n%len(w.hosts)]
				w.replace(h, w.first[h.index][n/len(w.hosts)%perHost])
				time.Sleep(12 * time.Second)
			}
		},
	}
	twoASecond = scene{
		name:  "two changes a second",
		text:  "A host starts 20 containers, one each half second, and then stops them.",
		names: 250,
		over:  time.Minute,
		play: func(w *world) {
			h := w.hosts[0]
			var started []container.Container
			for range 20 {
				c := h.start("service-000")
				w.expect(plan.Create, c)
				started = append(started, c)
				time.Sleep(500 * time.Millisecond)
			}
			for _, c := range started {
				w.expect(plan.Delete, c)
				h.kill(c)
				time.Sleep(500 * time.Millisecond)
			}
		},
	}
	rollingDeployment = scene{
		name: "rolling deployment",
		text: "Every container is replaced within 10 minutes: a new one starts, and 10 s later the old one is " +
			"stopped.",
		names: 250,
		over:  time.Hour,
		play:  func(w *world) { w.replaceSome(1, 10*time.Minute) },
	}
	steadyChurn = scene{
		name:  "steady churn",
		text:  "1 % of the containers are replaced each minute, for 10 minutes.",
		names: 250,
		over:  time.Hour,
		play:  func(w *world) { w.replaceSome(.1, 10*time.Minute) },
	}
	zoneLost = scene{
		name: "a zone of availability is lost",
		text: "A third of the hosts die. Their containers are started elsewhere after 30 to 90 s (p50, p99, max); " +
			"the sweeper " +
			"removes their records in its next pass.",
		names: 400,
		over:  time.Hour,
		play:  func(w *world) { w.loseThird() },
	}
)
