package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

const zoneName = "servicediscovery.internal"

// start returns a sandbox with one private zone, and a client that tries every call once.
func start(t *testing.T, c sandbox.Config) (*sandbox.Server, string, *route53.Client) {
	t.Helper()
	c.Seed = 1
	s, err := sandbox.Start(c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	zoneID, err := s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	return s, zoneID, client(s)
}

func client(s *sandbox.Server) *route53.Client {
	return route53.New(route53.Options{
		BaseEndpoint:     aws.String(s.URL()),
		Region:           "eu-central-1",
		Credentials:      credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
		RetryMaxAttempts: 1,
		// A pooled connection would make it a matter of luck how the end of a connection shows.
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
}

func srv(id string, weight int64) types.ResourceRecordSet {
	return types.ResourceRecordSet{
		Name:            aws.String("web." + zoneName + "."),
		Type:            types.RRTypeSrv,
		SetIdentifier:   aws.String(id),
		Weight:          aws.Int64(weight),
		TTL:             aws.Int64(0),
		ResourceRecords: []types.ResourceRecord{{Value: aws.String("1 1 32768 ip-10-0-0-1." + zoneName)}},
	}
}

// seed is the same as srv, behind the API's back.
func seed(id string, weight int64) sandbox.Set {
	return sandbox.Set{
		Name:          "web." + zoneName + ".",
		Type:          "SRV",
		SetIdentifier: id,
		Weight:        &weight,
		Values:        []string{"1 1 32768 ip-10-0-0-1." + zoneName},
	}
}

func change(ctx context.Context, c *route53.Client, zoneID string, action types.ChangeAction,
	sets ...types.ResourceRecordSet) error {
	var changes []types.Change
	for _, set := range sets {
		changes = append(changes, types.Change{Action: action, ResourceRecordSet: &set})
	}
	_, err := c.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(zoneID), ChangeBatch: &types.ChangeBatch{Changes: changes}})
	return err
}

// codeOf returns the code and the message of an API error.
func codeOf(t *testing.T, err error) (string, string) {
	t.Helper()
	var refused smithy.APIError
	require.ErrorAs(t, err, &refused)
	return refused.ErrorCode(), refused.ErrorMessage()
}

func TestChangeAndList(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	output, err := c.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String("/hostedzone/" + zoneID),
		ChangeBatch: &types.ChangeBatch{Comment: aws.String("why"), Changes: []types.Change{
			{Action: types.ChangeActionCreate, ResourceRecordSet: new(srv("i-1", 1))},
			{Action: types.ChangeActionUpsert, ResourceRecordSet: new(srv("i-2", 0))},
		}},
	})
	require.NoError(t, err)
	assert.Equal(t, types.ChangeStatusPending, output.ChangeInfo.Status)
	assert.Equal(t, "why", *output.ChangeInfo.Comment)
	assert.WithinDuration(t, time.Now(), *output.ChangeInfo.SubmittedAt, time.Minute)
	info, err := c.GetChange(t.Context(), &route53.GetChangeInput{Id: output.ChangeInfo.Id})
	require.NoError(t, err)
	assert.Equal(t, types.ChangeStatusInsync, info.ChangeInfo.Status)

	listed, err := c.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &zoneID})
	require.NoError(t, err)
	require.Len(t, listed.ResourceRecordSets, 4)
	assert.Equal(t, []types.ResourceRecordSet{srv("i-1", 1), srv("i-2", 0)}, listed.ResourceRecordSets[2:])
	assert.False(t, listed.IsTruncated)
	assert.Equal(t, int32(300), *listed.MaxItems)
	assert.Equal(t, []sandbox.Set{seed("i-1", 1), seed("i-2", 0)}, s.Records(zoneID))

	err = change(t.Context(), c, zoneID, types.ChangeActionDelete, srv("i-1", 9), srv("i-3", 1))
	var invalid *types.InvalidChangeBatch
	require.ErrorAs(t, err, &invalid)
	assert.Empty(t, invalid.Messages, "the SDK fills them only from the document of old")
	assert.Equal(t, "[Tried to delete resource record set [name='web.servicediscovery.internal.', type='SRV', "+
		"set-identifier='i-1'] but the values provided do not match the current values, Tried to delete resource "+
		"record set "+
		"[name='web.servicediscovery.internal.', "+
		"type='SRV', set-identifier='i-3'] but it was not found]", invalid.ErrorMessage())

	s.Configure(func(c *sandbox.Settings) { c.LegacyErrorBody = true })
	err = change(t.Context(), c, zoneID, types.ChangeActionDelete, srv("i-1", 9), srv("i-3", 1))
	require.ErrorAs(t, err, &invalid)
	assert.Len(t, invalid.Messages, 2)
	assert.Equal(t, "Tried to delete resource record set [name='web.servicediscovery.internal.', type='SRV', "+
		"set-identifier='i-3'] but it was not found", invalid.Messages[1])
}

