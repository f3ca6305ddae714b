package apply_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
)

// tellings returns what was told since it was asked last, as "registered web 1".
func (w writer) tellings() []string {
	w.zone.mu.Lock()
	defer w.zone.mu.Unlock()
	told := w.zone.told
	w.zone.told = nil
	return told
}

func TestOutcomesAreToldOnceTheyAreSo(t *testing.T) {
	web1, web2 := srv("web", 1), srv("web", 2)
	standby := web2
	standby.Weight = 0
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(web1)
		z.pass(time.Minute)
		assert.Empty(t, w.tellings(), "the journal's was told of before")
		w.want(web1, web2)
		z.pass(time.Minute)
		assert.Equal(t, []string{"registered " + web2.SetID}, w.tellings())
		w.want(web1, standby)
		z.pass(time.Minute)
		assert.Equal(t, []string{"standby " + web2.SetID}, w.tellings())
		w.want(web2)
		z.pass(time.Minute)
		assert.Equal(t, []string{"deregistered " + web1.SetID, "registered " + web2.SetID}, w.tellings())
		heavy := web2
		heavy.Weight = 7
		w.want(heavy)
		z.pass(time.Minute)
		assert.Empty(t, w.tellings(), "it serves as before")
		w.MarkAllUnconfirmed()
		z.pass(time.Minute)
		assert.Empty(t, w.tellings(), "written once more")
	}, web1)
}

func TestOutcomeOfALostAnswerIsToldWhenItIsKnown(t *testing.T) {
	web1, web2 := srv("web", 1), srv("web", 2)
	for name, fault := range map[string]func() (error, bool){"made": lostAnswer, "not made": lostRequest} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.faults(fault)
				w.want(web2)
				z.pass(time.Minute)
				assert.Equal(t, []string{"deregistered " + web1.SetID, "registered " + web2.SetID}, w.tellings())
			}, web1)
		})
	}
}

func TestRefusalIsToldOnce(t *testing.T) {
	web1 := srv("web", 1)
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return true } })
		w.want(web1)
		z.pass(10 * time.Minute)
		assert.Equal(t, []string{"refused " + web1.SetID}, w.tellings())
		z.set(func() { z.denied = nil })
		z.pass(time.Hour)
		assert.Equal(t, []string{"registered " + web1.SetID}, w.tellings())
	})
}

func TestOutcomeOfWhatSomebodyRemovedIsTold(t *testing.T) {
	web1 := srv("web", 1)
	running(t, time.Minute, func(t *testing.T, z *zone, w writer) {
		w.want(web1)
		z.pass(time.Second)
		z.remove(web1)
		z.pass(5 * time.Minute)
		assert.Equal(t, []string{"deregistered " + web1.SetID, "registered " + web1.SetID}, w.tellings())
	}, web1)
}

// What a listing finds was told of by the agent that wrote it, and is not told of with the next change. Its end is.
func TestWhatIsAdoptedIsNoNews(t *testing.T) {
	web1, web2, web3 := srv("web", 1), srv("web", 2), srv("web", 3)
	web2.Weight = 0
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(web1, web2)
		assert.Equal(t, 2, w.Adopt([]record.Record{web1, web2, foreign("web", 4)}))
		w.want(web1, web2, web3)
		z.pass(time.Minute)
		assert.Equal(t, 1, z.callCount())
		assert.Equal(t, []string{"registered " + web3.SetID}, w.tellings())
		w.want(web2, web3)
		z.pass(time.Minute)
		assert.Equal(t, []string{"deregistered " + web1.SetID}, w.tellings())
	})
}
