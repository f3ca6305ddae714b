package ledger

import (
	"slices"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Call is a batch on its way to Route 53. One of its methods is called once, when its outcome is known.
type Call struct {
	ledger *Ledger
	batch  []plan.Change
	before map[record.Key]plan.Entry
}

// Begin notes that a batch is about to be sent: until its outcome is known, all of its records are unconfirmed. (A host
// that dies before the answer does not know whether a record that it was removing is still there.)
func (l *Ledger) Begin(batch []plan.Change) *Call {
	before := make(map[record.Key]plan.Entry, len(batch))
	for _, c := range batch {
		key := c.Record.Key()
		have, has := l.current[key]
		if has {
			before[key] = have
		}
		switch {
		case c.Action != plan.Delete:
			l.current[key] = l.attempt(c)
		case has:
			have.Unconfirmed = true
			l.current[key] = have
		}
	}
	l.ahead = slices.DeleteFunc(l.ahead, func(c plan.Change) bool { return slices.Contains(batch, c) })
	return &Call{l, batch, before}
}

// Commit notes that the batch has been applied.
func (c *Call) Commit() {
	l := c.ledger
	for _, change := range c.batch {
		key := change.Record.Key()
		if change.Action == plan.Delete {
			delete(l.current, key)
			continue
		}
		e := plan.Entry{Record: change.Record, Run: l.current[key].Run}
		e.Unconfirmed = e.FromEarlierRun(l.desired[key])
		l.current[key] = e
	}
}

// Rollback notes that nothing of the batch has been applied.
func (c *Call) Rollback() {
	for _, change := range c.batch {
		key := change.Record.Key()
		if have, had := c.before[key]; had {
			c.ledger.current[key] = have
		} else {
			delete(c.ledger.current, key)
		}
	}
}

// Unconfirmed notes that the batch may or may not have been applied.
func (c *Call) Unconfirmed() {
	for _, change := range c.batch {
		if e, has := c.ledger.current[change.Record.Key()]; has {
			e.Unconfirmed = true
			c.ledger.current[change.Record.Key()] = e
		}
	}
}