func TestForeignSetsGoThroughTheAPI(t *testing.T) {
	_, zoneID, c := start(t, sandbox.Config{})
	sets := []types.ResourceRecordSet{
		{Name: aws.String(`\052.servicediscovery.internal.`), Type: types.RRTypeA,
			AliasTarget: &types.AliasTarget{HostedZoneId: aws.String("Z2"), DNSName: aws.String("lb.example.com."),
				EvaluateTargetHealth: true}},
		{
			Name:            aws.String("fail.servicediscovery.internal."),
			Type:            types.RRTypeA,
			SetIdentifier:   aws.String("x"),
			TTL:             aws.Int64(5),
			Failover:        types.ResourceRecordSetFailoverPrimary,
			HealthCheckId:   aws.String("h"),
			ResourceRecords: []types.ResourceRecord{{Value: aws.String("10.0.0.1")}},
		},
		{
			Name:            aws.String("near.servicediscovery.internal."),
			Type:            types.RRTypeA,
			SetIdentifier:   aws.String("x"),
			TTL:             aws.Int64(5),
			Region:          types.ResourceRecordSetRegionEuWest1,
			ResourceRecords: []types.ResourceRecord{{Value: aws.String("10.0.0.1")}},
		},
		{
			Name:             aws.String("some.servicediscovery.internal."),
			Type:             types.RRTypeA,
			SetIdentifier:    aws.String("x"),
			TTL:              aws.Int64(5),
			MultiValueAnswer: aws.Bool(true),
			ResourceRecords:  []types.ResourceRecord{{Value: aws.String("10.0.0.1")}},
		},
		{
			Name:            aws.String("text.servicediscovery.internal."),
			Type:            types.RRTypeTxt,
			TTL:             aws.Int64(5),
			ResourceRecords: []types.ResourceRecord{{Value: aws.String(`"<a&b>" "c"`)}},
		},
	}
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, sets...))
	listed, err := c.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &zoneID})
	require.NoError(t, err)
	assert.Equal(t, sets[0], listed.ResourceRecordSets[2])
	assert.Equal(t, sets[1:], listed.ResourceRecordSets[3:])
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionDelete, sets...))
}

func TestPagesOfAFullZone(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	for i := range 100 {
		for j := range 9 {
			set := seed(fmt.Sprintf("i-%d", i), 1)
			set.Name = fmt.Sprintf("web%d.%s.", j, zoneName)
			require.NoError(t, s.Seed(zoneID, set))
		}
	}
	var sizes []int
	var names []string
	input := &route53.ListResourceRecordSetsInput{HostedZoneId: &zoneID, MaxItems: aws.Int32(1000)}
	for {
		page, err := c.ListResourceRecordSets(t.Context(), input)
		require.NoError(t, err)
		sizes = append(sizes, len(page.ResourceRecordSets))
		for _, set := range page.ResourceRecordSets {
			names = append(names, *set.Name+aws.ToString(set.SetIdentifier))
		}
		assert.Equal(t, page.IsTruncated, page.NextRecordIdentifier != nil)
		if !page.IsTruncated {
			break
		}
		input.StartRecordName, input.StartRecordType, input.StartRecordIdentifier =
			page.NextRecordName, page.NextRecordType, page.NextRecordIdentifier
	}
	assert.Equal(t, []int{300, 300, 300, 2}, sizes)
	seen := map[string]bool{}
	for _, n := range names {
		seen[n] = true
	}
	assert.Len(t, seen, 901, "SOA and NS are of one name; nothing is skipped or repeated")

	paginated := 0
	pages := route53.NewListResourceRecordSetsPaginator(c, &route53.ListResourceRecordSetsInput{HostedZoneId: &zoneID})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		paginated += len(page.ResourceRecordSets)
	}
	assert.Equal(t, 902, paginated)
}

