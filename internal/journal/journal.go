// Package journal keeps on disk what this host has written to Route 53, or is about to write, so that after a crash
// between any two lines nothing has to be listed and nothing is forgotten. It is one small file in the state directory,
// replaced whole. It decides nothing about the records, and deletes none.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/statedir"
)

// State is what a journal holds.
type State struct {
	Records    map[string]plan.Current // the host's records, by hosted zone ID
	Zones      map[string]string       // hosted zone IDs that were found, by zone name
	ListingDue bool                    // records may be missing here: the zone has to be listed once
	Stops      []Stop
}

// Stop is a container that was asked to stop.
type Stop struct {
	ContainerID string
	Run         time.Time // when the run began that was to end, by Docker's clock
	At          time.Time // when the signal was sent, by Docker's clock
	// Over: the container has outlived the signal, which does not count again where Docker reports it once more.
	Over bool `json:",omitempty"`
}

// SetRecords replaces the host's records in a zone.
func (s *State) SetRecords(zone string, current plan.Current) {
	if len(current) == 0 {
		delete(s.Records, zone)
	} else {
		s.Records[zone] = maps.Clone(current)
	}
}

// clone returns a copy. The records of a zone are replaced, never changed, and are not copied.
func (s State) clone() State {
	s.Records, s.Zones, s.Stops = maps.Clone(s.Records), maps.Clone(s.Zones), slices.Clone(s.Stops)
	return s
}

// Journal is an open journal. Its methods may be called from several goroutines.
type Journal struct {
	dir      *statedir.Dir
	instance string
	boot     string
	rebooted bool
	notices  []string
	now      func() time.Time

	// writing is held while the file is written, and taken before mu. mu is never held over a system call: who reads or
	// updates the journal does not wait for a slow disk.
	writing sync.Mutex
	mu      sync.Mutex
	state   State
	asOf    time.Time // when the file was last right
	dirty   bool      // the state is newer than the file
	err     error     // of the last attempt to write
	began   time.Time // when the present attempt began; zero: there is none
}

// Open locks the state directory, made if it is not there, and reads the journal of the instance. A journal that
// belongs to another instance, as in a clone of a machine image, or that cannot be read is set aside under another name
// beside it, and the zone is due to be listed; Notice reports it. So is a standby by hand of another instance. The
// records of an old journal are all unconfirmed, and the zone is due to be listed; so it is where the host has started
// anew since. A directory that cannot be written is no error either: Err returns one until it can. The error
// wraps statedir.ErrLocked where another process has the directory.
func Open(dir, instance, boot string) (*Journal, error) {
	locked, err := statedir.Open(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		dir:      locked,
		instance: instance,
		boot:     boot,
		now:      time.Now,
	}
	locked.RemoveHalves(fileName)
	found, err := read(locked)
	if notice := locked.ClaimStandby(instance, found.Instance); notice != "" {
		j.notices = append(j.notices, notice)
	}
	fresh := file{ListingDue: true}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		found = fresh
	case err != nil:
		j.setAside("unreadable", err.Error())
		found = fresh
	case found.Instance != instance:
		j.setAside(found.Instance, fmt.Sprintf("it belongs to instance %q, and this is %q", found.Instance, instance))
		found = fresh
	case found.old(j.now()):
		found.distrust()
	}
	if j.rebooted = found.Boot != boot && found.Boot != ""; j.rebooted {
		// A host whose disk turned read-only is often rebooted, and then the file lacks what was written to the zone
		// since. While the host was down the sweeper may have removed what the file holds; an agent that is killed
		// before it has written all of that once more must not believe it at its next start.
		found.ListingDue = true
		found.unconfirm()
	}
	j.state = found.state()
	if err := j.write(); err != nil {
		// What cannot be written now could not be written before either: the file may be behind.
		j.state.ListingDue = true
	}
	return j, nil
}

func (j *Journal) setAside(suffix, why string) {
	j.notices = append(j.notices, j.dir.SetAside("journal", fileName, suffix, why))
}

// Notice returns why an existing journal, or a standby by hand, was not used; empty where it was, or where there was
// none.
func (j *Journal) Notice() string { return strings.Join(j.notices, "; ") }

// Rebooted reports whether the host has started anew since the journal was last open.
func (j *Journal) Rebooted() bool { return j.rebooted }

// State returns what the journal holds. The records of a zone are not to be changed.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.clone()
}

// Update changes what the journal holds. It does not wait for the disk: the change is on disk when the next Flush
// returns nil. change must be quick, and must not keep the State.
func (j *Journal) Update(change func(*State)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.state)
	j.dirty = true
}

// Flush writes what is not on disk yet, and tries again where the last write failed. Where there is nothing to write it
// writes every ten minutes that the journal is right.
func (j *Journal) Flush() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	age := ageOf(j.asOf, j.now())
	due := j.dirty || j.err != nil || age < 0 || age >= stampEvery
	j.mu.Unlock()
	if !due {
		return nil
	}
	return j.writeAlone()
}

// longestWrite is how long a write may take before the journal counts as behind: a sync takes some seconds on a busy
// disk.
const longestWrite = 30 * time.Second

// Err returns why the file is behind the journal; nil when it is not.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil && !j.began.IsZero() && time.Since(j.began) > longestWrite {
		return fmt.Errorf("write journal %s: the disk has not answered for %s", j.dir.Path(fileName), longestWrite)
	}
	return j.err
}

// Close unlocks the state directory, after writing what is not written yet.
func (j *Journal) Close() error { return errors.Join(j.Flush(), j.dir.Close()) }

// write replaces the file.
func (j *Journal) write() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	return j.writeAlone()
}

// writeAlone is write for a caller that holds writing.
func (j *Journal) writeAlone() error {
	j.mu.Lock()
	j.asOf = j.now().Round(0)
	out := fileOf(j.instance, j.boot, j.asOf, j.state.clone())
	j.dirty, j.began = false, time.Now()
	j.mu.Unlock()
	err := out.write(j.dir)
	if err != nil {
		// A journal that is behind is worse than none: with none, the next start lists the zone. (On a full disk
		// removal still works; on one that is read-only nothing does, and the next start sees that for itself.)
		_ = j.dir.Remove(fileName)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err, j.dirty, j.began = err, j.dirty || err != nil, time.Time{}
	return err
}
