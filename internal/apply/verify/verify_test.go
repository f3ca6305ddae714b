package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/apply/verify"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const every = 15 * time.Minute

var (
	start   = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	address = record.Group{Name: "ip-10-0-0-1.sd", Type: record.A}
	apiA    = record.Group{Name: "api.sd", Type: record.A}
	api     = record.Group{Name: "api.sd", Type: record.SRV}
	web     = record.Group{Name: "web.sd", Type: record.SRV}
	all     = verify.Own{Groups: []record.Group{apiA, api, address, web}, Address: address}
	noHost  = verify.Own{Groups: []record.Group{apiA, api, web}}
)

func half() float64 { return 0.5 } // so that no wait is longer or shorter

func at(after time.Duration) time.Time { return start.Add(after) }

// page covers some groups.
func page(groups ...record.Group) func(string, record.Type) bool {
	return func(name string, t record.Type) bool {
		for _, g := range groups {
			if g == (record.Group{Name: name, Type: t}) {
				return true
			}
		}
		return false
	}
}

// read plays the reading that is due now: its page covers some groups. It returns with which group the page begins.
func read(t *testing.T, s *verify.Schedule, own verify.Own, now time.Time, differences int,
	covered ...record.Group) record.Group {
	t.Helper()
	r, ok := s.Begin(own, now)
	require.True(t, ok)
	covers := page(covered...)
	for _, g := range own.Groups {
		if covers(g.Name, g.Type) {
			s.Covered(g)
		}
	}
	s.Done(r, covers, differences, now)
	return r.First
}

func TestOwnOf(t *testing.T) {
	srv := "i-1:ecs:" + strings.Repeat("c", 64) + ":80/tcp"
	current := plan.Current{}
	for _, r := range []record.Record{
		{Name: "web.sd", Type: record.SRV, SetID: srv},
		{Name: "web.sd", Type: record.SRV, SetID: "i-1:ecs:" + strings.Repeat("d", 64) + ":80/tcp"},
		{Name: "api.sd", Type: record.SRV, SetID: srv},
		{Name: "api.sd", Type: record.A, SetID: srv},
		{Name: "ip-10-0-0-1.sd", Type: record.A, SetID: "i-1:host:-"},
		{Name: "a-b.sd", Type: record.SRV, SetID: srv},
		{Name: "z.a.sd", Type: record.SRV, SetID: srv},
	} {
		current[r.Key()] = plan.Entry{Record: r}
	}
	assert.Equal(t, verify.Own{
		Groups: []record.Group{
			{Name: "a-b.sd", Type: record.SRV}, {Name: "z.a.sd", Type: record.SRV}, apiA, api, address, web,
		},
		Address: address,
	}, verify.OwnOf(current), "in the order in which Route 53 lists them")
	assert.Equal(t, verify.Own{}, verify.OwnOf(nil))
	delete(current, record.Key{Name: "ip-10-0-0-1.sd", Type: record.A, SetID: "i-1:host:-"})
	assert.Zero(t, verify.OwnOf(current).Address)
}

func TestNothingIsReadWhereNoneIsWanted(t *testing.T) {
	s := verify.New(0, half)
	assert.Zero(t, s.Next(start))
	assert.False(t, s.AddressMissing(start))
	assert.Zero(t, s.Next(start))
}

func TestFirstReading(t *testing.T) {
	s := verify.New(every, half)
	assert.Equal(t, at(every), s.Next(start))
	assert.Equal(t, at(every), s.Next(at(time.Minute)), "the time stays")
	assert.Equal(t, at(every*3/4), verify.New(every, func() float64 { return 0 }).Next(start), "readings are spread")
}

func TestHostWithoutRecords(t *testing.T) {
	s := verify.New(every, half)
	s.Next(start)
	s.Wake(start)
	_, ok := s.Begin(verify.Own{}, at(time.Hour))
	assert.False(t, ok)
	assert.Equal(t, at(time.Hour+every), s.Next(at(time.Hour)), "the extra reading is done with")

	require.True(t, s.AddressMissing(at(time.Hour)))
	_, ok = s.Begin(verify.Own{}, at(time.Hour))
	assert.False(t, ok)
	read(t, s, all, at(2*time.Hour), 1)
	assert.False(t, s.AddressMissing(at(time.Hour+time.Minute)), "the difference was not the address's")
}

// In a round each group is read once, the host's address first; whether one page holds all is found out once.
func TestRoundOverSeveralPages(t *testing.T) {
	s := verify.New(every, half)
	s.Next(start)
	now := at(every)
	assert.Equal(t, address, read(t, s, all, now, 0, address, web))
	assert.Equal(t, now, s.Next(now), "at once, since it is not known whether one page holds all")
	assert.Equal(t, apiA, read(t, s, all, now, 0, apiA))
	assert.Equal(t, now.Add(every), s.Next(now), "one page does not hold all")
	assert.Equal(t, api, read(t, s, all, now.Add(every), 0, api))
	assert.Equal(t, now.Add(2*every), s.Next(now.Add(every)))
	assert.Equal(t, address, read(t, s, all, now.Add(2*every), 0, address), "a new round")
	assert.Equal(t, now.Add(3*every), s.Next(now.Add(2*every)), "it is known that one page does not hold all")
	assert.Equal(t, apiA, read(t, s, all, now.Add(3*every), 0, apiA, api))
	assert.Equal(t, web, read(t, s, all, now.Add(4*every), 0, web))
}

func TestOnePageHoldsAll(t *testing.T) {
	s := verify.New(every, half)
	assert.Equal(t, address, read(t, s, all, start, 0, address))
	assert.Equal(t, apiA, read(t, s, all, start, 0, all.Groups...))
	assert.Equal(t, apiA, read(t, s, all, at(every), 0, all.Groups...), "each time that page")
	assert.Equal(t, apiA, read(t, s, all, at(2*every), 0, apiA), "the zone has grown")
	assert.Equal(t, address, read(t, s, all, at(3*every), 0, address))
}

