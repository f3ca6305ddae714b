package packaging_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is removed leaves its records, and what is to take them along is told so before.
func TestUninstall(t *testing.T) {
	m := newMachine(t, hostImage(t), packages(t, "1.0.0"))
	m.install("1.0.0")
	m.configure()
	m.run("systemctl", "start", "docker", "ecssd")
	m.container("web")
	m.run("dpkg", "-r", "ecssd")
	assert.Equal(t, "inactive", m.property("ActiveState"))
	assert.Equal(t, []string{"web"}, m.registered())

	m.install("1.0.0")
	m.run("systemctl", "start", "ecssd")
	m.run("systemctl", "stop", "ecssd")
	assert.Equal(t, []string{"web"}, m.registered())
	m.run("sh", "-c", `systemd-run --quiet --wait --pipe -p DynamicUser=yes -p User=ecssd -p StateDirectory=ecssd \
		-p EnvironmentFile=/etc/ecssd/ecssd.conf ecssd deregister`)
	assert.Empty(t, m.sandbox.Records(m.zone))
	m.run("dpkg", "-P", "ecssd")
	// ecssd-deregister.service is active until the host goes down, and has its /tmp until then.
	m.run(
		"sh",
		"-c",
		"! find / -xdev -name '*ecssd*' -not -path '/var/log/*' -not -path '/packages/*' -not -path "+
			"'*/tmp/systemd-private-*' | grep .",
	)
}
