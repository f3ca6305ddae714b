package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// A timer fires a moment late. On a busy account the question whether the host may write was put off each time to the
// next multiple of the grid then, so that a host with nothing to write was never ready.
func TestQuestionIsDueAlsoAMomentLate(t *testing.T) {
	w := New(Config{Proof: []plan.Change{{Action: plan.Delete, Record: record.Record{Name: "ip-10-0-0-1.example"}}}})
	w.ledger.SetDesired(nil)
	now := time.Unix(1_800_000_000, 0)
	w.pace.Sent(now)
	w.pace.Failed(now, plan.Throttled, 0.5)
	do, due := w.next(now, false)
	assert.Nil(t, do)
	assert.True(t, due.After(now))
	do, _ = w.next(due.Add(time.Millisecond), false)
	assert.NotNil(t, do)
}
