package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// The file that says that an operator has taken the host out of traffic. It stands beside the journal, not in it, since
// the agent that runs has the journal to itself; and like the journal it outlives the agent and the host's boots. It
// names the host: a machine image made of a host on standby must not keep all its clones out of traffic.
const (
	standbyName = "standby"
	maxStandby  = 256 // bytes
)

// standby is what the file says.
type standby struct {
	since    string // in words
	instance string // empty in a file of an earlier version, which says of no host
}

// SetStandby takes the instance out of traffic by hand, until EndStandby. The state directory has to be there.
func SetStandby(dir, instance string, now time.Time) error {
	return writeStandby(dir, standby{"since " + now.UTC().Format(time.RFC3339), instance})
}

func writeStandby(dir string, s standby) error {
	path := filepath.Join(dir, standbyName)
	text := s.since + "\ninstance " + s.instance + "\n"
	if err := renameio.WriteFile(path, []byte(text), 0o644, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o644)); err != nil {
		return fmt.Errorf("note the standby in %s: %w", path, err)
	}
	return nil
}

// EndStandby undoes SetStandby, and says whether there was anything to undo.
func EndStandby(dir string) (was bool, err error) {
	path := filepath.Join(dir, standbyName)
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("end the standby noted in %s: %w", path, err)
	}
	return true, nil
}

// Standby returns since when the instance is out of traffic by hand; empty where it is not, or where another instance
// was.
func Standby(dir, instance string) (since string, err error) {
	s, err := readStandby(dir)
	if err != nil || s.instance != "" && s.instance != instance {
		return "", err
	}
	return s.since, nil
}

// readStandby returns the zero standby where there is no file.
func readStandby(dir string) (standby, error) {
	path := filepath.Join(dir, standbyName)
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return standby{}, nil
	}
	if err != nil {
		return standby{}, fmt.Errorf("read whether the host is on standby: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxStandby))
	if err != nil {
		return standby{}, fmt.Errorf("read whether the host is on standby from %s: %w", path, err)
	}
	first, second, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	s := standby{since: "since an unknown time"} // that the file is there is what counts
	if at, err := time.Parse(time.RFC3339, strings.TrimPrefix(strings.TrimSpace(first), "since ")); err == nil {
		s.since = "since " + at.Format(time.RFC3339)
	}
	if instance, named := strings.CutPrefix(strings.TrimSpace(second), "instance "); named {
		s.instance = instance
	}
	return s, nil
}

// claimStandby sets the file of another instance aside. One of an earlier version, which names none, belongs to the
// instance that the journal beside it belongs to (empty: to nobody known), and is made to say so where that is this
// one.
func (j *Journal) claimStandby(instance, journalOf string) {
	s, err := readStandby(j.dir)
	switch {
	case err != nil || s == standby{} || s.instance == instance:
		return
	case s.instance == "" && (journalOf == "" || journalOf == instance):
		_ = writeStandby(j.dir, standby{s.since, instance}) // where this fails it counts all the same
		return
	case s.instance == "":
		s.instance = journalOf
	}
	j.setAside(standbyName, s.instance, fmt.Sprintf("it belongs to instance %q, and this is %q", s.instance, instance))
}
