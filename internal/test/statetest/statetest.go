// Package statetest has an answer to GET /state in which everything occurs once. Only tests import it.
package statetest

import (
	_ "embed"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/status"
)

// JSON is the answer as the agent sends it. The pictures in docs show it.
//
//go:embed state.json
var JSON []byte

// State returns the answer decoded.
func State(t testing.TB) (state status.State) {
	t.Helper()
	require.NoError(t, json.Unmarshal(JSON, &state))
	return state
}

// Replaced returns state with text in place of each text in it that is not a time.
func Replaced(t testing.TB, state status.State, text string) (replaced status.State) {
	t.Helper()
	content, err := json.Marshal(state)
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(content, &value))
	content, err = json.Marshal(replace(value, text))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &replaced))
	return replaced
}

func replace(value any, text string) any {
	switch v := value.(type) {
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return v
		}
		return text
	case map[string]any:
		for key := range v {
			v[key] = replace(v[key], text)
		}
	case []any:
		for i := range v {
			v[i] = replace(v[i], text)
		}
	}
	return value
}
