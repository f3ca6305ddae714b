package packaging_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// metric is a metric as the table in docs/metrics.md has it, which is tested against the program.
type metric struct {
	kind   string
	labels []string
}

// metrics returns the metrics that an agent shows.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	known := map[string]metric{
		"up": {"gauge", nil}, // Prometheus writes it
		// of client_golang's collector of the process
		"process_resident_memory_bytes": {"gauge", nil},
	}
	rows := regexp.MustCompile("(?m)^\\| `(ecssd_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|")
	for _, row := range rows.FindAllStringSubmatch(string(page), -1) {
		known[row[1]] = metric{row[2], regexp.MustCompile("[a-z_]+").FindAllString(row[3], -1)}
	}
	require.Greater(t, len(known), 15, "metrics in docs/metrics.md")
	return known
}

// checkExpressions checks that Prometheus understands expressions, and that the metrics and labels in them exist and
// are read by their type: a counter or a histogram grows as long as the agent runs, and means something only by its
// rate.
func checkExpressions(t *testing.T, expressions []string) {
	t.Helper()
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	known := metrics(t)
	for _, expr := range expressions {
		rules = append(rules, rule{fmt.Sprintf("dashboard:expr:%d", len(rules)), expr})
		matches := regexp.MustCompile(`\b(up|ecssd_[a-z0-9_]+|process_[a-z0-9_]+|go_[a-z0-9_]+)(\{[^}]*\})?(\[[^\]]*\])?`).
			FindAllStringSubmatch(expr, -1)
		require.NotEmpty(t, matches, expr)
		allowed := []string{"instance", "job"}
		for _, match := range matches {
			name, selector, span := match[1], match[2], match[3]
			m, ok := known[name]
			if !ok {
				for _, part := range []string{"_bucket", "_count", "_sum"} {
					if base, is := strings.CutSuffix(name, part); is && known[base].kind == "histogram" {
						m, ok = known[base], true
						if part == "_bucket" {
							m.labels = append(slices.Clone(m.labels), "le")
						}
					}
				}
			}
			if !assert.True(t, ok, "no agent shows %s: %s", name, expr) {
				continue
			}
			assert.Equal(t, m.kind != "gauge", span != "", "%s is a %s: %s", name, m.kind, expr)
			for _, label := range regexp.MustCompile(`([a-z_]+)\s*[=!]`).FindAllStringSubmatch(selector, -1) {
				assert.Contains(t, append([]string{
					"instance",
					"job",
				}, m.labels...), label[1], "%s has no such label: %s", name, expr)
			}
			allowed = append(allowed, m.labels...)
		}
		for _, list := range regexp.MustCompile(`\b(?:by|on|without)\s*\(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
			for _, label := range strings.Split(list[1], ",") {
				assert.Contains(t, allowed, strings.TrimSpace(label), expr)
			}
		}
	}
	content, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "rules.yml")
	require.NoError(t, os.WriteFile(file, content, 0o644))
	assert.Contains(t, run(t, ".", "promtool", "check", "rules", file), fmt.Sprintf("%d rules found", len(rules)))
}

type rules struct {
	Groups []struct {
		Rules []struct {
			Alert       string
			Expr        string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readAlerts(t *testing.T) (found rules) {
	t.Helper()
	content, err := os.ReadFile("alerts.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &found))
	require.Len(t, found.Groups, 1)
	require.Greater(t, len(found.Groups[0].Rules), 9)
	return found
}

func TestAlertsGoOffWhenTheyShouldAndOnlyThen(t *testing.T) {
	t.Parallel()
	assert.Contains(t, run(t, ".", "promtool", "test", "rules", "alerts_test.yml"), "SUCCESS")
	tests, err := os.ReadFile("alerts_test.yml")
	require.NoError(t, err)
	for _, rule := range readAlerts(t).Groups[0].Rules {
		assert.Regexp(
			t,
			`alertname="`+rule.Alert+`",alertstate="firing"|alertname: `+rule.Alert+`\n`,
			string(tests),
			"it is seen to go off",
		)
	}
}

func TestAlertsSayWhatHappenedWhereAndWhatToDo(t *testing.T) {
	t.Parallel()
	var expressions []string
	for _, rule := range readAlerts(t).Groups[0].Rules {
		expressions = append(expressions, rule.Expr)
		assert.Contains(t, []string{"critical", "warning", "info"}, rule.Labels["severity"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["description"], rule.Alert)
		if rule.Alert != "EcssdAgentsAbsent" { // which is of no host
			assert.Contains(t, rule.Annotations["summary"], "{{ $labels.instance }}", rule.Alert)
		}
	}
	checkExpressions(t, expressions)
}

func TestDashboardShowsWhatThereIs(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("grafana.json")
	require.NoError(t, err)
	type source struct{ Type, UID string }
	var dashboard struct {
		UID        string
		Templating struct {
			List []struct{ Name, Type string }
		}
		Panels []struct {
			ID         int
			Title      string
			Datasource source
			GridPos    struct{ X, Y, W, H int }
			Targets    []struct {
				RefID      string
				Datasource source
				Expr       string
				Legend     string `json:"legendFormat"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(content, &dashboard))
	assert.Equal(t, "ecssd", dashboard.UID, "an import replaces the dashboard of before")
	var variables []string
	for _, variable := range dashboard.Templating.List {
		variables = append(variables, variable.Name+" "+variable.Type)
	}
	assert.Equal(t, []string{"datasource datasource", "instance query"}, variables)
	chosen := source{"prometheus", "${datasource}"}
	taken := map[[2]int]string{}
	ids := map[int]bool{}
	var expressions []string
	for _, panel := range dashboard.Panels {
		assert.Equal(t, chosen, panel.Datasource, panel.Title)
		assert.False(t, ids[panel.ID], "two panels have the ID of %s", panel.Title)
		ids[panel.ID] = true
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			assert.Less(t, x, 24, "%s: the grid has 24 columns", panel.Title)
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				assert.Empty(t, taken[[2]int{x, y}], "%s lies over it", panel.Title)
				taken[[2]int{x, y}] = panel.Title
			}
		}
		require.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			assert.Equal(t, chosen, target.Datasource, panel.Title)
			assert.Contains(t, target.Expr, `instance=~"$instance"`, "%s heeds the choice of hosts", panel.Title)
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr)
			assert.NotContains(t, expr, "$", panel.Title)
			expressions = append(expressions, expr)
			for _, label := range regexp.MustCompile(`{{([a-z_]+)}}`).FindAllStringSubmatch(target.Legend, -1) {
				if strings.Contains(target.Expr, " by (") {
					assert.Contains(
						t,
						target.Expr,
						"by ("+label[1]+")",
						"%s: its legend names a label that is not left",
						panel.Title,
					)
				}
			}
		}
	}
	require.Greater(t, len(expressions), 15)
	checkExpressions(t, expressions)
}
