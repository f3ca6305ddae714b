package packaging_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The packages and the units on a host with a real systemd.
func TestHost(t *testing.T) {
	t.Parallel()
	image, debs := hostImage(t), packages(t, "1.0.0", "1.0.1")
	for name, live := range map[string]func(*testing.T, *machine){
		"records outlive the agent, and not the host": outlive,
		"down without AWS, up without Docker":         alone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live(t, newMachine(t, image, debs))
		})
	}
}

func outlive(t *testing.T, m *machine) {
	m.install("1.0.0")
	assert.Equal(t, "enabled\nenabled", m.run("systemctl", "is-enabled", "ecssd", "ecssd-deregister"))
	assert.Equal(t, "inactive", m.property("ActiveState"), "there may be settings to make first")
	m.configure()
	m.run("systemctl", "enable", "--now", "docker.socket", "docker.service")
	m.run("systemctl", "start", "ecssd")
	m.container("started")
	confined(t, m)

	process := m.property("MainPID")
	m.run("systemctl", "restart", "ecssd")
	assert.NotEqual(t, process, m.property("MainPID"))
	m.container("restarted")

	m.install("1.0.1")
	m.eventually(
		30*time.Second,
		"the new version runs",
		func() bool { return strings.Contains(m.log(), " version=1.0.1 ") },
	)
	assert.Equal(t, "enabled\nenabled", m.run("systemctl", "is-enabled", "ecssd", "ecssd-deregister"))
	m.container("upgraded")

	m.run("systemctl", "kill", "--signal=SIGKILL", "ecssd")
	m.restarted()
	m.container("killed")

	// An agent that waits for nothing shows every 10 s that it works.
	m.write(map[string]string{"/etc/systemd/system/ecssd.service.d/soon.conf": "[Service]\nWatchdogSec=15s\n"})
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "ecssd")
	m.run("systemctl", "kill", "--signal=SIGSTOP", "ecssd")
	m.restarted()
	assert.Contains(t, m.log(), "Watchdog timeout")
	m.container("stuck")

	process = m.property("MainPID")
	m.run("systemctl", "stop", "docker.socket", "docker.service")
	m.waitsFor("engine")
	m.run("systemctl", "start", "docker")
	m.container("reconnected")
	assert.Equal(t, process, m.property("MainPID"), "the agent outlives Docker")

	m.run("systemctl", "disable", "--now", "ecssd")
	for _, job := range []string{"stop", "restart"} {
		out, err := m.try("systemctl", job, "ecssd-deregister")
		assert.Error(t, err, out)
	}
	m.run("systemctl", "enable", "--now", "ecssd")
	all := m.registered()
	assert.ElementsMatch(t, []string{"started", "restarted", "upgraded", "killed", "stuck", "reconnected"}, all)
	assert.False(t, m.deleted(), "a record was removed")

	m.run("systemctl", "poweroff")
	m.down(time.Minute)
	assert.Empty(t, m.sandbox.Records(m.zone))

	m.boot()
	m.eventually(30*time.Second, "all services are back", func() bool { return slices.Equal(all, m.registered()) })
	stops := m.run(
		"sh",
		"-c",
		"journalctl -o cat | grep -oE '^(Stopped|Stopping) (ecssd|ecssd-deregister|docker).service' | tail -n 6",
	)
	assert.Equal(t, strings.Join([]string{
		"Stopping ecssd.service", "Stopped ecssd.service",
		"Stopping ecssd-deregister.service", "Stopped ecssd-deregister.service",
		"Stopping docker.service", "Stopped docker.service",
	}, "\n"), stops, "in this order: only one process may use the state directory, and nobody is sent to a "+
		"container that is gone")
}

func alone(t *testing.T, m *machine) {
	m.install("1.0.0")
	m.configure()
	m.run("systemctl", "start", "docker")
	m.run("systemctl", "start", "ecssd")
	m.container("stays")
	ends := m.container("ends")

	require.NoError(t, m.sandbox.SetListening(false))
	ends.Stop(0)
	m.run("systemctl", "reboot")
	// The agent ends within 10 s, the removal after 30. Left alone the latter tries for a minute.
	m.down(55 * time.Second)
	assert.ElementsMatch(t, []string{"stays", "ends"}, m.registered())

	m.boot()
	m.waitsFor("identity")
	require.NoError(t, m.sandbox.SetListening(true))
	m.waitsFor("engine")
	assert.Equal(t, "activating", m.property("ActiveState"))
	m.install("1.0.1")
	m.eventually(
		30*time.Second,
		"the new version waits for Docker",
		func() bool { return strings.Contains(m.log(), " version=1.0.1 ") },
	)
	m.waitsFor("engine")
	assert.Equal(t, "activating", m.property("ActiveState"))
	m.run("systemctl", "start", "docker")
	m.eventually(30*time.Second, "the records are right again", func() bool {
		return slices.Equal([]string{
			"stays",
		}, m.registered())
	})
	m.eventually(30*time.Second, "the agent is up", func() bool { return m.property("ActiveState") == "active" })
}

// confined holds what the agent may do against the little it needs.
func confined(t *testing.T, m *machine) {
	t.Helper()
	units := []string{"ecssd.service", "ecssd-deregister.service"}
	assert.Empty(t, m.run(append([]string{"systemd-analyze", "verify"}, units...)...))
	for _, unit := range units {
		out, err := m.try("systemd-analyze", "--no-pager", "security", "--threshold=20", unit)
		assert.NoError(t, err, out)
	}
	process := m.run("cat", "/proc/"+m.property("MainPID")+"/status")
	for _, line := range []string{
		"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		assert.Contains(t, process, line+"\n")
	}
	assert.NotContains(t, process, "Uid:\t0")
	assert.Contains(t, process, "Uid:\t"+m.run("stat", "-c", "%u", "/var/lib/ecssd/records.json")+"\t")
	assert.Equal(t, "700", m.run("stat", "-c", "%a", "/var/lib/private/ecssd"))
	assert.Contains(t, m.run("cat", "/var/lib/ecssd/records.json"), m.run("cat", "/proc/sys/kernel/random/boot_id"))
	for line := range strings.Lines(m.log()) {
		if !strings.Contains(line, "--allow-names") { // a container of another test
			assert.NotRegexp(t, `level=(warning|error)`, line, "something that it needs is denied to it")
		}
	}
	m.eventually(
		30*time.Second,
		"the agent says what it does",
		func() bool { return strings.HasPrefix(m.property("StatusText"), "1 endpoints serving") },
	)
}
