package route53_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sandbox"
)

func TestQuota(t *testing.T) {
	s, zone := open(t)
	require.NoError(t, s.Seed(zone.ID, sandbox.Set{
		Name:   "a." + zoneName,
		Type:   "A",
		TTL:    60,
		Values: []string{"10.0.0.1"},
	}))
	quota, err := zone.Quota(t.Context())
	require.NoError(t, err)
	assert.Equal(t, route53.Quota{Records: 3, Limit: 10_000}, quota, "with the zone's NS and SOA records")

	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "Throttling",
		Status:    400,
		Operation: "GetHostedZoneLimit",
	}))
	_, err = zone.Quota(t.Context())
	assert.ErrorIs(t, err, plan.ErrThrottled)
	assert.ErrorContains(t, err, zone.ID)
}
