package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

func ec2Client(s *sandbox.Server) *ec2.Client {
	return ec2.New(ec2.Options{
		BaseEndpoint:     aws.String(s.URL()),
		Region:           "eu-central-1",
		RetryMaxAttempts: 1,
		Credentials:      credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
	})
}

func ec2ID(n int) string { return fmt.Sprintf("i-%017x", n) }

func by(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

// states returns instances of all states, one of each, numbered in this order.
func states() account.State {
	var s account.State
	for n, state := range []string{"pending", "running", "shutting-down", "terminated", "stopping", "stopped"} {
		s.Instances = append(s.Instances, account.Instance{
			ID:        ec2ID(n),
			State:     state,
			PrivateIP: fmt.Sprintf("10.0.0.%d", n+1),
			Launched:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		})
	}
	return s
}

// described returns the IDs that a call finds, page by page, and the lengths of the pages.
func described(t *testing.T, c *ec2.Client, in *ec2.DescribeInstancesInput) (ids []string, pages []int) {
	t.Helper()
	p := ec2.NewDescribeInstancesPaginator(c, in)
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		require.NoError(t, err)
		n := len(ids)
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				ids = append(ids, *i.InstanceId)
			}
		}
		pages = append(pages, len(ids)-n)
	}
	return ids, pages
}

func TestDescribeInstances(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	own, err := ec2Client(s).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	require.NoError(t, err)
	require.Len(t, own.Reservations, 1, "the instance of the metadata")
	i := own.Reservations[0].Instances[0]
	assert.Equal(
		t,
		[]string{
			"i-0123456789abcdef0",
			"10.0.0.1",
			"ip-10-0-0-1.eu-central-1.compute.internal",
			"vpc-sandbox",
			"eu-central-1a",
			"running",
		},
		[]string{
			*i.InstanceId,
			*i.PrivateIpAddress,
			*i.PrivateDnsName,
			*i.VpcId,
			*i.Placement.AvailabilityZone,
			string(i.State.Name),
		},
	)

	require.NoError(t, s.Fleet().Replace(states()))
	out, err := ec2Client(s).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	require.NoError(t, err)
	var got [][]any
	for _, r := range out.Reservations {
		assert.Equal(t, "123456789012", *r.OwnerId)
		for _, i := range r.Instances {
			got = append(
				got,
				[]any{*i.InstanceId, *i.State.Code, string(i.State.Name), aws.ToString(i.PrivateIpAddress),
					aws.ToString(i.PrivateDnsName), aws.ToString(i.VpcId)},
			)
			assert.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), *i.LaunchTime)
		}
	}
	name := func(n int) string { return fmt.Sprintf("ip-10-0-0-%d.eu-central-1.compute.internal", n) }
	assert.Equal(t, [][]any{
		{ec2ID(0), int32(0), "pending", "10.0.0.1", "", "vpc-sandbox"},
		{ec2ID(1), int32(16), "running", "10.0.0.2", name(2), "vpc-sandbox"},
		{ec2ID(2), int32(32), "shutting-down", "10.0.0.3", name(3), "vpc-sandbox"},
		{ec2ID(3), int32(48), "terminated", "", "", ""},
		{ec2ID(4), int32(64), "stopping", "10.0.0.5", name(5), "vpc-sandbox"},
		{ec2ID(5), int32(80), "stopped", "10.0.0.6", name(6), "vpc-sandbox"},
	}, got)
}

