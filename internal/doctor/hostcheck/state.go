package hostcheck

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// written is what the state directory holds.
type written struct {
	results []doctor.Result
	records map[string]plan.Current // by hosted zone ID; nil where the journal could not be read
}

func (h *Host) checkState(ctx context.Context) []doctor.Result { return h.lookAtState(ctx).results }

func (h *Host) lookAtState(ctx context.Context) written {
	return h.written.Get(func() written {
		owner, results, usable := checkDirectory(h.StateDir)
		if !usable {
			return written{results: results}
		}
		records, unread := readJournal(h.StateDir)
		if unread != nil {
			return written{results: append(results, *unread)}
		}
		if other := foreign(records, h.Identity(ctx).InstanceID); other != "" {
			results = append(results, doctor.Warnf("the journal is that of %s, of which this may be a clone", other).
				Hintf("systemctl restart ecssd: it sets the journal aside; and remove %s from machine images",
					h.StateDir))
		}
		if age, err := journal.Age(h.StateDir); err == nil && results == nil && age.Abs() > oldJournal {
			results = append(results, doctor.Warnf("no agent has written the journal for %s: records may be missing "+
				"in it", span(age)).
				Hintf("systemctl restart ecssd: it reads the zone once; where an agent runs: journalctl -u ecssd"))
		}
		if results == nil {
			total := 0
			for _, current := range records {
				total += len(current)
			}
			results = []doctor.Result{
				doctor.Okf("%s of user %d holds the journal, of %s", h.StateDir, owner, doctor.Count(total, "record")),
			}
		}
		return written{results, records}
	})
}

// checkDirectory returns the user who owns the directory, what is wrong with it, and reports whether it can be looked
// into.
func checkDirectory(path string) (owner uint32, results []doctor.Result, usable bool) {
	info, err := os.Stat(path)
	var disk unix.Statfs_t
	if err == nil {
		err = unix.Statfs(path, &disk)
	}
	const another = "give another in --state-dir (ECSSD_STATE_DIR)"
	var r doctor.Result
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r = doctor.Warnf("there is no state directory %s: no agent has run here with it", path).
			Hintf("systemctl start ecssd; where it is elsewhere, say so in --state-dir (ECSSD_STATE_DIR)")
	case errors.Is(err, fs.ErrPermission):
		r = doctor.Skipf("not checked: this user may not look into %s", path).Hintf(asRoot)
	case err != nil:
		r = doctor.Failf("the state directory cannot be used: %v", err).Hintf(another)
	case !info.IsDir():
		r = doctor.Failf("%s is no directory", path).Hintf(another)
	default:
		return info.Sys().(*syscall.Stat_t).Uid, unwritable(path, info.Mode().Perm(), disk), true
	}
	return 0, []doctor.Result{r}, false
}

// readJournal returns the journal's records, or why there are none.
func readJournal(dir string) (records map[string]plan.Current, unread *doctor.Result) {
	records, err := journal.Read(dir)
	var r doctor.Result
	switch {
	case err == nil:
		return records, nil
	case errors.Is(err, fs.ErrPermission):
		r = doctor.Skipf("the journal is not checked: this user may not read it").Hintf(asRoot)
	case errors.Is(err, fs.ErrNotExist):
		r = doctor.Warnf("there is no journal in %s: no agent has run here with it, or it cannot write there", dir).
			Hintf("systemctl restart ecssd; journalctl -u ecssd")
	default:
		r = doctor.Failf("the journal cannot be used: %v", err).
			Hintf("systemctl restart ecssd: it sets the journal aside and reads the zone once")
	}
	return nil, &r
}

// oldJournal is the age from which records may be missing in the journal: an agent that can write it does so every 10
// minutes.
const oldJournal = 15 * time.Minute

// span returns an age as a person says it.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "an unknown time, since its date is in the future"
	case d > 100*365*24*time.Hour:
		return "an unknown time"
	}
	return d.Round(time.Minute).String()
}

// minFree is the room below which a journal may not be written, in bytes.
const minFree = 1 << 20

// unwritable returns what keeps the owner of the state directory from writing to it, or lets others.
func unwritable(path string, mode fs.FileMode, disk unix.Statfs_t) []doctor.Result {
	free := disk.Bavail * uint64(disk.Bsize)
	var r doctor.Result
	switch {
	case disk.Flags&unix.ST_RDONLY != 0:
		r = doctor.Failf("%s cannot be written: its file system is read-only", path).Hintf("mount -o remount,rw; " +
			"see dmesg")
	case free < minFree || disk.Files > 0 && disk.Ffree == 0:
		r = doctor.Failf("%s cannot be written: its file system is full", path).
			Hintf("df -h %s; df -i %s; make room", path, path)
	case mode&0o300 != 0o300:
		r = doctor.Failf("%s cannot be written by its owner (%s)", path, mode).Hintf("chmod 700 %s", path)
	case mode&0o022 != 0:
		r = doctor.Warnf("others than its owner may write to %s (%s)", path, mode).Hintf("chmod go-w %s", path)
	default:
		return nil
	}
	return []doctor.Result{r}
}

// foreign returns the instance that the journal's records belong to, where that is not this one.
func foreign(records map[string]plan.Current, instance string) string {
	for _, current := range records {
		for key := range current {
			id, ok := record.ParseSetID(key.SetID)
			if ok && id.Kind != record.Legacy && instance != "" && id.Instance != instance {
				return id.Instance
			}
		}
	}
	return ""
}
