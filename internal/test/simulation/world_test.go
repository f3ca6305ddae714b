package simulation

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"strings"
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

	mu       sync.Mutex // guards everything that is simulated
	zone     *zone
	hosts    []*host
	sweeps   int
	features map[feature]bool
	over     bool // nothing fails any more
	peaceful time.Time

	resync      time.Duration
	verifyEvery time.Duration
	befalling   []feature // of the features, what befalls hosts
	checking    bool      // the sweeper checks containers
	bound       time.Duration
	quiet       bool                         // no call is due
	marked      map[record.Key]bool          // put on standby by the sweeper
	elsewhere   map[record.Key]record.Record // records of others
	crowded     bool                         // a name is full: it is tried again every 15 s
	survivors   bool                         // some container has not ended at its signal
	lostJournal bool                         // some agent has to list the zone
	actors      sync.WaitGroup               // that make the day
	helpers     sync.WaitGroup               // what they have begun
	underway    int                          // of the helpers
	violations  []string

	tracing sync.Mutex
	trace   []line
}

// newWorld makes the world of a seed.
func newWorld(t *testing.T, seed uint64, dir string, verbose bool) *world {
	w := &world{
		t:         t,
		seed:      seed,
		dir:       dir,
		verbose:   verbose,
		start:     time.Now(),
		bound:     bound,
		features:  map[feature]bool{},
		marked:    map[record.Key]bool{},
		elsewhere: map[record.Key]record.Record{},
	}
	w.zone = &zone{
		w:       w,
		records: map[record.Key]record.Record{},
		other:   map[record.Key]string{},
		nameMax: 100,
	}
	r := rand.New(rand.NewPCG(seed, 0))
	var on []string
	for _, f := range allFeatures {
		if r.IntN(3) == 0 ||
			f == sweeper && (w.features[blind] || w.features[deaths] || w.features[amnesia] || w.features[hangs]) {
			w.features[f] = true
			on = append(on, string(f))
			if befalling[f] {
				w.befalling = append(w.befalling, f)
			}
		}
	}
	later := rand.New(rand.NewPCG(seed, 300))
	for _, f := range []feature{restores, images, stuck} {
		if later.IntN(4) == 0 {
			w.features[f] = true
			on = append(on, string(f))
			if befalling[f] {
				w.befalling = append(w.befalling, f)
			}
		}
	}
	w.checking = rand.New(rand.NewPCG(seed, 301)).IntN(3) == 0
	own := rand.New(rand.NewPCG(seed, 2))
	for _, f := range []feature{permits, squats} {
		if own.IntN(6) == 0 {
			w.features[f] = true
			on = append(on, string(f))
		}
	}
	if w.features[permits] || w.features[squats] || w.features[crowds] {
		w.bound = probed // what is refused is tried again about every minute
	}
	w.resync = time.Minute
	if w.features[deafness] {
		// an event that the Engine never told is made good by it, and is to be within the bound
		w.resync = 10 * time.Second
	}
	w.verifyEvery = []time.Duration{15 * time.Minute, 15 * time.Minute, 15 * time.Second}[r.IntN(3)]
	if w.features[people] || w.features[amnesia] {
		w.verifyEvery = 15 * time.Second // what a person does is found by reading back
	}
	w.note("world", "seed %d: %s; checks %v", seed, strings.Join(on, ", "), w.checking)
	// The IDs of two hosts begin alike.
	for i, id := range []string{"i-12345678", "i-12345678000000001", "i-0000000000000000f"}[:1+r.IntN(3)] {
		h := &host{
			w:      w,
			index:  i,
			name:   fmt.Sprint("h", i),
			id:     id,
			addr:   netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}),
			rand:   rand.New(rand.NewPCG(seed, uint64(i+1))),
			ecs:    map[string]bool{},
			exempt: map[record.Key]string{},
		}
		if r.IntN(30) > 0 { // else it is the first start of all
			h.disk.content = []byte(
				`{"Version":1,"Instance":"` + id + `","Boot":"boot-0","AsOf":"` + w.start.Format(
					time.RFC3339,
				) + `","Records":[]}`,
			)
		}
		if w.features[images] && later.IntN(2) == 0 {
			h.disk.content, h.disk.standby = image(
				w.start,
			), []byte(
				"since 2000-01-01T00:00:00Z\ninstance "+original+"\n",
			)
		}
		h.engine = &engine{
			w:       w,
			h:       h,
			up:      true,
			streams: map[*stream]bool{},
		}
		w.hosts = append(w.hosts, h)
	}
	return w
}

// on says whether a kind of trouble is among those of this day, and may come.
func (w *world) on(f feature) bool { return w.features[f] }

// dice gives random numbers for one decision at this moment.
func (w *world) dice(what string) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(what))
	return rand.New(rand.NewPCG(w.seed^hash.Sum64(), uint64(time.Now().UnixNano())))
}

// fixed gives a number in [0, n) that stays the same all day.
func (w *world) fixed(what string, n int) int {
	hash := fnv.New64a()
	hash.Write([]byte(what))
	return rand.New(rand.NewPCG(w.seed, hash.Sum64())).IntN(n)
}

// background does something beside, which may take time. The caller holds the lock.
func (w *world) background(do func()) {
	w.underway++
	w.helpers.Go(func() {
		do()
		w.mu.Lock()
		w.underway--
		w.mu.Unlock()
	})
}

// later does something after a while, with the lock held. The caller holds it too.
func (w *world) later(d time.Duration, do func()) {
	w.background(func() {
		time.Sleep(d)
		w.mu.Lock()
		defer w.mu.Unlock()
		do()
	})
}
