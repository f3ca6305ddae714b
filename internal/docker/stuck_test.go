package docker_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// shim finds the process through which containerd runs a container.
func shim(t *testing.T, id string) int {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range found {
		line, err := os.ReadFile(file)
		if args := strings.Split(string(line), "\x00"); err == nil && strings.Contains(args[0], "containerd-shim") &&
			strings.Contains(string(line), id) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			require.NoError(t, err)
			return pid
		}
	}
	t.Fatalf("container %s has no shim", id)
	return 0
}

// The Engine holds a container's lock while it waits for containerd, and one container whose shim hung kept it from
// telling of any.
func TestSnapshotOfAnEngineThatIsStuckWithOneContainer(t *testing.T) {
	own := enginetest.NewOwn(t) // agents of other tests would wait for it, too
	stuck := enginetest.Run(t, enginetest.Options{Labels: enginetest.ECSLabels("stuck"), Engine: own})
	other := enginetest.Run(t, enginetest.Options{Engine: own})
	knows := newEngine(t, own.Host())
	before := snapshotOf(t, knows, stuck.ID)
	require.False(t, before.StartedAt.IsZero())

	pid := shim(t, stuck.ID)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	killed := make(chan error, 1)
	go func() { killed <- own.Client().ContainerKill(context.Background(), stuck.ID, "HUP") }()
	goOn := func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	t.Cleanup(goOn)

	var told container.Container
	eventually(t, func() bool { // the signal is on its way
		told, _ = findAsItIs(t, newEngine(t, own.Host()), stuck.ID)
		return told.Unread != ""
	})
	assert.True(t, told.Unknown())
	assert.Equal(t, container.Running, told.State)
	assert.Equal(t, before.Labels, told.Labels)
	assert.Equal(t, before.Name, told.Name)
	snapshotOf(t, newEngine(t, own.Host()), other.ID) // is told of

	hinted := map[string]bool{stuck.ID: true} // though it is stuck yet
	for name, look := range map[string]func() ([]container.Container, error){
		"snapshot": func() ([]container.Container, error) { return knows.Snapshot(t.Context(), hinted, true) },
		"refresh":  func() ([]container.Container, error) { return knows.Refresh(t.Context(), hinted) },
	} {
		found, err := look()
		require.NoError(t, err, name)
		i := slices.IndexFunc(found, func(c container.Container) bool { return c.ID == stuck.ID })
		require.GreaterOrEqual(t, i, 0, name)
		assert.NotEmpty(t, found[i].Unread, name)
		found[i].Unread = ""
		assert.Equal(t, before, found[i], "as it was last told: %s", name)
	}

	goOn()
	require.NoError(t, <-killed)
	assert.Equal(t, before, snapshotOf(t, newEngine(t, own.Host()), stuck.ID))
}
