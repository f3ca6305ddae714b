package main

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
