package zone

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	zoneName = "a.internal"
	zoneID   = "ZTEST"
)

// clock is moved by hand.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newStore(t *testing.T, rules Rules) (*Store, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s := New(c.now, rand.New(rand.NewPCG(1, 1)), rules)
	_, _, err := s.Create(Zone{
		ID:      zoneID,
		Name:    zoneName,
		Private: true,
		VPCs:    []VPC{{"vpc-1", "eu-central-1"}},
	})
	require.NoError(t, err)
	return s, c
}

// own returns the record sets of the test zone without its SOA and NS.
func own(t *testing.T, s *Store) []Set {
	t.Helper()
	page, err := s.List(zoneID, Position{}, 100000)
	require.NoError(t, err)
	return page.Sets[2:]
}

func srv(name, id string, weight, ttl int64) Set {
	return Set{
		Name:          name,
		Type:          "SRV",
		SetIdentifier: id,
		Weight:        &weight,
		TTL:           ttl,
		Values:        []string{"1 1 80 x." + zoneName},
	}
}

func simple(name, typ string, values ...string) Set {
	return Set{
		Name:   name,
		Type:   typ,
		TTL:    60,
		Values: values,
	}
}

func with(s Set, values ...string) Set {
	s.Values = values
	return s
}

// messages returns what a change batch was refused for.
func messages(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var refused *Error
	require.True(t, errors.As(err, &refused), err)
	require.Equal(t, InvalidChangeBatch, refused.Code)
	return refused.Messages
}

// Parts of Route 53's messages about the two sets that most cases are about.
const (
	set1          = "resource record set [name='web.a.internal.', type='SRV', set-identifier='i-1']"
	set2          = "resource record set [name='web.a.internal.', type='SRV', set-identifier='i-2']"
	differ        = " but the values provided do not match the current values"
	refused1      = "RRSet with DNS name web.a.internal., type SRV, SetIdentifier i-1 cannot be created as "
	refused2      = "RRSet with DNS name web.a.internal., type SRV, SetIdentifier i-2 cannot be created as "
	contradiction = "The request contains an invalid set of changes for a resource record set 'SRV web.a.internal.'"
)