func TestDescribeInstancesBy(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	state := states()
	state.Instances[5].VPC = "vpc-9"
	require.NoError(t, s.Fleet().Replace(state))
	many := []string{ec2ID(1)}
	for n := range 199 {
		many = append(many, ec2ID(n+100))
	}
	for _, test := range []struct {
		name string
		in   ec2.DescribeInstancesInput
		want []int
	}{
		{
			"ID, unknown ones among them",
			ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-id", many...)}},
			[]int{1},
		},
		{"ID of nobody", ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-id", "i-ffffffff")}}, nil},
		{"IDs", ec2.DescribeInstancesInput{InstanceIds: []string{ec2ID(3), ec2ID(1), ec2ID(3)}}, []int{1, 3}},
		{"IDs and a filter", ec2.DescribeInstancesInput{InstanceIds: []string{ec2ID(3), ec2ID(1)},
			Filters: []types.Filter{by("instance-state-name", "running")}}, []int{1}},
		{
			"name",
			ec2.DescribeInstancesInput{
				Filters: []types.Filter{by("private-dns-name", "ip-10-0-0-2.eu-central-1.compute.internal")},
			},
			[]int{1},
		},
		{"a name that is not there yet, or no more", ec2.DescribeInstancesInput{Filters: []types.Filter{
			by("private-dns-name", "ip-10-0-0-1.eu-central-1.compute.internal",
				"ip-10-0-0-4.eu-central-1.compute.internal")}}, nil},
		{
			"address",
			ec2.DescribeInstancesInput{Filters: []types.Filter{by("private-ip-address", "10.0.0.6", "10.0.0.4")}},
			[]int{5},
		},
		{
			"states",
			ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-state-name", "stopped", "pending")}},
			[]int{0, 5},
		},
		{
			"wildcards",
			ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-state-name", "stop*", "?ending")}},
			[]int{0, 4, 5},
		},
		{
			"a dot is no wildcard",
			ec2.DescribeInstancesInput{Filters: []types.Filter{by("private-ip-address", "10?0?0?2", "10.0.0.?x")}},
			[]int{1},
		},
		{
			"all of several",
			ec2.DescribeInstancesInput{
				Filters: []types.Filter{by("vpc-id", "vpc-9"), by("instance-state-name", "running")},
			},
			nil,
		},
		{"VPC", ec2.DescribeInstancesInput{Filters: []types.Filter{by("vpc-id", "vpc-9")}}, []int{5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			for _, n := range test.want {
				want = append(want, ec2ID(n))
			}
			got, _ := described(t, ec2Client(s), &test.in)
			assert.Equal(t, want, got)
		})
	}
}

func TestDescribeInstancesPages(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	require.NoError(t, s.Fleet().Replace(hosts("main", 1003, 0)))
	c := ec2Client(s)
	ids, pages := described(t, c, &ec2.DescribeInstancesInput{})
	assert.Equal(t, []int{1000, 3}, pages)
	assert.Equal(t, []string{ec2ID(0), ec2ID(1002)}, []string{ids[0], ids[1002]})
	filters := []types.Filter{by("private-ip-address", "10.0.0.*")}
	_, pages = described(t, c, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(100), Filters: filters})
	assert.Equal(t, []int{100, 100, 50}, pages)
	s.Configure(func(c *sandbox.Settings) { c.Page = 200 })
	_, pages = described(t, c, &ec2.DescribeInstancesInput{Filters: filters})
	assert.Equal(t, []int{200, 50}, pages, "AWS may give less than was asked for")

	first, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)})
	require.NoError(t, err)
	for _, in := range []*ec2.DescribeInstancesInput{
		{NextToken: aws.String("x")}, {NextToken: first.NextToken, Filters: filters},
	} {
		_, err = c.DescribeInstances(t.Context(), in)
		code, message := codeOf(t, err)
		assert.Equal(t, []string{"InvalidParameterValue", "The NextToken is invalid."}, []string{code, message})
	}
}

func TestReservations(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	state := states()
	state.Instances[0].Reservation, state.Instances[2].Reservation = "r-1", "r-1"
	require.NoError(t, s.Fleet().Replace(state))
	out, err := ec2Client(s).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	require.NoError(t, err)
	require.Len(t, out.Reservations, 5)
	assert.Equal(t, "r-1", *out.Reservations[0].ReservationId)
	require.Len(t, out.Reservations[0].Instances, 2)
	assert.Equal(t, ec2ID(2), *out.Reservations[0].Instances[1].InstanceId)
}

