package simulation

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play the day of this seed alone, and print what happens")
	seeds   = flag.Uint64("seeds", days, "how many days are played")
	from    = flag.Uint64("from", 1, "the first seed")
	span    = flag.Duration("span", 0, "play days for so long, one after the other, in place of so many")
	hunt    = flag.Bool("hunt", false, "play one day after the other, and end with the first that goes wrong")
)

// TestMain collects garbage more rarely than usual: days are short, and there are many.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// TestSimulation plays many days. One that goes wrong prints what happened and the command that plays it again.
func TestSimulation(t *testing.T) {
	first, last := *from, *from+*seeds-1
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	if *span > 0 {
		began := time.Now()
		for last = first; time.Since(began) < *span; last++ {
			if w := day(t, last, false); len(w.violations) > 0 {
				t.Errorf("%s\n%s", w.summary(), again(last))
			}
		}
		fmt.Printf("simulation: %d days, seeds %d to %d\n", last-first, first, last-1)
		return
	}
	for seed := first; *hunt && seed <= last; seed++ {
		if w := day(t, seed, false); len(w.violations) > 0 {
			t.Fatalf("%sfound by seed %d", w.summary(), seed)
		}
	}
	for seed := first; !*hunt && seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			w := day(t, seed, *oneSeed != 0)
			if len(w.violations) > 0 {
				t.Errorf("%s\n%s%s", w.lines(*oneSeed != 0), w.summary(), again(seed))
			} else if *oneSeed != 0 {
				t.Log("\n" + w.lines(true))
			}
		})
	}
	t.Cleanup(func() { fmt.Printf("simulation: %d days, seeds %d to %d\n", last-first+1, first, last) })
}

// again returns the command that plays a day again and prints all that happens.
func again(seed uint64) string {
	return fmt.Sprintf(
		"To play this day again: go test ./internal/test/simulation -run TestSimulation -seed=%d -v",
		seed,
	)
}

// regressions are days that once showed a fault of the product; testdata/faults has the faults, so that bite can tell
// whether the day of the seed is still such a day.
var regressions = []struct {
	seed  uint64
	fault string
}{
	{
		157,
		"retries-20-s-apart: after an outage of Route 53 the next try was up to 20 s away, and the zone wrong for " +
			"longer than the bound",
	},
	{
		262,
		"late-signal-marks-next-run: a signal heard of after the container's next run was seen kept that run out of " +
			"DNS for 10 minutes",
	},
}

func TestDaysThatOnceShowedAFault(t *testing.T) {
	for _, r := range regressions {
		t.Run(fmt.Sprintf("seed=%d", r.seed), func(t *testing.T) {
			w := day(t, r.seed, false)
			assert.Empty(t, w.violations, r.fault)
		})
	}
}

// day plays the day of a seed.
func day(t *testing.T, seed uint64, verbose bool) *world {
	dir := t.TempDir()
	if memory, err := os.MkdirTemp("/dev/shm", "ecssd-simulation-"); err == nil { // where it costs nothing to sync
		dir = memory
		defer os.RemoveAll(memory)
	}
	var w *world
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed, dir, verbose)
		w.play()
	})
	return w
}

func (w *world) summary() (text string) {
	for _, v := range w.violations {
		text += "broken: " + v + "\n"
	}
	return text
}

// TestADayCanBePlayedAgain checks what makes the simulation useful: the same seed plays the same day.
func TestADayCanBePlayedAgain(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed=%d", seed+1), func(t *testing.T) {
			t.Parallel()
			first, second := day(t, seed+1, false).lines(false), day(t, seed+1, false).lines(false)
			assert.Equal(t, sha256.Sum256([]byte(first)), sha256.Sum256([]byte(second)))
			if first != second && *oneSeed != 0 {
				assert.Equal(t, first, second)
			}
		})
	}
}