func TestChange(t *testing.T) {
	web, web2 := srv("web.a.internal.", "i-1", 1, 0), srv("web.a.internal.", "i-2", 1, 0)
	address := simple("x.a.internal.", "A", "10.0.0.1")
	apexSOA := Set{
		Name:   "a.internal.",
		Type:   "SOA",
		TTL:    900,
		Values: []string{"ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"},
	}
	apexNS := Set{
		Name: "a.internal.",
		Type: "NS",
		TTL:  172800,
		Values: []string{"ns-1536.awsdns-00.co.uk.",
			"ns-0.awsdns-00.com.", "ns-1024.awsdns-00.org.", "ns-512.awsdns-00.net."},
	}
	many := func(n int, value string) []Change {
		var changes []Change
		for i := range n {
			changes = append(changes, Change{Create, srv(fmt.Sprintf("w%d.a.internal.", i), "i", 1, 0)})
			changes[i].Set.Values = []string{value}
		}
		return changes
	}
	ttl := func(s Set, ttl int64) Set {
		s.TTL = ttl
		return s
	}
	for _, c := range []struct {
		name    string
		rules   Rules
		before  []Set
		changes []Change
		want    []string // messages
		after   []Set    // where there are none
	}{
		{"create", Rules{}, nil, []Change{{Create, web}}, nil, []Set{web}},
		{"upsert of a new set", Rules{}, nil, []Change{{Upsert, web}}, nil, []Set{web}},
		{"upsert replaces", Rules{}, []Set{web}, []Change{{Upsert, with(web, "1 1 81 y.a.internal")}}, nil,
			[]Set{with(web, "1 1 81 y.a.internal")}},
		{"delete", Rules{}, []Set{web, web2}, []Change{{Delete, web}}, nil, []Set{web2}},
		{"name in another form", Rules{}, []Set{web, web2}, []Change{{Delete, func() Set {
			s := web
			s.Name = "WEB.A.internal"
			return s
		}()}}, nil, []Set{web2}},
		{"values are kept as they were sent", Rules{}, nil, []Change{{Create, with(web, "01 1 80 X.a.Internal")}}, nil,
			[]Set{with(web, "01 1 80 X.a.Internal")}},
		{"values are normalized by rule", Rules{NormalizeValues: true}, nil,
			[]Change{{Create, with(web, "01 1 80 X.a.Internal")}}, nil, []Set{with(web, "1 1 80 x.a.internal.")}},
		{"delete of normalized values as they were sent", Rules{NormalizeValues: true},
			[]Set{with(web, "01 1 80 X.a.Internal")},
			[]Change{{Delete, with(web, "01 1 80 X.a.Internal")}}, nil, []Set{}},
		{"delete with values in another order", Rules{}, []Set{simple("x.a.internal.", "A", "10.0.0.1", "10.0.0.2")},
			[]Change{{Delete, simple("x.a.internal.", "A", "10.0.0.2", "10.0.0.1")}}, nil, []Set{}},
		{"create what exists", Rules{}, []Set{web}, []Change{{Create, web}},
			[]string{"Tried to create " + set1 + " but it already exists"}, nil},
		{"create what exists, simple", Rules{}, []Set{address}, []Change{{Create, address}},
			[]string{"Tried to create resource record set [name='x.a.internal.', type='A'] but it already exists"},
			nil},
		{"delete what is not there", Rules{}, []Set{web}, []Change{{Delete, web2}},
			[]string{"Tried to delete " + set2 + " but it was not found"}, nil},
		{"delete what is not there, quoted as in 2013", Rules{UnclosedIdentifier: true}, []Set{web},
			[]Change{{Delete, web2}},
			[]string{"Tried to delete resource record set [name='web.a.internal.', type='SRV', set-identifier='i-2] " +
				"but it was not found"}, nil},
		{"delete with another TTL", Rules{}, []Set{web}, []Change{{Delete, ttl(web, 1)}},
			[]string{"Tried to delete " + set1 + differ}, nil},
		{"delete with another weight", Rules{}, []Set{web}, []Change{{Delete, srv("web.a.internal", "i-1", 0, 0)}},
			[]string{"Tried to delete " + set1 + differ}, nil},
		{"delete with a target that only looks different", Rules{}, []Set{web},
			[]Change{{Delete, with(web, "1 1 80 x.a.internal.")}},
			[]string{"Tried to delete " + set1 + differ}, nil},
		{"delete with one of two values", Rules{}, []Set{simple("x.a.internal.", "A", "10.0.0.1", "10.0.0.2")},
			[]Change{{Delete, address}},
			[]string{"Tried to delete resource record set [name='x.a.internal.', type='A']" + differ}, nil},
		{"all errors, and nothing of it done", Rules{}, []Set{web},
			[]Change{{Create, web2}, {Create, web}, {Delete, address}},
			[]string{"Tried to create " + set1 + " but it already exists",
				"Tried to delete resource record set [name='x.a.internal.', type='A'] but it was not found"}, nil},

		{"delete and create replaces", Rules{}, []Set{web},
			[]Change{{Delete, web}, {Create, srv("web.a.internal.", "i-1", 0, 0)}}, nil,
			[]Set{srv("web.a.internal.", "i-1", 0, 0)}},
		{"delete twice", Rules{}, []Set{web}, []Change{{Delete, web}, {Delete, web}},
			[]string{contradiction}, nil},
		{"upsert twice", Rules{}, nil, []Change{{Upsert, web}, {Upsert, web}},
			[]string{contradiction}, nil},
		{"upsert and delete", Rules{}, []Set{web}, []Change{{Upsert, web}, {Delete, web}},
			[]string{contradiction}, nil},
		{"create and delete", Rules{}, nil, []Change{{Create, web}, {Delete, web}},
			[]string{contradiction}, nil},

		{"outside the zone", Rules{}, nil, []Change{{Create, srv("web.b.internal", "i-1", 1, 0)}},
			[]string{"RRSet with DNS name web.b.internal. is not permitted in zone a.internal."}, nil},
		{"bad name", Rules{}, nil, []Change{{Create, srv("we b.a.internal", "i-1", 1, 0)}},
			[]string{"FATAL problem: UnsupportedCharacter (Value contains unsupported characters) encountered with " +
				"'we b.a.internal'"}, nil},
		{"bad value", Rules{}, nil, []Change{{Create, with(web, "1 1 80 x. a.internal")}},
			[]string{"Invalid Resource Record: FATAL problem: SRVRRDATANotFourFields (SRV record doesn't have 4 " +
				"fields) encountered with '1 1 80 x. a.internal'"}, nil},
		{"value given twice", Rules{}, nil, []Change{{Create, with(address, "10.0.0.1", "10.0.0.1")}},
			[]string{"Invalid Resource Record: FATAL problem: DuplicateResourceRecord (Value is given more than " +
				"once) encountered with '10.0.0.1, 10.0.0.1'"}, nil},
		{"weight without identifier, in code", Rules{}, nil, []Change{{Create, srv("web.a.internal", "", 1, 0)}},
			[]string{"Invalid Resource Record Set: a set identifier and a routing policy such as a weight go " +
				"together"}, nil},

		{"weighted beside simple", Rules{}, []Set{simple("web.a.internal.", "SRV", "1 1 80 x")},
			[]Change{{Create, web}},
			[]string{refused1 + "a non-weighted set exists with the same name and type."}, nil},
		{"simple beside weighted", Rules{}, []Set{web},
			[]Change{{Create, simple("web.a.internal.", "SRV", "1 1 80 x")}},
			[]string{"RRSet with DNS name web.a.internal., type SRV cannot be created as other RRSets exist with the " +
				"same name and type."}, nil},
		{"weighted in place of simple, in one batch", Rules{}, []Set{simple("web.a.internal.", "SRV", "1 1 80 x")},
			[]Change{{Create, web}, {Delete, simple("web.a.internal.", "SRV", "1 1 80 x")}}, nil, []Set{web}},
		{"weighted beside simple of another type", Rules{}, []Set{simple("web.a.internal.", "A", "10.0.0.1")},
			[]Change{{Create, web}}, nil,
			[]Set{simple("web.a.internal.", "A", "10.0.0.1"), web}},

		{"another TTL than the group", Rules{}, []Set{web}, []Change{{Upsert, ttl(web2, 60)}},
			[]string{refused2 + "weighted sets must contain the same TTL."}, nil},
		{"TTL of one of two", Rules{}, []Set{web, web2}, []Change{{Upsert, ttl(web, 60)}},
			[]string{refused1 + "weighted sets must contain the same TTL."}, nil},
		{"TTL of the whole group", Rules{}, []Set{web, web2},
			[]Change{{Upsert, ttl(web, 60)}, {Upsert, ttl(web2, 60)}}, nil, []Set{ttl(web, 60), ttl(web2, 60)}},
		{"TTL of the only set", Rules{}, []Set{web}, []Change{{Upsert, ttl(web, 60)}}, nil, []Set{ttl(web, 60)}},
		{"TTL of one, the other deleted", Rules{}, []Set{web, web2},
			[]Change{{Upsert, ttl(web, 60)}, {Delete, web2}}, nil, []Set{ttl(web, 60)}},
		{"two new sets with two TTLs", Rules{}, nil, []Change{{Create, web}, {Create, ttl(web2, 60)}},
			[]string{refused2 + "weighted sets must contain the same TTL."}, nil},
		{"last TTL wins, by rule", Rules{LastTTLWins: true}, []Set{web, web2}, []Change{{Upsert, ttl(web, 60)}}, nil,
			[]Set{ttl(web, 60), ttl(web2, 60)}},
		{"last TTL of a batch wins, by rule", Rules{LastTTLWins: true}, nil,
			[]Change{{Create, ttl(web2, 30)}, {Create, ttl(web, 60)}}, nil, []Set{ttl(web, 60), ttl(web2, 60)}},

		{"one weighted set too many", Rules{MaxWeighted: 1}, []Set{web}, []Change{{Create, web2}},
			[]string{"Exceeded limit on number of weighted RRSets for web.a.internal., type SRV in this zone."}, nil},
		{"a full group still changes", Rules{MaxWeighted: 1}, []Set{web},
			[]Change{{Upsert, srv("web.a.internal.", "i-1", 0, 0)}}, nil, []Set{srv("web.a.internal.", "i-1", 0, 0)}},
		{"a full group rolls in one batch", Rules{MaxWeighted: 1}, []Set{web},
			[]Change{{Create, web2}, {Delete, web}}, nil, []Set{web2}},
		{"full zone", Rules{MaxSets: 3}, []Set{web}, []Change{{Create, address}},
			[]string{"Exceeded limit MAX_RRSETS_BY_ZONE for zone: ZTEST"}, nil},
		{"a full zone still changes", Rules{MaxSets: 3}, []Set{web}, []Change{{Delete, web}, {Create, address}}, nil,
			[]Set{address}},

		{"1000 values", Rules{}, nil, many(1000, "1 1 80 x"), nil, nil},
		{"1001 values", Rules{}, nil, many(1001, "1 1 80 x"), []string{"Number of records limit of 1000 exceeded."},
			nil},
		{"501 values to upsert", Rules{}, nil, upserts(many(501, "1 1 80 x")),
			[]string{"Number of records limit of 1000 exceeded."}, nil},
		{"32000 characters", Rules{}, nil, many(320, `1 1 80 `+label(93)), nil, nil},
		{"32001 characters", Rules{}, nil, append(many(320, `1 1 80 `+label(93)), Change{Create, with(web, "x")}),
			[]string{"RDATA character limit of 32000 exceeded."}, nil},
		{"16001 characters to upsert", Rules{}, nil,
			append(upserts(many(160, `1 1 80 `+label(93))), Change{Upsert, with(web, "x")}),
			[]string{"RDATA character limit of 32000 exceeded."}, nil},
		{"401 values of one set", Rules{}, nil, []Change{{Create, simple("x.a.internal.", "A", addresses(401)...)}},
			[]string{"Cannot have more than 400 records in a RRSet."}, nil},

		{"CNAME beside another", Rules{}, []Set{address}, []Change{{Create, simple("x.a.internal.", "CNAME", "y")}},
			[]string{"RRSet of type CNAME with DNS name x.a.internal. is not permitted as it conflicts with other " +
				"records with the same DNS name in zone a.internal."}, nil},
		{"another beside CNAME", Rules{}, []Set{simple("x.a.internal.", "CNAME", "y")}, []Change{{Create, address}},
			[]string{"RRSet of type A with DNS name x.a.internal. is not permitted because a conflicting RRSet of " +
				"type  CNAME with the same DNS name already exists in zone a.internal."}, nil},
		{"CNAME at the apex", Rules{}, nil, []Change{{Create, simple("a.internal.", "CNAME", "y")}},
			[]string{"RRSet of type CNAME with DNS name a.internal. is not permitted at apex in zone a.internal."},
			nil},
		{"SOA deleted", Rules{}, nil, []Change{{Delete, apexSOA}},
			[]string{"A HostedZone must contain exactly one SOA record."}, nil},
		{"SOA elsewhere", Rules{}, nil, []Change{{Create, with(simple("x.a.internal.", "SOA"), apexSOA.Values...)}},
			[]string{"A HostedZone must contain exactly one SOA record."}, nil},
		{"NS deleted", Rules{}, nil, []Change{{Delete, apexNS}},
			[]string{"A HostedZone must contain at least one NS record for the zone itself."}, nil},
		{"SOA changed", Rules{}, nil, []Change{{Upsert, ttl(apexSOA, 60)}}, nil, []Set{}},
		{"SOA replaced", Rules{}, nil, []Change{{Delete, apexSOA}, {Create, ttl(apexSOA, 60)}}, nil, []Set{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := newStore(t, c.rules)
			for _, set := range c.before {
				_, err := s.Change(zoneID, []Change{{Create, set}}, "")
				require.NoError(t, err)
			}
			before := own(t, s)
			_, err := s.Change(zoneID, c.changes, "")
			assert.Equal(t, c.want, messages(t, err))
			switch {
			case c.want != nil:
				assert.Equal(t, before, own(t, s), "a refused batch changes nothing")
			case c.after != nil:
				assert.Equal(t, c.after, own(t, s))
			}
		})
	}
}

