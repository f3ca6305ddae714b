package route53_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sandbox"
)

func TestDescribe(t *testing.T) {
	s, client := start(t)
	for id, options := range map[string][]option{
		"ZA": {in("vpc-1"), in("vpc-2")},
		"ZP": nil,
		"ZC": {in("vpc-3"), sandbox.CloudMap()},
	} {
		_, err := s.CreateZone(zoneName, append(options, sandbox.WithID(id))...)
		require.NoError(t, err)
	}
	for _, want := range []route53.Hosted{
		{
			ID:      "ZA",
			Name:    zoneName,
			Private: true,
			VPCs:    []string{"vpc-1", "vpc-2"},
		},
		{ID: "ZP", Name: zoneName},
		{
			ID:      "ZC",
			Name:    zoneName,
			Private: true,
			VPCs:    []string{"vpc-3"},
			Owner:   "servicediscovery.amazonaws.com",
		},
	} {
		got, err := client.Describe(t.Context(), want.ID)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := client.Describe(t.Context(), "ZX")
	assert.ErrorIs(t, err, plan.ErrNoSuchZone)
	assert.ErrorContains(t, err, "describe hosted zone ZX: ")
}

func TestNegativeTTL(t *testing.T) {
	s, client := start(t)
	id, err := s.CreateZone(zoneName, in("vpc-1"))
	require.NoError(t, err)
	ttl, err := client.Zone(id).NegativeTTL(t.Context(), zoneName)
	require.NoError(t, err)
	assert.Equal(t, int64(900), ttl, "of a zone as Route 53 makes it, the record's TTL is the lesser")
	for _, c := range []struct{ dryRun, lower bool }{{true, true}, {false, true}, {false, false}, {true, false}} {
		lower, err := client.Zone(id).LowerNegativeTTL(t.Context(), zoneName, 60, c.dryRun)
		require.NoError(t, err)
		assert.Equal(t, c.lower, lower, c)
	}
	ttl, err = client.Zone(id).NegativeTTL(t.Context(), zoneName)
	require.NoError(t, err)
	assert.Equal(t, int64(60), ttl)
	_, err = client.Zone(id).NegativeTTL(t.Context(), "another.internal")
	assert.ErrorContains(t, err, "is it a zone of another name?")
}
