package packaging_test

import (
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Debian 12, whose systemd 252 is that of Amazon Linux 2023 as well.
const suite = "bookworm"

// system are the packages that make the smallest Debian one that boots.
var system = []string{"systemd", "systemd-sysv", "dbus"}

// tree returns a tar archive of the root directory of a small Debian. It takes a minute to make and root to make it, so
// that it is kept below bin, for as long as what is in it stays the same.
func tree(t testing.TB) string {
	t.Helper()
	archive, err := makeTree()
	require.NoError(t, err)
	return archive
}

var makeTree = sync.OnceValues(func() (string, error) {
	bin, err := filepath.Abs("../bin")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	include := strings.Join(system, ",")
	archive := filepath.Join(bin, fmt.Sprintf("debian-%s-%08x.tar", suite, crc32.ChecksumIEEE([]byte(include))))
	lock, err := os.Create(archive + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(archive); err == nil {
		return archive, nil
	}
	dir, err := os.MkdirTemp("", "ecssd-tree-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for _, command := range [][]string{
		{"debootstrap", "--variant=minbase", "--include=" + include, suite, dir + "/root"},
		{
			"tar", "-C", dir + "/root", "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*",
			"-cf", archive + ".new", ".",
		},
	} {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf(
				"make a small Debian, as root, with what .ci/packaging installs: %s: %w\n%s",
				command[0],
				err,
				out,
			)
		}
	}
	return archive, os.Rename(archive+".new", archive)
})
