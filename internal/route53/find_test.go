package route53_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/sandbox"
)

type option = func(*sandbox.Zone)

func in(vpc string) option { return sandbox.Private(vpc, "eu-central-1") }

func TestFindZone(t *testing.T) {
	type zone struct {
		name    string
		options []option
	}
	one := func(name, id string, options ...option) zone { return zone{name, append(options, sandbox.WithID(id))} }
	around := []zone{ // stand before, after and below the name in Route 53's order
		one(
			"internal",
			"Z1",
			in("vpc-1"),
		), one("a.internal", "Z2", in("vpc-1")), one("example-a.internal", "Z3", in("vpc-1")),
		one(
			"web.example.internal",
			"Z4",
			in("vpc-1"),
		), one("examplf.internal", "Z5", in("vpc-1")), one("z.internal", "Z6", in("vpc-1")),
	}
	for name, c := range map[string]struct {
		zones   []zone
		vpc     string
		want    string
		calls   int
		says    []string
		missing bool // time may fix it
	}{
		"the only one": {
			zones: []zone{one(zoneName, "ZA", in("vpc-1"))},
			vpc:   "vpc-1",
			want:  "ZA",
			calls: 1,
		},
		"among its neighbours": {
			zones: append(around, one(zoneName, "ZA", in("vpc-1"))),
			vpc:   "vpc-1",
			want:  "ZA",
			calls: 1,
		},
		"the only one, other VPC": {
			zones: []zone{one(zoneName, "ZA", in("vpc-1"))},
			vpc:   "vpc-2",
			want:  "ZA",
			calls: 1,
		},
		"beside a public one": {
			zones: []zone{one(zoneName, "ZP"), one(zoneName, "ZA", in("vpc-1"))},
			vpc:   "vpc-1",
			want:  "ZA",
			calls: 1,
		},
		"of two the VPC's": {
			zones: []zone{one(zoneName, "ZA", in("vpc-1")), one(zoneName, "ZB", in("vpc-2"), in("vpc-3"))},
			vpc:   "vpc-3",
			want:  "ZB",
			calls: 3,
		},
		"of two the VPC's, not CM": {
			zones: []zone{one(zoneName, "ZA", in("vpc-1"), sandbox.CloudMap()), one(zoneName, "ZB", in("vpc-2"))},
			vpc:   "vpc-2",
			want:  "ZB",
			calls: 3,
		},
		"none": {
			zones:   around,
			says:    []string{"find hosted zone example.internal", "no private hosted zone of this name"},
			missing: true,
			calls:   1,
		},
		"no zones at all": {says: []string{"no private hosted zone of this name"}, missing: true, calls: 1},
		"only a public one": {
			zones:   []zone{one(zoneName, "ZP")},
			says:    []string{"is public (ZP)"},
			missing: true,
			calls:   1,
		},
		"of two, neither": {
			zones: []zone{one(zoneName, "ZA", in("vpc-1")), one(zoneName, "ZB", in("vpc-2"))},
			vpc:   "vpc-3",
			says:  []string{"--zone-id", "ZA in vpc-1", "ZB in vpc-2", "associated with vpc-3"},
			calls: 3,
		},
		"of two, VPC not known": {
			zones: []zone{one(zoneName, "ZA", in("vpc-1")), one(zoneName, "ZB", in("vpc-2"))},
			says:  []string{"--zone-id", "the VPC of this host is not known"},
			calls: 3,
		},
		"Cloud Map's": {
			zones: []zone{one(zoneName, "ZA", in("vpc-1"), sandbox.CloudMap())},
			vpc:   "vpc-1",
			says:  []string{"ZA belongs to servicediscovery.amazonaws.com"},
			calls: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, client := start(t)
			for _, z := range c.zones {
				_, err := s.CreateZone(z.name, z.options...)
				require.NoError(t, err)
			}
			zone, err := client.FindZone(t.Context(), zoneName, c.vpc)
			assert.Len(t, s.Calls(), c.calls)
			if c.want != "" {
				require.NoError(t, err)
				assert.Equal(t, c.want, zone.ID)
				return
			}
			require.Error(t, err)
			assert.Equal(t, c.missing, errors.Is(err, plan.ErrNoSuchZone))
			for _, words := range c.says {
				assert.ErrorContains(t, err, words)
			}
		})
	}
}

func TestFindZoneAmongMoreThanAPage(t *testing.T) {
	s, client := start(t)
	for i := range 120 {
		_, err := s.CreateZone(zoneName, in(fmt.Sprintf("vpc-%d", i)), sandbox.WithID(fmt.Sprintf("Z%03d", i)))
		require.NoError(t, err)
	}
	zone, err := client.FindZone(t.Context(), zoneName, "vpc-119")
	require.NoError(t, err)
	assert.Equal(t, "Z119", zone.ID)
	assert.Len(t, s.Calls("ListHostedZonesByName"), 2)
}

func TestFoundZoneCanBeUsed(t *testing.T) {
	s, client := start(t)
	id, err := s.CreateZone(zoneName, in("vpc-1"))
	require.NoError(t, err)
	zone, err := client.FindZone(t.Context(), zoneName, "vpc-1")
	require.NoError(t, err)
	require.NoError(t, zone.Change(t.Context(), upsert(web(1))))
	assert.Len(t, s.Records(id), 1)
}

func TestFindZoneSaysWhatIsNotAllowed(t *testing.T) {
	for _, operation := range []string{"ListHostedZonesByName", "GetHostedZone"} {
		s, client := start(t)
		for _, vpc := range []string{"vpc-1", "vpc-2"} {
			_, err := s.CreateZone(zoneName, in(vpc))
			require.NoError(t, err)
		}
		require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: "AccessDenied", Operation: operation}))
		_, err := client.FindZone(t.Context(), zoneName, "vpc-1")
		assert.ErrorContains(t, err, "allow route53:"+operation)
		assert.ErrorContains(t, err, "--zone-id")

		require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: "Throttling", Operation: operation}))
		_, err = client.FindZone(t.Context(), zoneName, "vpc-1")
		assert.ErrorIs(t, err, plan.ErrThrottled)
	}
}
