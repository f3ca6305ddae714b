// Package journal keeps on disk what this host has written to Route 53, or is about to write, so that after a crash
// between any two lines nothing has to be listed and nothing is forgotten. It holds one small file, replaced whole, and
// a lock that one process has at a time. It decides nothing about the records, and deletes none.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	fileName = "records.json"
	version  = 1
	// maxBytes bounds what is read: 10,000 records, more than a zone takes by default, are about 4 MB.
	maxBytes = 64 << 20

	// A journal of which an agent has the use says at least every stampEvery when it was last right. One that is older
	// than oldAfter may have come back with a snapshot of a disk or a machine image, or have been out of reach for
	// writing: it may lack records, and what it has may be gone. So may one whose time is to come by more than clocks
	// are commonly set back.
	stampEvery = 10 * time.Minute
	oldAfter   = 15 * time.Minute
	setBack    = time.Minute
)

// ErrLocked says that another ecssd process uses the state directory.
var ErrLocked = errors.New("another ecssd process is using it")

// entry is one record of the host in the file: a plan.Entry and its zone.
type entry struct {
	Zone        string // hosted zone ID
	Record      record.Record
	Unconfirmed bool   `json:"Doubt,omitempty"`
	Run         string `json:",omitempty"`
}

// Stop is a container that was asked to stop.
type Stop struct {
	ContainerID string
	Run         time.Time // when the run began that was to end, by the Engine's clock
	At          time.Time // when the signal was sent, by the Engine's clock
	// Over: the container has outlived it, and the same signal, which the Engine may tell of once more, does not count
	// again.
	Over bool `json:",omitempty"`
}

// state is the file.
type state struct {
	Version    int
	Instance   string
	Boot       string            // kernel boot ID under which it was last opened
	AsOf       time.Time         // when it was last right; the zero time in a file of an earlier version
	Zones      map[string]string `json:",omitempty"` // zone name → ID found for it
	ListingDue bool              `json:",omitempty"` // the file may lack records: the zone has to be listed once
	Records    []entry
	Stops      []Stop `json:",omitempty"`
}

// Journal is an open state directory. Its methods may be called from several goroutines.
type Journal struct {
	dir      string
	lock     *os.File // nil where the directory allows none
	rebooted bool
	notices  []string
	now      func() time.Time

	// writing is held while the file is written, and taken before mu. mu is never held over a system call: who asks the
	// journal something, or tells it what need not be on disk at once, does not wait for a slow disk.
	writing sync.Mutex
	mu      sync.Mutex
	state   state
	records map[string]plan.Current // by zone ID; each is replaced, never changed
	dirty   bool
	err     error     // of the last attempt to write
	began   time.Time // when the present attempt began; zero: there is none
}

// Open locks the state directory, made if it is not there, and reads the journal of the instance. A journal that
// belongs to another instance, as in a clone of a machine image, or that can't be read is set aside under another name
// beside it, and the zone is due to be listed; Notice tells. So is a standby by hand of another instance. The records
// of an old journal are all in doubt, and the zone is due to be listed; it is due, too, where the host has started anew
// since. A directory that can't be written is no error either: Err says so until it can. The error wraps ErrLocked
// where another process has the directory.
func Open(dir, instance, boot string) (*Journal, error) {
	_ = os.MkdirAll(dir, 0o750) // where this fails, so does the first write, and Err tells
	lock, err := lockDir(dir)
	if errors.Is(err, ErrLocked) {
		return nil, err
	}
	j := &Journal{dir: dir, lock: lock, now: time.Now}
	j.removeHalves()
	found, err := j.read()
	j.claimStandby(instance, found.Instance)
	fresh := state{Version: version, Instance: instance, ListingDue: true}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		found = fresh
	case err != nil:
		j.setAside(fileName, "unreadable", err.Error())
		found = fresh
	case found.Instance != instance:
		j.setAside(
			fileName,
			found.Instance,
			fmt.Sprintf("it belongs to instance %q, and this is %q", found.Instance, instance),
		)
		found = fresh
	case found.old(j.now()):
		found.ListingDue = true
		for i := range found.Records {
			// Nor is a mark of the sweeper's believed: it may have fallen since, and would be written again.
			found.Records[i].Unconfirmed, found.Records[i].Run = true, ""
		}
	}
	if j.rebooted = found.Boot != boot && found.Boot != ""; j.rebooted {
		// A host whose disk turned read-only is often booted anew, and then the file lacks what was written to the zone
		// since.
		found.ListingDue = true
	}
	found.Boot = boot
	j.records = byZone(found.Records)
	found.Records = nil
	j.state = found
	if err := j.write(); err != nil {
		// What cannot be written now could not be written before either: the file may be behind.
		j.state.ListingDue = true
	}
	return j, nil
}

