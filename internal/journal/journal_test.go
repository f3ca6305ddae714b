package journal_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/statedir"
)

func srv(id string) record.Record {
	return record.Record{
		Name:   "web.example",
		Type:   record.SRV,
		SetID:  "i-1:ecs:" + id + ":80/tcp",
		TTL:    5,
		Weight: 1,
		Value:  "1 1 80 h.example",
	}
}

func knownOf(records ...record.Record) plan.Current {
	known := plan.Current{}
	for _, r := range records {
		known[r.Key()] = plan.Entry{Record: r}
	}
	return known
}

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, "i-1", "boot-1")
	require.NoError(t, err)
	return j
}

func path(dir string) string { return filepath.Join(dir, "records.json") }

// kept returns the contents of the directory's files, by name.
func kept(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(content)
	}
	return files
}

func TestEverythingComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "open")
	j := open(t, dir)
	assert.Empty(t, j.Notice())
	assert.False(t, j.Rebooted())
	assert.NoError(t, j.Err())
	assert.Nil(t, j.Records("Z1"))

	one := plan.Current{
		srv("a").Key(): {Record: srv("a"), Unconfirmed: true},
		srv("b").Key(): {Record: srv("b"), Run: "run 7"},
	}
	two := knownOf(srv("c"))
	stops := []journal.Stop{{ContainerID: "c1", Run: time.Unix(10, 5).UTC(), At: time.Unix(20, 7).UTC()}}
	require.NoError(t, j.SetRecords("Z1", one))
	require.NoError(t, j.SetRecords("Z2", two))
	require.NoError(t, j.SetZoneID("example", "Z1"))
	require.NoError(t, j.Listed())
	j.SetStops(stops)
	require.NoError(t, j.Close())

	j = open(t, dir)
	assert.Equal(t, one, j.Records("Z1"))
	assert.Equal(t, two, j.Records("Z2"))
	assert.Equal(t, []string{"Z1", "Z2"}, j.ZonesWithRecords())
	assert.Equal(t, "Z1", j.ZoneID("example"))
	assert.Equal(t, "", j.ZoneID("other"))
	assert.Equal(t, stops, j.Stops())
	assert.False(t, j.ListingDue())
	assert.Empty(t, j.Notice())

	require.NoError(t, j.SetRecords("Z2", plan.Current{}))
	require.NoError(t, j.SetZoneID("example", ""))
	require.NoError(t, j.Close())
	j = open(t, dir)
	assert.Equal(t, []string{"Z1"}, j.ZonesWithRecords())
	assert.Equal(t, "", j.ZoneID("example"))
	require.NoError(t, j.Close())
	assert.Equal(t, []string{
		"records.json",
	}, slices.Collect(maps.Keys(kept(t, dir))), "nothing else is left in the directory")
}

// What SetRecords has accepted is on disk at once: no Close comes when the power fails.
func TestRecordsAreOnDiskWhenAccepted(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	read, err := journal.Read(dir)
	require.NoError(t, err)
	assert.Equal(t, map[string]plan.Current{"Z1": knownOf(srv("a"))}, read)
}

// The journal and its user must not share a map: the user goes on changing it.
func TestRecordsAreCopies(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	mine := knownOf(srv("a"))
	require.NoError(t, j.SetRecords("Z1", mine))
	mine[srv("b").Key()] = plan.Entry{Record: srv("b")}
	delete(j.Records("Z1"), srv("a").Key())
	assert.Equal(t, knownOf(srv("a")), j.Records("Z1"))

	stops := []journal.Stop{{ContainerID: "a"}}
	j.SetStops(stops)
	stops[0].ContainerID = "b"
	assert.Equal(t, []journal.Stop{{ContainerID: "a"}}, j.Stops())
}

