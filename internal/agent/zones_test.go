package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/agent/listing"
	"github.com/ecssd/ecssd/internal/record"
)

// A thousand hosts that start with no journal must not each read the whole zone: what is left over among so many hosts
// is the sweeper's.
func TestZoneOfManyHostsIsNotListed(t *testing.T) {
	for name, test := range map[string]struct {
		others  int
		removed bool
	}{
		"few hosts":  {listing.Slow.Hosts - 1, true},
		"many hosts": {listing.Slow.Hosts, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				left := record.Record{
					Name:   "web.sd.internal",
					Type:   record.SRV,
					Weight: 1,
					Value:  "1 1 1 host.example",
					SetID:  self + ":ecs:" + web(7).ID + ":80/tcp",
				}
				w.zone.Put(left)
				for n := range test.others {
					other := left
					other.Name = fmt.Sprintf("web%d.sd.internal", n/100)
					other.SetID = fmt.Sprintf("i-other%d:ecs:%s:80/tcp", n, web(7).ID)
					w.zone.Put(other)
				}
				w.runUnlisted()
				w.after(listWithin + time.Minute)
				_, there := w.zone.all()[left.Key()]
				assert.Equal(t, !test.removed, there)
				assert.False(t, w.journal.ListingDue(), "it is not tried again")
			})
		})
	}
}

// A zone of up to 3,000 records is listed, and the records of others count as well as those of any type.
func TestLargeZoneIsNotListed(t *testing.T) {
	for records, removed := range map[int]bool{listing.Slow.Records: true, listing.Slow.Records + 1: false} {
		t.Run(fmt.Sprint(records), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				left := record.Record{
					Name:   "web.sd.internal",
					Type:   record.SRV,
					Weight: 1,
					Value:  "1 1 1 host.example",
					SetID:  self + ":ecs:" + web(7).ID + ":80/tcp",
				}
				w.zone.Put(left)
				w.zone.unlisted = records - 1
				w.runUnlisted()
				w.after(listWithin + time.Minute)
				_, there := w.zone.all()[left.Key()]
				assert.Equal(t, !removed, there)
				assert.False(t, w.journal.ListingDue(), "it is not tried again")
			})
		})
	}
	assert.Equal(t, 3000, listing.Slow.Records)
}

// Hosts that start together have better things to ask for in their first minutes, and do not list the zone together.
func TestWhenTheZoneIsListed(t *testing.T) {
	for jitter, at := range map[float64]time.Duration{
		0:     150 * time.Second,
		0.5:   375 * time.Second,
		0.999: 10 * time.Minute,
	} {
		t.Run(fmt.Sprint(jitter), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.config.Jitter = func() float64 { return jitter }
				w.runUnlisted()
				w.after(at - 2*time.Second)
				assert.True(t, w.journal.ListingDue(), "before %s", at)
				w.after(4 * time.Second)
				assert.False(t, w.journal.ListingDue(), "after %s", at)
			})
		})
	}
}

// A journal came back with a snapshot of the disk: what it lacks is found by a listing, and what is gone since is
// written again.
func TestOldJournalIsMadeGood(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(time.Minute)
		w.end()
		stray := record.Record{
			Name:   "api.sd.internal",
			Type:   record.SRV,
			Weight: 1,
			Value:  "1 1 1 ip-10-0-0-1.sd.internal",
			SetID:  self + ":ecs:" + web(7).ID + ":80/tcp",
		}
		w.zone.Put(stray)
		host := record.Zone{Name: "sd.internal"}.HostRecord(w.owner)
		w.zone.mu.Lock()
		w.zone.Remove(host)
		w.zone.mu.Unlock()
		w.after(16 * time.Minute)
		w.openJournal()
		w.launch()
		w.after(time.Second)
		assert.Contains(t, w.zone.all(), host.Key(), "written again at once")
		assert.Contains(t, w.zone.all(), stray.Key())
		w.after(listWithin + time.Minute)
		assert.NotContains(t, w.zone.all(), stray.Key())
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())

		w.after(24 * time.Hour)
		w.end()
		w.openJournal()
		assert.False(t, w.journal.ListingDue(), "the journal of an agent that ran all day is right")
		w.launch()
	})
}
