package dns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

func start(t *testing.T, sets ...zone.Set) (*Server, *zone.Store) {
	t.Helper()
	store := zone.New(time.Now, rand.New(rand.NewPCG(1, 1)), zone.Rules{})
	_, _, err := store.Create(zone.Zone{
		ID:      "Z1",
		Name:    "a.internal",
		Private: true,
		VPCs: []zone.VPC{{ID: "vpc-1",
			Region: "eu-central-1"}},
	})
	require.NoError(t, err)
	put(t, store, sets...)
	s, err := Listen("127.0.0.1:0", "vpc-1", store, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, store
}

func put(t *testing.T, store *zone.Store, sets ...zone.Set) {
	t.Helper()
	for _, set := range sets {
		_, err := store.Change("Z1", []zone.Change{{Action: zone.Upsert, Set: set}}, "")
		require.NoError(t, err)
	}
}

func weighted(name, id string, weight int64, value string) zone.Set {
	return zone.Set{
		Name:          name,
		Type:          "SRV",
		SetIdentifier: id,
		Weight:        &weight,
		TTL:           0,
		Values:        []string{value},
	}
}

func simple(name, typ string, ttl int64, values ...string) zone.Set {
	return zone.Set{
		Name:   name,
		Type:   typ,
		TTL:    ttl,
		Values: values,
	}
}

func ask(t *testing.T, s *Server, name string, typ uint16) *dns.Msg {
	t.Helper()
	m, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(name, typ), s.Addr())
	require.NoError(t, err)
	return m
}

func lines(rrs []dns.RR) []string {
	var result []string
	for _, rr := range rrs {
		result = append(result, rr.String())
	}
	return result
}

const soa = "a.internal.	900	IN	SOA	ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 " +
	"1209600 86400"

