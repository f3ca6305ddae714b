package zonecheck

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func TestJudgeWrite(t *testing.T) {
	z := New(Config{Name: "a.internal"})
	odd := errors.New("odd")
	denied := &plan.Refusal{Reason: plan.Denied, Message: "no, because nothing allows it"}
	for name, c := range map[string]struct {
		err    error
		want   doctor.Result
		failed error
	}{
		"made": {nil, doctor.Okf("these credentials may change SRV and A records"), nil},
		"refused for want of the records": {
			&plan.Refusal{Reason: plan.NotFound},
			doctor.Okf("these credentials may change SRV and A records (tried with one that does not exist)"), nil,
		},
		"refused for another reason": {
			&plan.Refusal{Reason: plan.Invalid, Message: "RRSet not permitted in zone"},
			doctor.Failf("Route 53 refuses any change: RRSet not permitted in zone").
				Hintf("check that --zone (ECSSD_ZONE) is the name of the zone"), nil,
		},
		"denied": {
			denied,
			doctor.Failf("these credentials may not change the zone: nothing allows it").
				Hintf("allow route53:ChangeResourceRecordSets for SRV and A records below a.internal on hosted zone " +
					"Z1 " +
					"to the role of this host; cloudformation/environment.cform has the policy"),
			denied,
		},
		"any other error": {
			odd,
			doctor.Failf("Route 53 does not let this host change the zone: odd").
				Hintf("see https://health.aws.amazon.com, and journalctl -u ecssd"), odd,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := z.judgeWrite("Z1", c.err)
			assert.Equal(t, c.want, r)
			assert.Equal(t, c.failed, err)
		})
	}
}

func TestAbsent(t *testing.T) {
	type named = map[plan.Change]plan.Reason
	a, b := plan.Change{Action: plan.Delete, Record: record.Record{Name: "a"}}, plan.Change{Action: plan.Delete}
	for name, c := range map[string]struct {
		refusal plan.Refusal
		want    bool
	}{
		"both named":                {plan.Refusal{Named: named{a: plan.NotFound, b: plan.NotFound}}, true},
		"one for another reason":    {plan.Refusal{Named: named{a: plan.NotFound, b: plan.Invalid}}, false},
		"the batch":                 {plan.Refusal{Reason: plan.NotFound}, true},
		"the batch, another reason": {plan.Refusal{Reason: plan.Mismatch}, false},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, absent(&c.refusal)) })
	}
}

func TestWhileBusy(t *testing.T) {
	busy := fmt.Errorf("change: %w", plan.ErrZoneBusy)
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		assert.NoError(t, whileBusy(t.Context(), func() error {
			if tries++; tries < 3 {
				return busy
			}
			return nil
		}))
		assert.Equal(t, 3, tries)
		assert.Equal(t, 2*againAfter, time.Since(began))

		tries = 0
		assert.Equal(t, plan.ErrThrottled, whileBusy(t.Context(), func() error { tries++; return plan.ErrThrottled }))
		assert.Equal(t, 1, tries, "a throttled account is left alone")

		ctx, cancel := context.WithTimeout(t.Context(), 10*againAfter+again)
		defer cancel()
		tries = 0
		assert.Equal(t, busy, whileBusy(ctx, func() error { tries++; return busy }))
		assert.Equal(t, 11, tries)
	})
}

const again = againAfter / 2

// What the check sends leaves nothing behind, and is shaped as the agent's policy and the sweeper expect.
func TestProbe(t *testing.T) {
	w := newWorld(t)
	w.TTL = 5
	w.found()
	calls := w.sandbox.Calls("ChangeResourceRecordSets")
	require.Len(t, calls, 1)
	require.Len(t, calls[0].Changes, 2)
	for i, kind := range []string{"A", "SRV"} {
		set := calls[0].Changes[i].Set
		assert.Equal(t, kind, set.Type)
		assert.Regexp(t, `^ecssd-doctor-[0-9a-f]{16}\.servicediscovery\.internal\.?$`, set.Name)
		id, ok := record.ParseSetID(set.SetIdentifier)
		assert.True(t, ok)
		assert.Equal(t, instanceID, id.Instance)
		assert.Equal(t, record.Docker, id.Kind)
		assert.Equal(t, int64(5), set.TTL)
	}
	assert.Empty(t, w.sandbox.Records(w.zone))
}
