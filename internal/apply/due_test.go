package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// A timer goes off a moment late. On a busy account the proof was put off each time to the next multiple of the grid
// then, so that a host with nothing to write was never ready.
func TestProofIsDueAlsoAMomentLate(t *testing.T) {
	w := New(Config{Proof: []plan.Change{{Action: plan.Delete, Record: record.Record{Name: "ip-10-0-0-1.example"}}}})
	w.wishes = map[record.Key]Desired{}
	now := time.Unix(1_800_000_000, 0)
	w.pace.sent(now)
	w.pace.failed(now, accountBusy, 0.5)
	batch, _ := w.next(now)
	assert.Empty(t, batch)
	due := w.proveAt(now)
	assert.True(t, due.After(now))
	late := due.Add(time.Millisecond)
	batch, _ = w.next(late)
	assert.Empty(t, batch)
	assert.False(t, w.proveAt(late).After(late))
}

// Half of the time for which an account was busy counts towards the next wait.
func TestHalfOfABusyTimeIsRemembered(t *testing.T) {
	var p pace
	now := time.Unix(1_800_000_000, 0)
	p.sent(now)
	p.failed(now, accountBusy, 0.5)
	now = now.Add(20 * time.Second)
	p.succeeded(now)
	assert.Equal(t, 10*time.Second, p.busyFor(now))
}
