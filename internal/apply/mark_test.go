package apply_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// A record that the sweeper has put on standby was written as it stood, TTL and all, so that no other record of the
// name could have a TTL of its own again before the mark was gone.
func TestMarkedRecordDoesNotKeepTheTTLOfItsName(t *testing.T) {
	one, two := srv("web", 1), srv("web", 2)
	one.TTL, two.TTL = 60, 60
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.put(marked(one))
		z.pass(time.Hour) // in which the mark is read
		one.TTL, two.TTL = 0, 0
		w.want(one, two)
		z.pass(time.Minute)
		assert.Equal(t, sorted([]record.Record{marked(one), two}), z.content())
	}, one, two)
}

// A container was paused while its record had the sweeper's mark. The sweeper gives a marked record the weight that was
// asked for as soon as its own check passes, and so a paused container had all of its traffic until the name was read
// back.
func TestMarkOnARecordThatIsOnStandbyAnywayIsNotKept(t *testing.T) {
	paused := srv("web", 1)
	paused.Weight = 0
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.put(marked(paused))
		z.pass(20 * time.Minute)
		assert.Equal(t, []record.Record{
			paused,
		}, z.content(), "written as the host's own, which the sweeper does not restore")
	}, paused)
}

// A host that was about to go had all of its records on standby but the marked one, which the sweeper then gave its
// weight back.
func TestMarkIsNotKeptOnAHostThatGoesOnStandby(t *testing.T) {
	web := srv("web", 1)
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.put(marked(web))
		z.pass(20 * time.Minute) // in which the mark is read
		assert.Equal(t, []record.Record{marked(web)}, z.content())
		web.Weight = 0
		w.want(web)
		z.pass(time.Second)
		assert.Equal(t, []record.Record{web}, z.content())
	}, web)
}

// The container ran anew before the mark was read: the sweeper judged the run before.
func TestMarkOfAnEarlierRunIsNotKept(t *testing.T) {
	web, db := srv("web", 1), srv("db", 1)
	run2 := []plan.Desired{{Record: web, Run: "run 2"}, {Record: db, Run: "run 1"}}
	for name, scene := range map[string]func(z *zone, w writer){
		"read back": func(z *zone, w writer) {
			w.SetDesired(run2, time.Now())
		},
		"read back after a lost answer": func(z *zone, w writer) {
			z.faults(lostRequest)
			w.SetDesired(run2, time.Now())
		},
		"read back after a refusal": func(z *zone, w writer) {
			z.set(func() { z.groupLatency = time.Second })
			w.want(db) // which is refused, since the record is not as it is known
			synctest.Wait()
			w.SetDesired(run2, time.Now())
		},
		"the run begins while a change is on its way": func(z *zone, w writer) {
			z.set(func() { z.latency = time.Second })
			w.MarkAllUnconfirmed()
			synctest.Wait()
			w.SetDesired(run2, time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, every, func(t *testing.T, z *zone, w writer) {
				z.put(marked(web))
				scene(z, w)
				z.pass(2 * time.Hour)
				assert.Equal(t, sorted([]record.Record{web, db}), z.content())
				z.put(marked(web))
				z.pass(2 * time.Hour)
				assert.Equal(t, sorted([]record.Record{
					marked(web),
					db,
				}), z.content(), "this one is for the present run")
			}, web, db)
		})
	}
}

func TestMarkOnARecordThatLedElsewhereIsNotKept(t *testing.T) {
	web := srv("web", 1)
	for name, value := range map[string]string{
		"port": "1 1 9 ip-10-0-0-1.example",
		"host": "1 1 30001 elsewhere.example",
	} {
		t.Run(name, func(t *testing.T) {
			running(t, every, func(t *testing.T, z *zone, w writer) {
				edited := web
				edited.Value = value
				z.put(marked(edited))
				z.pass(20 * time.Minute)
				assert.Equal(t, []record.Record{web}, z.content())
			}, web)
		})
	}
}

// A record is written once more for each run, and for no other reason.
func TestRecordIsWrittenForEachRun(t *testing.T) {
	web := srv("web", 1)
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.SetDesired([]plan.Desired{{Record: web, Run: "run 2"}}, time.Now())
		z.pass(time.Minute)
		assert.Equal(t, 1, z.callCount())
		w.SetDesired([]plan.Desired{{Record: web, Run: "run 2"}}, time.Now())
		z.pass(time.Minute)
		assert.Equal(t, 1, z.callCount())
	}, web)
}
