package journal_test

import (
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// What is accepted comes back after a restart as it was, whatever is in it: a DELETE has to repeat it exactly.
func FuzzRoundTrip(f *testing.F) {
	f.Add("web.example", "i-1:ecs:x", "1 1 80 h", int64(0), int64(1), false, "", "Z1", "example", int64(1700000000))
	f.Add(
		"a\u2028\x00\"<>&",
		"i-1:\\",
		"a\nb",
		int64(-1),
		int64(1<<62),
		true,
		"\x7f",
		"Z/../x",
		"\U0010ffff",
		int64(-62135596800),
	)
	f.Fuzz(
		func(t *testing.T, name, id, value string, ttl, weight int64, doubt bool, hold, zone, zoneName string,
			at int64) {
			for _, s := range []string{name, id, value, hold, zone, zoneName} {
				if !utf8.ValidString(s) {
					return // neither JSON nor XML can say it
				}
			}
			if name == "" || id == "" || zone == "" || at < -62135596800 || at > 253402300799 {
				return
			}
			dir := t.TempDir()
			j := open(t, dir)
			entry := plan.Entry{Record: record.Record{
				Name:   name,
				Type:   record.SRV,
				SetID:  id,
				TTL:    ttl,
				Weight: weight,
				Value:  value,
			}, Unconfirmed: doubt, Run: hold}
			known := plan.Current{entry.Record.Key(): entry}
			stops := []journal.Stop{{ContainerID: id, Run: time.Unix(at, 5).UTC(), At: time.Unix(at, 0).UTC()}}
			j.SetStops(stops)
			require.NoError(t, j.SetZoneID(zoneName, zone))
			require.NoError(t, j.SetRecords(zone, known))
			require.NoError(t, j.Listed())
			require.NoError(t, j.Close())
			again := open(t, dir)
			defer again.Close()
			assert.Empty(t, again.Notice())
			assert.Equal(t, known, again.Records(zone))
			assert.Equal(t, stops, again.Stops())
			assert.Equal(t, zone, again.ZoneID(zoneName))
			assert.False(t, again.ListingDue())
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Len(t, left, 1, "nothing else is left behind")
		},
	)
}
