// Package statedir keeps the directory in which ecssd remembers things between its runs. One process at a time uses it;
// a file is read only where nobody but ecssd can have written it, and is replaced whole. What the files hold is for
// others to know, but for the file that takes a host out of traffic by hand.
package statedir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// ErrLocked is the error of a state directory that another ecssd process uses.
var ErrLocked = errors.New("another ecssd process is using it")

// Dir is a state directory.
type Dir struct {
	path string
	lock *os.File // nil where this process does not have the directory to itself
}

// At returns the state directory at a path, without locking it: for reading what a running agent has written.
func At(path string) *Dir { return &Dir{path: path} }

// Open locks a state directory, made if it is not there. Its error wraps ErrLocked where another process has it. A
// directory that cannot be made or locked for any other reason is no error: each write fails, too, and returns one.
func Open(path string) (*Dir, error) {
	_ = os.MkdirAll(path, 0o750)
	lock, err := lock(path)
	if errors.Is(err, ErrLocked) {
		return nil, err
	}
	return &Dir{path, lock}, nil
}

// Close unlocks the directory.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}

// lock locks the directory itself: a lock file can be deleted under its holder, belong to another user after a run by
// root, and not be made on a full or read-only disk; each would let a second process in.
func lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("lock state directory %s: %w", path, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock state directory %s: %w", path, err)
	}
	return file, nil
}

// Path returns the path of a file in the directory.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Read returns the content of a file of at most so many bytes. Its error wraps fs.ErrNotExist where there is none.
func (d *Dir) Read(name string, maxBytes int64) ([]byte, error) {
	file, err := openNoFollow(d.Path(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := d.check(file); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > maxBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxBytes)
	}
	return content, nil
}

// openNoFollow opens a file for reading. O_NONBLOCK, because opening a named pipe would otherwise wait until somebody
// writes to it.
func openNoFollow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

// check returns an error where somebody else may have written a file: what it holds has records deleted.
func (d *Dir) check(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	dir, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	switch mode, owner := info.Mode(), ownerOf(info); {
	case !mode.IsRegular():
		return errors.New("not a regular file")
	case mode.Perm()&0o022 != 0:
		return fmt.Errorf("users other than its owner may write to it (%s)", mode.Perm())
	case !trusted(owner, ownerOf(dir), os.Geteuid()):
		return fmt.Errorf(
			"it belongs to user %d, who is neither root, nor the state directory's owner, nor the user that runs ecssd",
			owner,
		)
	}
	return nil
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// trusted reports whether ecssd can have written a file of owner: as the service's user, who has the directory, or as
// root, who runs other commands.
func trusted(owner, dirOwner, self int) bool { return owner == 0 || owner == dirOwner || owner == self }

// Replace replaces a file and syncs it and the directory. When it returns nil the content is on disk.
func (d *Dir) Replace(name string, content []byte) error {
	file, err := renameio.NewPendingFile(
		d.Path(name),
		renameio.WithTempDir(d.path),
		renameio.WithStaticPermissions(0o640),
	)
	if err != nil {
		return err
	}
	defer file.Cleanup()
	if info, err := os.Stat(d.path); err == nil && os.Geteuid() == 0 {
		// A command that root runs leaves to the service's own user what that has to read. Root in a container may not.
		_ = file.Chown(ownerOf(info), -1)
	}
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.CloseAtomicallyReplace(); err != nil { // syncs the file before the rename
		return err
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("sync state directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync state directory: %w", err)
	}
	return nil
}

// Remove removes a file.
func (d *Dir) Remove(name string) error { return os.Remove(d.Path(name)) }

// RemoveHalves removes what a crash during Replace has left of a file.
func (d *Dir) RemoveHalves(name string) {
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+name) {
			_ = os.Remove(d.Path(e.Name()))
		}
	}
}

// SetAside renames a file that is not used, since its content may still help a person, and returns a notice of that.
// what is the file in words; why is the reason. The suffix is made fit for a file name.
func (d *Dir) SetAside(what, name, suffix, why string) (notice string) {
	suffix = strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, suffix[:min(len(suffix), 64)])
	path := d.Path(name) + "." + suffix
	if err := os.Rename(d.Path(name), path); err != nil {
		return fmt.Sprintf("%s not used: %s; it could not be set aside: %v", what, why, err)
	}
	return fmt.Sprintf("%s not used: %s; kept as %s", what, why, path)
}
