package zone_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sandbox"
	store "github.com/ecssd/ecssd/internal/sandbox/route53/zone"
	"github.com/ecssd/ecssd/internal/test/zone"
)

func create(r record.Record) plan.Change { return plan.Change{Action: plan.Create, Record: r} }
func upsert(r record.Record) plan.Change { return plan.Change{Action: plan.Upsert, Record: r} }
func remove(r record.Record) plan.Change { return plan.Change{Action: plan.Delete, Record: r} }

func with(r record.Record, change func(*record.Record)) record.Record {
	change(&r)
	return r
}

// refused returns why a change batch was refused.
func refused(t *testing.T, err error) *plan.Refusal {
	t.Helper()
	var refusal *plan.Refusal
	require.ErrorAs(t, err, &refusal)
	return refusal
}

func TestTheZoneIsStrict(t *testing.T) {
	web1, web2 := srv("web", 1), srv("web", 2)
	other := func(r *record.Record) { r.Value = "1 1 1 x.example.internal" }
	simple := record.Record{
		Name:  web1.Name,
		Type:  record.SRV,
		TTL:   60,
		Value: web1.Value,
	}
	many := func(n int) (changes []plan.Change) {
		for i := range n {
			changes = append(changes, create(srv(fmt.Sprint("s", i), i)))
		}
		return changes
	}
	for name, c := range map[string]struct {
		before  []record.Record
		changes []plan.Change
		named   map[int]plan.Reason // by position in changes
		reason  plan.Reason         // where none is named
	}{
		"a DELETE of a record that is not there": {
			changes: []plan.Change{remove(web1)},
			named:   map[int]plan.Reason{0: plan.NotFound},
		},
		"a DELETE with another value": {
			before:  []record.Record{web1},
			changes: []plan.Change{remove(with(web1, other))},
			named:   map[int]plan.Reason{0: plan.Mismatch},
		},
		"a DELETE with another weight": {
			before:  []record.Record{web1},
			changes: []plan.Change{remove(with(web1, func(r *record.Record) { r.Weight = 2 }))},
			named:   map[int]plan.Reason{0: plan.Mismatch},
		},
		"a DELETE with another TTL": {
			before:  []record.Record{web1},
			changes: []plan.Change{remove(with(web1, func(r *record.Record) { r.TTL = 2 }))},
			named:   map[int]plan.Reason{0: plan.Mismatch},
		},
		"a CREATE of a record that is there": {
			before:  []record.Record{web1},
			changes: []plan.Change{create(web1)},
			named:   map[int]plan.Reason{0: plan.Exists},
		},
		"a second TTL in a name": {
			before:  []record.Record{web1},
			changes: []plan.Change{create(with(web2, func(r *record.Record) { r.TTL = 2 }))},
			named:   map[int]plan.Reason{0: plan.TTL},
		},
		"a weighted record beside one that is not": {
			before:  []record.Record{simple},
			changes: []plan.Change{upsert(web1)},
			named:   map[int]plan.Reason{0: plan.Conflict},
		},
		"a record of another zone": {
			changes: []plan.Change{create(with(web1, func(r *record.Record) { r.Name = "web.example.com" }))},
			named:   map[int]plan.Reason{0: plan.Invalid},
		},
		"a value that is none": {
			changes: []plan.Change{create(with(web1, func(r *record.Record) { r.Value = "1 1 80 a b" }))},
			named:   map[int]plan.Reason{0: plan.Invalid},
		},
		"a record changed twice": {
			changes: []plan.Change{upsert(web1), upsert(web1)},
			reason:  plan.Invalid,
		},
		"more elements than a batch may have": {
			changes: many(1001),
			reason:  plan.Invalid,
		},
		"one wrong change among right ones": {
			before:  []record.Record{web1},
			changes: []plan.Change{remove(web1), create(web2), remove(srv("api", 3))},
			named:   map[int]plan.Reason{2: plan.NotFound},
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := zone.New(t, "example.internal", c.before...)
			refusal := refused(t, z.Change(t.Context(), c.changes))
			if c.named != nil {
				named := map[plan.Change]plan.Reason{}
				for i, reason := range c.named {
					named[c.changes[i]] = reason
				}
				assert.Equal(t, named, refusal.Named)
			} else {
				assert.Equal(t, c.reason, refusal.Reason)
			}
			assert.Equal(t, c.before, z.Records(), "a batch that was refused changes nothing")
		})
	}
}