func upserts(changes []Change) []Change {
	for i := range changes {
		changes[i].Action = Upsert
	}
	return changes
}

// label returns a name of n characters.
func label(n int) string { return strings.Repeat("a", 50) + "." + strings.Repeat("a", n-51) }

func addresses(n int) []string {
	var result []string
	for i := range n {
		result = append(result, fmt.Sprintf("10.0.%d.%d", i/256, i%256))
	}
	return result
}

// Where a quota was lowered, what goes beyond it may shrink step by step.
func TestOverfullZoneMayShrink(t *testing.T) {
	s, _ := newStore(t, Rules{})
	for i := range 3 {
		apply(t, s, Change{Create, srv("web.a.internal.", fmt.Sprint(i), 1, 0)})
	}
	s.SetRules(Rules{MaxSets: 2, MaxWeighted: 1})
	apply(t, s, Change{Delete, srv("web.a.internal.", "0", 1, 0)})
	apply(t, s, Change{Upsert, srv("web.a.internal.", "1", 0, 0)})
	assert.Len(t, own(t, s), 2)
}

func TestErrorText(t *testing.T) {
	err := &Error{InvalidChangeBatch, []string{"one", "two"}}
	assert.Equal(t, "[one, two]", err.Text())
	assert.EqualError(t, err, "InvalidChangeBatch: [one, two]")
}

