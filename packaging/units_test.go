package packaging_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Both units are one program of one user over one state directory, and neither may do more than it needs.
func TestUnitsDifferInNothingElse(t *testing.T) {
	agent, end := service(t, "ecssd.service"), service(t, "ecssd-deregister.service")
	assert.Equal(t, []string{
		"Type=notify", "ExecStart=/usr/bin/ecssd agent", "Restart=always", "RestartSec=2s",
		"TimeoutStartSec=infinity", "TimeoutStopSec=15s",
		"WatchdogSec=2min", "SupplementaryGroups=docker",
	}, without(agent, end))
	assert.Equal(t, []string{
		"Type=oneshot", "RemainAfterExit=yes", "ExecStop=/usr/bin/ecssd deregister", "TimeoutStopSec=30s",
	}, without(end, agent))
}

// service returns what a unit says in its section [Service].
func service(t *testing.T, unit string) []string {
	t.Helper()
	text, err := os.ReadFile(unit)
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "\n[Service]\n")
	section, _, found := strings.Cut(section, "\n[Install]\n")
	require.True(t, found)
	return slices.DeleteFunc(
		strings.Split(section, "\n"),
		func(line string) bool { return line == "" || line[0] == '#' },
	)
}

// without returns the lines that are not among others.
func without(lines, others []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others, line) })
}
