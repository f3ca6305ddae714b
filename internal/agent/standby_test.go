package agent

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/status"
)

// leaving makes the world's host about to go, for the reason that the function returned sets, or unknown where err is
// set.
func (w *world) leaving() (set func(why string, err error)) {
	var why string
	var failure error
	w.host.HostStandby = func(context.Context) (string, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return why, failure
	}
	return func(newWhy string, err error) { w.with(func() { why, failure = newWhy, err }) }
}

func TestHostAboutToGoIsOnStandby(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		set := w.leaving()
		w.run()
		w.engine.start(web(1))
		w.engine.start(web(2))
		w.after(time.Second)
		require.Equal(t, map[string]int64{"web 1": 1, "web 2": 1}, w.zone.services())

		set("scaled in", nil)
		w.after(5 * time.Second)
		assert.Equal(t, map[string]int64{"web 1": 0, "web 2": 0}, w.zone.services())
		w.engine.start(web(3))
		w.after(time.Second)
		assert.Equal(t, map[string]int64{"web 1": 0, "web 2": 0, "web 3": 0}, w.zone.services(), "started meanwhile")

		set("", errors.New("no answer"))
		w.after(time.Minute)
		assert.Equal(t, map[string]int64{
			"web 1": 0,
			"web 2": 0,
			"web 3": 0,
		}, w.zone.services(), "the last answer counts")

		set("", nil)
		w.after(5 * time.Second)
		assert.Equal(t, map[string]int64{"web 1": 1, "web 2": 1, "web 3": 1}, w.zone.services(), "withdrawn")

		calls := w.zone.count()
		w.after(10 * time.Minute)
		assert.Equal(t, calls, w.zone.count(), "nothing is written while nothing changes")
	})
}

func TestHostOnStandbyDoesNotServeForAMomentWhenItsAgentStarts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.host.HostStandby = func(context.Context) (string, error) {
			time.Sleep(time.Second)
			return "by hand", nil
		}
		w.engine.start(web(1))
		w.run()
		w.after(time.Minute)
		assert.Equal(t, map[string]int64{"web 1": 0}, w.zone.services())
		assert.Equal(t, 1, w.zone.count(), "written once, with weight 0")
		w.end()

		w.engine.start(web(2))
		w.openJournal()
		require.NoError(t, w.agent().Sync(t.Context()))
		require.NoError(t, w.journal.Close())
		assert.Equal(t, map[string]int64{"web 1": 0, "web 2": 0}, w.zone.services(), "sync knows of it too")
	})
}

func TestRecordsDoNotWaitLongForNewsOfStandby(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.host.HostStandby = func(ctx context.Context) (string, error) {
			time.Sleep(time.Hour)
			return "", ctx.Err()
		}
		w.engine.start(web(1))
		w.run()
		w.after(standbyWait + time.Second)
		assert.Equal(t, map[string]int64{"web 1": 1}, w.zone.services())
	})
}

func TestStateTellsOfStandby(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		set := w.leaving()
		w.run()
		w.engine.start(web(1))
		paused := web(2)
		paused.State = container.Paused
		w.engine.start(paused)
		w.after(time.Second)
		s := w.present.State()
		assert.Equal(t, status.Counts{
			Serving: 1,
			Standby: 1,
			SRV:     2,
			A:       1,
		}, s.Counts)
		assert.Empty(t, s.HostStandby)
		set("scaled in", nil)
		w.after(5 * time.Second)
		s = w.present.State()
		assert.Equal(t, status.Counts{Standby: 2, SRV: 2, A: 1}, s.Counts)
		assert.Equal(t, "scaled in", s.HostStandby)
	})
}

func TestFollowingDoesNotWaitForAWS(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.ZoneID = ""
		found := false
		w.host.FindZone = func(ctx context.Context) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !found {
				return "", errors.New("no credentials")
			}
			return "Z1", nil
		}
		following, alive := 0, 0
		w.config.Following = func() { w.with(func() { following++ }) }
		w.config.Alive = func() { w.with(func() { alive++ }) }
		w.run()
		w.after(time.Second)
		w.with(func() { assert.Equal(t, 1, following, "follows the Engine while there is no zone yet") })

		// What happens meanwhile is not lost, however long it takes: a container that was asked to stop is not
		// announced.
		stopping := web(1)
		w.engine.start(stopping)
		w.after(time.Second)
		w.engine.kill(stopping, 15)
		w.engine.start(web(2))
		w.after(5 * time.Minute)
		w.with(func() {
			assert.GreaterOrEqual(t, alive, 5*60/15, "waiting is work that goes round")
			found = true
		})
		w.after(15 * time.Second)
		assert.Equal(t, map[string]int64{"web 2": 1}, w.zone.services())

		w.engine.interrupt()
		w.after(5 * time.Second)
		w.with(func() { assert.Equal(t, 1, following, "told once") })
	})
}

func TestManyHintsBeforeThereIsAZone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.ZoneID = ""
		found := false
		w.host.FindZone = func(context.Context) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !found {
				return "", errors.New("no credentials")
			}
			return "Z1", nil
		}
		w.run()
		c := web(1)
		w.engine.start(c)
		for range 3 * 4096 {
			w.engine.kill(c, 1) // a SIGHUP, say
		}
		w.engine.die(c)
		w.engine.start(web(2))
		w.after(time.Minute)
		w.with(func() { found = true })
		w.after(20 * time.Second)
		assert.Equal(t, map[string]int64{"web 2": 1}, w.zone.services())
	})
}

// hung is a zone whose calls never end, whatever their context says.
type hung struct{ *zone }

func (hung) Change(context.Context, []plan.Change) error {
	time.Sleep(time.Hour)
	return errors.New("at last")
}

func TestAliveEndsWhereTheWorkHangs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		alive := 0
		w.config.Alive = func() { w.with(func() { alive++ }) }
		beats := func(d time.Duration) int {
			var before int
			w.with(func() { before = alive })
			w.after(d)
			w.mu.Lock()
			defer w.mu.Unlock()
			return alive - before
		}
		w.run()
		assert.GreaterOrEqual(t, beats(5*time.Minute), 5*60/10, "at least every 10 s")
		w.end()

		w.host.OpenZone = func(string) Zone { return hung{w.zone} }
		w.run()
		w.engine.start(web(1))
		w.after(hangsAfter + 10*time.Second)
		assert.Zero(t, beats(5*time.Minute), "the writer hangs")
	})
}
