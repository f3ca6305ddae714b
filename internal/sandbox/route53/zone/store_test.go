package zone

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func apply(t *testing.T, s *Store, changes ...Change) ChangeInfo {
	t.Helper()
	info, err := s.Change(zoneID, changes, "")
	require.NoError(t, err)
	return info
}

func positions(sets []Set) []Position {
	var result []Position
	for _, s := range sets {
		result = append(result, Position{s.Name, s.Type, s.SetIdentifier})
	}
	return result
}

// The final dot takes part in the order, so characters before it in ASCII sort a name before its own children.
func TestListOrderAndStart(t *testing.T) {
	s, _ := newStore(t, Rules{})
	apply(t, s,
		Change{Create, srv("web.a.internal", "i-2", 1, 0)},
		Change{Create, srv("web.a.internal", "i-10", 1, 0)},
		Change{Create, simple("web.a.internal", "A", "10.0.0.1")},
		Change{Create, simple("x.web.a.internal", "A", "10.0.0.1")},
		Change{Create, simple("web-1.a.internal", "A", "10.0.0.1")},
		Change{Create, simple("web1.a.internal", "A", "10.0.0.1")},
		Change{Create, simple("*.a.internal", "A", "10.0.0.1")},
		Change{Create, simple("_tcp.a.internal", "A", "10.0.0.1")})
	want := []Position{
		{"a.internal.", "NS", ""},
		{"a.internal.", "SOA", ""},
		{`\052.a.internal.`, "A", ""},
		{"_tcp.a.internal.", "A", ""},
		{"web-1.a.internal.", "A", ""},
		{"web.a.internal.", "A", ""},
		{"web.a.internal.", "SRV", "i-10"},
		{"web.a.internal.", "SRV", "i-2"},
		{"x.web.a.internal.", "A", ""},
		{"web1.a.internal.", "A", ""},
	}
	for _, c := range []struct {
		name  string
		from  Position
		first int
	}{
		{"from the start", Position{}, 0},
		{"a name", Position{Name: "web.a.internal"}, 5},
		{"a name in another form", Position{Name: "WEB.a.internal."}, 5},
		{"a name between", Position{Name: "web-0.a.internal"}, 4},
		{"a name after all of the zone", Position{Name: "zzz"}, 10},
		{"a name before the zone", Position{Name: "com"}, 0},
		{"name and type", Position{Name: "web.a.internal", Type: "SRV"}, 6},
		{"a type between", Position{Name: "web.a.internal", Type: "CNAME"}, 6},
		{"a type after the last of the name", Position{Name: "web.a.internal", Type: "TXT"}, 8},
		{"an identifier", Position{"web.a.internal", "SRV", "i-2"}, 7},
		{"an identifier between", Position{"web.a.internal", "SRV", "i-11"}, 7},
		{"an identifier after the last", Position{"web.a.internal", "SRV", "z"}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			page, err := s.List(zoneID, c.from, 100)
			require.NoError(t, err)
			assert.Equal(t, append([]Position(nil), want[c.first:]...), positions(page.Sets))
			assert.Nil(t, page.Next)
		})
	}
	var read []Position
	from := Position{}
	for pages := 0; ; pages++ {
		require.Less(t, pages, 5)
		page, err := s.List(zoneID, from, 3)
		require.NoError(t, err)
		read = append(read, positions(page.Sets)...)
		if page.Next == nil {
			break
		}
		from = *page.Next
	}
	assert.Equal(t, want, read)

	_, err := s.List("ZNONE", Position{}, 3)
	assert.EqualError(t, err, "NoSuchHostedZone: No hosted zone found with ID: ZNONE")
	_, err = s.List(zoneID, Position{Name: "a..b"}, 3)
	assert.ErrorContains(t, err, "InvalidInput: ")
}

