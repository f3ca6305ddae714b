package route53_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sandbox"
	zone53 "github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

const zoneName = "example.internal"

// start starts a sandbox and leads a client to it as the environment leads the product's.
func start(t *testing.T) (*sandbox.Server, *route53.Client) {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	for _, variable := range s.Environment() {
		key, value, _ := strings.Cut(variable, "=")
		t.Setenv(key, value)
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	loaded, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	return s, route53.New(loaded)
}

// open starts a sandbox with one private zone.
func open(t *testing.T) (*sandbox.Server, *route53.Zone) {
	t.Helper()
	s, client := start(t)
	id, err := s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	return s, client.Zone(id)
}

func web(n int) record.Record {
	return record.Record{
		Name:   "web." + zoneName,
		Type:   record.SRV,
		SetID:  fmt.Sprintf("i-1:ecs:%d:80/tcp", n),
		Weight: 1,
		Value:  fmt.Sprintf("1 1 %d ip-10-0-0-1.%s", 30000+n, zoneName),
	}
}

func address() record.Record {
	return record.Record{
		Name:   "ip-10-0-0-1." + zoneName,
		Type:   record.A,
		SetID:  "i-1:host:-",
		Weight: 1,
		Value:  "10.0.0.1",
	}
}

// set is a record as the sandbox is given it.
func set(r record.Record) sandbox.Set {
	return sandbox.Set{
		Name:          r.Name,
		Type:          string(r.Type),
		SetIdentifier: r.SetID,
		Weight:        &r.Weight,
		TTL:           r.TTL,
		Values:        strings.Split(r.Value, "\n"),
	}
}

func upsert(records ...record.Record) (changes []plan.Change) {
	for _, r := range records {
		changes = append(changes, plan.Change{Action: plan.Upsert, Record: r})
	}
	return changes
}

func remove(records ...record.Record) (changes []plan.Change) {
	for _, r := range records {
		changes = append(changes, plan.Change{Action: plan.Delete, Record: r})
	}
	return changes
}

// all lists the whole zone.
func all(t *testing.T, zone *route53.Zone) (records []record.Record) {
	t.Helper()
	require.NoError(t, zone.Each(t.Context(), func(page []record.Record, _ int) error {
		records = append(records, page...)
		return nil
	}))
	return records
}

// What exists is not created anew, and the refusal names it; nothing of the batch is made.
func TestCreate(t *testing.T) {
	_, zone := open(t)
	create := func(records ...record.Record) (changes []plan.Change) {
		for _, c := range upsert(records...) {
			changes = append(changes, plan.Change{Action: plan.Create, Record: c.Record})
		}
		return changes
	}
	require.NoError(t, zone.Change(t.Context(), create(web(1))))
	var refusal *plan.Refusal
	require.ErrorAs(t, zone.Change(t.Context(), create(web(2), web(1))), &refusal)
	assert.Equal(t, map[plan.Change]plan.Reason{create(web(1))[0]: plan.Exists}, refusal.Named)
	assert.Equal(t, []record.Record{web(1)}, all(t, zone))
	require.NoError(t, zone.Change(t.Context(), append(create(web(2)), upsert(web(1))...)))
	assert.Equal(t, []record.Record{web(1), web(2)}, all(t, zone))
}

func TestChangeAndReadBack(t *testing.T) {
	_, zone := open(t)
	odd := record.Record{
		Name:  "*." + zoneName,
		Type:  record.A,
		SetID: "someone's",
		TTL:   60,
		Value: "10.0.0.2\n10.0.0.3",
	}
	standby := web(2)
	standby.Weight = 0
	want := []record.Record{odd, address(), web(1), standby} // as Route 53 orders them
	require.NoError(t, zone.Change(t.Context(), upsert(want...)))
	assert.Equal(t, want, all(t, zone))

	group, err := zone.Group(t.Context(), odd.Name, record.A)
	require.NoError(t, err)
	assert.Equal(t, []record.Record{odd}, group)

	require.NoError(t, zone.Change(t.Context(), append(remove(odd, web(1)), upsert(web(3))...)))
	assert.Equal(t, []record.Record{address(), standby, web(3)}, all(t, zone))
}

// A record that somebody else wrote can be removed with its name as it was listed, whatever characters that has.
func TestForeignNamesAreWrittenAsListed(t *testing.T) {
	s, zone := open(t)
	foreign := web(1)
	foreign.Name = `a\056b\040c\052.` + zoneName
	require.NoError(t, s.Seed(zone.ID, set(foreign)))
	listed := all(t, zone)
	require.Len(t, listed, 1)
	assert.Equal(t, `a\056b c*.`+zoneName, listed[0].Name)
	group, err := zone.Group(t.Context(), listed[0].Name, record.SRV)
	require.NoError(t, err)
	assert.Equal(t, listed, group)
	require.NoError(t, zone.Change(t.Context(), remove(listed...)))
	assert.Empty(t, s.Records(zone.ID))
}

func TestRefusalsOfRoute53(t *testing.T) {
	dotted := web(1)
	dotted.Value += "."
	slow := web(2)
	slow.TTL = 60
	outside := web(2)
	outside.Name = "web.elsewhere.internal"
	broken := web(2)
	broken.Value = "1 1 80 a b"
	simple := sandbox.Set{
		Name:   "db." + zoneName,
		Type:   "SRV",
		TTL:    0,
		Values: []string{"1 1 80 a"},
	}
	besides := web(2)
	besides.Name = simple.Name
	limited := func(s *sandbox.Server) { s.Configure(func(c *sandbox.Settings) { c.MaxWeighted = 1 }) }
	legacy := func(s *sandbox.Server) { s.Configure(func(c *sandbox.Settings) { c.LegacyErrorBody = true }) }
	unclosed := func(s *sandbox.Server) { s.Configure(func(c *sandbox.Settings) { c.UnclosedIdentifier = true }) }
	full := func(s *sandbox.Server) { s.Configure(func(c *sandbox.Settings) { c.MaxSets = 3 }) } // SOA, NS and web(1)
	denied := func(s *sandbox.Server) {
		require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: "AccessDenied", Names: "web.*"}))
	}
	for name, c := range map[string]struct {
		setup   func(*sandbox.Server)
		changes []plan.Change
		named   map[plan.Change]plan.Reason
		reason  plan.Reason // where none is named
	}{
		"nothing to delete": {
			changes: append(remove(web(2)), upsert(web(3))...),
			named:   map[plan.Change]plan.Reason{remove(web(2))[0]: plan.NotFound},
		},
		"nothing to delete, quote left open": {setup: unclosed, changes: remove(web(2), web(1)),
			named: map[plan.Change]plan.Reason{remove(web(2))[0]: plan.NotFound}},
		"nothing to delete, document of old": {setup: legacy, changes: remove(web(2), web(21)),
			named: map[plan.Change]plan.Reason{remove(web(2))[0]: plan.NotFound, remove(web(21))[0]: plan.NotFound}},
		"other values": {changes: remove(dotted), named: map[plan.Change]plan.Reason{remove(dotted)[0]: plan.Mismatch}},
		"another TTL": {
			changes: upsert(slow, address()),
			named:   map[plan.Change]plan.Reason{upsert(slow)[0]: plan.TTL},
		},
		"a full name": {
			setup:   limited,
			changes: upsert(web(2), address()),
			named:   map[plan.Change]plan.Reason{upsert(web(2))[0]: plan.NameFull},
		},
		"a full zone": {setup: full, changes: upsert(web(2), address()), reason: plan.ZoneFull},
		"a simple record of the name": {setup: func(s *sandbox.Server) {
			require.NoError(t,
				s.Seed(s.Zones()[0].ID, simple))
		},
			changes: upsert(besides, web(2)), named: map[plan.Change]plan.Reason{upsert(besides)[0]: plan.Conflict}},
		"outside the zone": {
			changes: upsert(outside, web(3)),
			named:   map[plan.Change]plan.Reason{upsert(outside)[0]: plan.Invalid},
		},
		"a broken value": {
			changes: upsert(broken, web(3)),
			named:   map[plan.Change]plan.Reason{upsert(broken)[0]: plan.Invalid},
		},
		"several at once": {changes: append(remove(web(5), dotted), upsert(slow)...),
			named: map[plan.Change]plan.Reason{
				remove(web(5))[0]: plan.NotFound, remove(dotted)[0]: plan.Mismatch, upsert(slow)[0]: plan.TTL}},
		"not permitted": {setup: denied, changes: upsert(web(2)), reason: plan.Denied},
		"too many":      {changes: upsert(slices.Repeat([]record.Record{web(2)}, 600)...), reason: plan.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			s, zone := open(t)
			require.NoError(t, s.Seed(zone.ID, set(web(1))))
			if c.setup != nil {
				c.setup(s)
			}
			before := s.Records(zone.ID)
			err := zone.Change(t.Context(), c.changes)
			var refusal *plan.Refusal
			require.ErrorAs(t, err, &refusal)
			if c.named != nil {
				assert.Equal(t, c.named, refusal.Named, refusal.Message)
			} else {
				assert.Empty(t, refusal.Named)
				assert.Equal(t, c.reason, refusal.Reason, refusal.Message)
			}
			assert.Equal(t, before, s.Records(zone.ID))
			assert.Len(t, s.Calls("ChangeResourceRecordSets"), 1)
		})
	}
}

