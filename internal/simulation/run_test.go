package simulation

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play the day of this seed alone, and print what happens")
	seeds   = flag.Uint64("seeds", 2000, "how many days are played")
	from    = flag.Uint64("from", 1, "the first seed")
	hunt    = flag.Bool("hunt", false, "play one day after the other, and end with the first that goes wrong")
)

// TestMain lets garbage lie for longer than usual: days are short, and there are many.
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
				t.Errorf("%s\n%s\nTo play this day again: go test ./internal/simulation -run TestSimulation -seed=%d -v",
					w.lines(*oneSeed != 0), w.summary(), seed)
			} else if *oneSeed != 0 {
				t.Log("\n" + w.lines(true))
			}
		})
	}
	t.Cleanup(func() { fmt.Printf("simulation: %d days, seeds %d to %d\n", last-first+1, first, last) })
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

// TestADayCanBePlayedAgain holds the simulation to what makes it useful: the same seed gives the same day.
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