func TestStopsReachTheDisk(t *testing.T) {
	stops := []journal.Stop{{ContainerID: "c1", At: time.Unix(20, 0).UTC()}}
	for name, write := range map[string]func(*journal.Journal) error{
		"with Flush":               (*journal.Journal).Flush,
		"with the records that go": func(j *journal.Journal) error { return j.SetRecords("Z1", nil) },
		"with Close":               (*journal.Journal).Close,
		"with Flush, after SetZoneID": func(j *journal.Journal) error {
			return errors.Join(j.SetZoneID("z", ""),
				j.Flush())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir)
			j.SetStops(stops)
			assert.NotContains(t, kept(t, dir)["records.json"], "c1", "a stop mark is written with what follows it")
			require.NoError(t, write(j))
			assert.Contains(t, kept(t, dir)["records.json"], "c1")
			_ = j.Close()
			j = open(t, dir)
			defer j.Close()
			assert.Equal(t, stops, j.Stops())
		})
	}
}

// A quiet host must not write to its disk.
func TestFlushWritesOnlyWhatIsNew(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	require.NoError(t, os.Remove(path(dir)))
	require.NoError(t, j.Flush())
	require.NoError(t, j.SetZoneID("example", ""))
	assert.Empty(t, kept(t, dir))
}

func TestListingIsDueUntilListed(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // a start that comes to nothing changes nothing
		j := open(t, dir)
		assert.True(t, j.ListingDue())
		require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
		require.NoError(t, j.Close())
	}
	j := open(t, dir)
	require.NoError(t, j.Listed())
	assert.False(t, j.ListingDue())
	require.NoError(t, j.Close())
	j = open(t, dir)
	defer j.Close()
	assert.False(t, j.ListingDue())
}

func TestRebooted(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		boot string
		want bool
	}{{"boot-1", false}, {"boot-1", false}, {"boot-2", true}, {"boot-2", false}, {"boot-1", true}} {
		j, err := journal.Open(dir, "i-1", test.boot)
		require.NoError(t, err)
		assert.Equal(t, test.want, j.Rebooted(), test.boot)
		require.NoError(t, j.Listed())
		require.NoError(t, j.Close())
	}
}

// While the host was down the sweeper may have removed its records. The agent is killed after it has opened the journal
// and before it has written them once more: the next one knows as little as the first.
func TestRecordsOfAnotherBootAreUnconfirmedUntilWritten(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	require.NoError(t, j.SetRecords("Z1", plan.Current{srv("a").Key(): {Record: srv("a"), Run: "run"}}))
	require.NoError(t, j.Close())
	for range 2 {
		j, err := journal.Open(dir, "i-1", "boot-2")
		require.NoError(t, err)
		want := plan.Current{srv("a").Key(): {Record: srv("a"), Unconfirmed: true, Run: "run"}}
		assert.Equal(t, want, j.Records("Z1"))
		require.NoError(t, j.Close())
	}
}

// The disk turned read-only, the agent wrote records that the journal could not take in, and the host was booted anew.
func TestJournalOfAnotherBootMayLackRecords(t *testing.T) {
	dir := t.TempDir()
	for i, boot := range []string{"boot-1", "boot-1", "boot-2", "boot-2"} {
		j, err := journal.Open(dir, "i-1", boot)
		require.NoError(t, err)
		assert.Equal(t, []bool{true, false, true, false}[i], j.ListingDue(), "start %d", i)
		require.NoError(t, j.Listed())
		require.NoError(t, j.Close())
	}
}

