package cli

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/eventbridge"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

func TestMetricsPageListsTheMetrics(t *testing.T) {
	assertTable(
		t,
		"metrics.md",
		"\n## Metrics of the agent\n",
		"| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n",
		metricTable(t),
	)
}

// metricTable gives a row for each metric of ecssd's own, as an agent with an event bus shows it from its first moment
// on.
func metricTable(t *testing.T) string {
	t.Helper()
	p, err := assemble(t.Context(), &Settings{NameTemplate: "{{.Service}}"}, streams{Out: io.Discard, Err: io.Discard})
	require.NoError(t, err)
	defer func() { require.NoError(t, p.close()) }()
	eventbridge.New(aws.Config{}, "bus", p.registry, p.log)
	families, err := p.registry.Gather()
	require.NoError(t, err)
	var rows strings.Builder
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "ecssd_") {
			continue
		}
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", family.GetName(), strings.ToLower(family.GetType().String()),
			strings.Join(labels, ", "), strings.ReplaceAll(family.GetHelp(), "|", `\|`))
	}
	return rows.String()
}

// What an agent at work shows is what it shows from the first moment on: no metric or series comes up only with its
// first event.
func TestMetricsOfAnAgentAtWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.launch()
	w.eventually("the agent answers", func() bool { return w.answers("/healthz") != "" })
	w.eventually("the agent is ready", w.ready)
	idle := series(w.answers("/metrics"))
	first := w.container("web", enginetest.Options{})
	w.has("web", 1)
	first.Stop(10)
	w.has("web", 0)
	var metrics string
	w.eventually("the agent knows that its change is made", func() bool {
		metrics = w.answers("/metrics")
		return strings.Contains(metrics, "\necssd_changes_pending 0\n")
	})
	assert.Equal(t, idle, series(metrics))
	for _, line := range []string{"ecssd_ready 1", `ecssd_missing{part="zone"} 0`, `ecssd_records{type="SRV"} 0`, `ecssd_records{type="A"} 1`} {
		assert.Contains(t, metrics, "\n"+line+"\n")
	}
	assert.Contains(t, metrics, `ecssd_build_info{version="`)

	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s\nmake packaging installs promtool", out)
	assert.Empty(t, string(out))
}

// An agent that waits for what it needs says so in its metrics too.
func TestMetricsOfAnAgentThatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.sandbox.SetListening(false))
	w.launch()
	w.eventually("the agent waits for its identity", func() bool {
		return strings.Contains(w.answers("/metrics"), "\n"+`ecssd_missing{part="identity"} 1`+"\n")
	})
	metrics := w.answers("/metrics")
	for _, line := range []string{"ecssd_ready 0", `ecssd_missing{part="agent"} 1`, `ecssd_missing{part="listen"} 0`, "ecssd_engine_connected 0"} {
		assert.Contains(t, metrics, "\n"+line+"\n")
	}
	require.NoError(t, w.sandbox.SetListening(true))
	w.eventually(
		"the agent is ready",
		func() bool { return strings.Contains(w.answers("/metrics"), "\necssd_ready 1\n") },
	)
}

// answers gives what the agent answers to a path; empty where it does not answer.
func (w *world) answers(path string) string {
	response, err := http.Get("http://" + w.listen + path)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return string(text)
}

// series gives the names and labels of ecssd's own series, sorted.
func series(metrics string) (names []string) {
	for line := range strings.Lines(metrics) {
		if name := line[:max(0, strings.LastIndex(line, " "))]; strings.HasPrefix(name, "ecssd_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
