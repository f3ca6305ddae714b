package journal

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/statedir"
)

const (
	fileName = "records.json"
	version  = 1
	// maxBytes bounds what is read: 10,000 records, more than a zone takes by default, are about 4 MB.
	maxBytes = 64 << 20

	// While an agent uses the journal, the file is written at least every stampEvery with the time at which it was
	// right. One that is older than oldAfter may have come back with a snapshot of a disk or a machine image, or could
	// not be written: records may be missing in it, and what it holds may be gone. So may one whose time is in the
	// future by more than setBack, by which clocks are commonly set back.
	stampEvery = 10 * time.Minute
	oldAfter   = 15 * time.Minute
	setBack    = time.Minute
)

// file is the content of the file.
type file struct {
	Version    int
	Instance   string
	Boot       string            // kernel boot ID under which it was last opened
	AsOf       time.Time         // when it was last right; the zero time in a file of an earlier version
	Zones      map[string]string `json:",omitempty"`
	ListingDue bool              `json:",omitempty"`
	Records    []entry
	Stops      []Stop `json:",omitempty"`
}

// entry is one record in the file: a plan.Entry and its zone.
type entry struct {
	Zone        string // hosted zone ID
	Record      record.Record
	Unconfirmed bool   `json:"Doubt,omitempty"` // the name of earlier versions
	Run         string `json:",omitempty"`
}

func fileOf(instance, boot string, asOf time.Time, s State) file {
	f := file{
		Version:    version,
		Instance:   instance,
		Boot:       boot,
		AsOf:       asOf,
		Zones:      s.Zones,
		ListingDue: s.ListingDue,
		Records:    []entry{},
		Stops:      s.Stops,
	}
	for zone, current := range s.Records {
		for _, e := range current {
			f.Records = append(f.Records, entry{zone, e.Record, e.Unconfirmed, e.Run})
		}
	}
	return f
}

func (f file) state() State {
	if f.Zones == nil {
		f.Zones = map[string]string{}
	}
	return State{
		Records:    f.byZone(),
		Zones:      f.Zones,
		ListingDue: f.ListingDue,
		Stops:      f.Stops,
	}
}

func (f file) byZone() map[string]plan.Current {
	zones := map[string]plan.Current{}
	for _, e := range f.Records {
		if zones[e.Zone] == nil {
			zones[e.Zone] = plan.Current{}
		}
		zones[e.Zone][e.Record.Key()] = plan.Entry{Record: e.Record, Unconfirmed: e.Unconfirmed, Run: e.Run}
	}
	return zones
}

// ageOf returns how long ago a file was last right, by a clock that may have been set since. For one that does not
// hold the time it is longer than any.
func ageOf(asOf, now time.Time) time.Duration { return now.Round(0).Sub(asOf) }

func (f file) old(now time.Time) bool {
	age := ageOf(f.AsOf, now)
	return age > oldAfter || age < -setBack
}

// distrust has all records written once more, and the zone listed. Nor is a mark of the sweeper's believed: it may have
// been lifted since, and would be written again.
func (f *file) distrust() {
	f.ListingDue = true
	f.unconfirm()
	for i := range f.Records {
		f.Records[i].Run = ""
	}
}

// unconfirm has all records written once more.
func (f *file) unconfirm() {
	for i := range f.Records {
		f.Records[i].Unconfirmed = true
	}
}

func (f file) write(dir *statedir.Dir) error {
	content, err := json.Marshal(f)
	if err == nil {
		err = dir.Replace(fileName, content)
	}
	if err != nil {
		return fmt.Errorf("write journal %s: %w", dir.Path(fileName), err)
	}
	return nil
}

func read(dir *statedir.Dir) (file, error) {
	found, err := decode(dir)
	if err != nil {
		return file{}, fmt.Errorf("read journal %s: %w", dir.Path(fileName), err)
	}
	return found, nil
}

func decode(dir *statedir.Dir) (found file, err error) {
	content, err := dir.Read(fileName, maxBytes)
	if err != nil {
		return file{}, err
	}
	if err := json.Unmarshal(content, &found); err != nil {
		return file{}, err
	}
	if found.Version != version {
		return file{}, fmt.Errorf("version %d, and this ecssd reads version %d", found.Version, version)
	}
	for _, e := range found.Records {
		if e.Zone == "" || e.Record.Name == "" || e.Record.SetID == "" {
			return file{}, fmt.Errorf("a record without zone, name or set identifier")
		}
	}
	return found, nil
}

// Read returns the records of a journal by hosted zone ID without opening it: for looking at what a running agent has
// written.
func Read(dir string) (map[string]plan.Current, error) {
	found, err := read(statedir.At(dir))
	return found.byZone(), err
}

// Age returns how long ago the journal in a state directory was last right.
func Age(dir string) (time.Duration, error) {
	found, err := read(statedir.At(dir))
	return ageOf(found.AsOf, time.Now()), err
}

// Instance returns the ID of the instance that a journal belongs to.
func Instance(dir string) (string, error) {
	found, err := read(statedir.At(dir))
	return found.Instance, err
}
