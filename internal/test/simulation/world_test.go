package simulation

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// world is one day: several hosts, one zone, and all that goes wrong.
type world struct {
	t       *testing.T
	seed    uint64
	dir     string // of the journals
	verbose bool
	start   time.Time

	modes            map[failureMode]bool
	hostFaults       []failureMode // those of the modes that strike one host
	checksContainers bool          // the sweeper checks containers over HTTP
	bound            time.Duration // how long the zone may differ from what it should be
	resync           time.Duration
	verifyEvery      time.Duration

	mu            sync.Mutex // guards all that is simulated
	zone          *zone
	hosts         []*host
	sweeps        int                          // passes of the sweeper so far
	noMoreFaults  bool                         // the eventful part of the day is over
	noFaultsSince time.Time                    // when it ended
	noCallsDue    bool                         // from now on every call is one too many
	sweeperMarks  map[record.Key]bool          // records that the sweeper has put on standby
	strangers     map[record.Key]record.Record // records of others
	nameIsFull    bool                         // a full name is tried again every 15 s
	stopIsIgnored bool                         // some container has run on after its stop signal
	lostJournal   bool                         // some agent has to list the zone, and may find records there
	violations    []string

	actors         sync.WaitGroup // cause changes and faults
	helpers        sync.WaitGroup // goroutines that actors have started
	runningHelpers int

	tracing sync.Mutex
	trace   []line
}

// newWorld returns the world of a seed.
func newWorld(t *testing.T, seed uint64, dir string, verbose bool) *world {
	w := &world{
		t:            t,
		seed:         seed,
		dir:          dir,
		verbose:      verbose,
		start:        time.Now(),
		modes:        map[failureMode]bool{},
		sweeperMarks: map[record.Key]bool{},
		strangers:    map[record.Key]record.Record{},
	}
	w.zone = &zone{
		w:          w,
		records:    map[record.Key]record.Record{},
		simpleSets: map[record.Key]string{},
		nameMax:    100,
	}
	r, later := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 300))
	modes := w.drawModes(r, later)
	w.setIntervals(r)
	w.note("world", "seed %d: %s; checks %v", seed, modes, w.checksContainers)
	// One host's ID is the beginning of another's.
	for i, id := range []string{"i-12345678", "i-12345678000000001", "i-0000000000000000f"}[:1+r.IntN(3)] {
		w.hosts = append(w.hosts, w.newHost(i, id, r, later))
	}
	return w
}

// newHost returns a host on which nothing runs.
func (w *world) newHost(i int, id string, r, later *rand.Rand) *host {
	h := &host{
		w:           w,
		index:       i,
		name:        fmt.Sprint("h", i),
		id:          id,
		addr:        netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}),
		rand:        rand.New(rand.NewPCG(w.seed, uint64(i+1))),
		ecsStopping: map[string]bool{},
		exempt:      map[record.Key]string{},
	}
	if r.IntN(30) > 0 { // else no agent has ever run here
		h.disk.content = emptyJournal(id, w.start)
	}
	if w.on(clonedImages) && later.IntN(2) == 0 {
		h.disk.content = imageJournal(w.start)
		h.disk.standby = []byte("since 2000-01-01T00:00:00Z\ninstance " + imageHost + "\n")
	}
	h.engine = &engine{
		w:       w,
		h:       h,
		up:      true,
		streams: map[*stream]bool{},
	}
	return h
}

// dice returns a generator for one decision at this moment.
func (w *world) dice(what string) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(what))
	return rand.New(rand.NewPCG(w.seed^hash.Sum64(), uint64(time.Now().UnixNano())))
}

// fixed returns a number in [0, n) that stays the same all day.
func (w *world) fixed(what string, n int) int {
	hash := fnv.New64a()
	hash.Write([]byte(what))
	return rand.New(rand.NewPCG(w.seed, hash.Sum64())).IntN(n)
}

// background runs do in a goroutine of its own. The caller holds the lock.
func (w *world) background(do func()) {
	w.runningHelpers++
	w.helpers.Go(func() {
		do()
		w.mu.Lock()
		w.runningHelpers--
		w.mu.Unlock()
	})
}

// later runs do after d, with the lock held. The caller holds the lock, too.
func (w *world) later(d time.Duration, do func()) {
	w.background(func() {
		time.Sleep(d)
		w.mu.Lock()
		defer w.mu.Unlock()
		do()
	})
}
