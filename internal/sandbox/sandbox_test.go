package sandbox_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

const zoneName = "servicediscovery.internal"

// start gives a sandbox with one private zone, and a client that tries every call once.
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
	})
}

func srv(id string, weight int64) types.ResourceRecordSet {
	return types.ResourceRecordSet{
		Name: aws.String("web." + zoneName), Type: types.RRTypeSrv, SetIdentifier: aws.String(id), Weight: aws.Int64(weight),
		TTL:             aws.Int64(0),
		ResourceRecords: []types.ResourceRecord{{Value: aws.String("1 1 32768 ip-10-0-0-1." + zoneName)}},
	}
}

func change(c *route53.Client, zoneID string, action types.ChangeAction, sets ...types.ResourceRecordSet) error {
	var changes []types.Change
	for _, set := range sets {
		changes = append(changes, types.Change{Action: action, ResourceRecordSet: &set})
	}
	_, err := c.ChangeResourceRecordSets(context.Background(), &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(zoneID), ChangeBatch: &types.ChangeBatch{Changes: changes}})
	return err
}

func TestChangeAndList(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	require.NoError(t, change(c, zoneID, types.ChangeActionUpsert, srv("i-1", 1), srv("i-2", 0)))

	listed, err := c.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &zoneID})
	require.NoError(t, err)
	require.Len(t, listed.ResourceRecordSets, 4)
	want := srv("i-2", 0)
	want.Name = aws.String("web." + zoneName + ".")
	assert.Equal(t, want, listed.ResourceRecordSets[3])
	assert.Len(t, s.Records(zoneID), 2)

	err = change(c, zoneID, types.ChangeActionDelete, srv("i-1", 9))
	assert.ErrorContains(t, err, "InvalidChangeBatch: [Tried to delete resource record set [name='web."+zoneName+
		".', type='SRV', set-identifier='i-1'] but the values provided do not match the current values]")
}