func TestDescribeInstanceStatus(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	state := states()
	state.Instances = append(state.Instances,
		account.Instance{
			ID:             ec2ID(6),
			InstanceStatus: "impaired",
		}, account.Instance{
			ID:           ec2ID(7),
			SystemStatus: "impaired",
		},
		account.Instance{ID: ec2ID(8), InstanceStatus: "initializing", SystemStatus: "insufficient-data"})
	require.NoError(t, s.Fleet().Replace(state))
	c := ec2Client(s)
	status := func(in *ec2.DescribeInstanceStatusInput) map[string][]string {
		result := map[string][]string{}
		p := ec2.NewDescribeInstanceStatusPaginator(c, in)
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			require.NoError(t, err)
			for _, i := range page.InstanceStatuses {
				result[*i.InstanceId] = []string{
					string(i.InstanceState.Name),
					string(i.InstanceStatus.Status),
					string(i.SystemStatus.Status),
				}
				for _, d := range i.InstanceStatus.Details {
					result[*i.InstanceId] = append(result[*i.InstanceId], string(d.Name)+" "+string(d.Status))
				}
			}
		}
		return result
	}
	running := map[string][]string{
		ec2ID(1): {
			"running",
			"ok",
			"ok",
			"reachability passed",
		}, ec2ID(6): {"running", "impaired", "ok", "reachability failed"},
		ec2ID(7): {"running", "ok", "impaired", "reachability passed"},
		ec2ID(8): {"running", "initializing", "insufficient-data", "reachability initializing"},
	}
	assert.Equal(t, running, status(&ec2.DescribeInstanceStatusInput{}))
	assert.Equal(t, running, status(&ec2.DescribeInstanceStatusInput{
		InstanceIds: []string{ec2ID(1), ec2ID(3), ec2ID(6), ec2ID(7), ec2ID(8)},
	}),
		"one that does not run is passed over, though it was named")
	all := status(&ec2.DescribeInstanceStatusInput{IncludeAllInstances: aws.Bool(true), MaxResults: aws.Int32(5)})
	assert.Len(t, all, 9)
	assert.Equal(t, []string{"terminated", "not-applicable", "not-applicable"}, all[ec2ID(3)])
	assert.Equal(t, map[string][]string{ec2ID(6): running[ec2ID(6)]}, status(&ec2.DescribeInstanceStatusInput{
		Filters: []types.Filter{by("instance-status.status", "impaired")}}))
}