func TestAnswers(t *testing.T) {
	s, _ := start(t,
		weighted("web.a.internal", "x", 1, "1 1 32768 ip-10-0-0-1.a.internal"),
		simple("ip-10-0-0-1.a.internal", "A", 7, "10.0.0.1"),
		simple("six.a.internal", "AAAA", 7, "2001:db8::1"),
		simple("text.a.internal", "TXT", 7, `"one" "two"`),
		simple("alias.a.internal", "CNAME", 8, "ip-10-0-0-1.a.internal"),
		simple("away.a.internal", "CNAME", 8, "example.com"),
		simple("gone.a.internal", "CNAME", 8, "nothing.a.internal."),
		simple("loop.a.internal", "CNAME", 8, "loop.a.internal"),
		simple("*.wild.a.internal", "A", 9, "10.0.0.9"),
		zone.Set{Name: "www.a.internal", Type: "A", Alias: &zone.Alias{HostedZoneID: "Z2", DNSName: "lb.example.com"}},
	)
	for _, c := range []struct {
		name      string
		query     string
		typ       uint16
		rcode     int
		answer    []string
		authority []string
	}{
		{"SRV", "web.a.internal.", dns.TypeSRV, dns.RcodeSuccess,
			[]string{"web.a.internal.	0	IN	SRV	1 1 32768 ip-10-0-0-1.a.internal."}, nil},
		{"the case of the question", "WEB.a.Internal.", dns.TypeSRV, dns.RcodeSuccess,
			[]string{"WEB.a.Internal.	0	IN	SRV	1 1 32768 ip-10-0-0-1.a.internal."}, nil},
		{"A", "ip-10-0-0-1.a.internal.", dns.TypeA, dns.RcodeSuccess,
			[]string{"ip-10-0-0-1.a.internal.	7	IN	A	10.0.0.1"}, nil},
		{"AAAA", "six.a.internal.", dns.TypeAAAA, dns.RcodeSuccess,
			[]string{"six.a.internal.	7	IN	AAAA	2001:db8::1"}, nil},
		{"TXT", "text.a.internal.", dns.TypeTXT, dns.RcodeSuccess,
			[]string{`text.a.internal.	7	IN	TXT	"one" "two"`}, nil},
		{"SOA", "a.internal.", dns.TypeSOA, dns.RcodeSuccess, []string{soa}, nil},
		{"CNAME asked for", "alias.a.internal.", dns.TypeCNAME, dns.RcodeSuccess,
			[]string{"alias.a.internal.	8	IN	CNAME	ip-10-0-0-1.a.internal."}, nil},
		{"CNAME followed", "alias.a.internal.", dns.TypeA, dns.RcodeSuccess,
			[]string{"alias.a.internal.	8	IN	CNAME	ip-10-0-0-1.a.internal.",
				"ip-10-0-0-1.a.internal.	7	IN	A	10.0.0.1"}, nil},
		{"CNAME to a zone that is not here", "away.a.internal.", dns.TypeA, dns.RcodeSuccess,
			[]string{"away.a.internal.	8	IN	CNAME	example.com."}, nil},
		{"CNAME to nothing", "gone.a.internal.", dns.TypeA, dns.RcodeNameError,
			[]string{"gone.a.internal.	8	IN	CNAME	nothing.a.internal."}, []string{soa}},
		{"wildcard", "any.wild.a.internal.", dns.TypeA, dns.RcodeSuccess,
			[]string{"any.wild.a.internal.	9	IN	A	10.0.0.9"}, nil},
		{"wildcard of another type", "any.wild.a.internal.", dns.TypeTXT, dns.RcodeSuccess, nil, []string{soa}},
		{"alias target", "www.a.internal.", dns.TypeA, dns.RcodeSuccess, nil, []string{soa}},
		{"another type", "web.a.internal.", dns.TypeA, dns.RcodeSuccess, nil, []string{soa}},
		{"empty non-terminal", "wild.a.internal.", dns.TypeA, dns.RcodeSuccess, nil, []string{soa}},
		{"no such name", "api.a.internal.", dns.TypeSRV, dns.RcodeNameError, nil, []string{soa}},
		{"an escape in the question", `a\.b.a.internal.`, dns.TypeSRV, dns.RcodeNameError, nil, []string{soa}},
		{"outside the zones", "example.com.", dns.TypeA, dns.RcodeRefused, nil, nil},
		{"ANY", "web.a.internal.", dns.TypeANY, dns.RcodeNotImplemented, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := ask(t, s, c.query, c.typ)
			assert.Equal(t, dns.RcodeToString[c.rcode], dns.RcodeToString[m.Rcode])
			assert.Equal(t, c.answer, lines(m.Answer))
			assert.Equal(t, c.authority, lines(m.Ns))
			assert.True(t, m.RecursionAvailable)
			assert.False(t, m.Authoritative, "a resolver answers, not a name server")
		})
	}
	assert.Equal(t, dns.RcodeServerFailure, ask(t, s, "loop.a.internal.", dns.TypeA).Rcode)
	assert.Equal(t, 1, s.Queries()["REFUSED"])
	assert.Equal(t, 3, s.Queries()["NXDOMAIN"])
}

// How long a missing name is remembered is the least of the SOA's TTL and minimum.
func TestNegativeTTL(t *testing.T) {
	s, store := start(t)
	put(t, store, simple("a.internal", "SOA", 900, "ns. host. 1 7200 900 1209600 60"))
	m := ask(t, s, "x.a.internal.", dns.TypeA)
	require.Len(t, m.Ns, 1)
	assert.Equal(t, uint32(60), m.Ns[0].Header().Ttl)
}

