package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// busTold gives what an EventBridge bus was told, as "registered: reason".
func (w *world) busTold() (told []string) {
	for _, e := range w.sandbox.Put() {
		var detail struct{ Reason string }
		require.NoError(w.t, json.Unmarshal([]byte(e.Detail), &detail))
		told = append(told, strings.TrimPrefix(e.DetailType, "ecssd Endpoint ")+": "+detail.Reason)
	}
	return told
}

func TestBusIsToldOfEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--event-bus", "operations")
	w.start()
	// of which the signal is seen before the death on any machine
	c := w.container("web", enginetest.Options{Args: []string{"-drain", "5m"}})
	w.eventually("registered", func() bool { return len(w.busTold()) == 1 })
	var detail map[string]any
	require.NoError(t, json.Unmarshal([]byte(w.sandbox.Put()[0].Detail), &detail))
	assert.Equal(t, []any{
		w.prefix + "web." + zoneName,
		w.zone,
		instanceID,
		hostTarget,
		float64(c.HostPort("8080/tcp")),
		c.ID,
		w.prefix + "web",
	},
		[]any{
			detail["name"],
			detail["zoneId"],
			detail["instanceId"],
			detail["target"],
			detail["port"],
			detail["containerId"],
			detail["containerDefinition"],
		})
	c.Pause()
	w.eventually("on standby", func() bool { return len(w.busTold()) == 2 })
	c.Unpause()
	w.eventually("registered again", func() bool { return len(w.busTold()) == 3 })
	c.Kill("TERM")
	w.eventually("deregistered", func() bool { return len(w.busTold()) == 4 })
	assert.Equal(t, []string{
		"Registered: ",
		"On Standby: the container is paused",
		"Registered: ",
		"Deregistered: the container was asked to stop",
	}, w.busTold())
}

func TestBusThatDoesNotAnswerIsNotInTheWayOfDNS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--event-bus", "operations")
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{Kind: sandbox.Stall, Operation: "events:PutEvents"}))
	w.start()
	c := w.container("web", enginetest.Options{})
	w.has("web", 1)
	c.Stop(1)
	w.has("web", 0)
	w.stop()
	assert.Empty(t, w.busTold())
}

func TestBusIsNotToldUnlessAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.container("web", enginetest.Options{})
	w.has("web", 1)
	w.stop()
	assert.Empty(t, w.sandbox.Calls("events:PutEvents"))
}

func TestDeregisterTellsTheBus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.container("web", enginetest.Options{})
	w.has("web", 1)
	w.stop()
	out, err := w.command("deregister", "--state-dir", w.dir, "--event-bus", "operations").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, []string{"Deregistered: all records of the host are removed"}, w.busTold())
}
