package hostcheck

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// withJournal returns a look at a host whose journal was last right at a time.
func withJournal(t *testing.T, asOf time.Time) *Host {
	t.Helper()
	h := here(t, "unix:///nowhere/docker.sock")
	text := `{"Version":1,"Instance":"i-1","Boot":"b","AsOf":"` + asOf.Format(time.RFC3339Nano) + `","Records":[]}`
	require.NoError(t, os.WriteFile(filepath.Join(h.StateDir, "records.json"), []byte(text), 0o600))
	return h
}

// A journal that came back with a snapshot of the disk said nothing of its age.
func TestAgeOfTheJournal(t *testing.T) {
	const old = "no agent has written the journal for "
	for name, c := range map[string]struct {
		age  time.Duration // zero: unknown
		want string        // empty: it is well
	}{
		"of now":             {age: time.Second},
		"of a while ago":     {age: oldJournal - 10*time.Second},
		"of too long ago":    {age: oldJournal + time.Second, want: old + "15m0s: records may be missing in it"},
		"of last night":      {age: 9 * time.Hour, want: old + "9h0m0s: records may be missing in it"},
		"of a clock's error": {age: -oldJournal + 10*time.Second},
		"of tomorrow": {
			age:  -24 * time.Hour,
			want: old + "an unknown time, since its date is in the future: records may be missing in it",
		},
		"of an unknown date": {want: old + "an unknown time: records may be missing in it"},
	} {
		t.Run(name, func(t *testing.T) {
			asOf := time.Now().Add(-c.age)
			if c.age == 0 {
				asOf = time.Time{}
			}
			h := withJournal(t, asOf)
			r := one(t, h, "state")
			if c.want == "" {
				owner := fmt.Sprintf("%s of user %d holds the journal, of 0 records", h.StateDir, os.Geteuid())
				assert.Equal(t, doctor.Okf("%s", owner).Of("state"), r)
				return
			}
			assert.Equal(t, doctor.Warn, r.State)
			assert.Equal(t, c.want, r.Detail)
			assert.Contains(t, r.Hint, "systemctl restart ecssd")
		})
	}
}

func TestStateDirectory(t *testing.T) {
	const another = "give another in --state-dir (ECSSD_STATE_DIR)"
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) string // returns the state directory
		want    doctor.Result
	}{
		"missing": {
			func(_ *testing.T, dir string) string { return filepath.Join(dir, "none") },
			doctor.Warnf("there is no state directory DIR/none: no agent has run here with it").
				Hintf("systemctl start ecssd; where it is elsewhere, say so in --state-dir (ECSSD_STATE_DIR)"),
		},
		"a file": {
			func(t *testing.T, dir string) string {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
				return filepath.Join(dir, "file")
			},
			doctor.Failf("DIR/file is no directory").Hintf(another),
		},
		"below a file": {
			func(t *testing.T, dir string) string {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
				return filepath.Join(dir, "file", "dir")
			},
			doctor.Failf("the state directory cannot be used: stat DIR/file/dir: not a directory").Hintf(another),
		},
		"without a journal": {
			func(_ *testing.T, dir string) string { return dir },
			doctor.Warnf("there is no journal in DIR: no agent has run here with it, or it cannot write there").
				Hintf("systemctl restart ecssd; journalctl -u ecssd"),
		},
		"with a journal that is none": {
			func(t *testing.T, dir string) string {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "records.json"), []byte("{"), 0o600))
				return dir
			},
			doctor.Failf("the journal cannot be used: read journal DIR/records.json: unexpected end of JSON input").
				Hintf("systemctl restart ecssd: it sets the journal aside and reads the zone once"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := here(t, "unix:///nowhere/docker.sock")
			dir := h.StateDir
			h.StateDir = c.prepare(t, dir)
			r := one(t, h, "state")
			r.Detail = strings.ReplaceAll(r.Detail, dir, "DIR")
			assert.Equal(t, c.want.Of("state"), r)
			assert.Nil(t, h.Records(t.Context()))
		})
	}
}

// asNobody runs a function as a user who may read nothing of ours. Where the test is root's, root's rights are given
// away for this thread alone (setfsuid(2)).
func asNobody(t *testing.T, run func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, err := unix.SetfsuidRetUid(65534)
		require.NoError(t, err)
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	run()
}

func TestStateDirectoryOfAnotherUser(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "state")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "records.json"), []byte("{}"), 0o000))
	require.NoError(t, os.Chmod(parent, 0o000))
	t.Cleanup(func() { _ = os.Chmod(parent, 0o700) }) // or it cannot be removed
	asNobody(t, func() {
		_, results, usable := checkDirectory(dir)
		assert.False(t, usable)
		assert.Equal(t, []doctor.Result{
			doctor.Skipf("not checked: this user may not look into %s", dir).Hintf("run this as root: sudo ecssd " +
				"doctor"),
		}, results)
	})
	for _, open := range []string{filepath.Dir(parent), parent, dir} {
		require.NoError(t, os.Chmod(open, 0o755))
	}
	asNobody(t, func() {
		_, results, usable := checkDirectory(dir)
		assert.True(t, usable)
		assert.Empty(t, results)
		_, unread := readJournal(dir)
		require.NotNil(t, unread)
		assert.Equal(t, doctor.Skipf("the journal is not checked: this user may not read it").
			Hintf("run this as root: sudo ecssd doctor"), *unread)
	})
}