func TestNotUsedButKept(t *testing.T) {
	record := `{"Zone":"Z1","Record":{"Name":"web","Type":"SRV","SetID":"i-1:ecs:x","TTL":0,"Weight":1,"Value":"1 1 80 h"}}`
	for name, test := range map[string]struct {
		content, aside, notice string
	}{
		"another instance": {
			`{"Version":1,"Instance":"i-2","Records":[` + record + `]}`,
			"records.json.i-2",
			`belongs to instance "i-2"`,
		},
		"an instance ID that is a path": {
			`{"Version":1,"Instance":"../../etc/x","Records":[` + record + `]}`, "records.json..._.._etc_x", "belongs to instance",
		},
		"no instance": {`{"Version":1,"Records":[` + record + `]}`, "records.json.", "belongs to instance"},
		"not JSON":    {"\x00\x00\x00", "records.json.unreadable", "invalid character"},
		"empty":       {"", "records.json.unreadable", "unexpected end"},
		"cut off": {
			`{"Version":1,"Instance":"i-1","Records":[` + record,
			"records.json.unreadable",
			"unexpected end",
		},
		"two states": {
			`{"Version":1,"Instance":"i-1"}{"Version":1}`,
			"records.json.unreadable",
			"after top-level value",
		},
		"another shape":   {`[1]`, "records.json.unreadable", "cannot unmarshal"},
		"null":            {`null`, "records.json.unreadable", "version 0"},
		"a later version": {`{"Version":2,"Instance":"i-1"}`, "records.json.unreadable", "version 2"},
		"no version":      {`{"Instance":"i-1"}`, "records.json.unreadable", "version 0"},
		"record, no zone": {
			`{"Version":1,"Instance":"i-1","Records":[{"Record":{"Name":"a","SetID":"b"}}]}`,
			"records.json.unreadable",
			"without zone",
		},
		"record, no name": {
			`{"Version":1,"Instance":"i-1","Records":[{"Zone":"Z1","Record":{"SetID":"b"}}]}`,
			"records.json.unreadable",
			"without zone",
		},
		"record, no set ID": {
			`{"Version":1,"Instance":"i-1","Records":[{"Zone":"Z1","Record":{"Name":"a"}}]}`,
			"records.json.unreadable",
			"without zone",
		},
		"number out of size": {
			`{"Version":1,"Instance":"i-1","Records":[{"Zone":"Z1","Record":{"TTL":1e99}}]}`,
			"records.json.unreadable",
			"cannot unmarshal",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(path(dir), []byte(test.content), 0o600))
			j := open(t, dir)
			defer j.Close()
			assert.Contains(t, j.Notice(), test.notice)
			assert.Contains(t, j.Notice(), test.aside)
			assert.Empty(t, j.ZonesWithRecords(), "nothing may be deleted on its word")
			assert.Empty(t, j.Stops())
			assert.True(t, j.ListingDue())
			assert.False(t, j.Rebooted())
			assert.NoError(t, j.Err())
			assert.Equal(t, test.content, kept(t, dir)[test.aside])
			_, err := journal.Read(dir)
			assert.NoError(t, err, "a new one stands in its place")
		})
	}
}

func TestHugeIsSetAside(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(path(dir))
	require.NoError(t, err)
	_, err = file.WriteString(`{"Version":1,"Instance":"i-1"}`)
	require.NoError(t, err)
	spaces := []byte(strings.Repeat(" ", 1<<20)) // JSON that would be taken were it shorter
	for range 64 {
		_, err = file.Write(spaces)
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
	j := open(t, dir)
	defer j.Close()
	assert.Contains(t, j.Notice(), "larger than")
	assert.True(t, j.ListingDue())
}

// A link in the state directory could lead anywhere; root would read and replace what it points to.
func TestLinkIsNotFollowed(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	content := `{"Version":1,"Instance":"i-1","Stops":[{"ContainerID":"c1"}]}`
	require.NoError(t, os.WriteFile(target, []byte(content), 0o600))
	require.NoError(t, os.Symlink(target, path(dir)))
	_, err := journal.Read(dir)
	assert.Error(t, err)

	j := open(t, dir)
	defer j.Close()
	assert.Empty(t, j.Stops())
	assert.True(t, j.ListingDue())
	assert.NotEmpty(t, j.Notice())
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	info, err := os.Lstat(path(dir))
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())
	left, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, content, string(left))
}

func TestReadMissing(t *testing.T) {
	read, err := journal.Read(t.TempDir())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Empty(t, read)
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	before := kept(t, dir)
	for _, instance := range []string{"i-1", "i-2"} {
		_, err := journal.Open(dir, instance, "boot-2")
		assert.ErrorIs(t, err, statedir.ErrLocked)
		assert.ErrorContains(t, err, dir)
	}
	assert.Equal(t, before, kept(t, dir), "who is refused changes nothing")
	require.NoError(t, j.Close())
	require.NoError(t, open(t, dir).Close())
}

