package plan

import (
	"cmp"
	"slices"

	"github.com/ecssd/ecssd/internal/record"
)

// Current is what a host believes to have in a zone.
type Current map[record.Key]Entry

// Entry is one record of Current.
type Entry struct {
	Record record.Record
	// Unconfirmed is set while the record may not be in the zone as it stands here: a call's outcome is unknown, or
	// somebody else may have removed it. It is written again where it is wanted.
	Unconfirmed bool
	// Run is the run of the container that the record was last written for; empty where this is not known. A mark of
	// the sweeper's that is found on the record is for that run, however late it is found.
	Run string
}

// Diff returns the changes that turn known into desired: at most one for each record, removals first, then by name,
// type and set identifier. A removal repeats the record as known, since Route 53 deletes a record only where all its
// values are given. What is not known was never written, or is known to be gone: it is a CREATE, which costs half of an
// UPSERT in Route 53's limits on a batch and on changes a second. SRV records are removed before A records and written
// after them, so that wherever the changes are cut into batches, no SRV record is in the zone without the A record that
// it points to.
func Diff(known Current, desired []record.Record) []Change {
	var changes []Change
	wanted := make(map[record.Key]bool, len(desired))
	for _, want := range desired {
		if wanted[want.Key()] {
			continue
		}
		wanted[want.Key()] = true
		have, ok := known[want.Key()]
		switch {
		case !ok:
			changes = append(changes, Change{Create, want})
		case have.Unconfirmed || !have.Record.Same(want):
			changes = append(changes, Change{Upsert, want})
		}
	}
	for key, have := range known {
		if !wanted[key] {
			changes = append(changes, Change{Delete, have.Record})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(a.Record.Name, b.Record.Name),
			cmp.Compare(a.Record.Type, b.Record.Type),
			cmp.Compare(a.Record.SetID, b.Record.SetID),
		)
	})
	return changes
}

// rank orders the kinds of changes.
func rank(c Change) int {
	switch {
	case c.Action == Delete && c.Record.Type == record.SRV:
		return 0
	case c.Action == Delete:
		return 1
	case c.Record.Type == record.SRV:
		return 3
	}
	return 2
}
