package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheVersionIsThatOfTheTag(t *testing.T) {
	root := t.TempDir()
	script, err := os.ReadFile("version")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(root, "packaging"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "packaging/version"), script, 0o755))
	run := func(command ...string) string {
		t.Helper()
		c := exec.Command(command[0], command[1:]...)
		c.Dir = root
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.TrimSpace(string(out))
	}
	var versions []string // in the order in which they are made
	version := func(pattern string) {
		t.Helper()
		versions = append(versions, run("packaging/version"))
		assert.Regexp(t, "^"+pattern+"$", versions[len(versions)-1])
	}
	commit := func() { run("git", "commit", "-q", "--allow-empty", "-m", "change") }

	assert.Equal(t, "0.0.0~devel", run("packaging/version"), "without git")
	run("git", "init", "-q")
	run("git", "add", ".")
	commit()
	version(`0\.0\.0~1\.g[0-9a-f]{7}`)
	commit()
	version(`0\.0\.0~2\.g[0-9a-f]{7}`)
	run("git", "tag", "v1.2.0-rc.1")
	version(`1\.2\.0~rc\.1`)
	commit()
	version(`1\.2\.0~rc\.1\.1\.g[0-9a-f]{7}`)
	run("git", "tag", "v1.2.0")
	run("git", "tag", "unrelated")
	version(`1\.2\.0`)
	require.NoError(t, os.WriteFile(filepath.Join(root, "packaging/version"), append(script, '\n'), 0o755))
	version(`1\.2\.0\.0\.g[0-9a-f]{7}\.dirty`)
	for range 10 {
		run("git", "commit", "-q", "--allow-empty", "-a", "-m", "change")
	}
	version(`1\.2\.0\.10\.g[0-9a-f]{7}`)
	run("git", "tag", "v1.2.1")
	version(`1\.2\.1`)

	for i, later := range versions[1:] {
		earlier := versions[i]
		assert.NoError(
			t,
			exec.Command("dpkg", "--compare-versions", earlier, "lt", later).Run(),
			"to dpkg, %s is not below %s",
			earlier,
			later,
		)
		assert.Equal(
			t,
			"-1",
			run("rpm", "--eval", `%{lua:print(rpm.vercmp("`+earlier+`","`+later+`"))}`),
			"to rpm, %s is not below %s",
			earlier,
			later,
		)
	}
}