func TestEC2Refuses(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	c := ec2Client(s)
	require.NoError(t, s.Fleet().Replace(states()))
	instances := func(in ec2.DescribeInstancesInput) error {
		_, err := c.DescribeInstances(t.Context(), &in)
		return err
	}
	status := func(in ec2.DescribeInstanceStatusInput) error {
		_, err := c.DescribeInstanceStatus(t.Context(), &in)
		return err
	}
	many := func(n int) []string {
		var ids []string
		for i := range n {
			ids = append(ids, ec2ID(i))
		}
		return ids
	}
	for name, test := range map[string]struct {
		err           error
		code, message string
	}{
		"one unknown ID spoils all": {instances(ec2.DescribeInstancesInput{InstanceIds: []string{ec2ID(1), ec2ID(99)}}),
			"InvalidInstanceID.NotFound", "The instance ID 'i-00000000000000063' does not exist"},
		"two unknown IDs": {instances(ec2.DescribeInstancesInput{
			InstanceIds: []string{ec2ID(99), ec2ID(1), ec2ID(98)},
		}),
			"InvalidInstanceID.NotFound", "The instance IDs 'i-00000000000000063, i-00000000000000062' do not exist"},
		"no instance ID": {
			instances(ec2.DescribeInstancesInput{InstanceIds: []string{"mi-1"}}),
			"InvalidInstanceID.Malformed",
			`Invalid id: "mi-1"`,
		},
		"IDs by pages": {instances(ec2.DescribeInstancesInput{InstanceIds: many(1), MaxResults: aws.Int32(5)}),
			"InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults"},
		"page of 4": {instances(ec2.DescribeInstancesInput{MaxResults: aws.Int32(4)}),
			"InvalidParameterValue", "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater " +
				"than 5."},
		"page of 1001": {
			instances(ec2.DescribeInstancesInput{MaxResults: aws.Int32(1001)}),
			"InvalidParameterValue",
			"less than 1000.",
		},
		"201 values in one filter": {instances(ec2.DescribeInstancesInput{
			Filters: []types.Filter{by("instance-id", many(201)...)},
		}),
			"FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200"},
		"201 values in two filters": {instances(ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-id",
			many(200)...),
			by("instance-state-name", "running")}}), "FilterLimitExceeded", "is 200"},
		"unknown filter": {
			instances(ec2.DescribeInstancesInput{Filters: []types.Filter{by("color", "red")}}),
			"InvalidParameterValue",
			"The filter 'color' is invalid",
		},
		"filter without a value": {
			instances(ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-id")}}),
			"InvalidParameterValue",
			"no value",
		},
		"dry run": {
			instances(ec2.DescribeInstancesInput{DryRun: aws.Bool(true)}),
			"DryRunOperation",
			"Request would have succeeded",
		},
		"status by the ID filter": {
			status(ec2.DescribeInstanceStatusInput{Filters: []types.Filter{by("instance-id", ec2ID(1))}}),
			"InvalidParameterValue",
			"The filter 'instance-id' is invalid",
		},
		"status of an unknown ID": {
			status(ec2.DescribeInstanceStatusInput{InstanceIds: []string{ec2ID(1), ec2ID(99)}}),
			"InvalidInstanceID.NotFound",
			"does not exist",
		},
		"status of 101 instances": {
			status(ec2.DescribeInstanceStatusInput{InstanceIds: many(101)}),
			"InvalidRequest",
			"101 exceeds the maximum number of instance IDs",
		},
		"status of IDs by pages": {
			status(ec2.DescribeInstanceStatusInput{InstanceIds: many(1), MaxResults: aws.Int32(9)}),
			"InvalidParameterCombination",
			"maxResults",
		},
		"another operation of EC2": {
			func() error { _, err := c.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); return err }(),
			"InvalidAction",
			"does not imitate ec2:DescribeVpcs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, message := codeOf(t, test.err)
			assert.Equal(t, test.code, code)
			assert.Contains(t, message, test.message)
		})
	}
}

func TestDescribeVPCAttribute(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	require.NoError(t, s.Fleet().Put(account.State{VPCs: []account.VPC{{ID: "vpc-1", NoDNSHostnames: true}}}))
	ask := func(vpc string, attribute types.VpcAttributeName) (*ec2.DescribeVpcAttributeOutput, error) {
		return ec2Client(s).DescribeVpcAttribute(t.Context(), &ec2.DescribeVpcAttributeInput{
			VpcId:     &vpc,
			Attribute: attribute,
		})
	}
	for vpc, hostnames := range map[string]bool{sandbox.DefaultVPC: true, "vpc-1": false} {
		out, err := ask(vpc, types.VpcAttributeNameEnableDnsSupport)
		require.NoError(t, err)
		assert.True(t, *out.EnableDnsSupport.Value)
		assert.Nil(t, out.EnableDnsHostnames, "one attribute a call")
		out, err = ask(vpc, types.VpcAttributeNameEnableDnsHostnames)
		require.NoError(t, err)
		assert.Equal(t, hostnames, *out.EnableDnsHostnames.Value, vpc)
		assert.Equal(t, vpc, *out.VpcId)
	}
	_, err := ask("vpc-2", types.VpcAttributeNameEnableDnsSupport)
	code, _ := codeOf(t, err)
	assert.Equal(t, "InvalidVpcID.NotFound", code)
}