func TestListInput(t *testing.T) {
	_, zoneID, c := start(t, sandbox.Config{})
	for _, test := range []struct {
		name  string
		input route53.ListResourceRecordSetsInput
		want  string
	}{
		{"type without name", route53.ListResourceRecordSetsInput{StartRecordType: types.RRTypeA},
			"The input is not valid: a record type was given without a record name"},
		{"identifier without type", route53.ListResourceRecordSetsInput{StartRecordName: aws.String("a"),
			StartRecordIdentifier: aws.String("x")},
			"The input is not valid: a set identifier was given without a record type"},
		{"unknown type", route53.ListResourceRecordSetsInput{StartRecordName: aws.String("a"), StartRecordType: "X"},
			"Invalid value for type: X"},
		{"no items", route53.ListResourceRecordSetsInput{MaxItems: aws.Int32(0)}, "Invalid value for maxitems: 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.input.HostedZoneId = &zoneID
			_, err := c.ListResourceRecordSets(t.Context(), &test.input)
			var invalid *types.InvalidInput
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, test.want, invalid.ErrorMessage())
		})
	}
	_, err := c.ListResourceRecordSets(t.Context(),
		&route53.ListResourceRecordSetsInput{HostedZoneId: aws.String("ZNONE")})
	var missing *types.NoSuchHostedZone
	require.ErrorAs(t, err, &missing)
	assert.Equal(t, "No hosted zone found with ID: ZNONE", missing.ErrorMessage())
}

