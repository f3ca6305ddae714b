package run_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep/run"
)

// The negative TTL is lowered before anything is read that may fail or take all of the time, and what is wrong with it
// keeps nothing from being swept.
func TestTheNegativeTTLIsLoweredFirst(t *testing.T) {
	const gone = "i-0aaaaaaaaaaaaaaa2"
	fail := func(operation string) sandbox.Fault {
		return sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "AccessDeniedException",
			Status:    400,
			Operation: operation,
		}
	}
	for name, tt := range map[string]struct {
		fault   sandbox.Fault
		seconds int64
		dryRun  bool
		ttl     int64 // as it is reported
		is      int64
		deleted int
		err     string
	}{
		"all is well": {
			seconds: 60,
			ttl:     60,
			is:      60,
			deleted: 1,
		},
		"it is not asked for": {deleted: 1, is: 900},
		"ECS cannot be read": {
			fault:   fail("ecs:ListTasks"),
			seconds: 60,
			ttl:     60,
			is:      60,
			err:     "nothing is changed: ",
		},
		"EC2 cannot be read": {
			fault:   fail("ec2:DescribeInstances"),
			seconds: 60,
			ttl:     60,
			is:      60,
			err:     "nothing is changed: ",
		},
		"the zone cannot be listed": {
			fault: sandbox.Fault{
				Kind:      sandbox.Fail,
				Code:      "AccessDenied",
				Operation: "ListResourceRecordSets",
				After:     1,
			},
			seconds: 60,
			ttl:     60,
			is:      60,
			err:     "nothing is changed: ",
		},
		"the SOA may not be changed": {
			fault: sandbox.Fault{
				Kind:      sandbox.Fail,
				Code:      "AccessDenied",
				Operation: "ChangeResourceRecordSets",
				Names:     zoneName,
			},
			seconds: 60,
			deleted: 1,
			is:      900,
			err:     "lower the negative TTL",
		},
		"a dry run": {
			seconds: 60,
			dryRun:  true,
			ttl:     60,
			is:      900,
		},
		"it is low already": {seconds: 86400, deleted: 1, is: 900},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sandbox.Start(sandbox.Config{Seed: 1})
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			zone, err := s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
			require.NoError(t, err)
			require.NoError(t, s.Fleet().Put(account.State{
				Instances: []account.Instance{{ID: gone, State: "terminated"}},
				Clusters:  []account.Cluster{{Name: "main"}},
			}))
			require.NoError(t, s.Seed(zone, sandbox.Set{
				Name:          "ip-10-0-0-2." + zoneName,
				Type:          "A",
				SetIdentifier: gone + ":host:123456789012/eu-central-1",
				Weight:        new(int64(1)),
				Values:        []string{"10.0.0.2"},
			}))
			if tt.fault.Kind != "" {
				require.NoError(t, s.SetFaults(tt.fault))
			}
			report, err := swept(t, s, run.Parameters{
				Zone:            zoneName,
				CheckHealthPath: "/",
				UnhealthyAction: "standby",
				DeleteBudget:    "30%",
				NegativeTTL:     tt.seconds,
				DryRun:          tt.dryRun,
			})
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
			} else {
				assert.NoError(t, err)
			}
			assert.Equal(t, []int64{tt.ttl, int64(tt.deleted)}, []int64{report.NegativeTTL, int64(report.Deleted)})
			require.NoError(t, s.SetFaults())
			is, err := route53.New(configFor(t, s)).Zone(zone).NegativeTTL(t.Context(), zoneName)
			require.NoError(t, err)
			assert.Equal(t, tt.is, is)
		})
	}
}
