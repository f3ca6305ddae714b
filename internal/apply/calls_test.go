package apply

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
)

func TestCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(prometheus.NewRegistry())
		assert.Zero(t, m.Calls())
		m.call(nil, 100*time.Millisecond)
		time.Sleep(40 * time.Second)
		m.call(nil, 200*time.Millisecond)
		m.call(plan.ErrThrottled, time.Hour)
		m.call(&plan.Refusal{}, time.Hour)
		m.call(errors.New("reset"), time.Hour)
		m.delay(time.Second)
		m.delay(2 * time.Second)
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
