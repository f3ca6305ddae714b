package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/settings"
)

// settingsFile writes a settings file and reads it. What it sets is unset after the test.
func settingsFile(t *testing.T, lines ...string) settings.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ecssd.conf")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	file, err := settings.Read(path)
	require.NoError(t, err)
	for _, line := range file.Lines {
		t.Setenv(line.Variable, "")
		require.NoError(t, os.Unsetenv(line.Variable))
	}
	return file
}

// Whoever reads that a value is wrong sees where to correct it.
func TestBadValuesNameWhereTheyComeFrom(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		args  []string
		want  string
	}{
		"file": {
			lines: []string{"# zone", "ECSSD_ZONE_ID=zone"},
			want: `--zone-id (ECSSD_ZONE_ID in %:2) "zone" is not the ID of a hosted zone, ` +
				`such as Z0123456789ABCDEFGHIJ`,
		},
		"file, a type": {
			lines: []string{"ECSSD_TTL=x"},
			want:  `--ttl (ECSSD_TTL in %:1): expected a valid 64 bit int but got "x"`,
		},
		"file, a value": {
			lines: []string{"ECSSD_TARGET=x"},
			want:  `--target (ECSSD_TARGET in %:1) must be one of "zone","ec2" but got "x"`,
		},
		"flag": {args: []string{"--weight=256"}, want: `--weight 256 is not within 0 to 255`},
		"flag over file": {
			lines: []string{"ECSSD_WEIGHT=1"},
			args:  []string{"--weight", "256"},
			want:  `--weight 256 is not within 0 to 255`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := settingsFile(t, c.lines...)
			var out bytes.Buffer
			err := runWith(t.Context(), file, "", append([]string{"version"}, c.args...), streams{&out, &out})
			assert.ErrorAs(t, err, &UsageError{})
			assert.ErrorContains(t, err, strings.ReplaceAll(c.want, "%", file.Path))
		})
	}
}

func TestValidate(t *testing.T) {
	for flag, want := range map[string]string{
		"--host-ip=10.0.0.1":        "",
		"--host-ip=169.254.1.1":     "",
		"--host-ip=0.0.0.0":         "means all addresses: give the one that consumers connect to",
		"--host-ip=127.0.0.1":       "is a loopback address, which no other host can connect to",
		"--host-ip=127.1.2.3":       "is a loopback address",
		"--host-ip=224.0.0.1":       "is a multicast address",
		"--host-ip=255.255.255.255": "is the broadcast address",
		"--host-ip=::1":             "is not an IPv4 address",
		"--host-ip=::ffff:10.0.0.1": "is not an IPv4 address",
		"--host-ip=host.example":    "is not an IPv4 address",
		"--event-bus=default":       "",
		"--event-bus=my/bus_1.a-b":  "",
		"--event-bus=arn:aws-cn:events:cn-north-1:123456789012:event-bus/default": "",
		"--event-bus=my bus": "is neither the name nor the ARN",
		"--event-bus=arn:aws:sns:eu-west-1:123456789012:x":           "is neither the name nor the ARN",
		"--event-bus=arn:aws:events:eu-west-1:123456789012:rule/web": "is neither the name nor the ARN",
	} {
		var out bytes.Buffer
		err := Run(t.Context(), "", []string{"version", flag}, &out, &out)
		if want == "" {
			assert.NoError(t, err, flag)
			continue
		}
		name, _, _ := strings.Cut(flag, "=")
		assert.ErrorContains(t, err, name+" ", flag)
		assert.ErrorContains(t, err, want, flag)
	}
}

// A typing error in a setting must not switch that setting off in silence. The agent's log says so at its start.
func TestUnknownSettingsAreLogged(t *testing.T) {
	file := settingsFile(t, "ECSSD_ALLOWNAMES=web", "ECSSD_ZONE=a.example", "AWS_REGION=eu-central-1", "ECSSD_JSON=1")
	require.NoError(t, file.Apply())
	var c cli
	parser, err := newParser(t.Context(), &c, streams{})
	require.NoError(t, err)
	c.from = settings.New(file, variables(parser.Model))
	var log bytes.Buffer
	p, err := assemble(t.Context(), &c.Settings, streams{Err: &log})
	require.NoError(t, err)
	require.NoError(t, p.close())
	assert.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	assert.Contains(t, log.String(), "setting ignored: ECSSD_ALLOWNAMES ("+file.Path+
		":1) is not a setting of ecssd and has no effect; did you mean ECSSD_ALLOW_NAMES?")
}
