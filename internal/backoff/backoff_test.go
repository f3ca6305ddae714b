package backoff

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestIntervalDoubles(t *testing.T) {
	i := Interval{First: time.Second, Longest: 15 * time.Second}
	for failures, want := range map[int]time.Duration{
		-1:      time.Second,
		0:       time.Second,
		1:       time.Second,
		2:       2 * time.Second,
		4:       8 * time.Second,
		5:       15 * time.Second,
		1 << 40: 15 * time.Second, // no overflow
	} {
		assert.Equal(t, want, i.After(failures), "after %d failures", failures)
	}
}

func TestJitter(t *testing.T) {
	const d = 8 * time.Second
	for name, test := range map[string]struct {
		jitter            func(time.Duration, float64) time.Duration
		least, half, most time.Duration
	}{
		"full":   {Full, 0, 4 * time.Second, 8 * time.Second},
		"half":   {Half, 4 * time.Second, 6 * time.Second, 8 * time.Second},
		"around": {Around, 6 * time.Second, 8 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.least, test.jitter(d, 0))
			assert.Equal(t, test.half, test.jitter(d, 0.5))
			assert.Less(t, test.jitter(d, 0.999), test.most)
		})
	}
}

func TestBackoffBeginsAnewAfterReset(t *testing.T) {
	b := Backoff{Interval: Interval{First: time.Second, Longest: time.Minute}, Jitter: func() float64 { return 0 }}
	assert.Equal(t, 500*time.Millisecond, b.Next())
	assert.Equal(t, time.Second, b.Next())
	assert.Equal(t, 2*time.Second, b.Next())
	b.Reset()
	assert.Equal(t, 500*time.Millisecond, b.Next())
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		Sleep(t.Context(), time.Hour)
		assert.Equal(t, time.Hour, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		Sleep(ctx, time.Hour)
		assert.Equal(t, time.Hour+time.Minute, time.Since(began))
	})
}

func TestMinutelyAllowsOneLineAMinute(t *testing.T) {
	var m Minutely
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	assert.False(t, m.Logged())
	assert.True(t, m.Allow(now), "the first line")
	assert.True(t, m.Logged())
	assert.False(t, m.Allow(now.Add(59*time.Second)))
	assert.True(t, m.Allow(now.Add(time.Minute)), "a minute after the last line")
	assert.False(t, m.Allow(now.Add(time.Minute+59*time.Second)), "the minute counts from the last line")
	m.Reset()
	assert.False(t, m.Logged())
	assert.True(t, m.Allow(now.Add(time.Minute+59*time.Second)), "another failure")
}