func TestCallersCannotReachIntoTheStore(t *testing.T) {
	s, _ := newStore(t, Rules{})
	set := srv("web.a.internal.", "i-1", 1, 0)
	apply(t, s, Change{Create, set})
	set.Values[0], *set.Weight = "changed", 9
	listed := own(t, s)[0]
	listed.Values[0], *listed.Weight = "changed", 9
	assert.Equal(t, []Set{srv("web.a.internal.", "i-1", 1, 0)}, own(t, s))
}

func TestZones(t *testing.T) {
	s, _ := newStore(t, Rules{})
	public, info, err := s.Create(Zone{Name: "A.internal", CallerReference: "ref"})
	require.NoError(t, err)
	assert.True(t, info.Pending)
	assert.Len(t, public.NameServers, 4)
	assert.Equal(t, 2, public.Sets)
	_, _, err = s.Create(Zone{Name: "b.internal", CallerReference: "ref"})
	assert.ErrorContains(t, err, "HostedZoneAlreadyExists: ")
	_, _, err = s.Create(Zone{Name: "a.internal", Private: true, VPCs: []VPC{{"vpc-1", "eu-central-1"}}})
	assert.ErrorContains(t, err, "ConflictingDomainExists: The VPC vpc-1 in region eu-central-1 has already been "+
		"associated with the hosted "+
		"zone ZTEST with the same domain name.")
	_, _, err = s.Create(Zone{Name: "a..b"})
	assert.ErrorContains(t, err, "InvalidDomainName: ")

	private, err := s.Get(zoneID)
	require.NoError(t, err)
	assert.Equal(t, Zone{
		ID:              zoneID,
		Name:            "a.internal.",
		Private:         true,
		VPCs:            []VPC{{"vpc-1", "eu-central-1"}},
		Sets:            2,
		CallerReference: private.CallerReference,
	}, private)

	apply(t, s, Change{Create, simple("x.a.internal", "A", "10.0.0.1")})
	_, err = s.Delete(zoneID)
	assert.ErrorContains(t, err, "HostedZoneNotEmpty: ")
	apply(t, s, Change{Delete, simple("x.a.internal", "A", "10.0.0.1")})
	_, err = s.Delete(zoneID)
	require.NoError(t, err)
	_, err = s.Delete(zoneID)
	assert.ErrorContains(t, err, "NoSuchHostedZone: ")
	assert.Equal(t, []Zone{public}, s.Zones())
}

func TestZonesFrom(t *testing.T) {
	s, _ := newStore(t, Rules{})
	for _, z := range []Zone{{ID: "Z1", Name: "com"}, {ID: "Z2", Name: "a.internal"}, {ID: "Z3",
		Name: "b.a.internal"}, {ID: "Z4", Name: "b.internal"}} {
		_, _, err := s.Create(z)
		require.NoError(t, err)
	}
	ids := func(name, id string) []string {
		var from Name
		if name != "" {
			from = parse(t, name)
		}
		var result []string
		for _, z := range s.ZonesFrom(from, id) {
			result = append(result, z.ID)
		}
		return result
	}
	assert.Equal(t, []string{"Z1", "Z2", zoneID, "Z3", "Z4"}, ids("", ""))
	assert.Equal(t, []string{"Z2", zoneID, "Z3", "Z4"}, ids("a.internal", ""))
	assert.Equal(t, []string{zoneID, "Z3", "Z4"}, ids("a.internal", "Z3"))
	assert.Equal(t, []string{"Z4"}, ids("aa.internal", ""))
	assert.Empty(t, ids("c.internal", ""))
}

