package status_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/test/statetest"
)

func TestJSONIsDecodedAndEncodedWithoutLoss(t *testing.T) {
	again, err := json.Marshal(statetest.State(t))
	require.NoError(t, err)
	assert.JSONEq(t, string(statetest.JSON), string(again))
}

// The JSON names of /state are used by others: they must stay.
func TestJSONNamesStay(t *testing.T) {
	state := statetest.State(t)
	now := time.Now()
	state.HostStandby, state.Calls.Error, state.Calls.Retry = "by hand", "timeout", &now
	state.Containers[0].Kept = []status.Record{{Name: "web"}}
	state.Containers[0].Endpoints[0].WaitsFor = "ip-10-0-0-1"
	content, err := json.Marshal(state)
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(content, &value))
	found := map[string]bool{}
	names("", value, found)
	assert.Equal(t, []string{
		"address", "calls", "calls.applied", "calls.error", "calls.failed", "calls.last_applied",
		"calls.last_minute", "calls.mean_delay_seconds", "calls.mean_seconds", "calls.refused", "calls.retry",
		"calls.throttled", "containers", "containers.endpoints", "containers.endpoints.address",
		"containers.endpoints.asked", "containers.endpoints.host_port", "containers.endpoints.name",
		"containers.endpoints.port", "containers.endpoints.record", "containers.endpoints.record.name",
		"containers.endpoints.record.set_id", "containers.endpoints.record.ttl", "containers.endpoints.record.type",
		"containers.endpoints.record.value", "containers.endpoints.record.weight", "containers.endpoints.state",
		"containers.endpoints.waits_for", "containers.endpoints.weight", "containers.endpoints.why",
		"containers.health", "containers.id", "containers.kept", "containers.kept.name", "containers.kept.set_id",
		"containers.kept.ttl", "containers.kept.type", "containers.kept.value", "containers.kept.weight",
		"containers.name", "containers.problems", "containers.problems.chosen", "containers.problems.reason",
		"containers.problems.subject", "containers.service", "containers.started", "containers.state",
		"containers.task_arn", "containers.withheld", "containers.withheld.reason", "containers.withheld.since",
		"containers.withheld.until", "counts", "counts.a_records", "counts.crash_loop", "counts.problems",
		"counts.serving", "counts.srv_records", "counts.standby", "counts.stopping", "host_standby", "instance",
		"missing", "now", "pending", "pending.action", "pending.record", "pending.record.name",
		"pending.record.set_id", "pending.record.ttl", "pending.record.type", "pending.record.value",
		"pending.record.weight", "ready", "recent", "recent.action", "recent.at", "recent.record",
		"recent.record.name", "recent.record.set_id", "recent.record.ttl", "recent.record.type",
		"recent.record.value", "recent.record.weight", "refused", "refused.action", "refused.advice",
		"refused.message", "refused.reason", "refused.record", "refused.record.name", "refused.record.set_id",
		"refused.record.ttl", "refused.record.type", "refused.record.value", "refused.record.weight",
		"refused.retry", "refused.times", "version", "zone", "zone.id", "zone.name",
	}, slices.Sorted(maps.Keys(found)))
}

// names adds the path of each JSON name in value to found.
func names(path string, value any, found map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			found[path+name] = true
			names(path+name+".", inner, found)
		}
	case []any:
		for _, inner := range v {
			names(path, inner, found)
		}
	}
}