// age returns how long ago the journal was last right, by a clock that may have been set since. Of a journal that does
// not say it is longer than any.
func (s state) age(now time.Time) time.Duration { return now.Round(0).Sub(s.AsOf) }

func (s state) old(now time.Time) bool {
	age := s.age(now)
	return age > oldAfter || age < -setBack
}

// Age returns how long ago the journal in a state directory was last right.
func Age(dir string) (time.Duration, error) {
	found, err := (&Journal{dir: dir}).read()
	return found.age(time.Now()), err
}

// Instance returns the ID of the instance that a journal belongs to.
func Instance(dir string) (string, error) {
	found, err := (&Journal{dir: dir}).read()
	return found.Instance, err
}

// lockDir locks the directory itself: a lock file can be deleted under its holder, belong to another user after a run
// by root, and not be made on a full or read-only disk; each would let a second process in.
func lockDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	return lock, nil
}

func byZone(entries []entry) map[string]plan.Current {
	zones := map[string]plan.Current{}
	for _, e := range entries {
		if zones[e.Zone] == nil {
			zones[e.Zone] = plan.Current{}
		}
		zones[e.Zone][e.Record.Key()] = plan.Entry{Record: e.Record, Unconfirmed: e.Unconfirmed, Run: e.Run}
	}
	return zones
}

// Read gives the records of a journal by zone ID without opening it: for looking at what a running agent has written.
func Read(dir string) (map[string]plan.Current, error) {
	found, err := (&Journal{dir: dir}).read()
	return byZone(found.Records), err
}

func (j *Journal) read() (state, error) {
	// O_NONBLOCK, because to open a named pipe would else wait for ever for somebody to write to it.
	file, err := os.OpenFile(j.path(), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return state{}, fmt.Errorf("open journal: %w", err)
	}
	defer file.Close()
	if err := j.check(file); err != nil {
		return state{}, fmt.Errorf("read journal %s: %w", j.path(), err)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return state{}, fmt.Errorf("read journal %s: %w", j.path(), err)
	}
	if len(content) > maxBytes {
		return state{}, fmt.Errorf("read journal %s: larger than %d bytes", j.path(), maxBytes)
	}
	var found state
	if err := json.Unmarshal(content, &found); err != nil {
		return state{}, fmt.Errorf("read journal %s: %w", j.path(), err)
	}
	if found.Version != version {
		return state{}, fmt.Errorf(
			"read journal %s: version %d, and this ecssd knows version %d",
			j.path(),
			found.Version,
			version,
		)
	}
	for _, e := range found.Records {
		if e.Zone == "" || e.Record.Name == "" || e.Record.SetID == "" {
			return state{}, fmt.Errorf("read journal %s: a record without zone, name or set identifier", j.path())
		}
	}
	return found, nil
}

// check gives an error where the file may be somebody else's work: on its word records are deleted.
func (j *Journal) check(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	dir, err := os.Stat(j.dir)
	if err != nil {
		return err
	}
	switch mode, owner := info.Mode(), ownerOf(info); {
	case !mode.IsRegular():
		return errors.New("it is no regular file")
	case mode.Perm()&0o022 != 0:
		return fmt.Errorf("others than its owner may write to it (%s)", mode.Perm())
	case !trusted(owner, ownerOf(dir), os.Geteuid()):
		return fmt.Errorf(
			"it belongs to user %d, who is neither root, nor the state directory's owner, nor who runs ecssd",
			owner,
		)
	}
	return nil
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// trusted says whether a journal may be the work of ecssd: of the service's user, who has the directory, or of root,
// who runs other commands over it.
func trusted(owner, dirOwner, self int) bool { return owner == 0 || owner == dirOwner || owner == self }

// removeHalves removes what a crash in the middle of a write has left.
func (j *Journal) removeHalves() {
	entries, _ := os.ReadDir(j.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+fileName) {
			_ = os.Remove(filepath.Join(j.dir, e.Name()))
		}
	}
}

func (j *Journal) path() string { return filepath.Join(j.dir, fileName) }

// setAside renames a file: what is in it may still help a person.
func (j *Journal) setAside(name, suffix, why string) {
	suffix = strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, suffix[:min(len(suffix), 64)])
	path := filepath.Join(j.dir, name)
	what := map[string]string{fileName: "journal", standbyName: "standby by hand"}[name]
	notice := fmt.Sprintf("%s not used: %s; kept as %s.%s", what, why, path, suffix)
	if err := os.Rename(path, path+"."+suffix); err != nil {
		notice = fmt.Sprintf("%s not used: %s; it could not be set aside: %v", what, why, err)
	}
	j.notices = append(j.notices, notice)
}

// Notice says why an existing journal, or a standby by hand, was not used; empty where it was, or where there was none.
func (j *Journal) Notice() string { return strings.Join(j.notices, "; ") }

// Rebooted says whether the host has started anew since the journal was last open.
func (j *Journal) Rebooted() bool { return j.rebooted }

