package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
)

// A thousand hosts that start with no journal must not each read the whole zone: what is left over among so many hosts is the
// sweeper's.
func TestZoneOfManyHostsIsNotListed(t *testing.T) {
	for name, test := range map[string]struct {
		others  int
		removed bool
	}{
		"few hosts":  {listAmong - 1, true},
		"many hosts": {listAmong, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				left := record.Record{Name: "web.sd.internal", Type: record.SRV, Weight: 1, Value: "1 1 1 host.example", SetID: self + ":ecs:" + web(7).ID + ":80/tcp"}
				w.zone.put(left)
				for n := range test.others {
					other := left
					other.SetID = fmt.Sprintf("i-other%d:ecs:%s:80/tcp", n, web(7).ID)
					w.zone.put(other)
				}
				w.runUnlisted()
				w.after(listWithin + time.Minute)
				_, there := w.zone.records[left.Key()]
				assert.Equal(t, !test.removed, there)
				assert.False(t, w.journal.ListingDue(), "it is not tried again")
			})
		})
	}
}
