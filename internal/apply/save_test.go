package apply_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// onSlowDisk plays a scene with a Writer that runs, and a disk that takes 5 s for each write.
func onSlowDisk(t *testing.T, scene func(t *testing.T, z *zone, w *apply.Writer), has ...record.Record) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, has...)
		z.saved = known(has...)
		log, _ := logtest.NewNullLogger()
		w := apply.New(apply.Config{
			Zone:    z,
			Current: known(has...),
			Owns:    owns,
			Save: func(k plan.Current) error {
				time.Sleep(5 * time.Second)
				return z.save(k)
			},
			Log:     logrus.NewEntry(log),
			Metrics: metrics.New(prometheus.NewRegistry()),
		})
		w.SetDesired(wish(has...), time.Time{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		z.pass(10 * time.Second)
		scene(t, z, w)
		cancel()
		assert.NoError(t, <-done)
		assert.Equal(t, known(z.content()...), z.saved, "on disk when Run has returned")
	})
}

// A container was asked to stop, and its record stayed for as long as a sync of the disk took.
func TestRemovalDoesNotWaitForTheDisk(t *testing.T) {
	onSlowDisk(t, func(t *testing.T, z *zone, w *apply.Writer) {
		w.SetDesired(wish(srv("web", 2), srv("web", 3)), time.Now())
		z.pass(0)
		assert.Equal(t, []record.Record{srv("web", 2), srv("web", 3)}, z.content())
		z.pass(time.Second) // the disk is at it
		w.SetDesired(wish(srv("web", 3)), time.Now())
		z.pass(time.Second)
		assert.Equal(t, []record.Record{srv("web", 3)}, z.content())
		z.pass(10 * time.Second)
	}, srv("web", 1), srv("web", 2), srv("web", 3))
}

func TestRemovalDoesNotWaitForWhatTheDiskHasToTakeFirst(t *testing.T) {
	onSlowDisk(t, func(t *testing.T, z *zone, w *apply.Writer) {
		w.SetDesired(wish(srv("web", 1), srv("web", 2), srv("web", 3)), time.Now())
		z.pass(time.Second)
		assert.Equal(t, []record.Record{srv("web", 1), srv("web", 2)}, z.content(), "not before it is in the journal")
		w.SetDesired(wish(srv("web", 2), srv("web", 3)), time.Now())
		z.pass(time.Second / 2)
		assert.Equal(t, []record.Record{srv("web", 2)}, z.content())
		w.SetDesired(wish(srv("web", 3)), time.Now())
		z.pass(time.Second)
		assert.Empty(t, z.content())
		z.pass(10 * time.Second)
		assert.Equal(t, []record.Record{srv("web", 3)}, z.content())
		z.pass(10 * time.Second)
	}, srv("web", 1), srv("web", 2))
}

// What is replaced in one batch is not gone before its replacement is there.
func TestReplacementWaitsForTheDiskAsAWhole(t *testing.T) {
	old, renamed := srv("web", 1), srv("api", 1)
	onSlowDisk(t, func(t *testing.T, z *zone, w *apply.Writer) {
		w.SetDesired(wish(renamed), time.Now())
		z.pass(time.Second)
		assert.Equal(t, []record.Record{old}, z.content())
		z.pass(10 * time.Second)
		assert.Equal(t, []record.Record{renamed}, z.content())
		assert.Len(t, z.calls, 1)
		z.pass(10 * time.Second)
	}, old)
}

// What the disk was to take first is not wanted any more: neither the zone nor the journal has it in the end.
func TestWishThatEndsWhileTheDiskIsAtIt(t *testing.T) {
	onSlowDisk(t, func(t *testing.T, z *zone, w *apply.Writer) {
		w.SetDesired(wish(srv("web", 1), srv("web", 2)), time.Now())
		z.pass(time.Second)
		w.SetDesired(wish(srv("web", 1)), time.Now())
		z.pass(time.Minute)
		assert.Empty(t, z.calls)
		assert.Equal(t, known(srv("web", 1)), z.saved)
	}, srv("web", 1))
}

// A throttled call has not written what the journal says, so the journal is put right, and what is tried again stands
// in it anew.
func TestWhatIsTriedAgainIsInTheJournalAnew(t *testing.T) {
	onSlowDisk(t, func(t *testing.T, z *zone, w *apply.Writer) {
		z.faults(throttled)
		w.SetDesired(wish(srv("web", 1), srv("web", 2)), time.Now())
		z.pass(time.Minute)
		if assert.Len(t, z.calls, 2) {
			assert.GreaterOrEqual(t, z.calls[1].at-z.calls[0].at, 5*time.Second, "a write is under way that lacks it")
		}
	}, srv("web", 1))
}

// A host died between a removal and its answer, the container ran anew, and the journal said that its record was there.
func TestRemovalUnderWayIsInDoubt(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.latency = time.Second })
		w.want()
		z.pass(at(500))
		z.set(func() {
			assert.Equal(t, plan.Current{
				srv("web", 1).Key(): {Record: srv("web", 1), Unconfirmed: true, Run: "run 1"},
			}, z.saved)
		})
	}, srv("web", 1))
}