func TestThrottledOnce(t *testing.T) {
	s, zone := open(t)
	for _, code := range []string{"Throttling", "PriorRequestNotComplete"} {
		require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: code}))
		s.ClearCalls()
		assert.ErrorIs(t, zone.Change(t.Context(), upsert(web(1))), plan.ErrThrottled)
		_, err := zone.Group(t.Context(), web(1).Name, record.SRV)
		assert.ErrorIs(t, err, plan.ErrThrottled)
		assert.Len(t, s.Calls(), 2, "the caller decides about retries")
	}
}

func TestNoSuchZone(t *testing.T) {
	s, zone := open(t)
	s.RemoveZone(zone.ID)
	assert.ErrorIs(t, zone.Change(t.Context(), upsert(web(1))), plan.ErrNoSuchZone)
	_, err := zone.Group(t.Context(), web(1).Name, record.SRV)
	assert.ErrorIs(t, err, plan.ErrNoSuchZone)
	assert.ErrorIs(t, zone.Each(t.Context(), nil), plan.ErrNoSuchZone)
}

func TestOutcomeUnknown(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"answer lost":     {Kind: sandbox.Lose},
		"reset":           {Kind: sandbox.Reset},
		"never answered":  {Kind: sandbox.Stall},
		"answer withheld": {Kind: sandbox.Hang},
		"answer cut":      {Kind: sandbox.Garble},
		"500":             {Kind: sandbox.Fail, Code: "InternalFailure"},
		"503":             {Kind: sandbox.Fail, Code: "ServiceUnavailable"},
		"expired":         {Kind: sandbox.Fail, Code: "ExpiredToken"},
		"unknown key":     {Kind: sandbox.Fail, Code: "InvalidClientTokenId"},
	} {
		t.Run(name, func(t *testing.T) {
			s, zone := open(t)
			require.NoError(t, s.SetFaults(fault))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := zone.Change(ctx, upsert(web(1)))
			require.Error(t, err)
			var refusal *plan.Refusal
			assert.NotErrorAs(t, err, &refusal)
			assert.NotErrorIs(t, err, plan.ErrThrottled)
			assert.NotErrorIs(t, err, plan.ErrNoSuchZone)

			require.NoError(t, s.SetFaults())
			require.NoError(t, zone.Change(t.Context(), upsert(web(1))), "the same again is right in any case")
			assert.Equal(t, []record.Record{web(1)}, all(t, zone))
		})
	}
}

