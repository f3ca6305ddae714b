package simulation

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
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

type line struct {
	at   time.Duration
	who  string
	text string
	log  bool // the product's words, which are not compared
}

// feature is a kind of trouble. Each seed has some of them, so that one does not hide what another would show.
type feature string

const (
	crashes  feature = "crashes"   // of agents, at any point
	mute     feature = "mute"      // the ECS agent does not answer at times
	clocks   feature = "clocks"    // the Engine's clock steps
	people   feature = "people"    // edit and delete records by hand
	blind    feature = "blind"     // ECS and EC2 cannot be read at times
	cuts     feature = "cuts"      // streams of events end
	deafness feature = "deafness"  // streams of events go on and tell nothing
	lateness feature = "lateness"  // of events
	engines  feature = "engines"   // restart
	refusals feature = "refusals"  // Engines that refuse calls
	storms   feature = "storms"    // Route 53 fails
	disks    feature = "disks"     // fail, and journals are lost
	reboots  feature = "reboots"   // of hosts
	deaths   feature = "deaths"    // of hosts, for good
	sweeper  feature = "sweeper"   // makes passes
	company  feature = "company"   // others have records of the same names, with a TTL of their own
	crowds   feature = "crowds"    // names are full
	loops    feature = "loops"     // containers that crash again and again
	leavings feature = "leavings"  // hosts are told that they are about to go
	survivor feature = "survivors" // containers that outlive their stop signal
	amnesia  feature = "amnesia"   // ECS says that it has no tasks
	hangs    feature = "hangs"     // of hosts, as EC2 and ECS see it
	stuck    feature = "stuck"     // containers that the Engine does not tell of, while it lists all and sends events
	// Those below are drawn apart, so that the days that were known before they were have not changed.
	restores feature = "restores" // of hosts' disks from snapshots
	images   feature = "images"   // of hosts on standby, of which hosts are made
	permits  feature = "permits"  // Route 53 denies changes at times: all, or by type or name
	squats   feature = "squats"   // others have A records under the names of hosts
)

var allFeatures = []feature{
	crashes,
	mute,
	clocks,
	people,
	blind,
	cuts,
	deafness,
	lateness,
	engines,
	refusals,
	storms,
	disks,
	reboots,
	deaths,
	amnesia,
	hangs,
	sweeper,
	company,
	crowds,
	loops,
	leavings,
	survivor,
}

// befalling are the kinds of trouble that come upon a host at some moment.
var befalling = map[feature]bool{
	crashes: true, cuts: true, deafness: true, lateness: true, clocks: true, engines: true, refusals: true, disks: true, reboots: true,
	deaths: true, leavings: true, hangs: true, stuck: true,
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

// note adds to the trace what has happened.
func (w *world) note(who, format string, args ...any) {
	w.write(line{who: who, text: fmt.Sprintf(format, args...)})
}

// said adds the product's own words.
func (w *world) said(who, text string) { w.write(line{who: who, text: text, log: true}) }

func (w *world) write(l line) {
	l.at = time.Since(w.start)
	w.tracing.Lock()
	defer w.tracing.Unlock()
	w.trace = append(w.trace, l)
}

// lines gives the trace. What happens at one moment stands in the order of the words: goroutines take turns as they
// like.
func (w *world) lines(all bool) string {
	w.tracing.Lock()
	defer w.tracing.Unlock()
	sorted := slices.Clone(w.trace)
	slices.SortStableFunc(sorted, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.who, b.who), cmp.Compare(a.text, b.text))
	})
	var text strings.Builder
	for _, l := range sorted {
		if all || !l.log {
			fmt.Fprintf(&text, "%12.6f %-7s %s\n", l.at.Seconds(), l.who, l.text)
		}
	}
	return text.String()
}

// violated notes that an invariant does not hold. The first few are enough.
func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(w.violations) < 5 && !slices.Contains(w.violations, text) {
		w.violations = append(w.violations, text)
		w.note("RULE", "broken: %s", text)
	}
}

// play makes the day, and gives what was wrong with it.
func (w *world) play() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.furnish()
	w.mu.Lock()
	for _, h := range w.hosts {
		h.launch()
	}
	w.mu.Unlock()
	w.helpers.Go(func() { w.watch(ctx) })
	w.troubles()
	w.peace()
	w.mu.Lock()
	for _, h := range w.hosts {
		h.audit()
	}
	w.mu.Unlock()
	for _, h := range w.hosts {
		h.stop()
	}
	cancel()
	w.helpers.Wait()
}

// watch holds the zone against the truth all day long.
func (w *world) watch(ctx context.Context) {
	every := 2*time.Second + 7919*time.Nanosecond
	for pause(ctx, every) {
		w.mu.Lock()
		w.look()
		if w.over && time.Since(w.peaceful) > w.bound+loopProof {
			every = 10 * time.Second
		}
		w.mu.Unlock()
	}
}

func (w *world) look() {
	for _, h := range w.hosts {
		h.check(time.Now())
	}
	w.others()
}