func TestZonesOverTheAPI(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	created, err := c.CreateHostedZone(t.Context(), &route53.CreateHostedZoneInput{
		Name:             aws.String("b.internal"),
		CallerReference:  aws.String("r1"),
		VPC:              &types.VPC{VPCId: aws.String("vpc-2"), VPCRegion: types.VPCRegionEuWest1},
		HostedZoneConfig: &types.HostedZoneConfig{Comment: aws.String("why"), PrivateZone: true},
	})
	require.NoError(t, err)
	privateID := (*created.HostedZone.Id)[len("/hostedzone/"):]
	assert.Equal(t, "https://route53.amazonaws.com/2013-04-01/hostedzone/"+privateID, *created.Location)
	assert.Equal(t, "b.internal.", *created.HostedZone.Name)
	assert.Nil(t, created.DelegationSet)
	public, err := c.CreateHostedZone(t.Context(), &route53.CreateHostedZoneInput{Name: aws.String("example.com"),
		CallerReference: aws.String("r2")})
	require.NoError(t, err)
	assert.Len(t, public.DelegationSet.NameServers, 4)
	publicID := (*public.HostedZone.Id)[len("/hostedzone/"):]
	cloudMapID, err := s.CreateZone("map.internal", sandbox.Private("vpc-2", "eu-west-1"), sandbox.CloudMap(),
		sandbox.WithID("ZMAP"))
	require.NoError(t, err)

	got, err := c.GetHostedZone(t.Context(), &route53.GetHostedZoneInput{Id: created.HostedZone.Id})
	require.NoError(t, err)
	assert.Equal(t, []types.VPC{{VPCId: aws.String("vpc-2"), VPCRegion: types.VPCRegionEuWest1}}, got.VPCs)
	assert.Equal(t, &types.HostedZoneConfig{Comment: aws.String("why"), PrivateZone: true}, got.HostedZone.Config)
	assert.Equal(t, int64(2), *got.HostedZone.ResourceRecordSetCount)
	assert.Nil(t, got.HostedZone.LinkedService)
	owned, err := c.GetHostedZone(t.Context(), &route53.GetHostedZoneInput{Id: &cloudMapID})
	require.NoError(t, err)
	assert.Equal(t, "servicediscovery.amazonaws.com", *owned.HostedZone.LinkedService.ServicePrincipal)

	byName, err := c.ListHostedZonesByName(t.Context(),
		&route53.ListHostedZonesByNameInput{DNSName: aws.String("b.internal"), MaxItems: aws.Int32(2)})
	require.NoError(t, err)
	assert.Equal(t, []string{"b.internal.", "map.internal."}, zoneNames(byName.HostedZones))
	assert.True(t, byName.IsTruncated)
	assert.Equal(t, "servicediscovery.internal.", *byName.NextDNSName)
	assert.Equal(t, zoneID, *byName.NextHostedZoneId)
	rest, err := c.ListHostedZonesByName(t.Context(), &route53.ListHostedZonesByNameInput{DNSName: byName.NextDNSName,
		HostedZoneId: byName.NextHostedZoneId})
	require.NoError(t, err)
	assert.Equal(t, []string{"servicediscovery.internal."}, zoneNames(rest.HostedZones))
	_, err = c.ListHostedZonesByName(t.Context(), &route53.ListHostedZonesByNameInput{HostedZoneId: &zoneID})
	code, _ := codeOf(t, err)
	assert.Equal(t, "InvalidInput", code)

	var all []types.HostedZone
	pages := route53.NewListHostedZonesPaginator(c, &route53.ListHostedZonesInput{MaxItems: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		all = append(all, page.HostedZones...)
	}
	assert.Equal(t, []string{"servicediscovery.internal.", "b.internal.", "example.com.", "map.internal."},
		zoneNames(all))
	private, err := c.ListHostedZones(t.Context(),
		&route53.ListHostedZonesInput{HostedZoneType: types.HostedZoneTypePrivateHostedZone})
	require.NoError(t, err)
	assert.Len(t, private.HostedZones, 3)

	byVPC, err := c.ListHostedZonesByVPC(t.Context(), &route53.ListHostedZonesByVPCInput{VPCId: aws.String("vpc-2"),
		VPCRegion: types.VPCRegionEuWest1,
		MaxItems:  aws.Int32(1)})
	require.NoError(t, err)
	assert.Equal(t, []types.HostedZoneSummary{{HostedZoneId: &privateID, Name: aws.String("b.internal."),
		Owner: &types.HostedZoneOwner{OwningAccount: aws.String("123456789012")}}}, byVPC.HostedZoneSummaries)
	byVPC, err = c.ListHostedZonesByVPC(t.Context(), &route53.ListHostedZonesByVPCInput{VPCId: aws.String("vpc-2"),
		VPCRegion: types.VPCRegionEuWest1,
		NextToken: byVPC.NextToken})
	require.NoError(t, err)
	assert.Equal(t, []types.HostedZoneSummary{{HostedZoneId: &cloudMapID, Name: aws.String("map.internal."),
		Owner: &types.HostedZoneOwner{OwningService: aws.String("servicediscovery.amazonaws.com")}}},
		byVPC.HostedZoneSummaries)

	count, err := c.GetHostedZoneCount(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, int64(4), *count.HostedZoneCount)
	limit, err := c.GetHostedZoneLimit(t.Context(), &route53.GetHostedZoneLimitInput{HostedZoneId: &zoneID,
		Type: types.HostedZoneLimitTypeMaxRrsetsByZone})
	require.NoError(t, err)
	assert.Equal(t, []int64{10000, 2}, []int64{*limit.Limit.Value, limit.Count})

	_, err = c.DeleteHostedZone(t.Context(), &route53.DeleteHostedZoneInput{Id: &publicID})
	require.NoError(t, err)
	_, err = c.DeleteHostedZone(t.Context(), &route53.DeleteHostedZoneInput{Id: &publicID})
	code, _ = codeOf(t, err)
	assert.Equal(t, "NoSuchHostedZone", code)
	code, message := codeOf(t, change(t.Context(), c, cloudMapID, types.ChangeActionUpsert, srv("x", 1)))
	assert.Equal(t, "AccessDenied", code)
	assert.Contains(t, message, "can only be managed through AWS Cloud Map")

	for name, input := range map[string]*route53.CreateHostedZoneInput{
		"HostedZoneAlreadyExists": {Name: aws.String("c.internal"), CallerReference: aws.String("r1")},
		"ConflictingDomainExists": {Name: aws.String("b.internal"), CallerReference: aws.String("r3"),
			VPC: &types.VPC{VPCId: aws.String("vpc-2"), VPCRegion: types.VPCRegionEuWest1}},
		"InvalidDomainName": {Name: aws.String("c..internal"), CallerReference: aws.String("r3")},
		"InvalidInput": {Name: aws.String("c.internal"), CallerReference: aws.String("r3"),
			HostedZoneConfig: &types.HostedZoneConfig{PrivateZone: true}},
		"InvalidVPCId": {Name: aws.String("c.internal"), CallerReference: aws.String("r3"), VPC: &types.VPC{}},
	} {
		_, err := c.CreateHostedZone(t.Context(), input)
		code, _ := codeOf(t, err)
		assert.Equal(t, name, code)
	}
}

func zoneNames(zones []types.HostedZone) []string {
	var names []string
	for _, z := range zones {
		names = append(names, *z.Name)
	}
	return names
}

// The form of a change is checked before anything else is.
func TestFormOfAChange(t *testing.T) {
	_, zoneID, c := start(t, sandbox.Config{})
	edit := func(f func(*types.ResourceRecordSet)) types.ResourceRecordSet {
		set := srv("i-1", 1)
		f(&set)
		return set
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	const in = " in Change with [Action=UPSERT, Name=web.servicediscovery.internal., Type=SRV, SetIdentifier="
	for _, test := range []struct {
		name string
		set  types.ResourceRecordSet
		want string
	}{
		{"weight 256", edit(func(s *types.ResourceRecordSet) { s.Weight = aws.Int64(256) }), "maxInclusive '255'"},
		{"weight -1", edit(func(s *types.ResourceRecordSet) { s.Weight = aws.Int64(-1) }), "minInclusive '0'"},
		{"TTL too long", edit(func(s *types.ResourceRecordSet) { s.TTL = aws.Int64(2147483648) }),
			"maxInclusive '2147483647'"},
		{"empty identifier", edit(func(s *types.ResourceRecordSet) { s.SetIdentifier = aws.String("") }),
			"minLength '1'"},
		{"identifier of 129", edit(func(s *types.ResourceRecordSet) { s.SetIdentifier = aws.String(long(129)) }),
			"maxLength '128'"},
		{"value of 4001",
			edit(func(s *types.ResourceRecordSet) { s.ResourceRecords[0].Value = aws.String(long(4001)) }),
			"maxLength '4000'"},
		{"unknown type", edit(func(s *types.ResourceRecordSet) { s.Type = "X" }), "Value 'X' is not facet-valid"},
		{"weight without identifier", edit(func(s *types.ResourceRecordSet) { s.SetIdentifier = nil }),
			"Invalid request: Missing field 'SetIdentifier'" + in + "null]"},
		{"identifier without weight", edit(func(s *types.ResourceRecordSet) { s.Weight = nil }),
			"Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or MultiValueAnswer], " +
				"but found none" + in + "i-1]"},
		{"weight and " +
			"region", edit(func(s *types.ResourceRecordSet) { s.Region = types.ResourceRecordSetRegionEuWest1 }),
			"Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or MultiValueAnswer], " +
				"but found more than one" +
				in + "i-1]"},
		{"no TTL", edit(func(s *types.ResourceRecordSet) { s.TTL = nil }),
			"Invalid request: Expected exactly one of [AliasTarget, all of " +
				"[TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none" + in + "i-1]"},
		{"no values", edit(func(s *types.ResourceRecordSet) { s.ResourceRecords = nil }),
			"Invalid request: Expected exactly one of [AliasTarget, " +
				"all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none" + in + "i-1]"},
		{"alias and values", edit(func(s *types.ResourceRecordSet) {
			s.AliasTarget = &types.AliasTarget{HostedZoneId: aws.String("Z"), DNSName: aws.String("a")}
		}), "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or " +
			"TrafficPolicyInstanceId], but found " +
			"more than one" + in + "i-1]"},
		{"geolocation",
			edit(func(s *types.ResourceRecordSet) {
				s.GeoLocation = &types.GeoLocation{
					CountryCode: aws.String("DE"),
				}
			}),
			"Invalid content was found starting with element 'GeoLocation'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, message := codeOf(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, test.set))
			assert.Equal(t, "InvalidInput", code)
			assert.Contains(t, message, test.want)
		})
	}
	code, _ := codeOf(t, change(t.Context(), c, zoneID, "REPLACE", srv("i-1", 1)))
	assert.Equal(t, "InvalidInput", code)
}

func TestThrottling(t *testing.T) {
	now := time.Unix(1000, 0)
	s, zoneID, c := start(t, sandbox.Config{Now: func() time.Time { return now }})
	s.Configure(func(c *sandbox.Settings) { c.Throttle.Account.Burst, c.Throttle.Account.PerSecond = 2, 1 })
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-2", 1)))
	code, message := codeOf(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-3", 1)))
	assert.Equal(t, []string{"Throttling", "Rate exceeded"}, []string{code, message})
	assert.Len(t, s.Records(zoneID), 2, "what is refused is not applied")
	assert.Equal(t, 400, s.Calls()[2].Status)
	now = now.Add(time.Second)
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-3", 1)))
}

// Changes are counted, too: an UPSERT as two, what creates or deletes as one.
func TestThrottlingOfChanges(t *testing.T) {
	now := time.Unix(1000, 0)
	s, zoneID, c := start(t, sandbox.Config{Now: func() time.Time { return now }})
	s.Configure(func(c *sandbox.Settings) { c.Throttle.Changes = throttle.Bucket{Burst: 4, PerSecond: 1} })
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, srv("i-2", 1)))
	code, _ := codeOf(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-3", 1)))
	assert.Equal(t, "Throttling", code)
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionDelete, srv("i-2", 1)))
	code, _ = codeOf(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, srv("i-3", 1)))
	assert.Equal(t, "Throttling", code)

	two := srv("i-4", 1)
	two.ResourceRecords = append(two.ResourceRecords, types.ResourceRecord{
		Value: aws.String("1 1 81 other.servicediscovery.internal"),
	})
	s.Configure(func(c *sandbox.Settings) { c.Throttle.CountValues = true })
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, srv("i-5", 1)))
	code, _ = codeOf(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, two))
	assert.Equal(t, "Throttling", code, "each of its values counts")
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, two))

	s.Configure(func(c *sandbox.Settings) { c.Throttle.Changes = throttle.Bucket{} })
	for range 9 {
		require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, two), "it is switched off")
	}
}

