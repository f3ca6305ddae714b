package ledger

import (
	"maps"
	"slices"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// OnDisk returns which parts of a batch may be sent, as far as the disk goes. What is created or changed has to be on
// disk first, so that a host that dies knows what it may have written; what is removed is there since it was written.
// Where all is true the whole batch may be sent; else removals may, by themselves, and the ledger has to be saved for
// the rest.
func (l *Ledger) OnDisk(batch []plan.Change) (all bool, removals []plan.Change) {
	all = true
	l.ahead = nil
	for _, c := range batch {
		have, saved := l.saved[c.Record.Key()]
		if c.Action == plan.Delete {
			all = all && saved
			if saved {
				removals = append(removals, c)
			}
			continue
		}
		l.ahead = append(l.ahead, c)
		all = all && have.Record == c.Record && have.Unconfirmed
	}
	return all, removals
}

// WithoutReplaced leaves out the removals whose container has a record in ahead: what a batch replaces stays in the
// zone until its replacement can be written.
func (l *Ledger) WithoutReplaced(removals []plan.Change) []plan.Change {
	written := map[string]bool{}
	for _, c := range l.ahead {
		written[containerOf(c)] = true
	}
	return slices.DeleteFunc(removals, func(c plan.Change) bool { return written[containerOf(c)] })
}

func containerOf(c plan.Change) string {
	id, _ := record.ParseSetID(c.Record.SetID)
	return id.Container
}

// NothingAhead notes that no call is about to be made, and reports whether one was, which the disk need not hold any
// more.
func (l *Ledger) NothingAhead() (was bool) {
	was = l.ahead != nil
	l.ahead = nil
	return was
}

// BeginSave returns what is to be saved: what the host has, and what the next call is about to write. Until EndSave,
// either this or what was saved before may be on disk.
func (l *Ledger) BeginSave() plan.Current {
	next := maps.Clone(l.current)
	for _, c := range l.ahead {
		next[c.Record.Key()] = l.attempt(c)
	}
	either := plan.Current{}
	for key, e := range l.saved {
		if n, ok := next[key]; ok && n.Record == e.Record {
			e.Unconfirmed = e.Unconfirmed && n.Unconfirmed
			either[key] = e
		}
	}
	l.saved = either
	return next
}

// EndSave notes that saved is on disk.
func (l *Ledger) EndSave(saved plan.Current) { l.saved = saved }