func TestEC2Faults(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	c := ec2Client(s)
	require.NoError(t, s.Fleet().Replace(hosts("main", 12, 0)))
	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "RequestLimitExceeded",
		Operation: "ec2:DescribeInstances",
		After:     1,
	}))
	p := ec2.NewDescribeInstancesPaginator(c, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(10)})
	_, err := p.NextPage(t.Context())
	require.NoError(t, err)
	_, err = p.NextPage(t.Context())
	code, message := codeOf(t, err)
	assert.Equal(t, []string{
		"RequestLimitExceeded",
		"Request limit exceeded.",
	}, []string{
		code,
		message,
	}, "page 2 fails")
	calls := s.Calls("ec2:DescribeInstances")
	require.Len(t, calls, 2)
	assert.Equal(t, []any{200, 503, "fail"}, []any{calls[0].Status, calls[1].Status, calls[1].Fault})
	assert.Equal(t, "10", calls[0].Query["MaxResults"])

	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "UnauthorizedOperation",
		Operation: "ec2:DescribeInstanceStatus",
	}))
	_, err = c.DescribeInstanceStatus(t.Context(), &ec2.DescribeInstanceStatusInput{})
	code, message = codeOf(t, err)
	assert.Equal(t, "UnauthorizedOperation", code)
	assert.Contains(t, message, "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:")
	for _, kind := range []sandbox.Fault{{Kind: sandbox.Lose}, {Kind: sandbox.Garble}} {
		require.NoError(t, s.SetFaults(kind))
		_, err = c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
		require.Error(t, err)
	}
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Flood}))
	ids, _ := described(t, c, &ec2.DescribeInstancesInput{})
	assert.Len(t, ids, 12, "valid, only long")

	require.NoError(t, s.SetFaults())
	s.Configure(func(c *sandbox.Settings) {
		c.EC2Throttle = throttle.Policy{Action: throttle.Bucket{Burst: 2}, Special: map[string]throttle.Bucket{
			throttle.Unpaged("DescribeInstances"): {Burst: 1}}}
	})
	var codes []string
	for range 2 {
		for _, in := range []*ec2.DescribeInstancesInput{
			{},
			{MaxResults: aws.Int32(5)},
			{Filters: []types.Filter{by("vpc-id", "x")}},
		} {
			_, err := c.DescribeInstances(t.Context(), in)
			code := ""
			if err != nil {
				code, _ = codeOf(t, err)
			}
			codes = append(codes, code)
		}
	}
	assert.Equal(t, []string{"", "", "", "RequestLimitExceeded", "RequestLimitExceeded", "RequestLimitExceeded"}, codes)
}

// TestOnlyTheOrdinaryVariables: a program finds all services by the environment alone.
func TestOnlyTheOrdinaryVariables(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{Instance: sandbox.Instance{Account: "210987654321", Region: "eu-west-1"}})
	for _, variable := range s.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	c, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	who, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	assert.Equal(t, "210987654321", *who.Account)
	assert.Contains(t, *who.Arn, "arn:aws:sts::210987654321:assumed-role/")
	require.NoError(t, s.Fleet().Put(account.State{Clusters: []account.Cluster{{Name: "main"}}}))
	clusters, err := ecs.NewFromConfig(c).ListClusters(t.Context(), &ecs.ListClustersInput{})
	require.NoError(t, err)
	assert.Equal(t, []string{"arn:aws:ecs:eu-west-1:210987654321:cluster/main"}, clusters.ClusterArns)
	instances, err := ec2.NewFromConfig(c).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	require.NoError(t, err)
	assert.Equal(t, "210987654321", *instances.Reservations[0].OwnerId)

	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "ExpiredToken",
		Operation: "sts:GetCallerIdentity",
	}))
	_, err = sts.NewFromConfig(c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	code, _ := codeOf(t, err)
	assert.Equal(t, "ExpiredToken", code)
}
