package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/test/statetest"
)

// Whoever listens where the agent would may answer what he likes.
func TestExplanationByAHostileAgentIsHarmless(t *testing.T) {
	e := explanation{subject: container.Container{State: container.Running}, settings: &Settings{}}
	e.agent = statetest.Replaced(t, statetest.State(t), titleSequence+c1Sequence+turned)
	e.agent.Containers[0].ID = e.subject.ID
	var out bytes.Buffer
	e.print(&out)
	assert.Contains(t, out.String(), "owned", "it is told")
	assertHarmless(t, "explain", out.String())
}

// The Engine told nothing of a container, and its record, which stood in the zone, was said not to be written.
func TestExplanationTellsOfRecordsThatStay(t *testing.T) {
	e := explanation{subject: container.Container{ID: "c0", State: container.Running}, settings: &Settings{}}
	e.agent = status.State{Ready: true, Zone: status.Zone{Name: zoneName, ID: "Z1"}, Containers: []status.Container{{
		ID: "c0",
		Kept: []status.Record{{
			Name:   "web." + zoneName,
			Type:   "SRV",
			Value:  "1 1 32768 " + hostTarget,
			Weight: 1,
		}},
		Problems: []status.Problem{
			{
				Subject: "container",
				Reason:  "its records stay as they are, since inspect fails: timeout",
			},
		},
	}}}
	var out bytes.Buffer
	e.print(&out)
	assert.Contains(t, out.String(), "registered  as before: its records are kept\n")
	assert.Contains(
		t,
		out.String(),
		`record      web.`+zoneName+` SRV "1 1 32768 `+hostTarget+`" weight 1 ttl 0 in zone Z1`+"\n",
	)
	assert.NotContains(t, out.String(), "none written")
}
