package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// archives builds what is deployed and gives its directory.
func archives(t *testing.T, umask string) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("sh", "-c", `umask `+umask+` && exec make -C ../.. lambda OUT="$1"`, "sh", dir)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MAKE") { // of a make that runs this test
			build.Env = append(build.Env, variable)
		}
	}
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// same fails the test if two directories hold different archives.
func same(t *testing.T, first, second string) {
	t.Helper()
	for _, name := range []string{"sweeper-arm64.zip", "sweeper-amd64.zip"} {
		before, err := os.ReadFile(filepath.Join(first, name))
		require.NoError(t, err)
		after, err := os.ReadFile(filepath.Join(second, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(before, after), name)
	}
}

// unpack gives the bootstrap for this machine's processor out of its archive.
func unpack(t *testing.T, dir string) string {
	t.Helper()
	archive, err := zip.OpenReader(filepath.Join(dir, "sweeper-"+runtime.GOARCH+".zip"))
	require.NoError(t, err)
	defer archive.Close()
	require.Len(t, archive.File, 1)
	packed := archive.File[0]
	assert.Equal(t, "bootstrap", packed.Name)
	assert.Equal(t, os.FileMode(0o755), packed.Mode())
	assert.Equal(t, 1980, packed.Modified.UTC().Year(), "the archive holds the time at which it was made")
	content, err := packed.Open()
	require.NoError(t, err)
	executable, err := io.ReadAll(content)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), packed.Name)
	require.NoError(t, os.WriteFile(path, executable, packed.Mode()))
	return path
}
