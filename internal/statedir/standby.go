package statedir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// The file with which an operator takes the host out of traffic. It stands beside the journal, not in it, since the
// running agent has the journal to itself; and like the journal it outlives the agent and reboots. It names the host: a
// machine image made of a host on standby must not keep all its clones out of traffic.
const (
	standbyName = "standby"
	maxStandby  = 256 // bytes
)

// standby is the content of the file.
type standby struct {
	since    string // in words
	instance string // empty in a file of an earlier version, which names no host
}

// SetStandby takes the instance out of traffic by hand, until EndStandby. The directory has to be there.
func SetStandby(path, instance string, now time.Time) error {
	return At(path).writeStandby(standby{"since " + now.UTC().Format(time.RFC3339), instance})
}

func (d *Dir) writeStandby(s standby) error {
	path, text := d.Path(standbyName), s.since+"\ninstance "+s.instance+"\n"
	err := renameio.WriteFile(
		path,
		[]byte(text),
		0o644,
		renameio.WithTempDir(d.path),
		renameio.WithStaticPermissions(0o644),
	)
	if err != nil {
		return fmt.Errorf("write standby file %s: %w", path, err)
	}
	return nil
}

// EndStandby undoes SetStandby, and reports whether there was anything to undo.
func EndStandby(path string) (was bool, err error) {
	err = At(path).Remove(standbyName)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove standby file: %w", err)
	}
	return true, nil
}

// Standby returns since when the instance is out of traffic by hand; empty where it is not, or where another instance
// was.
func Standby(path, instance string) (since string, err error) {
	s, err := At(path).readStandby()
	if err != nil || s.instance != "" && s.instance != instance {
		return "", err
	}
	return s.since, nil
}

// readStandby returns the zero standby where there is no file.
func (d *Dir) readStandby() (standby, error) {
	file, err := openNoFollow(d.Path(standbyName))
	if errors.Is(err, fs.ErrNotExist) {
		return standby{}, nil
	}
	if err != nil {
		return standby{}, fmt.Errorf("read standby file: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxStandby))
	if err != nil {
		return standby{}, fmt.Errorf("read standby file %s: %w", d.Path(standbyName), err)
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

// ClaimStandby sets the standby of another instance aside, and returns what it did, in words; empty where it did
// nothing. A file of an earlier version, which names no instance, belongs to the instance that the journal beside it
// belongs to (empty: not known), and is made to name it where that is this one.
func (d *Dir) ClaimStandby(instance, journalOf string) (notice string) {
	s, err := d.readStandby()
	switch {
	case err != nil || s == standby{} || s.instance == instance:
		return ""
	case s.instance == "" && (journalOf == "" || journalOf == instance):
		_ = d.writeStandby(standby{s.since, instance}) // where this fails it counts all the same
		return ""
	case s.instance == "":
		s.instance = journalOf
	}
	why := fmt.Sprintf("it belongs to instance %q, and this is %q", s.instance, instance)
	return d.SetAside("standby by hand", standbyName, s.instance, why)
}
