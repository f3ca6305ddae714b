package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
)

// Whoever listens where the agent would may answer what he likes.
func TestExplanationByAHostileAgentIsHarmless(t *testing.T) {
	content, err := os.ReadFile("testdata/state.json")
	require.NoError(t, err)
	var any map[string]any
	require.NoError(t, json.Unmarshal(content, &any))
	content, err = json.Marshal(hostile(any, titleSequence+c1Sequence+turned))
	require.NoError(t, err)
	e := explanation{subject: container.Container{State: container.Running}, settings: &Settings{}}
	require.NoError(t, json.Unmarshal(content, &e.agent))
	e.agent.Containers[0].ID = e.subject.ID
	var out bytes.Buffer
	e.print(&out)
	assert.Contains(t, out.String(), "owned", "it is told")
	assertHarmless(t, "explain", out.String())
}

// The Engine told nothing of a container, and its record, which stood in the zone, was said not to be written.
func TestExplanationTellsOfRecordsThatStay(t *testing.T) {
	e := explanation{subject: container.Container{ID: "c0", State: container.Running}, settings: &Settings{}}
	e.agent = state{Ready: true, Zone: zoneState{Name: zoneName, ID: "Z1"}, Containers: []containerState{{
		ID: "c0",
		Kept: []recordState{{
			Name:   "web." + zoneName,
			Type:   "SRV",
			Value:  "1 1 32768 " + hostTarget,
			Weight: 1,
		}},
		Problems: []problemState{
			{
				Subject: "container",
				Reason:  "its records stay as they are, since the Engine does not tell of it: timeout",
			},
		},
	}}}
	var out bytes.Buffer
	e.print(&out)
	assert.Contains(t, out.String(), "announced  as before: its records stay as they are\n")
	assert.Contains(
		t,
		out.String(),
		`record     web.`+zoneName+` SRV "1 1 32768 `+hostTarget+`" weight 1 ttl 0 in zone Z1`+"\n",
	)
	assert.NotContains(t, out.String(), "none written")
}
