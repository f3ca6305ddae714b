package apply_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
)

// A record that the sweeper has put on standby was written as it stood, TTL and all, so that no other record of the name could
// have a TTL of its own again before the mark was gone.
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

// A container was paused while its record had the sweeper's mark. The sweeper gives a marked record the weight that was asked for
// as soon as its own check passes, and so a paused container had all of its traffic until the name was read back.
func TestMarkOnARecordThatIsOnStandbyAnywayIsNotKept(t *testing.T) {
	paused := srv("web", 1)
	paused.Weight = 0
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.put(marked(paused))
		z.pass(20 * time.Minute)
		assert.Equal(t, []record.Record{paused}, z.content(), "written as the host's own, which the sweeper does not restore")
	}, paused)
}

// A host that was about to go had all of its records on standby but the marked one, which the sweeper then gave its weight back.
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
