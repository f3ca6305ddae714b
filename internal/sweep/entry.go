package sweep

import (
	"slices"

	"github.com/ecssd/ecssd/internal/record"
)

// entry is one record of the zone, with its set identifier parsed.
type entry struct {
	record.Record
	id   record.SetID
	ours bool // written by ecssd or by the original agent; otherwise id is empty
}

func parse(records []record.Record) []entry {
	entries := make([]entry, len(records))
	for i, r := range records {
		id, ours := record.ParseSetID(r.SetID)
		entries[i] = entry{r, id, ours}
	}
	return entries
}

// instances returns the instance IDs that the entries name, sorted. The original agent's name hosts otherwise.
func instances(entries []entry) []string {
	var ids []string
	for _, e := range entries {
		if e.ours && e.id.Kind != record.Legacy {
			ids = append(ids, e.id.Instance)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// home is the account and region that a host's own A record names.
type home struct{ account, region string }

// homes returns the home of each host that has such a record, by instance ID.
func homes(entries []entry) map[string]home {
	found := map[string]home{}
	for _, e := range entries {
		if e.ours && e.id.Kind == record.Host && e.id.Account != "" {
			found[e.id.Instance] = home{e.id.Account, e.id.Region}
		}
	}
	return found
}