func TestUnwritable(t *testing.T) {
	const block = 4096
	disk := func(change func(*unix.Statfs_t)) unix.Statfs_t {
		d := unix.Statfs_t{
			Bsize:  block,
			Bavail: minFree / block,
			Files:  10,
			Ffree:  1,
		}
		change(&d)
		return d
	}
	fine := func(*unix.Statfs_t) {}
	full := doctor.Failf("/s cannot be written: its file system is full").Hintf("df -h /s; df -i /s; make room")
	for name, c := range map[string]struct {
		mode fs.FileMode
		disk unix.Statfs_t
		want []doctor.Result
	}{
		"fine":                        {0o700, disk(fine), nil},
		"fine, and others may read":   {0o755, disk(fine), nil},
		"a file system without files": {0o700, disk(func(d *unix.Statfs_t) { d.Files, d.Ffree = 0, 0 }), nil},
		"no files left":               {0o700, disk(func(d *unix.Statfs_t) { d.Ffree = 0 }), []doctor.Result{full}},
		"no room left":                {0o700, disk(func(d *unix.Statfs_t) { d.Bavail-- }), []doctor.Result{full}},
		"read-only": {
			0o700, disk(func(d *unix.Statfs_t) { d.Flags, d.Bavail = unix.ST_RDONLY|unix.ST_NOSUID, 0 }),
			[]doctor.Result{
				doctor.Failf("/s cannot be written: its file system is read-only").Hintf("mount -o remount,rw; see " +
					"dmesg"),
			},
		},
		"not the owner's to write": {
			0o500, disk(fine),
			[]doctor.Result{doctor.Failf("/s cannot be written by its owner (-r-x------)").Hintf("chmod 700 /s")},
		},
		"not the owner's to enter": {
			0o600, disk(fine),
			[]doctor.Result{doctor.Failf("/s cannot be written by its owner (-rw-------)").Hintf("chmod 700 /s")},
		},
		"the group's to write": {
			0o720, disk(fine),
			[]doctor.Result{doctor.Warnf("others than its owner may write to /s (-rwx-w----)").Hintf("chmod go-w /s")},
		},
		"everybody's to write": {
			0o702, disk(fine),
			[]doctor.Result{doctor.Warnf("others than its owner may write to /s (-rwx----w-)").Hintf("chmod go-w /s")},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, unwritable("/s", c.mode, c.disk)) })
	}
}

func TestForeign(t *testing.T) {
	id := strings.Repeat("0a", 32)
	journal := func(setID string) map[string]plan.Current {
		return map[string]plan.Current{"Z": {record.Key{Name: "web", Type: record.SRV, SetID: setID}: {}}}
	}
	for name, c := range map[string]struct {
		records  map[string]plan.Current
		instance string
		want     string
	}{
		"this host's":               {journal("i-1:ecs:" + id + ":80/tcp"), "i-1", ""},
		"another host's":            {journal("i-10:ecs:" + id + ":80/tcp"), "i-1", "i-10"},
		"another host's A record":   {journal("i-10:host:-"), "i-1", "i-10"},
		"of a host that is unknown": {journal("i-10:ecs:" + id + ":80/tcp"), "", ""},
		"the original agent's":      {journal("ip-10-0-0-1:" + id[:12] + ", " + id[:12]), "i-1", ""},
		"nobody's":                  {journal("somebody"), "i-1", ""},
		"empty":                     {nil, "i-1", ""},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, foreign(c.records, c.instance)) })
	}
}

func TestCloneIsSeen(t *testing.T) {
	h := here(t, "unix:///nowhere/docker.sock")
	text := `{"Version":1,"Instance":"i-2","Boot":"b","AsOf":"` + time.Now().Format(time.RFC3339) +
		`","Records":[{"Zone":"Z",` +
		`"Record":{"Name":"web.internal","Type":"SRV","SetID":"i-2:ecs:` + strings.Repeat("0a", 32) +
		`:80/tcp","Weight":1,"Value":"1 1 80 a.internal"}}]}`
	require.NoError(t, os.WriteFile(filepath.Join(h.StateDir, "records.json"), []byte(text), 0o600))
	assert.Equal(t, doctor.Warnf("the journal is that of i-2, of which this may be a clone").
		Hintf("systemctl restart ecssd: it sets the journal aside; and remove %s from machine images",
			h.StateDir).Of("state"),
		one(t, h, "state"))
	assert.Len(t, h.Records(t.Context()), 1)
}
