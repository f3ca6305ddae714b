package ecs_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/ecs"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/fleet"
)

func TestCaller(t *testing.T) {
	s, _ := start(t, fleet.State{Instances: []fleet.Instance{{ID: host(1)}, {ID: host(2), MetadataHopLimit: 2, MetadataTokens: "optional"}},
		VPCs: []fleet.VPC{{ID: "vpc-1", NoDNSSupport: true}, {ID: "vpc-2", NoDNSHostnames: true}}}, false)
	c := ecs.NewCaller(configFor(s.URL()))
	arn, err := c.ARN(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/i-0123456789abcdef0", arn)

	for instance, want := range map[string]ecs.MetadataAccess{host(1): {HopLimit: 1, Tokens: true}, host(2): {HopLimit: 2}} {
		got, err := c.MetadataAccess(t.Context(), instance)
		require.NoError(t, err)
		assert.Equal(t, want, got, instance)
	}
	for vpc, want := range map[string][2]bool{sandbox.DefaultVPC: {true, true}, "vpc-1": {false, true}, "vpc-2": {true, false}} {
		support, hostnames, err := c.VPCDNS(t.Context(), vpc)
		require.NoError(t, err)
		assert.Equal(t, want, [2]bool{support, hostnames}, vpc)
	}

	s.ClearCalls()
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: "RequestLimitExceeded"}))
	_, err = c.ARN(t.Context())
	assert.ErrorContains(t, err, "ask STS whose credentials these are: ")
	_, err = c.MetadataAccess(t.Context(), host(1))
	assert.ErrorContains(t, err, "describe instance "+host(1)+": ")
	_, _, err = c.VPCDNS(t.Context(), "vpc-1")
	assert.ErrorContains(t, err, "describe the attributes of vpc-1: ")
	assert.Len(t, s.Calls(), 3, "nothing is repeated")
}
