package journal_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
)

// written leaves a journal that has been listed and has one confirmed record.
func written(t *testing.T, dir string) {
	t.Helper()
	j := open(t, dir)
	require.NoError(t, j.Listed())
	require.NoError(t, j.SetRecords("Z1", plan.Current{srv("a").Key(): {Record: srv("a"), Run: "run 1"}}))
	require.NoError(t, j.Close())
}

// A journal that had come back with a snapshot of a disk, or that could not be written for a day, was believed to the
// letter: what the host had written since stayed in DNS for good, and what was gone since was not written again.
func TestOldJournalIsBelievedForRemovalsAlone(t *testing.T) {
	confirmed := plan.Current{srv("a").Key(): {Record: srv("a"), Run: "run 1"}}
	inDoubt := plan.Current{srv("a").Key(): {Record: srv("a"), Unconfirmed: true}}
	for name, test := range map[string]struct {
		away time.Duration // on the clock
		old  bool
	}{
		"a restart":                        {time.Second, false},
		"15 minutes":                       {15 * time.Minute, false},
		"more":                             {15*time.Minute + time.Second, true},
		"a night":                          {12 * time.Hour, true},
		"a clock that is set back a bit":   {-30 * time.Second, false},
		"a clock that was far ahead":       {-time.Hour, true},
		"a clock that starts in the past":  {-50 * 365 * 24 * time.Hour, true},
		"a clock that jumps to the future": {50 * 365 * 24 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				if test.away < 0 { // virtual clocks go forward alone
					time.Sleep(-test.away)
				}
				written(t, dir)
			})
			synctest.Test(t, func(t *testing.T) {
				if test.away > 0 {
					time.Sleep(test.away)
				}
				j := open(t, dir)
				defer j.Close()
				assert.Equal(t, test.old, j.ListingDue())
				want := confirmed
				if test.old {
					want = inDoubt
				}
				assert.Equal(t, want, j.Records("Z1"), "none is forgotten")
				assert.Empty(t, j.Notice())
			})
		})
	}
}

// A journal of an earlier version does not say when it was right.
func TestJournalWithoutATimeIsOld(t *testing.T) {
	dir := t.TempDir()
	require.NoError(
		t,
		os.WriteFile(path(dir), []byte(`{"Version":1,"Instance":"i-1","Boot":"boot-1","Records":[]}`), 0o640),
	)
	j := open(t, dir)
	defer j.Close()
	assert.True(t, j.ListingDue())
}

// Nothing happens on the host for hours: its journal is right all the while, and says so without many writes.
func TestQuietJournalDoesNotGrowOld(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := open(t, dir)
		defer j.Close()
		require.NoError(t, j.Listed())
		writes, last := 0, kept(t, dir)["records.json"]
		for range 24 * 360 { // a flush every 10 s
			time.Sleep(10 * time.Second)
			require.NoError(t, j.Flush())
			if now := kept(t, dir)["records.json"]; now != last {
				writes, last = writes+1, now
			}
		}
		assert.InDelta(t, 24*6, writes, 5, "once in 10 minutes")
		age, err := journal.Age(dir)
		require.NoError(t, err)
		assert.LessOrEqual(t, age, 10*time.Minute)
	})
}

// After a step of the clock the journal would have a time of the future for as long as the step was.
func TestTimeOfTheJournalFollowsAClockThatIsSetBack(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := open(t, dir)
		require.NoError(t, j.Listed())
		require.NoError(t, j.Close())
		future := time.Now().Add(5 * time.Minute).Format(time.RFC3339Nano)
		content := kept(t, dir)["records.json"]
		stamp := time.Now().Format(time.RFC3339Nano)
		require.Contains(t, content, stamp)
		j = open(t, dir)
		defer j.Close()
		j.SetTime(func() time.Time { return time.Now().Add(5 * time.Minute) })
		j.SetStops(nil)
		require.NoError(t, j.Flush())
		require.Contains(t, kept(t, dir)["records.json"], future)
		j.SetTime(time.Now)
		require.NoError(t, j.Flush())
		assert.Contains(t, kept(t, dir)["records.json"], stamp)
	})
}
