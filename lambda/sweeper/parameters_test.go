package main

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sweep/run"
)

func from(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestParameters(t *testing.T) {
	defaults := run.Parameters{
		Zone:            "servicediscovery.internal",
		CheckHealthPath: "/health",
		UnhealthyAction: "standby",
		DeleteBudget:    "30%",
	}
	for name, c := range map[string]struct {
		env   map[string]string
		want  run.Parameters
		level logrus.Level
	}{
		"defaults": {nil, defaults, logrus.InfoLevel},
		"empty as the template may leave them": {
			map[string]string{
				"ZONE":              "",
				"ECS_CLUSTERS":      "",
				"CHECK_HEALTH":      "",
				"CHECK_HEALTH_PATH": "",
				"NEGATIVE_TTL":      "",
				"TTL":               "",
				"LOG_LEVEL":         "",
			},
			defaults, logrus.InfoLevel,
		},
		"all given": {
			map[string]string{
				"ZONE":              "sd.example",
				"ZONE_ID":           "Z1",
				"ECS_CLUSTERS":      "a, b",
				"CHECK_HEALTH":      "true",
				"CHECK_HEALTH_PATH": "/up",
				"UNHEALTHY_ACTION":  "stop-task",
				"DELETE_BUDGET":     "12.5%",
				"NEGATIVE_TTL":      "60",
				"TTL":               "30",
				"DRY_RUN":           "1",
				"LOG_LEVEL":         "debug",
			},
			run.Parameters{
				Zone:            "sd.example",
				ZoneID:          "Z1",
				Clusters:        "a, b",
				CheckHealth:     true,
				CheckHealthPath: "/up",
				UnhealthyAction: "stop-task",
				DeleteBudget:    "12.5%",
				NegativeTTL:     60,
				TTL:             "30",
				DryRun:          true,
			}, logrus.DebugLevel,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, level, err := readParameters(from(c.env))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.level, level)
		})
	}
}

func TestBadParametersAreNamed(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"ZONE_ID", "z/1", `ZONE_ID "z/1" is not the ID of a hosted zone`},
		{"CHECK_HEALTH", "on", `CHECK_HEALTH "on" is neither true nor false`},
		{"DRY_RUN", "maybe", `DRY_RUN "maybe" is neither true nor false`},
		{"CHECK_HEALTH_PATH", "health", `CHECK_HEALTH_PATH "health" does not begin with a slash`},
		{"UNHEALTHY_ACTION", "kill", `UNHEALTHY_ACTION "kill" is neither standby nor stop-task`},
		{"DELETE_BUDGET", "0.3", `DELETE_BUDGET "0.3" is not a percentage, 0% to 100%`},
		{"DELETE_BUDGET", "101%", `DELETE_BUDGET "101%" is not a percentage, 0% to 100%`},
		{"DELETE_BUDGET", "-1%", `DELETE_BUDGET "-1%" is not a percentage, 0% to 100%`},
		{"DELETE_BUDGET", "NaN%", `DELETE_BUDGET "NaN%" is not a percentage, 0% to 100%`},
		{"NEGATIVE_TTL", "1m", `NEGATIVE_TTL "1m" is not a number of seconds`},
		{"NEGATIVE_TTL", "86401", `NEGATIVE_TTL 86401 is not within 0 to 86400 seconds`},
		{"NEGATIVE_TTL", "-1", `NEGATIVE_TTL -1 is not within 0 to 86400 seconds`},
		{"TTL", "1m", `TTL "1m" is not a number of seconds, 0 to 2147483647`},
		{"TTL", "-1", `TTL "-1" is not a number of seconds, 0 to 2147483647`},
		{"TTL", "2147483648", `TTL "2147483648" is not a number of seconds, 0 to 2147483647`},
		{"LOG_LEVEL", "loud", `LOG_LEVEL "loud" is none of debug, info, warn, error`},
	} {
		t.Run(c.name+" "+c.value, func(t *testing.T) {
			_, _, err := readParameters(from(map[string]string{c.name: c.value}))
			assert.EqualError(t, err, c.want)
		})
	}
}

func TestSweeperPageListsTheVariables(t *testing.T) {
	page, err := os.ReadFile("../../docs/sweeper.md")
	require.NoError(t, err)
	var asked []string
	want, level, err := readParameters(func(name string) string {
		asked = append(asked, name)
		return ""
	})
	require.NoError(t, err)
	var listed []string
	defaults := map[string]string{}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| [^|]*\\| (?:`([^|]*)` )?\\|")
	for _, row := range rows.FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1])
		defaults[row[1]] = row[2]
	}
	slices.Sort(asked)
	slices.Sort(listed)
	assert.Equal(t, slices.Compact(asked), listed)
	got, listedLevel, err := readParameters(from(defaults))
	require.NoError(t, err)
	assert.Equal(t, want, got, "with the defaults that are listed")
	assert.Equal(t, level, listedLevel)
}
