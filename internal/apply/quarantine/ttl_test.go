package quarantine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// A record was refused for its TTL, and nothing was seen of others' records then. Later another record of the name
// taught the host which TTL it has to have: the first one waited for its next try, up to a minute, in vain.
func TestRecordRefusedForItsTTLIsFreedByAnotherTTL(t *testing.T) {
	q := quarantine.New(quarantine.Config{
		Adds:   func(plan.Change) bool { return true },
		OnHold: func(quarantine.Held) {},
		Jitter: func() float64 { return 0 },
	})
	now := time.Now()
	change := plan.Change{
		Action: plan.Create,
		Record: record.Record{
			Name:  "web.sd.internal",
			Type:  record.SRV,
			SetID: "i-1:docker:1:80/tcp",
			TTL:   0,
			Value: "1 1 32768 ip-10-0-0-1.sd.internal",
		},
	}
	q.Hold(change, plan.TTL, "weighted sets must contain the same TTL", true, now)
	q.Update([]plan.Change{change}, now)
	assert.NotNil(t, q.Get(change.Record.Key()), "the same would be refused again")
	change.Record.Weight = 5
	q.Update([]plan.Change{change}, now)
	assert.NotNil(t, q.Get(change.Record.Key()), "another weight does not help")
	change.Record.TTL = 60
	q.Update([]plan.Change{change}, now)
	assert.Nil(t, q.Get(change.Record.Key()))
}
