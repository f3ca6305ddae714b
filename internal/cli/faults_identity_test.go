package cli

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// A host that was renamed is the same host: its records are found, kept, and removed under the new name.
func TestHostUnderAnotherName(t *testing.T) {
	t.Parallel()
	if asRoot(t) {
		return
	}
	w := newWorld(t)
	w.start()
	running := w.some("web", 2)
	w.right("web", running)
	w.stop()
	before := w.own()
	w.sandbox.ClearCalls()

	renamed := filepath.Join(t.TempDir(), "ecssd")
	require.NoError(t, os.WriteFile(renamed, []byte(`#!/bin/sh
exec unshare --uts sh -c 'hostname another-name && exec "$@"' ecssd '`+os.Args[0]+`' "$@"
`), 0o700))
	w.program = renamed
	w.start()
	w.caughtUp("witness")
	assert.Len(t, w.changes(), 1, "that of the witness")
	assert.Subset(t, w.own(), before)
	running[0].Stop(1)
	w.right("web", running[1:])
}

// Which networks of the Engine a container is in, and which addresses it has there, is nobody's business outside the
// host.
func TestContainerInSeveralNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	cli := enginetest.Client(t)
	networks := []string{w.prefix + "a", w.prefix + "b"}
	for _, name := range networks {
		created, err := cli.NetworkCreate(t.Context(), name, network.CreateOptions{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, cli.NetworkRemove(context.Background(), created.ID)) })
	}
	c := w.container("web", enginetest.Options{Network: networks[0], Publish: []string{"8080"}})
	first := serving(1, c.HostPort("8080/tcp"))
	w.shows("web", first)
	require.NoError(t, cli.NetworkConnect(t.Context(), networks[1], c.ID, nil))
	w.caughtUp("witness")
	w.shows("web", first)
	require.NoError(t, cli.ContainerRestart(t.Context(), c.ID, api.StopOptions{Timeout: new(1)}))
	w.shows("web", first, "gone", serving(1, c.HostPort("8080/tcp")))
}