// Close gives the directory up, after writing what is not written yet.
func (j *Journal) Close() error {
	err := j.Flush()
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}

// ZoneID gives the ID that was found for a zone's name; empty if none was.
func (j *Journal) ZoneID(name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.Zones[name]
}

// SetZoneID keeps the ID found for a zone's name, or forgets it where id is empty.
func (j *Journal) SetZoneID(name, id string) error {
	zones := map[string]string{}
	if id != "" {
		zones[name] = id
	}
	j.mu.Lock()
	same, err := maps.Equal(zones, j.state.Zones), j.err
	j.state.Zones = zones
	j.mu.Unlock()
	if same {
		return err
	}
	return j.write()
}

// ZonesWithRecords gives the IDs of the zones in which the host has records, sorted.
func (j *Journal) ZonesWithRecords() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.records))
}

// Records gives the host's records in a zone.
func (j *Journal) Records(zone string) plan.Current {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.records[zone])
}

// SetRecords replaces the host's records in a zone. When it returns nil they are on disk.
func (j *Journal) SetRecords(zone string, known plan.Current) error {
	j.mu.Lock()
	if len(known) == 0 {
		delete(j.records, zone)
	} else {
		j.records[zone] = maps.Clone(known)
	}
	j.mu.Unlock()
	return j.write()
}

// Stops gives the containers that were asked to stop.
func (j *Journal) Stops() []Stop {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.state.Stops)
}

// SetStops replaces the containers that were asked to stop. They reach the disk with the next write: one that follows
// at once, of the records that go with them, or Flush.
func (j *Journal) SetStops(stops []Stop) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Stops, j.dirty = slices.Clone(stops), true
}

// ListingDue says whether the zone has to be listed once, because the journal may lack records of this host.
func (j *Journal) ListingDue() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.ListingDue
}

// Listed notes that the zone has been listed, or need not be.
func (j *Journal) Listed() error {
	j.mu.Lock()
	j.state.ListingDue = false
	j.mu.Unlock()
	return j.write()
}

// Flush writes what is not on disk yet, and tries again where the last write failed. Where there is nothing to write it
// writes every ten minutes that the journal is right.
func (j *Journal) Flush() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	age := j.state.age(j.now())
	due := j.dirty || j.err != nil || age < 0 || age >= stampEvery
	j.mu.Unlock()
	if !due {
		return nil
	}
	return j.writeAlone()
}

// longestWrite is how long a write may take before the journal is called behind: a sync takes some seconds on a busy
// disk.
const longestWrite = 30 * time.Second

// Err is why the journal is behind what it was told; nil when it is not.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil && !j.began.IsZero() && time.Since(j.began) > longestWrite {
		return fmt.Errorf("write journal %s: the disk has not answered for %s", j.path(), longestWrite)
	}
	return j.err
}

// write replaces the file and syncs it and its directory.
func (j *Journal) write() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	return j.writeAlone()
}

// writeAlone is write for a caller that holds writing.
func (j *Journal) writeAlone() error {
	j.mu.Lock()
	j.state.AsOf = j.now().Round(0)
	out, records := j.state, maps.Clone(j.records)
	j.dirty, j.began = false, time.Now()
	j.mu.Unlock()
	err := j.replace(out, records)
	if err != nil {
		// A journal that is behind is worse than none: with none, the next start lists the zone. (On a full disk
		// removal still works; on one that is read-only nothing does, and the next start sees that for itself.)
		_ = os.Remove(j.path())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err, j.dirty, j.began = err, j.dirty || err != nil, time.Time{}
	return err
}

func (j *Journal) replace(out state, records map[string]plan.Current) error {
	out.Records = []entry{}
	for zone, known := range records {
		for _, e := range known {
			out.Records = append(out.Records, entry{
				Zone:        zone,
				Record:      e.Record,
				Unconfirmed: e.Unconfirmed,
				Run:         e.Run,
			})
		}
	}
	content, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", j.path(), err)
	}
	file, err := renameio.NewPendingFile(j.path(), renameio.WithTempDir(j.dir), renameio.WithStaticPermissions(0o640))
	if err != nil {
		return fmt.Errorf("write journal %s: %w", j.path(), err)
	}
	defer file.Cleanup()
	if info, err := os.Stat(j.dir); err == nil && os.Geteuid() == 0 {
		// A command that root runs leaves to the service's own user what that has to read. Root in a container may not.
		_ = file.Chown(ownerOf(info), -1)
	}
	if _, err := file.Write(content); err != nil {
		return fmt.Errorf("write journal %s: %w", j.path(), err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil { // syncs the file before the rename
		return fmt.Errorf("write journal %s: %w", j.path(), err)
	}
	dir, err := os.Open(j.dir)
	if err != nil {
		return fmt.Errorf("sync state directory %s: %w", j.dir, err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync state directory %s: %w", j.dir, err)
	}
	return nil
}
