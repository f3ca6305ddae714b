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

// The file that says that an operator has taken the host out of traffic. It stands beside the journal, not in it, since the
// agent that runs has the journal to itself; and like the journal it outlives the agent and the host's boots.
const (
	standbyName = "standby"
	maxStandby  = 256 // bytes
)

// SetStandby takes the host out of traffic by hand, until EndStandby. The state directory has to be there.
func SetStandby(dir string, now time.Time) error {
	path := filepath.Join(dir, standbyName)
	line := "since " + now.UTC().Format(time.RFC3339) + "\n"
	if err := renameio.WriteFile(path, []byte(line), 0o644, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o644)); err != nil {
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

// Standby says since when the host is out of traffic by hand; empty where it is not.
func Standby(dir string) (since string, err error) {
	path := filepath.Join(dir, standbyName)
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read whether the host is on standby: %w", err)
	}
	defer file.Close()
	line, err := io.ReadAll(io.LimitReader(file, maxStandby))
	if err != nil {
		return "", fmt.Errorf("read whether the host is on standby from %s: %w", path, err)
	}
	at, err := time.Parse(time.RFC3339, strings.TrimPrefix(strings.TrimSpace(string(line)), "since "))
	if err != nil {
		return "since an unknown time", nil // that the file is there is what counts
	}
	return "since " + at.Format(time.RFC3339), nil
}
