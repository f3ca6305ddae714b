package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// journalled puts records into the zone and the journal, as an agent of another version or with other settings had
// written them.
func (w *world) journalled(records ...record.Record) {
	w.t.Helper()
	w.openJournal()
	require.NoError(w.t, w.journal.Listed())
	known := plan.Current{}
	for _, r := range records {
		known[r.Key()] = plan.Entry{Record: r}
	}
	w.zone.Put(records...)
	require.NoError(w.t, w.journal.SetRecords("Z1", known))
	require.NoError(w.t, w.journal.Close())
}

// Each look-up of a service asked Route 53 for the address of its host, too, though the name of a host holds its
// address.
func TestRecordOfAHostMovesToItsTTL(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		host := record.Zone{Name: "sd.internal"}.HostRecord(w.owner)
		require.Equal(t, int64(60), host.TTL)
		old := host
		old.TTL = 0
		w.journalled(old)
		w.run()
		w.after(5 * time.Second)
		assert.Equal(t, host, w.zone.all()[host.Key()], "though nothing points to it")
	})
}

// The ECS agent knew the address of one of a task's two containers. Its A record was to have another TTL than that of
// the other container, which stayed as it was, and Route 53 takes no two TTLs under one name.
func TestRecordsThatStayAsKnownHaveTheTTLOfTheirName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, one := task(1)
		_, two := task(2)
		two.SharedWith = pause.ID
		address := w.owner.Address.Next()
		w.config.TTL = 5
		w.tasks[one.ID], w.tasks[two.ID] = Task{Address: address}, Task{Address: address}
		w.engine.start(pause)
		w.engine.start(one)
		w.engine.start(two)
		w.run()
		w.after(5 * time.Second)
		require.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services())
		w.end()
		var old []record.Record
		for _, r := range w.zone.all() {
			r.TTL = 0
			old = append(old, r)
		}
		require.Len(t, old, 4)
		w.journalled(old...)
		w.with(func() { delete(w.tasks, two.ID) })
		w.run()
		w.after(10 * time.Second)
		ttls := map[record.Type][]int64{}
		for _, r := range w.zone.all() {
			ttls[r.Type] = append(ttls[r.Type], r.TTL)
		}
		assert.Equal(t, map[record.Type][]int64{record.SRV: {5, 5}, record.A: {60, 60}}, ttls)
		assert.Len(t, w.zone.batches[len(w.zone.batches)-1], 4, "all in one batch")
	})
}
