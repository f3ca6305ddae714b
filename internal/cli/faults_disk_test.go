package cli

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// asRoot runs a test as root of a user namespace of its own where nobody is root yet, and says whether it did.
func asRoot(t *testing.T) (done bool) {
	t.Helper()
	if os.Geteuid() == 0 {
		return false
	}
	out, err := exec.Command("unshare", "--map-root-user", "--mount", os.Args[0], "-test.run", "^"+t.Name()+"$").
		CombinedOutput()
	require.NoError(t, err, "run this test as root; without, user namespaces are needed:\n%s", out)
	return true
}

// onDisk gives the world a state directory that is a small file system of its own.
func (w *world) onDisk() {
	w.t.Helper()
	dir := w.t.TempDir()
	require.NoError(w.t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
	w.t.Cleanup(func() { assert.NoError(w.t, unix.Unmount(dir, unix.MNT_DETACH)) })
	w.dir = dir
	w.listed()
}

// fill fills the disk, and fills it again as soon as something is deleted, until empty is called.
func (w *world) fill() (empty func()) {
	w.t.Helper()
	file, err := os.Create(filepath.Join(w.dir, "lost+found"))
	require.NoError(w.t, err)
	full, stop, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		page := make([]byte, os.Getpagesize())
		for once := false; ; {
			if _, err := file.Write(page); err == nil {
				continue
			}
			if !once {
				close(full)
				once = true
			}
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	<-full
	return func() {
		close(stop)
		<-stopped
		assert.NoError(w.t, file.Close())
		assert.NoError(w.t, os.Remove(file.Name()))
	}
}

// notReady gives what /readyz says is missing; nothing where it says that all is well.
func (w *world) notReady() string {
	response, err := http.Get("http://" + w.listen + "/readyz")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusServiceUnavailable {
		return ""
	}
	return string(body)
}

// saysListing fails unless the zone has been listed, or the journal says that it is to be: that is done at a random
// moment of the first ten minutes, and at once by "sync".
func (w *world) saysListing() {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, "records.json"))
	require.NoError(w.t, err)
	if !strings.Contains(string(content), `"ListingDue":true`) {
		require.NotEmpty(w.t, w.sandbox.Calls("ListResourceRecordSets"), "%s", content)
	}
}

const readOnly = "journal: write journal %/records.json: open %/.records.json: read-only file system"

const diskFull = "journal: write journal %/records.json: write %/.records.json: no space left on device"

func TestStateDirectoryThatCannotBeWrittenForAWhile(t *testing.T) {
	t.Parallel()
	if asRoot(t) {
		return
	}
	for name, c := range map[string]struct {
		words    string
		spoil    func(w *world) (restore func())
		restored bool // before the next start
	}{
		"disk full":                      {diskFull, (*world).fill, false},
		"disk full until the agent dies": {diskFull, (*world).fill, true},
		"remounted read-only": {readOnly, func(w *world) func() {
			require.NoError(w.t, unix.Mount("", w.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
			return func() { require.NoError(w.t, unix.Mount("", w.dir, "", unix.MS_REMOUNT, "")) }
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.onDisk()
			w.start()
			cli := enginetest.Client(t)
			first := w.container("first", enginetest.Options{})
			w.settles(cli)
			restore := c.spoil(w)

			// DNS goes on.
			second := w.container("second", enginetest.Options{})
			w.settles(cli)
			says := strings.Split(strings.ReplaceAll(c.words, "%", w.dir), ".records.json")
			w.eventually("not ready, in words", func() bool {
				said := w.notReady()
				return strings.Contains(said, says[0]) && strings.Contains(said, says[1])
			})
			first.Stop(1)
			w.settles(cli)

			// What changes while the agent is away, and cannot be known from the journal, is found by listing.
			w.kill()
			second.Stop(1)
			w.container("third", enginetest.Options{})
			if c.restored {
				restore()
			}
			w.launch()
			w.has("third", 1)
			if !c.restored {
				w.eventually(
					"not ready yet",
					func() bool { return strings.Contains(w.notReady(), says[1]) },
				)
				restore()
			}
			w.eventually("ready again", w.ready)
			w.saysListing()
			w.stop()
			out, err := w.command("sync", "--state-dir", w.dir, "--allow-names", w.prefix+".*").CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, w.truth(cli), w.told())

			known, err := journal.Read(w.dir)
			require.NoError(t, err)
			assert.Len(t, known[w.zone], 2, "the host and the third container")
		})
	}
}