// Deleting files of the state directory under a running agent must not let a second one in.
func TestLockCannotBeDeleted(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	for name := range kept(t, dir) {
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
	_, err := journal.Open(dir, "i-1", "boot-1")
	assert.ErrorIs(t, err, statedir.ErrLocked)
}

// The lock of a process that was killed goes with it. The process is this test binary, run as TestMain says.
func TestLockOfTheDead(t *testing.T) {
	dir := t.TempDir()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "JOURNAL_TEST_HOLD="+dir)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	defer command.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "holding\n", line)

	_, err = journal.Open(dir, "i-1", "boot-1")
	assert.ErrorIs(t, err, statedir.ErrLocked)
	require.NoError(t, command.Process.Kill())
	_ = command.Wait()
	assert.Empty(t, stderr.String(), "such as a data race")
	j := open(t, dir)
	defer j.Close()
	assert.Equal(t, knownOf(srv("a")), j.Records("Z1"))
	assert.True(t, j.ListingDue())
	assert.Empty(t, j.Notice())
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_HOLD"); dir != "" {
		j, err := journal.Open(dir, "i-1", "boot-1")
		if err == nil {
			err = j.SetRecords("Z1", knownOf(srv("a")))
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("holding")
		time.Sleep(time.Minute) // the parent kills this process at once
		_ = j.Close()
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// DNS goes on without a state directory; the journal says that it is behind, and catches up when it can.
func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	dir := filepath.Join(file, "state")
	j := open(t, dir)
	assert.Error(t, j.Err())
	assert.True(t, j.ListingDue())
	assert.Error(t, j.SetRecords("Z1", knownOf(srv("a"))))
	j.SetStops([]journal.Stop{{ContainerID: "c1"}})
	assert.Equal(t, knownOf(srv("a")), j.Records("Z1"))
	assert.Error(t, j.Flush())
	assert.Error(t, j.Err())

	require.NoError(t, os.Remove(file))
	require.NoError(t, os.MkdirAll(dir, 0o750))
	require.NoError(t, j.Flush())
	assert.NoError(t, j.Err())
	require.NoError(t, j.Close())
	j = open(t, dir)
	defer j.Close()
	assert.Equal(t, knownOf(srv("a")), j.Records("Z1"))
	assert.Len(t, j.Stops(), 1)
	assert.True(t, j.ListingDue(), "what was there before was never read")
}

// fillDisk makes writing fail as on a full disk, until its result is called: files get no longer than some bytes.
func fillDisk(t *testing.T) (empty func()) {
	t.Helper()
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 40, Max: before.Max}))
	return func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before)) }
}

// Where the file cannot be replaced it is removed: the next start would believe it, and leave for good the records that
// it lacks.
func TestNoFileIsBetterThanAnOldOne(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	require.NoError(t, j.Listed())
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))

	empty := fillDisk(t)
	failed := j.SetRecords("Z1", knownOf(srv("a"), srv("b")))
	closed := j.Close()
	left := kept(t, dir)
	again := open(t, dir)
	reopened, listing := again.Err(), again.ListingDue()
	empty()
	assert.ErrorIs(t, failed, unix.EFBIG)
	assert.ErrorIs(t, closed, unix.EFBIG)
	assert.Empty(t, left, "neither the old file nor half of a new one")
	assert.ErrorIs(t, reopened, unix.EFBIG)
	assert.True(t, listing)

	require.NoError(t, again.Flush())
	assert.NoError(t, again.Err())
	require.NoError(t, again.Close())
	j = open(t, dir)
	defer j.Close()
	assert.True(t, j.ListingDue(), "the records of before are still not known")
}

// A journal that could be read and then not be written is behind from then on, though it was complete.
func TestDiskFullAtStart(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	require.NoError(t, j.Listed())
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	require.NoError(t, j.Close())

	empty := fillDisk(t)
	j = open(t, dir)
	err := j.Err()
	empty()
	defer j.Close()
	assert.ErrorIs(t, err, unix.EFBIG)
	assert.Equal(t, knownOf(srv("a")), j.Records("Z1"))
	assert.True(t, j.ListingDue())
	require.NoError(t, j.Flush())
	read, err := journal.Read(dir)
	require.NoError(t, err)
	assert.Equal(t, map[string]plan.Current{"Z1": knownOf(srv("a"))}, read)
}

func TestDirectoryInPlaceOfTheFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(path(dir), "full"), 0o750))
	j := open(t, dir)
	defer j.Close()
	assert.NotEmpty(t, j.Notice())
	assert.True(t, j.ListingDue())
	assert.NoError(t, j.Err())
	require.NoError(t, j.SetRecords("Z1", knownOf(srv("a"))))
	assert.DirExists(t, filepath.Join(dir, "records.json.unreadable", "full"))
}

// Who looks while the agent writes sees one state or the next, never half of one.
func TestReadersSeeWholeStates(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close()
	state := func(n int) plan.Current {
		known := plan.Current{}
		for i := range 40 * (1 + n%2) {
			r := srv(fmt.Sprint(i))
			r.Weight = int64(n % 2)
			known[r.Key()] = plan.Entry{Record: r}
		}
		return known
	}
	require.NoError(t, j.SetRecords("Z1", state(0)))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for reads := 0; ; reads++ {
				select {
				case <-done:
					assert.Positive(t, reads)
					return
				default:
				}
				read, err := journal.Read(dir)
				if !assert.NoError(t, err) {
					return
				}
				known := read["Z1"]
				whole := len(known) == 40 && maps.Equal(known, state(0)) || maps.Equal(known, state(1))
				if !assert.True(t, whole, "%d records", len(known)) {
					return
				}
			}
		})
	}
	for n := range 100 {
		require.NoError(t, j.SetRecords("Z1", state(n)))
	}
	close(done)
	readers.Wait()
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	var users sync.WaitGroup
	for n := range 4 {
		zone := fmt.Sprint("Z", n)
		users.Go(func() {
			for i := range 10 {
				assert.NoError(t, j.SetRecords(zone, knownOf(srv(fmt.Sprint(i)))))
				j.SetStops([]journal.Stop{{ContainerID: zone}})
				assert.Equal(t, knownOf(srv(fmt.Sprint(i))), j.Records(zone))
				assert.NoError(t, j.Flush())
				assert.NoError(t, j.Listed())
				assert.NoError(t, j.SetZoneID("example", zone))
				assert.NoError(t, j.Err())
				_, _, _, _ = j.ListingDue(), j.Stops(), j.ZoneID("example"), j.ZonesWithRecords()
			}
		})
	}
	users.Wait()
	require.NoError(t, j.Close())
	j = open(t, dir)
	defer j.Close()
	assert.Equal(t, []string{"Z0", "Z1", "Z2", "Z3"}, j.ZonesWithRecords())
	assert.Equal(t, knownOf(srv("9")), j.Records("Z0"))
}

// Whatever stands in the file, opening neither fails nor loses it, and nothing incomplete comes out.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"Version":1,"Instance":"i-1","Boot":"b","Zones":{"example":"Z1"},"Records":[{"Zone":"Z1","Record":` +
		`{"Name":"web","Type":"SRV","SetID":"i-1:ecs:x","TTL":0,"Weight":1,"Value":"1 1 80 h"},"Doubt":true,"Run":"x"}],` +
		`"Stops":[{"ContainerID":"c","Run":"2026-01-01T00:00:00Z","At":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"Version":1,"Instance":"i-2","Records":null}`))
	f.Add([]byte(`{"Version":1,"Instance":"\u0000/../x"}`))
	f.Add([]byte("{"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(path(dir), content, 0o600))
		j := open(t, dir)
		for _, zone := range j.ZonesWithRecords() {
			assert.NotEmpty(t, zone)
			for key, e := range j.Records(zone) {
				assert.Equal(t, e.Record.Key(), key)
				assert.NotEmpty(t, key.Name)
				assert.NotEmpty(t, key.SetID)
			}
		}
		if j.Notice() != "" {
			assert.True(t, j.ListingDue())
			assert.Contains(t, slices.Collect(maps.Values(kept(t, dir))), string(content))
		}
		require.NoError(t, j.Close())
		again := open(t, dir)
		defer again.Close()
		assert.Empty(t, again.Notice(), "what is written can be read")
	})
}

func TestHalfWrittenFilesOfACrashAreRemoved(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, ".records.json123")
	require.NoError(t, os.WriteFile(half, []byte("{"), 0o600))
	j, err := journal.Open(dir, "i-1", "boot")
	require.NoError(t, err)
	require.NoError(t, j.Close())
	assert.NoFileExists(t, half)
}
