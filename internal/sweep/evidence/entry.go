package evidence

import (
	"slices"

	"github.com/ecssd/ecssd/internal/record"
)

// Entry is one record of the zone, with its set identifier parsed.
type Entry struct {
	record.Record
	ID   record.SetID
	Ours bool // written by ecssd or by the original agent; otherwise ID is empty
}

// Parse parses the set identifiers of records.
func Parse(records []record.Record) []Entry {
	entries := make([]Entry, len(records))
	for i, r := range records {
		id, ours := record.ParseSetID(r.SetID)
		entries[i] = Entry{r, id, ours}
	}
	return entries
}

// Instances returns the instance IDs that the entries name, sorted. The original agent's name hosts otherwise.
func Instances(entries []Entry) []string {
	var ids []string
	for _, e := range entries {
		if e.Ours && e.ID.Kind != record.Legacy {
			ids = append(ids, e.ID.Instance)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// home is the account and region that a host's own A record names.
type home struct{ account, region string }

// homes returns the home of each host that has such a record, by instance ID.
func homes(entries []Entry) map[string]home {
	found := map[string]home{}
	for _, e := range entries {
		if e.Ours && e.ID.Kind == record.Host && e.ID.Account != "" {
			found[e.ID.Instance] = home{e.ID.Account, e.ID.Region}
		}
	}
	return found
}