func TestCheckValue(t *testing.T) {
	const prefix = "Invalid Resource Record: FATAL problem: "
	for _, c := range []struct{ typ, value, want string }{
		{"A", "10.0.0.1", ""},
		{"A", "10.0.0.1 10.0.0.2", "ARRDATANotSingleField (Value contains spaces)"},
		{"A", "10.0.0", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"A", "10.0.0.01", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"A", "::1", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"AAAA", "2001:db8::1", ""},
		{"AAAA", "10.0.0.1", "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"},
		{"SRV", "0 65535 65535 x.a.", ""},
		{"SRV", "1 1 80 .", ""},
		{"SRV", "1 1 80", "SRVRRDATANotFourFields (SRV record doesn't have 4 fields)"},
		{"SRV", "1  1 80 x", "SRVRRDATANotFourFields (SRV record doesn't have 4 fields)"},
		{"SRV", "65536 1 80 x", "SRVRRDATAIllegalPriority (Priority is not a number from 0 to 65535)"},
		{"SRV", "1 -1 80 x", "SRVRRDATAIllegalWeight (Weight is not a number from 0 to 65535)"},
		{"SRV", "1 1 http x", "SRVRRDATAIllegalPort (Port is not a number from 0 to 65535)"},
		{"CNAME", "a b", "CNAMERRDATANotSingleField (Value contains spaces)"},
		{"CNAME", "a.b", ""},
		{"MX", "10 mail.a.", ""},
		{"MX", "mail.a.", "MXRRDATANotTwoFields (MX record doesn't have 2 fields)"},
		{"MX", "x mail.a.", "MXRRDATAIllegalPriority (Priority is not a number from 0 to 65535)"},
		{"SOA", "a. b. 1 2 3 4 5", ""},
		{"SOA", "a. b. 1 2 3 4", "SOARRDATANotSevenFields (SOA record doesn't have 7 fields)"},
		{"SOA", "a. b. 1 2 3 4 x", "SOARRDATAIllegalNumber (Value is not a number)"},
		{"TXT", `"v=spf1 -all" "x\"y" "\054"`, ""},
		{"TXT", `v=spf1`, "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"a" b`, "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"a`, "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"` + strings.Repeat("a", 255) + `"`, ""},
		{"TXT", `"` + strings.Repeat("a", 256) + `"`, "CharacterStringTooLong (Value is too long)"},
		{"CAA", `0 issue "a"`, ""},
	} {
		t.Run(c.typ+" "+c.value, func(t *testing.T) {
			want := c.want
			if want != "" {
				want = prefix + want + " encountered with '" + c.value + "'"
			}
			assert.Equal(t, want, checkValue(c.typ, c.value))
		})
	}
	assert.Equal(t, prefix+"DomainLabelEmpty (Domain label is empty) encountered with 'a..b'", checkValue("SRV",
		"1 1 80 a..b"))
}

func TestForeignSetsMatchWhole(t *testing.T) {
	s, _ := newStore(t, Rules{})
	alias := Set{Name: "www.a.internal.", Type: "A", Alias: &Alias{"Z1", "lb.example.com.", true}}
	latency := Set{
		Name:          "l.a.internal.",
		Type:          "A",
		SetIdentifier: "x",
		Region:        "eu-west-1",
		HealthCheckID: "h",
		TTL:           1,
		Values:        []string{"10.0.0.1"},
	}
	_, err := s.Change(zoneID, []Change{{Create, alias}, {Create, latency}}, "")
	require.NoError(t, err)
	assert.Equal(t, []Set{latency, alias}, own(t, s))

	other := latency
	other.Region = "eu-west-2"
	_, err = s.Change(zoneID, []Change{{Delete, other}}, "")
	assert.ErrorContains(t, err, "but the values provided do not match the current values")
	_, err = s.Change(zoneID, []Change{{Create, Set{
		Name:          "l.a.internal.",
		Type:          "A",
		SetIdentifier: "w",
		Weight:        new(int64(1)),
		TTL:           1,
		Values:        []string{"10.0.0.1"},
	}}}, "")
	assert.Equal(t, []string{"RRSet with DNS name l.a.internal., type A, SetIdentifier w cannot be created as a " +
		"non-weighted set exists with the same name and type."}, messages(t, err))
	_, err = s.Change(zoneID, []Change{{Delete, alias}, {Delete, latency}}, "")
	require.NoError(t, err)
	assert.Empty(t, own(t, s))
}

// BenchmarkChange changes one record of a zone with 10,000.
func BenchmarkChange(b *testing.B) {
	s := New(time.Now, rand.New(rand.NewPCG(1, 1)), Rules{})
	_, _, err := s.Create(Zone{ID: zoneID, Name: zoneName})
	require.NoError(b, err)
	for i := range 9990 {
		_, err := s.Change(zoneID, []Change{{Create, srv(fmt.Sprintf("s%d.%s", i%200, zoneName), fmt.Sprint(i), 1,
			0)}}, "")
		require.NoError(b, err)
	}
	for b.Loop() {
		set := srv("s7."+zoneName, "new", 1, 0)
		_, err := s.Change(zoneID, []Change{{Create, set}}, "")
		require.NoError(b, err)
		_, err = s.Change(zoneID, []Change{{Delete, set}}, "")
		require.NoError(b, err)
	}
}
