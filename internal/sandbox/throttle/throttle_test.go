package throttle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allowed asks n times at one moment.
func allowed(l *Limiter, operation string, n int, at time.Time) int {
	count := 0
	for range n {
		if l.Allow(operation, Cost{1, 1}, at) {
			count++
		}
	}
	return count
}

func TestCurrent(t *testing.T) {
	l, now := New(Current()), time.Unix(1000, 0)
	assert.Equal(t, 50, allowed(l, "ChangeResourceRecordSets", 60, now))
	assert.Zero(t, allowed(l, "ListResourceRecordSets", 1, now), "the account's bucket is shared")
	now = now.Add(time.Second)
	assert.Equal(t, 10, allowed(l, "ListResourceRecordSets", 60, now))
	now = now.Add(time.Hour)
	assert.Equal(t, 50, allowed(l, "ListResourceRecordSets", 60, now), "a bucket holds no more than its burst")

	l = New(Current())
	assert.Equal(t, 40, allowed(l, "CreateHostedZone", 60, now))
	assert.Equal(t, 10, allowed(l, "ListHostedZones", 60, now))
}

func TestActionsHaveBucketsOfTheirOwn(t *testing.T) {
	l, now := New(Policy{Action: Bucket{2, 1}}), time.Unix(1000, 0)
	assert.Equal(t, 2, allowed(l, "GetHostedZone", 5, now))
	assert.Equal(t, 2, allowed(l, "GetChange", 5, now))
	now = now.Add(1500 * time.Millisecond)
	assert.Equal(t, 1, allowed(l, "GetChange", 5, now))
	now = now.Add(500 * time.Millisecond)
	assert.Equal(t, 1, allowed(l, "GetChange", 5, now))
}

func TestLegacyAndNone(t *testing.T) {
	now := time.Unix(1000, 0)
	assert.Equal(t, 5, allowed(New(Legacy()), "GetChange", 9, now))
	assert.Equal(t, 9, allowed(New(None()), "GetChange", 9, now))
}

func TestChangesPerSecond(t *testing.T) {
	const change = "ChangeResourceRecordSets"
	l, now := New(Current()), time.Unix(1000, 0)
	assert.True(t, l.Allow(change, Cost{1000, 9000}, now))
	assert.False(t, l.Allow(change, Cost{501, 501}, now))
	assert.True(t, l.Allow(change, Cost{500, 500}, now))
	assert.False(t, l.Allow(change, Cost{1, 1}, now))
	assert.True(t, l.Allow("ListResourceRecordSets", Cost{}, now))
	assert.False(t, l.Allow(change, Cost{101, 101}, now.Add(time.Second)))
	assert.True(t, l.Allow(change, Cost{100, 101}, now.Add(time.Second)))

	values := Current()
	values.CountValues = true
	l = New(values)
	assert.False(t, l.Allow(change, Cost{1, 1501}, now))
	assert.True(t, l.Allow(change, Cost{2000, 1500}, now))

	off := Current()
	off.Changes = Bucket{}
	l = New(off)
	assert.Equal(t, 50, allowed(l, change, 60, now))
	assert.True(t, l.Allow(change, Cost{9000, 9000}, now.Add(time.Second)))
}

func TestRefusedCallsCost(t *testing.T) {
	for _, c := range []struct {
		name   string
		charge bool
		want   bool
	}{{"nothing", false, true}, {"a token, by rule", true, false}} {
		t.Run(c.name, func(t *testing.T) {
			l, now := New(Policy{Account: Bucket{1, 1}, ChargeRefused: c.charge}), time.Unix(1000, 0)
			require.True(t, l.Allow("GetChange", Cost{}, now))
			require.False(t, l.Allow("GetChange", Cost{}, now.Add(600*time.Millisecond)))
			assert.Equal(t, c.want, l.Allow("GetChange", Cost{}, now.Add(1100*time.Millisecond)))
		})
	}
}

func TestSetPolicyFillsTheBuckets(t *testing.T) {
	l, now := New(Legacy()), time.Unix(1000, 0)
	allowed(l, "GetChange", 9, now)
	l.SetPolicy(Legacy())
	assert.Equal(t, 5, allowed(l, "GetChange", 9, now))
}

func TestNamed(t *testing.T) {
	for name, want := range map[string]Policy{"current": Current(), "LEGACY": Legacy(), "none": None()} {
		got, err := Named(name)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := Named("slow")
	assert.EqualError(t, err, `find throttle policy "slow": there are current, legacy, none`)
}

func TestPoliciesOfECSAndEC2(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		policy    Policy
		operation string
		burst     int
	}{
		{ECS(), "DescribeClusters", 50},
		{ECS(), "ListTasks", 100},
		{EC2(), "DescribeInstances", 100},
		{EC2(), Unpaged("DescribeInstances"), 50},
	} {
		l, allowed := New(test.policy), 0
		for l.Allow(test.operation, Cost{}, now) {
			allowed++
		}
		assert.Equal(t, test.burst, allowed, test.operation)
	}
}

func TestLevels(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	l := New(Policy{Account: Bucket{50, 10}, Action: Bucket{20, 5}, Special: map[string]Bucket{"Slow": {2, 1}}})
	full := []Level{{"account", 50, Bucket{50, 10}}, {"any other action", 20, Bucket{20, 5}}}
	assert.Equal(t, full, l.Levels(now))
	assert.True(t, l.Allow("Slow", Cost{}, now))
	assert.True(t, l.Allow("List", Cost{}, now))
	assert.Equal(t, []Level{
		{
			"account",
			48,
			Bucket{50, 10},
		}, {
			"action List",
			19,
			Bucket{20, 5},
		}, {
			"action Slow",
			1,
			Bucket{2, 1},
		}, {
			"any other action",
			20,
			Bucket{20, 5},
		},
	}, l.Levels(now))
	assert.Equal(t, 1.5, l.Levels(now.Add(time.Second / 2))[2].Tokens)
	assert.Empty(t, New(None()).Levels(now))
}
