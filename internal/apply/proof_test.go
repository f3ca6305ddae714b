package apply_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// proving plays a scene with a Writer that has to prove that it may change the zone.
func proving(t *testing.T, scene func(t *testing.T, z *zone, w writer), has ...record.Record) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, has...)
		z.proof = []change{del(srv("ip-10-0-0-1", 0))}
		w := newWriter(z, known(has...), 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		scene(t, z, w)
		cancel()
		assert.NoError(t, <-done)
	})
}

func TestFirstBatchIsTheProof(t *testing.T) {
	denied := func() (error, bool) { return &plan.Refusal{Reason: plan.Denied, Message: "no"}, false }
	rejected := func(reason plan.Reason) func() (error, bool) {
		return func() (error, bool) { return &plan.Refusal{Reason: reason, Message: "no"}, false }
	}
	for name, test := range map[string]struct {
		fault func() (error, bool)
		want  string // empty: it may write
	}{
		"applied":         {notThisTime, ""},
		"a bad name":      {rejected(plan.Invalid), ""},
		"a full name":     {rejected(plan.NameFull), ""},
		"a full zone":     {rejected(plan.ZoneFull), ""},
		"a stranger's":    {rejected(plan.Conflict), ""},
		"denied":          {denied, "change batch refused (denied): no"},
		"throttled":       {throttled, "change zone Z1: " + plan.ErrThrottled.Error()},
		"no answer":       {lostRequest, errLost.Error()},
		"an answer, lost": {lostAnswer, errLost.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			proving(t, func(t *testing.T, z *zone, w writer) {
				assert.ErrorIs(t, w.Unproven(), permission.ErrUnproven)
				z.set(func() { z.fault = test.fault })
				w.want(srv("web", 1))
				z.pass(0)
				if test.want == "" {
					assert.NoError(t, w.Unproven())
					assert.Zero(t, z.proofs)
					z.pass(time.Hour)
					assert.NoError(t, w.Unproven())
				} else {
					assert.EqualError(t, w.Unproven(), test.want)
					z.set(func() { z.fault = nil })
					z.pass(2 * time.Minute)
					assert.NoError(t, w.Unproven())
				}
			})
		})
	}
}

// A host that has nothing to write asks until it is answered, and then no more.
func TestProofWithoutAnythingToWrite(t *testing.T) {
	proving(t, func(t *testing.T, z *zone, w writer) {
		z.pass(time.Hour)
		assert.Zero(t, z.proofs, "what is wanted is not known")
		z.faults(throttled, lostRequest, zoneBusy)
		w.want()
		z.pass(0)
		assert.Error(t, w.Unproven())
		z.pass(2 * time.Minute)
		assert.NoError(t, w.Unproven())
		assert.Equal(t, 4, z.proofs)
		calls := w.metrics.Calls()
		assert.Equal(t, [2]int{2, 1}, [2]int{calls.Throttled, calls.Failed}, "each that was not judged is counted")
		z.pass(24 * time.Hour)
		assert.Equal(t, 4, z.proofs)
		assert.Empty(t, z.content())
	})
	proving(t, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(record.Record) bool { return true } })
		w.want()
		z.pass(time.Hour)
		assert.ErrorContains(t, w.Unproven(), "is not authorized to perform")
		assert.InDelta(t, 60, z.proofs, 5, "every minute")
		assert.Equal(t, map[string]int{"Route 53 denies this host all changes": 1}, w.messages())
		z.set(func() { z.denied = nil })
		z.pass(80 * time.Second)
		assert.NoError(t, w.Unproven())
	})
}

func TestConfirmedRecordsOfTheJournalAreProof(t *testing.T) {
	proving(t, func(t *testing.T, z *zone, w writer) {
		assert.NoError(t, w.Unproven())
		w.want(srv("web", 1))
		z.pass(time.Hour)
		assert.Zero(t, z.proofs+z.callCount())
	}, srv("web", 1))
}

// The zone of the given ID is not there, and a host without containers never noticed.
func TestProofFindsThatThereIsNoZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		z.proof = []change{del(srv("ip-10-0-0-1", 0))}
		z.fault = noSuchZone
		w := newWriter(z, nil, 0)
		w.want()
		assert.ErrorIs(t, w.Run(t.Context()), plan.ErrNoSuchZone)
	})
}