func TestPriorRequestNotComplete(t *testing.T) {
	now := time.Unix(1000, 0)
	s, zoneID, c := start(t, sandbox.Config{Now: func() time.Time { return now }})
	other, err := s.CreateZone("other.internal")
	require.NoError(t, err)
	s.Configure(func(c *sandbox.Settings) { c.PriorRequestWindow = time.Second })
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	err = change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-2", 1))
	var busy *types.PriorRequestNotComplete
	require.ErrorAs(t, err, &busy)
	_, err = c.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &zoneID})
	require.NoError(t, err, "only changes collide")
	set := srv("i-1", 1)
	set.Name = aws.String("web.other.internal")
	require.NoError(t, change(t.Context(), c, other, types.ChangeActionUpsert, set), "only within one zone")
	now = now.Add(time.Second)
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-2", 1)))
}

func TestFaults(t *testing.T) {
	denied := "User: arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/i-0123456789abcdef0 is not authorized to " +
		"perform: " +
		"route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/%s because no identity-based " +
		"policy allows the " +
		"route53:ChangeResourceRecordSets action"
	for _, test := range []struct {
		name    string
		fault   sandbox.Fault
		code    string // of the API, or "" where there is no answer that could be read
		message string // of the API or of the error
		applied bool
		status  int
	}{
		{"error", sandbox.Fault{Kind: sandbox.Fail, Code: "PriorRequestNotComplete"}, "PriorRequestNotComplete",
			"The request was rejected because Route 53 was still processing a prior request.", false, 400},
		{"expired credentials", sandbox.Fault{Kind: sandbox.Fail, Code: "ExpiredToken"}, "ExpiredToken",
			"The security token included in the request is expired", false, 403},
		{"unavailable", sandbox.Fault{Kind: sandbox.Fail, Code: "ServiceUnavailable"}, "ServiceUnavailable",
			"Service is unable to handle request.", false, 503},
		{"one's own", sandbox.Fault{
			Kind:    sandbox.Fail,
			Code:    "Oops",
			Status:  418,
			Message: "tea",
		}, "Oops", "tea",
			false, 418},
		{"denied for a name", sandbox.Fault{Kind: sandbox.Fail, Code: "AccessDenied", Names: "web.*"},
			"AccessDenied", denied, false, 403},
		{"reset", sandbox.Fault{Kind: sandbox.Reset}, "", "connection reset by peer", false, 0},
		{"no answer, not applied", sandbox.Fault{Kind: sandbox.Stall}, "", "context deadline exceeded", false, 0},
		{"lost", sandbox.Fault{Kind: sandbox.Lose}, "", "EOF", true, 0},
		{"no answer, applied", sandbox.Fault{Kind: sandbox.Hang}, "", "context deadline exceeded", true, 0},
		{"half an answer", sandbox.Fault{Kind: sandbox.Garble}, "", "deserialization failed", true, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, zoneID, c := start(t, sandbox.Config{})
			require.NoError(t, s.SetFaults(test.fault))
			ctx := t.Context()
			if test.fault.Kind == sandbox.Stall || test.fault.Kind == sandbox.Hang {
				short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
				ctx = short
			}
			err := change(ctx, c, zoneID, types.ChangeActionUpsert, srv("i-1", 1))
			if test.code == "" {
				assert.ErrorContains(t, err, test.message)
			} else {
				code, message := codeOf(t, err)
				want := test.message
				if want == denied {
					want = fmt.Sprintf(denied, zoneID)
				}
				assert.Equal(t, []string{test.code, want}, []string{code, message})
			}
			assert.Equal(t, test.applied, len(s.Records(zoneID)) == 1)
			calls := s.Calls()
			require.Len(t, calls, 1)
			assert.Equal(t, []any{string(test.fault.Kind), test.applied, test.status, test.code},
				[]any{calls[0].Fault, calls[0].Applied, calls[0].Status, calls[0].Code})
			assert.Equal(t, 1, s.Faults()[0].Hits)

			require.NoError(t, s.SetFaults())
			require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
		})
	}
}