func TestLimitsOfNameAndZone(t *testing.T) {
	z := zone.New(t, "example.internal", srv("web", 1), srv("web", 2))
	z.Behave(func(b *zone.Behaviour) { b.MaxWeighted = 2 })
	third := create(srv("web", 3))
	assert.Equal(t, map[plan.Change]plan.Reason{third: plan.NameFull},
		refused(t, z.Change(t.Context(), []plan.Change{third})).Named)
	require.NoError(t, z.Change(t.Context(), []plan.Change{remove(srv("web", 1)), third}), "in place of another")

	z.Behave(func(b *zone.Behaviour) { b.MaxSets = 4 })
	api := create(srv("api", 1))
	assert.Equal(t, plan.ZoneFull, refused(t, z.Change(t.Context(), []plan.Change{api})).Reason)
	z.Behave(func(b *zone.Behaviour) { b.MaxSets = 0 })
	require.NoError(t, z.Change(t.Context(), []plan.Change{api}))
}

// A health check is listed nowhere that the product looks, so that a DELETE which repeats all that it saw does not
// match.
func TestARecordWithAHealthCheckCannotBeDeletedAsListed(t *testing.T) {
	z := zone.New(t, "example.internal")
	z.WithHealthCheck(srv("web", 1))
	assert.Equal(t, []record.Record{srv("web", 1)}, z.Records())
	change := remove(srv("web", 1))
	assert.Equal(t, map[plan.Change]plan.Reason{change: plan.Mismatch},
		refused(t, z.Change(t.Context(), []plan.Change{change})).Named)
	z.Remove(srv("web", 1))
	assert.Empty(t, z.Records())
}

func TestFaults(t *testing.T) {
	web := srv("web", 1)
	for name, c := range map[string]struct {
		fault zone.Fault
		is    error
		made  bool
	}{
		"throttled":      {fault: zone.Throttled, is: plan.ErrThrottled},
		"busy":           {fault: zone.Busy, is: plan.ErrZoneBusy},
		"lost request":   {fault: zone.LostRequest, is: zone.ErrReset},
		"lost answer":    {fault: zone.LostAnswer, is: zone.ErrReset, made: true},
		"no such zone":   {fault: zone.NoSuchZone, is: plan.ErrNoSuchZone},
		"hang":           {fault: zone.Hang, is: context.DeadlineExceeded},
		"hang when made": {fault: zone.HangMade, is: context.DeadlineExceeded, made: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := zone.New(t, "example.internal")
				z.Faults(c.fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := z.Change(ctx, []plan.Change{create(web)})
				require.ErrorIs(t, err, c.is)
				assert.Equal(t, c.made, len(z.Records()) == 1)
				assert.Equal(
					t,
					[]zone.Call{{Time: z.Calls()[0].Time, Changes: []plan.Change{create(web)}, Err: err}},
					z.Calls(),
				)
				require.NoError(t, z.Change(t.Context(), []plan.Change{upsert(web)}), "the next call has no fault")
			})
		})
	}
}

func TestDenialComesBeforeTheContentOfABatch(t *testing.T) {
	z := zone.New(t, "example.internal")
	z.Behave(func(b *zone.Behaviour) {
		b.Denied = func(c plan.Change) bool { return c.Record.Name == "web.example.internal" }
	})
	refusal := refused(t, z.Change(t.Context(), []plan.Change{remove(srv("api", 1)), remove(srv("web", 1))}))
	assert.Equal(t, plan.Denied, refusal.Reason)
	refusal = refused(t, z.Change(t.Context(), []plan.Change{remove(srv("api", 1))}))
	assert.Len(t, refusal.Named, 1)
	z.Behave(func(b *zone.Behaviour) { b.Unnamed = true })
	assert.Equal(t, &plan.Refusal{Reason: plan.Invalid, Message: "[The request is not valid]"},
		refused(t, z.Change(t.Context(), []plan.Change{remove(srv("api", 1))})))
}

func TestADeletedZone(t *testing.T) {
	z := zone.New(t, "example.internal", srv("web", 1))
	z.Delete()
	assert.True(t, z.Deleted())
	require.ErrorIs(t, z.Change(t.Context(), []plan.Change{create(srv("web", 2))}), plan.ErrNoSuchZone)
	_, err := z.Group(t.Context(), "web.example.internal", record.SRV)
	require.ErrorIs(t, err, plan.ErrNoSuchZone)
	assert.Empty(t, z.Records())
}

func TestReadsFailAndTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone.New(t, "example.internal", srv("web", 1), srv("web", 2), srv("web", 3))
		failed := errors.New("rate exceeded")
		z.Behave(func(b *zone.Behaviour) {
			b.PageSize, b.ReadLatency = 3, time.Second
			b.ReadFault = func(read int) error {
				if read == 4 {
					return failed
				}
				return nil
			}
		})
		start := time.Now()
		var pages [][2]int // records, record sets of any kind
		visit := func(page []record.Record, listed int) error {
			pages = append(pages, [2]int{len(page), listed})
			return nil
		}
		require.NoError(t, z.Each(t.Context(), visit))
		assert.Equal(t, [][2]int{{1, 3}, {2, 2}}, pages, "the first page has the zone's NS and SOA")
		require.ErrorIs(t, z.Each(t.Context(), visit), failed, "on its second page")
		assert.Equal(t, 4*time.Second, time.Since(start))
		assert.Equal(t, zone.Read{
			Time: start.Add(time.Second),
			Name: "web.example.internal",
			Type: record.SRV,
		}, z.Reads()[1])
	})
}

// TestItAnswersAsPackageRoute53OverHTTP plays the same random batches and listings to this zone and, by way of package
// route53 and the SDK, to the sandbox: every error and every listing must be equal.
func TestItAnswersAsPackageRoute53OverHTTP(t *testing.T) {
	server, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	_, err = server.CreateZone("example.internal", sandbox.WithID(zone.ID), sandbox.Private("vpc-1", "eu-central-1"))
	require.NoError(t, err)
	real := route53.New(aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String(server.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
	}).Zone(zone.ID)
	z := zone.New(t, "example.internal")
	foreign := []store.Set{
		{
			Name:   "text.example.internal",
			Type:   "TXT",
			TTL:    60,
			Values: []string{`"x"`},
		},
		{
			Name:   "plain.example.internal",
			Type:   "SRV",
			TTL:    60,
			Values: []string{"1 1 80 x.internal", "1 1 81 y.internal"},
		},
	}
	z.PutSets(foreign...)
	require.NoError(t, server.Seed(zone.ID, foreign...))
	dice := rand.New(rand.NewPCG(1, 2))
	refusals := 0
	for range 400 {
		changes := randomBatch(dice)
		theirs, ours := real.Change(t.Context(), changes), z.Change(t.Context(), changes)
		if theirs == nil {
			require.NoError(t, ours)
			continue
		}
		refusals++
		require.Equal(t, refused(t, theirs), refused(t, ours))
	}
	assert.Greater(t, refusals, 100)
	assert.Less(t, refusals, 300)
	sameListings(t, real, z)
}

type lister interface {
	Group(context.Context, string, record.Type) ([]record.Record, error)
	Page(context.Context, string, record.Type) ([]record.Record, func(string, record.Type) bool, error)
	Each(context.Context, func([]record.Record, int) error) error
}

func sameListings(t *testing.T, real, ours lister) {
	t.Helper()
	names := []string{"a", "web", "*", "plain", "text", "x.web", "zz"}
	for _, name := range names {
		for _, typ := range []record.Type{record.A, record.SRV} {
			want, err := real.Group(t.Context(), name+".example.internal", typ)
			require.NoError(t, err)
			got, err := ours.Group(t.Context(), name+".example.internal", typ)
			require.NoError(t, err)
			assert.Equal(t, want, got)

			want, wantCovers, err := real.Page(t.Context(), name+".example.internal", typ)
			require.NoError(t, err)
			got, gotCovers, err := ours.Page(t.Context(), name+".example.internal", typ)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			for _, other := range names {
				assert.Equal(t, wantCovers(other+".example.internal", record.SRV),
					gotCovers(other+".example.internal", record.SRV), "%s from %s on", other, name)
			}
		}
	}
	var want, got []string
	collect := func(pages *[]string) func([]record.Record, int) error {
		return func(page []record.Record, listed int) error {
			*pages = append(*pages, fmt.Sprint(listed, page))
			return nil
		}
	}
	require.NoError(t, real.Each(t.Context(), collect(&want)))
	require.NoError(t, ours.Each(t.Context(), collect(&got)))
	assert.Equal(t, want, got)
}

// randomBatch is a batch about few names and records, so that its changes often meet what is there.
func randomBatch(dice *rand.Rand) (changes []plan.Change) {
	for range 1 + dice.IntN(3) {
		name := []string{"web", "web", "web", "a", "*", "x.web", "plain"}[dice.IntN(7)]
		r := srv(name, dice.IntN(4))
		if dice.IntN(6) == 0 {
			r.Type, r.Value = record.A, "10.0.0.1"
		}
		switch dice.IntN(14) {
		case 0:
			r.Value = strings.Replace(r.Value, "1", "2", 1)
		case 1:
			r.TTL = 5
		case 2:
			r.Value = "1 1 80"
		}
		action := []plan.Action{plan.Create, plan.Upsert, plan.Delete}[dice.IntN(3)]
		changes = append(changes, plan.Change{Action: action, Record: r})
	}
	return changes
}