func TestWeights(t *testing.T) {
	for _, c := range []struct {
		name    string
		weights []int64
		share   []float64
	}{
		{"equal", []int64{1, 1}, []float64{0.5, 0.5}},
		{"in proportion", []int64{1, 3}, []float64{0.25, 0.75}},
		{"0 gets nothing", []int64{0, 2, 0}, []float64{0, 1, 0}},
		{"all 0 share", []int64{0, 0}, []float64{0.5, 0.5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, store := start(t)
			for i, w := range c.weights {
				put(t, store, weighted("web.a.internal", fmt.Sprint(i), w, fmt.Sprintf("1 1 %d x.a.internal", i)))
			}
			const queries = 2000
			got := make([]float64, len(c.weights))
			for range queries {
				m := s.answer(new(dns.Msg).SetQuestion("web.a.internal.", dns.TypeSRV))
				require.Len(t, m.Answer, 1, "one weighted record set a query")
				got[m.Answer[0].(*dns.SRV).Port] += 1. / queries
			}
			for i, share := range c.share {
				if share == 0 || share == 1 {
					assert.InDelta(t, share, got[i], 1e-9)
				}
				assert.InDelta(t, share, got[i], 0.05)
			}
		})
	}
}

func TestAllValuesOfASet(t *testing.T) {
	s, _ := start(t, simple("x.a.internal", "A", 1, "10.0.0.1", "10.0.0.2", "10.0.0.3"))
	assert.ElementsMatch(t, []string{"x.a.internal.	1	IN	A	10.0.0.1",
		"x.a.internal.	1	IN	A	10.0.0.2", "x.a.internal.	1	IN	A	10.0.0.3"},
		lines(ask(t, s, "x.a.internal.", dns.TypeA).Answer))
}

func TestMultivalue(t *testing.T) {
	s, store := start(t)
	for i := range 10 {
		put(t, store, zone.Set{
			Name:          "m.a.internal",
			Type:          "A",
			SetIdentifier: fmt.Sprint(i),
			MultiValue:    true,
			TTL:           1,
			Values:        []string{fmt.Sprintf("10.0.0.%d", i)},
		})
	}
	assert.Len(t, ask(t, s, "m.a.internal.", dns.TypeA).Answer, 8)
}

func TestTruncation(t *testing.T) {
	var values []string
	for i := range 200 {
		values = append(values, fmt.Sprintf("10.0.0.%d", i))
	}
	s, _ := start(t, simple("many.a.internal", "A", 1, values...))
	query := new(dns.Msg).SetQuestion("many.a.internal.", dns.TypeA)
	m, _, err := (&dns.Client{UDPSize: 65535}).Exchange(query, s.Addr())
	require.NoError(t, err)
	assert.True(t, m.Truncated)
	m.Compress = true // as it was sent
	assert.LessOrEqual(t, m.Len(), 512)
	m, _, err = (&dns.Client{Net: "tcp"}).Exchange(query, s.Addr())
	require.NoError(t, err)
	assert.False(t, m.Truncated)
	assert.Len(t, m.Answer, 200)
	query.SetEdns0(4096, false)
	m, _, err = new(dns.Client).Exchange(query, s.Addr())
	require.NoError(t, err)
	assert.False(t, m.Truncated)
	assert.NotNil(t, m.IsEdns0())
	assert.Len(t, m.Answer, 200)
}

// Go's own resolver is a client that nobody here wrote.
func TestGoResolver(t *testing.T) {
	s, _ := start(t, weighted("_web._tcp.a.internal", "x", 1, "1 5 32768 ip-10-0-0-1.a.internal"),
		simple("ip-10-0-0-1.a.internal", "A", 7, "10.0.0.1"))
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}}
	_, services, err := r.LookupSRV(t.Context(), "web", "tcp", "a.internal")
	require.NoError(t, err)
	assert.Equal(t, []*net.SRV{{
		Target:   "ip-10-0-0-1.a.internal.",
		Port:     32768,
		Priority: 1,
		Weight:   5,
	}}, services)
	addresses, err := r.LookupHost(t.Context(), services[0].Target)
	require.NoError(t, err)
	assert.Equal(t, []string{"10.0.0.1"}, addresses)
	_, err = r.LookupHost(t.Context(), "nobody.a.internal.")
	var missing *net.DNSError
	require.ErrorAs(t, err, &missing)
	assert.True(t, missing.IsNotFound)
}