// relay passes connections on to a server, and counts them.
func relay(t *testing.T, to string) (address string, connections *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	connections = &atomic.Int32{}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			for from, to := range map[net.Conn]net.Conn{near: far, far: near} {
				go func() {
					_, _ = io.Copy(to, from)
					_ = to.Close()
				}()
			}
		}
	}()
	return listener.Addr().String(), connections
}

// A handshake costs more than the call: answers of every kind must leave the connection to the next call. They are
// delayed, since an answer that overtakes the end of its request, as only loopback is fast enough for, costs the
// connection.
func TestCallsShareAConnection(t *testing.T) {
	s, zone := open(t)
	address, connections := relay(t, strings.TrimPrefix(s.URL(), "http://"))
	t.Setenv("AWS_ENDPOINT_URL", "http://"+address)
	loaded, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	zone = route53.New(loaded).Zone(zone.ID)
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Delay, Latency: 30 * time.Millisecond}))
	for n := range 3 {
		require.NoError(t, zone.Change(t.Context(), upsert(web(n))))
		require.Error(t, zone.Change(t.Context(), remove(web(99))))
		_, err := zone.Group(t.Context(), web(n).Name, record.SRV)
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, connections.Load(), int32(2), "of 9 calls")
}

func TestGroupCostsOneCallInALargeZone(t *testing.T) {
	s, zone := open(t)
	var sets []sandbox.Set
	for i := range 5000 {
		for _, prefix := range []string{"a", "x"} { // before and after web
			sets = append(sets, sandbox.Set{
				Name:   prefix + strconv.Itoa(i) + "." + zoneName,
				Type:   "TXT",
				TTL:    60,
				Values: []string{`"x"`},
			})
		}
	}
	sets = append(sets, sandbox.Set{
		Name:   "web." + zoneName,
		Type:   "TXT",
		TTL:    60,
		Values: []string{`"x"`},
	},
		sandbox.Set{
			Name:   "web." + zoneName,
			Type:   "A",
			TTL:    60,
			Values: []string{"10.0.0.9"},
		})
	var want []record.Record
	for i := range 100 {
		want = append(want, web(100+i))
		sets = append(sets, set(web(100+i)))
	}
	s.Configure(func(c *sandbox.Settings) { c.MaxSets = 20_000 })
	require.NoError(t, s.Seed(zone.ID, sets...))

	for name, c := range map[string]struct {
		name string
		typ  record.Type
		want []record.Record
	}{
		"weighted": {"web." + zoneName, record.SRV, want},
		"simple": {"web." + zoneName, record.A, []record.Record{{
			Name:  "web." + zoneName,
			Type:  record.A,
			TTL:   60,
			Value: "10.0.0.9",
		}}},
		"no such name": {"wea." + zoneName, record.SRV, nil},
		"no such type": {"a1." + zoneName, record.SRV, nil},
		"past the end": {"zzz." + zoneName, record.SRV, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.ClearCalls()
			got, err := zone.Group(t.Context(), c.name, c.typ)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.Len(t, s.Calls(), 1)
		})
	}
}

