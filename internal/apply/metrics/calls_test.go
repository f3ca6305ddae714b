package metrics

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
)

func TestCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(prometheus.NewRegistry())
		assert.Zero(t, m.Calls())
		m.Call(plan.Applied, 100*time.Millisecond)
		time.Sleep(40 * time.Second)
		m.Call(plan.Applied, 200*time.Millisecond)
		m.Call(plan.Throttled, time.Hour)
		m.Call(plan.Rejected, time.Hour)
		m.Call(plan.Unknown, time.Hour)
		m.Delay(time.Second)
		m.Delay(2 * time.Second)
		want := Calls{
			Applied:    2,
			Throttled:  1,
			Refused:    1,
			Failed:     1,
			LastMinute: 5,
			Mean:       150 * time.Millisecond,
			Delay:      1500 * time.Millisecond,
		}
		assert.Equal(t, want, m.Calls())
		time.Sleep(30 * time.Second)
		want.LastMinute = 4
		assert.Equal(t, want, m.Calls(), "the first call is more than a minute past")
		time.Sleep(time.Minute)
		want.LastMinute = 0
		assert.Equal(t, want, m.Calls())
	})
}
