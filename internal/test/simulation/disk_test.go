package simulation

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// disk holds a host's state directory.
type disk struct {
	dir     string // of the running process
	content []byte // of the journal while no process runs; nil: no journal
	state   diskState
	stash   []byte // while it fails: what it holds
	old     []byte // what it held while it was read-only and the agent went on; nil: it was not
	standby []byte // of the standby file while no process runs; nil: no file

	snapshot []byte // of the journal, taken earlier
	restored bool   // to the snapshot, and no process has started since
}

// imageHost is the host of which machine images are made.
const imageHost = "i-00000000000000abc"

// emptyJournal is the journal of a host that has written no record.
func emptyJournal(id string, now time.Time) []byte {
	return []byte(`{"Version":1,"Instance":"` + id + `","Boot":"boot-0","AsOf":"` + now.Format(time.RFC3339) +
		`","Records":[]}`)
}

// imageJournal is the journal that comes with a machine image: it holds records of the image's host.
func imageJournal(now time.Time) []byte {
	return []byte(`{"Version":1,"Instance":"` + imageHost + `","Boot":"boot-9","AsOf":"` + now.Format(time.RFC3339) +
		`","Records":[{"Zone":"Z1","Record":{"Name":"else.` + zoneName +
		`","Type":"A","SetID":"else","TTL":60,"Weight":1,"Value":"10.9.9.9"}}]}`)
}

// restore brings back the snapshot, which the journal finds to be hours old.
func (d *disk) restore() {
	var file map[string]json.RawMessage
	must(json.Unmarshal(d.snapshot, &file))
	file["AsOf"] = json.RawMessage(`"` + time.Now().Add(-3*time.Hour).Format(time.RFC3339) + `"`)
	content, err := json.Marshal(file)
	must(err)
	d.content, d.restored = content, true
}

type diskState string

const (
	diskWorks  diskState = ""
	diskFull   diskState = "full"      // nothing can be written, and files can be removed
	diskFrozen diskState = "read-only" // nothing can be written or removed
)

func (d *disk) path() string { return filepath.Join(d.dir, "records.json") }

// fail makes writing fail: a directory in the journal's place cannot be replaced by a file. An empty one can be
// removed, once, as a file on a full disk can.
func (d *disk) fail(state diskState) {
	d.stash, _ = os.ReadFile(d.path())
	_ = os.Remove(d.path())
	_ = os.Mkdir(d.path(), 0o700)
	if state == diskFrozen {
		_ = os.WriteFile(filepath.Join(d.path(), "frozen"), nil, 0o600)
	}
	d.state = state
}

func (d *disk) heal() {
	if d.state == diskFrozen {
		d.old = d.stash
	}
	if info, err := os.Stat(d.path()); d.state != diskWorks && err == nil && info.IsDir() {
		_ = os.RemoveAll(d.path())
		if d.stash != nil {
			_ = os.WriteFile(d.path(), d.stash, 0o600)
		}
	}
	d.state, d.stash = diskWorks, nil
}

// stale reports whether the disk holds an older journal than the agent last wrote.
func (d *disk) stale() bool {
	if d.old != nil && d.state != diskFrozen && string(d.read()) != string(d.old) {
		d.old = nil
	}
	return d.state == diskFrozen || d.old != nil
}

// read returns the journal as a process that starts now would find it; nil if there is none.
func (d *disk) read() []byte {
	info, err := os.Stat(d.path())
	if err != nil {
		return nil
	}
	if info.IsDir() {
		return d.stash
	}
	content, _ := os.ReadFile(d.path())
	return content
}

// journalFile is the part of a journal that matters here. This package decodes it by itself.
type journalFile struct {
	ListingDue bool
	Records    []struct {
		Zone   string
		Record struct{ Name, Type, SetID string }
	}
}

// journalKeys returns the keys of the records in a journal. all reports that the journal may lack some, so that the
// zone is to be listed.
func journalKeys(content []byte) (all bool, keys map[record.Key]bool, err error) {
	if content == nil {
		return true, nil, nil
	}
	var p journalFile
	if err := json.Unmarshal(content, &p); err != nil {
		return false, nil, err
	}
	keys = map[record.Key]bool{}
	for _, r := range p.Records {
		if r.Zone == "Z1" {
			keys[record.Key{Name: r.Record.Name, Type: record.Type(r.Record.Type), SetID: r.Record.SetID}] = true
		}
	}
	return p.ListingDue, keys, nil
}