func TestGroupOfOtherRoutingPolicies(t *testing.T) {
	s, zone := open(t)
	one := int64(1)
	name := "lb." + zoneName
	require.NoError(t, s.Seed(zone.ID,
		sandbox.Set{
			Name:          name,
			Type:          "A",
			SetIdentifier: "i-1:host:-",
			Weight:        &one,
			Alias:         &zone53.Alias{HostedZoneID: zone.ID, DNSName: "web." + zoneName},
		},
		sandbox.Set{
			Name:          "geo." + zoneName,
			Type:          "A",
			SetIdentifier: "i-1:host:-",
			Region:        "eu-central-1",
			Values:        []string{"10.0.0.1"},
		}))
	for _, name := range []string{name, "geo." + zoneName} {
		got, err := zone.Group(t.Context(), name, record.A)
		require.NoError(t, err)
		require.Len(t, got, 1)
		assert.Empty(t, got[0].SetID, "what is not a plain weighted record is nobody's")
	}
	assert.Empty(t, all(t, zone))
}

func TestEachPagesWithinOneName(t *testing.T) {
	s, zone := open(t)
	var want []record.Record
	var sets []sandbox.Set
	for name := range 8 { // 100 records of one name and type each: every page but the last ends within a name
		for i := range 100 {
			r := web(100 + i)
			r.Name = fmt.Sprintf("s%d.%s", name, zoneName)
			want = append(want, r)
			sets = append(sets, set(r))
		}
	}
	one := int64(1)
	sets = append(sets, sandbox.Set{
		Name:          "s3." + zoneName,
		Type:          "TXT",
		SetIdentifier: "x",
		Weight:        &one,
		Values:        []string{`"x"`},
	})
	require.NoError(t, s.Seed(zone.ID, sets...))
	s.ClearCalls()
	var got []record.Record
	var listed []int
	require.NoError(t, zone.Each(t.Context(), func(page []record.Record, n int) error {
		assert.Len(t, s.Calls(), len(listed)+1, "the next page is not asked for before this one is done with")
		got, listed = append(got, page...), append(listed, n)
		return nil
	}))
	assert.Equal(t, want, got)
	assert.Equal(t, []int{300, 300, 203}, listed, "foreign records count: SOA, NS, TXT")
}

