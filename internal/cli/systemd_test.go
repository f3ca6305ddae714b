package cli

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// serviceManager is the end of NOTIFY_SOCKET that systemd reads.
type serviceManager struct {
	mu   sync.Mutex
	told []string
}

func listenAsSystemd(t *testing.T) (*serviceManager, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	m := &serviceManager{}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.told = append(m.told, string(buffer[:n]))
			m.mu.Unlock()
		}
	}()
	return m, path
}

// has says whether systemd was told a line.
func (m *serviceManager) has(line string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.told, line)
}

// status gives the last line on the service.
func (m *serviceManager) status() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range slices.Backward(m.told) {
		if text, ok := strings.CutPrefix(line, "STATUS="); ok {
			return text
		}
	}
	return ""
}

func TestSystemdIsToldHowTheAgentDoes(t *testing.T) {
	t.Parallel()
	systemd, socket := listenAsSystemd(t)
	w := newWorld(t)
	w.environment = []string{"NOTIFY_SOCKET=" + socket}
	require.NoError(t, w.sandbox.Metadata().SetMode(imds.Failing))
	w.launch()
	w.eventually(
		"says what it waits for",
		func() bool { return strings.Contains(systemd.status(), "not ready: identity:") },
	)
	assert.False(t, systemd.has("READY=1"), "it does not follow the Engine yet")

	require.NoError(t, w.sandbox.Metadata().SetMode(imds.Up))
	w.eventually("follows the Engine", func() bool { return systemd.has("READY=1") })
	w.eventually("is alive", func() bool { return systemd.has("WATCHDOG=1") })
	w.container("web", enginetest.Options{})
	w.eventually(
		"says what it announces",
		func() bool { return systemd.status() == "1 endpoints serving, 0 on standby" },
	)
	w.stop()
	assert.True(t, systemd.has("STOPPING=1"))
}

func TestReadyDoesNotWaitForRoute53(t *testing.T) {
	t.Parallel()
	systemd, socket := listenAsSystemd(t)
	w := newWorld(t, "--zone", "not.there.yet.internal")
	w.environment = []string{"NOTIFY_SOCKET=" + socket}
	w.launch()
	w.eventually("follows the Engine", func() bool { return systemd.has("READY=1") })
	w.eventually(
		"says what it waits for",
		func() bool { return strings.Contains(systemd.status(), "not ready: zone:") },
	)
}

func TestHostAboutToGoIsOnStandby(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"meta-data/spot/instance-action", "meta-data/autoscaling/target-lifecycle-state"} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start()
			c := w.container("web", enginetest.Options{})
			port := c.HostPort("8080/tcp")
			w.shows("web", serving(1, port))
			w.sandbox.Metadata().Set(path, map[bool]string{
				true:  `{"action": "terminate", "time": "2026-11-23T08:22:00Z"}`,
				false: "Terminated",
			}[strings.Contains(path, "spot")])
			standby := "0" + strings.TrimPrefix(serving(1, port), "1")
			w.shows("web", serving(1, port), standby)
			w.sandbox.Metadata().Unset(path)
			w.shows("web", serving(1, port), standby, serving(1, port))
		})
	}
}
