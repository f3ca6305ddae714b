package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Reason is why Route 53 refused a batch for good: sending the same again would be refused again.
type Reason string

// The reasons that somebody can act upon.
const (
	NotFound Reason = "not found"         // a DELETE of a record that is not there
	Exists   Reason = "already exists"    // a CREATE of a record that is there
	Mismatch Reason = "values differ"     // a DELETE of a record that is there with other values
	TTL      Reason = "ttl differs"       // the weighted records of one name and type must share one TTL
	NameFull Reason = "name full"         // 100 weighted records of one name and type are the most
	ZoneFull Reason = "zone full"         // 10,000 records are the most unless the quota was raised
	Conflict Reason = "other record kind" // a record set that is not weighted holds the name and type
	Denied   Reason = "denied"            // the credentials may not make this change
	Invalid  Reason = "invalid"           // anything else that Route 53 finds wrong with a change
)

// Refusal is the error of a change batch that Route 53 refused whole (batches are atomic) and would refuse again.
type Refusal struct {
	// Named holds, for each change that the message names, why. It is empty where the message names none.
	Named map[Change]Reason
	// Reason is the reason of the batch where the message names no change.
	Reason  Reason
	Message string // Route 53's own words
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("change batch refused (%s): %s", r.reason(), r.Message)
}

func (r *Refusal) reason() Reason {
	for _, reason := range r.Named {
		return reason
	}
	return r.Reason
}

// Denied reports whether the batch was refused for want of permission.
func (r *Refusal) Denied() bool { return r.reason() == Denied }

// Faults returns the changes of the refused batch that are known to be at fault, and why: those that the message names,
// and those of a reason that can only mean them.
func (r *Refusal) Faults(batch []Change) map[Change]Reason {
	if len(r.Named) > 0 {
		return r.Named
	}
	faults := map[Change]Reason{}
	if r.Reason == Exists { // an UPSERT serves for those that are not there, too
		for _, c := range batch {
			if c.Action == Create {
				faults[c] = Exists
			}
		}
	}
	if len(faults) == 0 && len(batch) == 1 {
		switch r.Reason {
		case NotFound, Mismatch, TTL, NameFull:
			faults[batch[0]] = r.Reason
		}
	}
	return faults
}

// InOrder returns the changes in a map always in the same order.
func InOrder(changes map[Change]Reason) []Change {
	return slices.SortedFunc(maps.Keys(changes), func(a, b Change) int {
		return cmp.Or(a.Record.Key().Compare(b.Record.Key()), cmp.Compare(a.Action, b.Action))
	})
}