func TestDelay(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Delay, Latency: 30 * time.Millisecond}))
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	assert.GreaterOrEqual(t, s.Calls()[0].Duration, 30*time.Millisecond)

	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Delay, Latency: time.Hour}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, change(ctx, c, zoneID, types.ChangeActionUpsert, srv("i-2", 1)), context.DeadlineExceeded)
	assert.Eventually(t, func() bool { return len(s.Calls()) == 2 }, 5*time.Second, time.Millisecond)
	assert.Len(t, s.Records(zoneID), 1, "whoever goes away while waiting has not changed anything")
}

func TestNotListening(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	require.NoError(t, s.SetListening(false))
	require.NoError(t, s.SetListening(false))
	assert.ErrorContains(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)),
		"connection refused")
	require.NoError(t, s.SetListening(true))
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
}

func TestHistory(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	_, err := c.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &zoneID,
		StartRecordName: aws.String("web")})
	require.NoError(t, err)
	require.Error(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, srv("i-1", 1)))

	calls := s.Calls()
	require.Len(t, calls, 3)
	assert.Equal(t, []sandbox.Change{{Action: "UPSERT", Set: seed("i-1", 1)}}, calls[0].Changes)
	assert.Equal(t, map[string]string{"name": "web"}, calls[1].Query)
	var outcomes []string
	for _, call := range calls {
		outcomes = append(outcomes, fmt.Sprint(call.Seq, call.Operation, call.Status, call.Code, call.Applied))
		assert.Equal(t, zoneID, call.ZoneID)
		assert.Equal(t, "sandbox", call.AccessKey)
		assert.Equal(t, "attempt=1; max=1", call.Attempt)
		assert.False(t, call.Answered.Before(call.Received))
	}
	assert.Equal(t, []string{"1ChangeResourceRecordSets200true", "2ListResourceRecordSets200false",
		"3ChangeResourceRecordSets400InvalidChangeBatchfalse"}, outcomes)
	assert.Len(t, s.Calls("ChangeResourceRecordSets"), 2)

	events := s.Events()
	require.NotEmpty(t, events)
	assert.Equal(t, seed("i-1", 1), *events[len(events)-1].After)
	s.ClearCalls()
	assert.Empty(t, s.Calls())
	assert.Empty(t, s.Events())
}