// The first page read may be the whole round: then there is nothing to find out.
func TestFirstPageHoldsAll(t *testing.T) {
	s := verify.New(every, half)
	assert.Equal(t, address, read(t, s, all, start, 0, all.Groups...))
	assert.Equal(t, at(every), s.Next(start))
}

func TestHostWithoutAnAddressOfItsOwn(t *testing.T) {
	s := verify.New(every, half)
	assert.Equal(t, apiA, read(t, s, noHost, start, 0, apiA))
	assert.Equal(t, at(every), s.Next(start), "the first page has shown that it does not hold all")
	assert.Equal(t, api, read(t, s, noHost, at(every), 0, api))
	s.Wake(at(every))
	assert.Equal(t, web, read(t, s, noHost, at(every+6*time.Minute), 0, web), "out of turn there is no address to read")
}

func TestReadingAfterWaking(t *testing.T) {
	s := verify.New(every, half)
	s.Next(start)
	s.Wake(start)
	assert.Equal(t, at(6*time.Minute), s.Next(start))
	r, ok := s.Begin(all, at(6*time.Minute-1))
	require.True(t, ok)
	s.Done(r, page(), 0, at(6*time.Minute-1))
	assert.Equal(t, at(6*time.Minute-1), s.Next(start),
		"a reading in turn finds out at once whether one page holds all")

	s = verify.New(every, half)
	s.Next(start)
	s.Wake(start)
	assert.Equal(t, address, read(t, s, all, at(6*time.Minute), 0, address))
	assert.Equal(t, at(every), s.Next(start), "the next in turn stays due")
	s.Wake(at(every - time.Minute))
	assert.Equal(t, at(every), s.Next(start), "the earlier of the two")
	r, ok = s.Begin(all, at(every+5*time.Minute))
	require.True(t, ok)
	s.Done(r, page(), 0, at(every+5*time.Minute))
	assert.Equal(t, at(2*every+5*time.Minute), s.Next(start), "both were due")
}

// Out of turn the address is read even where one page would hold all.
func TestAddressIsReadOutOfTurn(t *testing.T) {
	s := verify.New(every, half)
	read(t, s, all, start, 0, address)
	assert.Equal(t, apiA, read(t, s, all, start, 0, all.Groups...))
	require.True(t, s.AddressMissing(at(time.Minute)))
	assert.Equal(t, at(time.Minute), s.Next(at(time.Minute)))
	assert.Equal(t, address, read(t, s, all, at(time.Minute), 0, address))
	assert.Equal(t, at(every), s.Next(at(time.Minute)))
}

func TestAddressMissing(t *testing.T) {
	const then = every + time.Hour
	tests := map[string]struct {
		differences int
		after       time.Duration
		want        bool
	}{
		"again soon, and the zone has it":    {0, every - 1, false},
		"again later, and the zone has it":   {0, every, true},
		"again soon, and the zone lacked it": {1, time.Second, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := verify.New(every, half)
			require.True(t, s.AddressMissing(at(then)))
			read(t, s, all, at(then), test.differences, address)
			assert.Equal(t, test.want, s.AddressMissing(at(then+test.after)))
		})
	}
	// A difference that a reading in turn finds says nothing of the address.
	s := verify.New(every, half)
	require.True(t, s.AddressMissing(start))
	read(t, s, all, start, 0, address)
	read(t, s, all, at(time.Minute), 1, address)
	assert.False(t, s.AddressMissing(at(2*time.Minute)))
}

func TestFailedReading(t *testing.T) {
	s := verify.New(every, half)
	fail := func(now time.Time, why plan.Outcome) {
		t.Helper()
		r, ok := s.Begin(all, now)
		require.True(t, ok)
		s.Failed(r, why, now)
	}
	fail(start, plan.Unknown)
	assert.Equal(t, at(every), s.Next(start))
	for i, wait := range []time.Duration{2, 4, 8, 16, 32, 64, 64, 64} {
		fail(start, plan.Throttled)
		assert.Equal(t, at(wait*every), s.Next(start), "throttled %d times", i+1)
	}
	fail(start, plan.ZoneBusy)
	assert.Equal(t, at(64*every), s.Next(start))
	fail(start, plan.Unknown)
	assert.Equal(t, at(every), s.Next(start), "the row has ended")
	fail(start, plan.Throttled)
	read(t, s, all, start, 0, all.Groups...)
	assert.Equal(t, at(every), s.Next(start), "the row has ended")
}

func TestFailedReadingOutOfTurn(t *testing.T) {
	s := verify.New(every, half)
	s.Next(start)
	require.True(t, s.AddressMissing(start))
	fail := func(why plan.Outcome) {
		r, ok := s.Begin(all, start)
		require.True(t, ok)
		s.Failed(r, why, start)
	}
	fail(plan.Throttled)
	assert.Equal(t, at(2*time.Minute), s.Next(start))
	require.True(t, s.AddressMissing(at(every)))
	r, ok := s.Begin(all, at(every))
	require.True(t, ok)
	s.Failed(r, plan.Unknown, at(every))
	assert.Equal(t, at(every+time.Minute), s.Next(start))
	now := at(24 * time.Hour)
	for _, wait := range []time.Duration{2, 4, 8, 16, 32, 64, 64} {
		r, ok := s.Begin(all, now)
		require.True(t, ok)
		s.Failed(r, plan.Throttled, now)
		assert.Equal(t, now.Add(wait*time.Minute), s.Next(now))
		now = s.Next(now)
	}
}
