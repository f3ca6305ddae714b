package inventory_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/inventory"
)

// TestMetadataAccessNotTold: an answer that does not tell of the instance is an error, and another's options are not
// taken for its.
func TestMetadataAccessNotTold(t *testing.T) {
	item := func(id, options string) string {
		return "<item><instanceId>" + id + "</instanceId>" + options + "</item>"
	}
	options := func(limit int, tokens string) string {
		return fmt.Sprintf(
			"<metadataOptions><httpPutResponseHopLimit>%d</httpPutResponseHopLimit>"+
				"<httpTokens>%s</httpTokens></metadataOptions>",
			limit,
			tokens,
		)
	}
	for name, tt := range map[string]struct {
		items string
		want  *inventory.MetadataAccess
	}{
		"no instance":      {"", nil},
		"no options":       {item(host(1), ""), nil},
		"another instance": {item(host(2), options(2, "optional")), nil},
		"another instance, and itself without options": {
			item(host(2), options(2, "optional")) + item(host(1), ""),
			nil,
		},
		"another instance before it": {
			item(host(2), options(2, "optional")) + item(host(1), options(1, "required")),
			&inventory.MetadataAccess{HopLimit: 1, Tokens: true},
		},
		"another instance behind it": {
			item(host(1), options(3, "optional")) + item(host(2), options(1, "required")),
			&inventory.MetadataAccess{HopLimit: 3},
		},
		"a limit that is not told": {
			item(host(1), "<metadataOptions><httpTokens>required</httpTokens></metadataOptions>"),
			&inventory.MetadataAccess{Tokens: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer := `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet>` + tt.items +
				`</instancesSet></item></reservationSet></DescribeInstancesResponse>`
			server := httptest.NewServer(
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }),
			)
			t.Cleanup(server.Close)
			got, err := inventory.NewCaller(configFor(server.URL)).MetadataAccess(t.Context(), host(1))
			if tt.want == nil {
				assert.EqualError(t, err, "describe instance "+host(1)+": EC2 does not say who can get at its metadata")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, *tt.want, got)
		})
	}
}

// TestVPCDNSNotTold: an attribute that an answer lacks is not taken for one that is on.
func TestVPCDNSNotTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(
			w,
			`<DescribeVpcAttributeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><vpcId>vpc-1</vpcId></DescribeVpcAttributeResponse>`,
		)
	}))
	t.Cleanup(server.Close)
	support, hostnames, err := inventory.NewCaller(configFor(server.URL)).VPCDNS(t.Context(), "vpc-1")
	require.NoError(t, err)
	assert.False(t, support || hostnames)
}

func TestCaller(t *testing.T) {
	s, _ := start(t, account.State{Instances: []account.Instance{
		{ID: host(1)},
		{ID: host(2), MetadataHopLimit: 2, MetadataTokens: "optional"},
	},
		VPCs: []account.VPC{{ID: "vpc-1", NoDNSSupport: true}, {ID: "vpc-2", NoDNSHostnames: true}}}, false)
	c := inventory.NewCaller(configFor(s.URL()))
	arn, err := c.ARN(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/i-0123456789abcdef0", arn)

	for instance, want := range map[string]inventory.MetadataAccess{
		host(1): {HopLimit: 1, Tokens: true},
		host(2): {HopLimit: 2},
	} {
		got, err := c.MetadataAccess(t.Context(), instance)
		require.NoError(t, err)
		assert.Equal(t, want, got, instance)
	}
	for vpc, want := range map[string][2]bool{
		sandbox.DefaultVPC: {true, true},
		"vpc-1":            {false, true},
		"vpc-2":            {true, false},
	} {
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

// TestStatesAsEC2TellsThem: gone is only what EC2 calls so. The high byte of a state's code is for EC2's own use.
func TestStatesAsEC2TellsThem(t *testing.T) {
	for name, tt := range map[string]struct {
		state string
		want  evidence.State
	}{
		"no state":               {"", evidence.Alive},
		"a state without a code": {"<instanceState><name>stopped</name></instanceState>", evidence.Alive},
		"a state of the future": {
			"<instanceState><code>96</code><name>resting</name></instanceState>",
			evidence.Alive,
		},
		"running":                     {"<instanceState><code>16</code></instanceState>", evidence.Alive},
		"running, with a high byte":   {"<instanceState><code>272</code></instanceState>", evidence.Alive},
		"stopped, with a high byte":   {"<instanceState><code>336</code></instanceState>", evidence.Gone},
		"terminated":                  {"<instanceState><code>48</code></instanceState>", evidence.Gone},
		"a code of 32 in higher bits": {"<instanceState><code>8192</code></instanceState>", evidence.Alive},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(
					w,
					`<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet><item><instanceId>`+
						host(
							1,
						)+`</instanceId>`+tt.state+`</item></instancesSet></item></reservationSet></DescribeInstancesResponse>`,
				)
			}))
			t.Cleanup(server.Close)
			got, err := inventory.New(configFor(server.URL), nil, false).States(t.Context(), []string{host(1)})
			require.NoError(t, err)
			assert.Equal(t, map[string]evidence.State{host(1): tt.want}, got)
		})
	}
}
