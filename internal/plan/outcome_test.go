package plan_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
)

func TestOutcomeOf(t *testing.T) {
	denied := &plan.Refusal{Reason: plan.Denied}
	for name, test := range map[string]struct {
		err  error
		want plan.Outcome
	}{
		"no error":      {nil, plan.Applied},
		"refusal":       {denied, plan.Rejected},
		"throttled":     {plan.ErrThrottled, plan.Throttled},
		"zone busy":     {plan.ErrZoneBusy, plan.ZoneBusy},
		"no such zone":  {plan.ErrNoSuchZone, plan.Gone},
		"timeout":       {context.DeadlineExceeded, plan.Unknown},
		"anything else": {errors.New("connection reset by peer"), plan.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			got, refusal := plan.OutcomeOf(test.err)
			assert.Equal(t, test.want, got)
			if test.err != nil {
				wrapped, _ := plan.OutcomeOf(fmt.Errorf("change zone Z1: %w", test.err))
				assert.Equal(t, test.want, wrapped, "wrapped")
			}
			assert.Equal(t, test.want == plan.Rejected, refusal != nil)
		})
	}
}
