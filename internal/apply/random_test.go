package apply_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Whatever happened before, once nothing fails any more the zone has what is wanted, and what others own is as they
// left it.
func TestAfterAnyTroubleTheZoneIsRight(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			running(t, every, func(t *testing.T, z *zone, w writer) {
				chaos{
					t:      t,
					zone:   z,
					writer: w,
					rand:   rand.New(rand.NewPCG(seed, 1)),
					faults: rand.New(rand.NewPCG(seed, 2)),
				}.play()
			})
		})
	}
}

// chaos is Route 53, other hosts, a person and the sweeper, on a bad day.
type chaos struct {
	t      *testing.T
	zone   *zone
	writer writer
	rand   *rand.Rand
	faults *rand.Rand // the zone's, which is asked at any time
}

func (c chaos) one(of int) bool { return c.rand.IntN(of) == 0 }

func (c chaos) play() {
	z := c.zone
	z.put(others("web", 97)...)
	z.put(others("api", 3)...)
	z.set(func() { z.fault = c.fault; z.zoneMax = 115 })
	for range 120 {
		switch c.rand.IntN(8) {
		case 0, 1, 2:
			c.writer.SetDesired(c.wishes(12, fmt.Sprint("run ", c.rand.IntN(2))), time.Now())
		case 3:
			c.edit()
		case 4:
			if c.one(4) {
				c.rewriteTTL()
			}
		case 5:
			switch c.rand.IntN(4) {
			case 0:
				c.writer.MarkAllUnconfirmed()
			case 1:
				c.writer.Adopt(z.content())
			}
		case 6:
			denied := fmt.Sprint([]string{"web", "api", "db", "none", "none"}[c.rand.IntN(5)], ".example")
			z.set(func() { z.denied = func(r record.Record) bool { return r.Name == denied } })
		case 7:
			z.set(func() { z.latency = time.Duration(c.rand.IntN(4)*c.rand.IntN(4)) * time.Second })
		}
		z.pass(time.Duration(c.rand.ExpFloat64() * float64([]time.Duration{
			at(50),
			time.Second,
			time.Minute,
		}[c.rand.IntN(3)])))
	}

	hers := map[record.Key]record.Record{}
	ttls := map[string]int64{}
	z.set(func() {
		z.fault, z.latency, z.denied, z.zoneMax = nil, 0, nil, 10000
	})
	for _, r := range z.content() {
		if !owns(r) {
			hers[r.Key()] = r
			ttls[r.Name] = r.TTL
		}
	}
	final := c.wishes(3, "last run but one")
	c.writer.SetDesired(final, time.Now())
	z.pass(6 * time.Hour) // time for what is in quarantine, and to read every name
	for i := range final {
		final[i].Run = "last run" // and so no mark of the sweeper's holds any more
	}
	c.writer.SetDesired(final, time.Now())
	z.pass(time.Minute)

	want := slices.Collect(maps.Values(hers))
	own := plan.Current{}
	for _, wish := range final {
		r := wish.Record
		r.TTL = ttls[r.Name]
		want = append(want, r)
		own[r.Key()] = plan.Entry{Record: r, Run: "last run"}
		if r.Weight == 0 { // which a new run does not cause to be written again
			own[r.Key()] = plan.Entry{Record: r, Run: z.saved[r.Key()].Run}
		}
	}
	assert.Equal(c.t, sorted(want), z.content())
	assert.Equal(c.t, own, z.saved)
	status := c.writer.Status()
	assert.Empty(c.t, status.Pending)
	assert.Empty(c.t, status.Refused)
}

// fault is a call that fails, or not.
func (c chaos) fault() (error, bool) {
	return []func() (error, bool){
		throttled,
		lostAnswer,
		lostRequest,
		notThisTime,
		notThisTime,
		notThisTime,
	}[c.faults.IntN(6)]()
}

// wishes returns some records, up to so many of a name.
func (c chaos) wishes(of int, run string) (wishes []plan.Desired) {
	for _, name := range []string{"web", "api", "db"} {
		for n := range of {
			if c.one(3) {
				continue
			}
			r := srv(name, n)
			if c.one(4) {
				r.Weight = 0
			}
			wishes = append(wishes, plan.Desired{Record: r, Run: run})
		}
	}
	return wishes
}

// edit is a person, or the sweeper, who changes one of our records.
func (c chaos) edit() {
	for _, r := range c.zone.content() {
		if !owns(r) || !c.one(6) {
			continue
		}
		switch c.rand.IntN(3) {
		case 0:
			c.zone.remove(r)
		case 1:
			r.Value = "1 1 9 elsewhere.example"
			c.zone.put(r)
		case 2:
			if r.Value[0] == '1' {
				c.zone.put(marked(r))
			}
		}
		return
	}
}

// rewriteTTL is the sweeper, which gives a name a TTL, or somebody who does so by hand.
func (c chaos) rewriteTTL() {
	name := []string{"web.example", "api.example", "db.example"}[c.rand.IntN(3)]
	ttl := []int64{0, 5, 60}[c.rand.IntN(3)]
	var group []record.Record
	for _, r := range c.zone.content() {
		if r.Name == name {
			r.TTL = ttl
			group = append(group, r)
		}
	}
	assert.NoError(c.t, c.zone.strict.Try(plan.Upsert, group...))
}