func TestEachEndsWithTheVisitorsError(t *testing.T) {
	s, zone := open(t)
	enough := errors.New("enough")
	assert.Equal(t, enough, zone.Each(t.Context(), func([]record.Record, int) error { return enough }))
	assert.Len(t, s.Calls(), 1)
}

func TestEachFails(t *testing.T) {
	s, zone := open(t)
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: "AccessDenied"}))
	err := zone.Each(t.Context(), func([]record.Record, int) error { return nil })
	assert.ErrorContains(t, err, "list records in zone "+zone.ID)
	assert.ErrorContains(t, err, "not authorized")
}

// A page shows which names have no records at all only if names sort here as they do there.
func TestPageKnowsWhatItCovers(t *testing.T) {
	s, z := open(t)
	one := int64(1)
	var names []string
	for i := range 400 {
		name := []string{"a", "a-b", "a1", "a_b", "b.a", "c-1.a", "ip-10-0-0", "web", "_tcp.web",
			"z"}[i%10] + fmt.Sprintf(
			"%d.x%d",
			i/10,
			i%3,
		)
		names = append(names, name+"."+zoneName)
	}
	names = append(names, "*."+zoneName, "web-."+zoneName)
	for i, name := range names {
		if i%4 > 0 {
			require.NoError(t, s.Seed(z.ID, sandbox.Set{
				Name:          record.Escape(name),
				Type:          "A",
				SetIdentifier: "i-1:host:-",
				Weight:        &one,
				Values:        []string{"10.0.0.1"},
			}))
		}
		if i%5 > 0 {
			require.NoError(t, s.Seed(z.ID, sandbox.Set{
				Name:          record.Escape(name),
				Type:          "SRV",
				SetIdentifier: "i-1",
				Weight:        &one,
				Values:        []string{"1 1 1 a.b"},
			}))
		}
	}
	present := map[record.Key]bool{}
	require.NoError(t, z.Each(t.Context(), func(page []record.Record, _ int) error {
		for _, r := range page {
			present[r.Key()] = true
		}
		return nil
	}))
	covered := 0
	for i := 0; i < len(names); i += 40 {
		for _, first := range []record.Type{record.A, record.SRV} {
			page, covers, err := z.Page(t.Context(), names[i], first)
			require.NoError(t, err)
			shown := map[record.Key]bool{}
			for _, r := range page {
				shown[r.Key()] = true
			}
			assert.True(t, covers(names[i], first), "what it begins with")
			for _, name := range names {
				for typ, id := range map[record.Type]string{record.A: "i-1:host:-", record.SRV: "i-1"} {
					key := record.Key{Name: name, Type: typ, SetID: id}
					if covers(name, typ) {
						covered++
						assert.Equal(t, present[key], shown[key], "%v on the page from %s %s on", key, first, names[i])
					} else if name != "*."+zoneName {
						assert.False(t, shown[key], "%v is on the page from %s %s on", key, first, names[i])
					}
				}
			}
		}
	}
	assert.Greater(t, covered, 1000)
}
