package run_test

import (
	"slices"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep/run"
)

// A person may have added a value to a record: it goes whole with its host, for Route 53 deletes only what repeats all
// values. And an address stays to which the second value of somebody else's record points.
func TestRecordSetsOfTwoValues(t *testing.T) {
	const first, second = "i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2"
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	zone, err := s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	require.NoError(t, s.Fleet().Put(account.State{
		Instances: []account.Instance{
			{ID: first, State: "terminated"},
			{ID: second, State: "terminated"},
		}, Clusters: []account.Cluster{
			{Name: "main"},
		},
	}))
	set := func(name, kind, id string, values ...string) sandbox.Set {
		return sandbox.Set{
			Name:          name + "." + zoneName,
			Type:          kind,
			SetIdentifier: id,
			Weight:        new(int64(1)),
			Values:        values,
		}
	}
	require.NoError(t, s.Seed(
		zone,
		set("ip-10-0-0-1", "A", first+":host:123456789012/eu-central-1", "10.0.0.1", "10.0.9.1"),
		set("ip-10-0-0-2", "A", second+":host:123456789012/eu-central-1", "10.0.0.2"),
		set(
			"web",
			"SRV",
			first+":docker:"+containerID+":80/tcp",
			"1 1 80 ip-10-0-0-1."+zoneName,
			"1 1 81 ip-10-0-0-1."+zoneName,
		),
		set("web", "SRV", "somebody", "1 1 80 elsewhere.internal", "1 1 80 ip-10-0-0-2."+zoneName),
	))
	report, err := swept(t, s, run.Parameters{
		Zone:            zoneName,
		CheckHealthPath: "/",
		UnhealthyAction: "standby",
		DeleteBudget:    "30%",
	})
	require.NoError(t, err)
	assert.Equal(t, []int{2, 1}, []int{report.Deleted, report.Skipped})
	var left []string
	for _, set := range s.Records(zone) {
		if set.SetIdentifier != "" {
			left = append(left, set.SetIdentifier)
		}
	}
	slices.Sort(left)
	assert.Equal(t, []string{second + ":host:123456789012/eu-central-1", "somebody"}, left)
}

// Where the zone's quota may not be asked for, the log says so once a pass, and the pass is made.
func TestAQuotaThatIsNotKnownIsLogged(t *testing.T) {
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	_, err = s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	require.NoError(t, s.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "AccessDenied",
		Status:    403,
		Operation: "GetHostedZoneLimit",
	}))
	log, logged := logtest.NewNullLogger()
	report, err := sweptWith(t, s, run.Parameters{
		Zone:            zoneName,
		CheckHealthPath: "/",
		UnhealthyAction: "standby",
		DeleteBudget:    "30%",
	}, log)
	require.NoError(t, err)
	assert.Zero(t, report.ZoneQuota)
	require.Len(t, logged.AllEntries(), 1)
	assert.Equal(t, logrus.WarnLevel, logged.LastEntry().Level)
	assert.ErrorContains(t, logged.LastEntry().Data[logrus.ErrorKey].(error), "ask for the quota of hosted zone")
}

const containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