func TestSeedAndErase(t *testing.T) {
	s, zoneID, _ := start(t, sandbox.Config{})
	var sets []sandbox.Set
	for i := range 60 {
		sets = append(sets, seed(fmt.Sprintf("i-%02d", i), 1))
	}
	require.NoError(t, s.Seed(zoneID, sets...))
	assert.Equal(t, sets, s.Records(zoneID))
	require.NoError(t, s.Erase(zoneID, sets[1:]...))
	assert.Equal(t, sets[:1], s.Records(zoneID))
	assert.ErrorContains(t, s.Erase(zoneID, sets[1]), "but it was not found")
	assert.ErrorContains(t, s.Seed("ZNONE", sets[0]), "seed zone ZNONE: NoSuchHostedZone")
	assert.Empty(t, s.Calls())
	s.RemoveZone(zoneID)
	assert.Empty(t, s.Zones())
	assert.Empty(t, s.Records(zoneID))
}

// The variables are all that a program needs.
func TestEnvironment(t *testing.T) {
	s, zoneID, _ := start(t, sandbox.Config{Instance: sandbox.Instance{ID: "i-7"}})
	for _, variable := range s.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	c, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	require.NoError(t, change(t.Context(), route53.NewFromConfig(c), zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	document, err := imds.NewFromConfig(c).GetInstanceIdentityDocument(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "i-7", document.InstanceID)
	assert.Len(t, s.Metadata().Calls(), 2)
	assert.Len(t, s.Calls(), 1, "metadata is counted apart")
}

func TestStartReportsATakenAddress(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	for _, c := range []sandbox.Config{{Listen: s.URL()[len("http://"):]}, {DNS: s.DNSAddr()},
		{Manage: s.ManageURL()[len("http://"):]}} {
		_, err := sandbox.Start(c)
		assert.ErrorContains(t, err, "address already in use")
	}
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	s, err := sandbox.Start(sandbox.Config{})
	require.NoError(t, err)
	zoneID, err := s.CreateZone(zoneName)
	require.NoError(t, err)
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Hang}))
	done := make(chan error)
	go func() {
		done <- change(context.Background(), client(s), zoneID, types.ChangeActionUpsert, srv("i-1", 1))
	}()
	require.Eventually(t, func() bool { return len(s.Calls()) == 1 }, 5*time.Second, time.Millisecond)
	require.NoError(t, s.Close())
	err = <-done
	var refused smithy.APIError
	assert.Error(t, err)
	assert.False(t, errors.As(err, &refused))
}
