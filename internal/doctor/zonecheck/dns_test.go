package zonecheck

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sandbox"
)

func TestDNS(t *testing.T) {
	const vpcResolver = "let /etc/resolv.conf name the VPC's resolver, 169.254.169.253"
	web := srv("web", setIDs(1)[0])
	for name, c := range map[string]struct {
		prepare func(w *world)
		want    string
	}{
		"without a record": {
			func(*world) {}, "ok dns: the resolver here sees the zone; this host has no record to look up",
		},
		"of a record that is not there": {
			func(w *world) { w.wrote(web) },
			"warn dns: the resolver here sees the zone, and not web.ZONE: no such host (DNS) -> Route 53 needs up " +
				"to a " +
				"minute to bring a change to its servers, and resolvers cache older answers; see negative, names; " +
				"ecssd resolve web.ZONE",
		},
		"of a record whose target is not there": {
			func(w *world) { w.wrote(web); w.holds(web) },
			"warn dns: the resolver here sees the zone, and not web.ZONE: no such host (DNS) -> Route 53 needs up " +
				"to a " +
				"minute to bring a change to its servers, and resolvers cache older answers; see negative, names; " +
				"ecssd resolve web.ZONE",
		},
		"of a zone that another VPC sees": {
			func(w *world) {
				w.sandbox.RemoveZone(w.zone)
				var err error
				w.zone, err = w.sandbox.CreateZone(zoneName, sandbox.Private("vpc-other", "eu-central-1"))
				assert.NoError(t, err)
			},
			"FAIL dns: the resolver here answers for ZONE with an error: server misbehaving (DNS) -> " +
				vpcResolver + ", or one that forwards to it; resolvectl query --type NS ZONE",
		},
		"of a zone that does not exist": {
			func(w *world) {
				w.sandbox.RemoveZone(w.zone)
				_, err := w.sandbox.CreateZone("internal", sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
				assert.NoError(t, err)
			},
			"FAIL dns: the resolver here says that ZONE does not exist: it does not see the private zone -> " +
				vpcResolver + ", or one that forwards to it; see zone and vpc",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			assert.Equal(t, []string{c.want}, of("dns", w.found()))
		})
	}
}

func TestUnresolvedInTime(t *testing.T) {
	z := New(Config{Name: "a.internal", Server: "10.0.0.2:53"})
	for _, err := range []error{context.DeadlineExceeded, &net.DNSError{Err: "i/o timeout", IsTimeout: true}} {
		r := z.unresolved(err)
		assert.Contains(t, r.Detail, "the resolver here does not answer: no answer in time")
		assert.Equal(t, "let /etc/resolv.conf name the VPC's resolver, 169.254.169.253; see vpc", r.Hint)
	}
}

func TestLookupError(t *testing.T) {
	system := New(Config{})
	given := New(Config{Server: "10.0.0.2:53"})
	refused := &net.DNSError{Err: "server misbehaving", Server: "127.0.0.53:53"}
	assert.Equal(t, "server misbehaving (127.0.0.53:53)", system.lookupError(refused))
	assert.Equal(t, "server misbehaving (10.0.0.2:53)", given.lookupError(refused))
	late := &net.DNSError{Err: "i/o timeout", IsTimeout: true}
	assert.Equal(t, "no answer in time (10.0.0.2:53)", given.lookupError(late))
	assert.Equal(t, "no such host", system.lookupError(&net.DNSError{Err: "no such host"}))
	assert.Equal(t, "odd", given.lookupError(errors.New("odd")))
}

func TestAnyRecord(t *testing.T) {
	current := func(entries ...plan.Entry) map[string]plan.Current {
		c := plan.Current{}
		for _, e := range entries {
			c[e.Record.Key()] = e
		}
		return map[string]plan.Current{"Z1": c}
	}
	standby, address, elsewhere := srv("a", "1"), srv("b", "2"), srv("c", "3")
	standby.Weight, address.Type, elsewhere.Name = 0, record.A, "c.other.internal"
	useless := []plan.Entry{
		{Record: standby}, {Record: address}, {Record: elsewhere}, {Record: srv("d", "4"), Unconfirmed: true},
	}
	_, there := anyRecord(zoneName, current(useless...))
	assert.False(t, there)
	_, there = anyRecord(zoneName, nil)
	assert.False(t, there)
	useful := []plan.Entry{{Record: srv("f", "5")}, {Record: srv("e", "6")}}
	r, there := anyRecord(zoneName, current(append(useless, useful...)...))
	assert.True(t, there)
	assert.Equal(t, srv("e", "6"), r)
}
