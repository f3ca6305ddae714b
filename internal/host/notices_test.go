package host_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
)

func TestLeaving(t *testing.T) {
	const (
		spot  = "meta-data/spot/instance-action"
		group = "meta-data/autoscaling/target-lifecycle-state"
	)
	for name, c := range map[string]struct {
		path, value string
		want        string // "": it stays
	}{
		"nothing": {},
		"spot termination": {
			spot,
			`{"action": "terminate", "time": "2026-11-23T08:22:00Z"}`,
			`"terminate" at "2026-11-23T08:22:00Z"`,
		},
		"spot hibernation": {
			spot,
			`{"action": "hibernate", "time": "2026-11-23T08:22:00Z"}`,
			`"hibernate"`,
		},
		"a spot notice of another form": {spot, "soon", "spot instance will be interrupted"},
		"scaled in":                     {group, "Terminated", `"Terminated"`},
		"into the warm pool":            {group, "Warmed:Stopped", `"Warmed:Stopped"`},
		"in service":                    {group, "InService", ""},
		"standby in the group":          {group, "Standby", ""},
		"detached from the group":       {group, "Detached", ""},
		"a rebalance recommendation too": {
			"meta-data/events/recommendations/rebalance",
			`{"noticeTime":"2026-11-23T08:22:00Z"}`,
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := metadata(t, sandbox.Instance{})
			if c.path != "" {
				s.Metadata().Set(c.path, c.value)
			}
			why, err := asked(t).Leaving(t.Context())
			require.NoError(t, err)
			if c.want == "" {
				assert.Empty(t, why)
			} else {
				assert.Contains(t, why, c.want)
			}
		})
	}
}

func TestLeavingIsNotKnownWithoutMetadata(t *testing.T) {
	s := metadata(t, sandbox.Instance{})
	notices := asked(t)
	s.Metadata().SetMode(imds.Failing)
	_, err := notices.Leaving(t.Context())
	assert.Error(t, err)
	s.Metadata().SetMode(imds.Up)
	_, err = notices.Leaving(t.Context())
	assert.NoError(t, err)
}