func TestPropagation(t *testing.T) {
	s, clock := newStore(t, Rules{Propagation: time.Minute})
	clock.t = clock.t.Add(time.Hour)
	submitted := clock.t
	web := srv("web.a.internal.", "i-1", 1, 0)
	s.ClearEvents()
	info := apply(t, s, Change{Create, web})
	assert.Len(t, own(t, s), 1, "listing sees pending changes")
	exists := func() bool {
		node, ok := s.Look("vpc-1", parse(t, "web.a.internal"))
		require.True(t, ok)
		return node.Exists
	}
	pending := func() bool {
		now, err := s.ChangeInfo(info.ID)
		require.NoError(t, err)
		return now.Pending
	}
	assert.False(t, exists())
	assert.True(t, pending())
	clock.t = clock.t.Add(time.Minute - 1)
	assert.False(t, exists())
	clock.t = clock.t.Add(1)
	assert.True(t, exists())
	assert.False(t, pending())
	_, err := s.ChangeInfo("CNONE")
	assert.ErrorContains(t, err, "NoSuchChange: ")

	idle := srv("web.a.internal.", "i-1", 0, 0)
	apply(t, s, Change{Upsert, idle})
	apply(t, s, Change{Delete, idle})
	visible := submitted.Add(time.Minute)
	assert.Equal(t, []Event{
		{visible, zoneID, nil, &web},
		{visible.Add(time.Minute), zoneID, &web, &idle},
		{visible.Add(time.Minute), zoneID, &idle, nil},
	}, s.Events())
}

func TestLook(t *testing.T) {
	s, _ := newStore(t, Rules{})
	for _, z := range []Zone{
		{ID: "ZPUBLIC", Name: "a.internal"},
		{ID: "ZDEEPPUBLIC", Name: "deep.b.a.internal"},
		{
			ID:      "ZDEEP",
			Name:    "b.a.internal",
			Private: true,
			VPCs:    []VPC{{"vpc-1", "eu-central-1"}},
		},
		{
			ID:      "ZOTHER",
			Name:    "other",
			Private: true,
			VPCs:    []VPC{{"vpc-2", "eu-central-1"}},
		},
	} {
		_, _, err := s.Create(z)
		require.NoError(t, err)
		_, err = s.Change(z.ID, []Change{{Create, simple("public."+z.Name, "A", "192.0.2.1")}}, "")
		require.NoError(t, err)
	}
	star := simple("*.w.a.internal", "A", "10.0.0.9")
	apply(t, s, Change{Create, simple("x.y.a.internal", "A", "10.0.0.1")}, Change{Create, star},
		Change{Create, simple("own.w.a.internal", "TXT", `"x"`)})
	for _, c := range []struct {
		name, vpc, at string
		zone          string // "" for none
		exists        bool
		sets          int
	}{
		{"a record", "vpc-1", "x.y.a.internal", "a.internal.", true, 1},
		{"an empty non-terminal", "vpc-1", "y.a.internal", "a.internal.", true, 0},
		{"a name that is only the start of another", "vpc-1", "x.a.internal", "a.internal.", false, 0},
		{"a private zone hides the public one", "vpc-1", "public.a.internal", "a.internal.", false, 0},
		{"another VPC sees the public one", "vpc-2", "public.a.internal", "a.internal.", true, 1},
		{"the most specific zone", "vpc-1", "public.b.a.internal", "b.a.internal.", true, 1},
		{"even where the less specific has the name", "vpc-1", "y.b.a.internal", "b.a.internal.", false, 0},
		{"a private zone before a more specific public one", "vpc-1", "public.deep.b.a.internal", "b.a.internal.",
			false, 0},
		{"a private zone of another VPC", "vpc-1", "public.other", "", false, 0},
		{"outside", "vpc-1", "example.com", "", false, 0},
		{"wildcard", "vpc-1", "any.w.a.internal", "a.internal.", true, 1},
		{"wildcard, two labels", "vpc-1", "very.any.w.a.internal", "a.internal.", true, 1},
		{"a name of its own hides the wildcard", "vpc-1", "own.w.a.internal", "a.internal.", true, 1},
		{"and so below it", "vpc-1", "any.own.w.a.internal", "a.internal.", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			node, ok := s.Look(c.vpc, parse(t, c.at))
			require.Equal(t, c.zone != "", ok)
			assert.Equal(t, c.zone, node.Zone)
			assert.Equal(t, c.exists, node.Exists)
			assert.Len(t, node.Sets, c.sets)
			if ok {
				assert.Equal(t, "SOA", node.SOA.Type)
			}
		})
	}
}
