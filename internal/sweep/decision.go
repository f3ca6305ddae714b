package sweep

import (
	"fmt"
	"strings"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// action is what is done about a record.
type action int

const (
	none action = iota
	remove
	standby
	restore
)

// decision is the action on one record that its evidence calls for, or why that is not taken.
type decision struct {
	evidence.Evidence
	action action
	veto   veto // the zero veto where the action is taken, or where the evidence calls for none
}

// veto is why an action is not taken.
type veto struct {
	verdict evidence.Verdict // Skipped or Refused
	reason  string
}

// proposed returns the actions that the evidence calls for.
func proposed(found []evidence.Evidence) []decision {
	decisions := make([]decision, len(found))
	for i, e := range found {
		decisions[i].Evidence = e
		switch {
		case e.Verdict.Deletes():
			decisions[i].action = remove
		case e.Verdict == evidence.Standby:
			decisions[i].action = standby
		case e.Verdict == evidence.Restore:
			decisions[i].action = restore
		}
	}
	return decisions
}

func (d *decision) refuse(v veto) { d.action, d.veto = none, v }

func (d decision) unproven() bool { return d.action == remove && d.Verdict.Unproven() }

// outcome returns the verdict and the reason for a report.
func (d decision) outcome() (evidence.Verdict, string) {
	if d.veto != (veto{}) {
		return d.veto.verdict, d.veto.reason + ": " + d.Reason
	}
	return d.Verdict, d.Reason
}

// budgetFloor is how many records may be deleted without proof however few there are in all.
const budgetFloor = 10

// ErrBudget means that too many records would have been deleted without proof, and none of those was.
type ErrBudget struct {
	Records, Unproven int
	Budget            float64
}

func (e *ErrBudget) Error() string {
	return fmt.Sprintf(
		"%d of %d records would be deleted without proof from EC2, more than the budget of %.0f %%: none of them is "+
			"deleted; "+
			"hint: see whether ECS and EC2 list everything of this account and region, and raise DELETE_BUDGET if "+
			"they do",
		e.Unproven,
		e.Records,
		100*e.Budget,
	)
}

var overBudget = veto{evidence.Refused, "too many records would be deleted without proof"}

// decide returns what is done about each record. entries is the zone, records of others included. Where more records
// than the budget would be deleted without proof, none of those is, and the error is an *ErrBudget. What is kept as the
// last record of its name does not count for the budget.
func decide(found []evidence.Evidence, entries []evidence.Entry, budget float64) ([]decision, error) {
	decisions := proposed(found)
	spare(decisions, entries)
	exceeded := ErrBudget{Records: len(decisions), Budget: budget}
	for _, d := range decisions {
		if d.unproven() {
			exceeded.Unproven++
		}
	}
	if exceeded.Unproven <= budgetFloor || float64(exceeded.Unproven) <= budget*float64(exceeded.Records) {
		return decisions, nil
	}
	// Since all these records are kept, other records are the last of their names, and other addresses are needed.
	within := proposed(found)
	for i := range within {
		switch d := &within[i]; {
		case !d.unproven():
		case decisions[i].unproven():
			d.refuse(overBudget)
		default:
			d.refuse(decisions[i].veto)
		}
	}
	spare(within, entries)
	return within, &exceeded
}

// spare vetoes the deletion of the last record of a service without proof, the standby of its last serving record for
// its host's sake, and the deletion of an address that a remaining record needs.
func spare(decisions []decision, entries []evidence.Entry) {
	remaining, serving := map[record.Group]int{}, map[record.Group]int{}
	for _, e := range entries {
		remaining[e.Group()]++
		if e.Weight > 0 {
			serving[e.Group()]++
		}
	}
	for _, d := range decisions {
		if d.action == remove {
			remaining[d.Group()]--
		}
		if d.Weight > 0 && (d.action == remove || d.action == standby) {
			serving[d.Group()]--
		}
	}
	for i := range decisions {
		d := &decisions[i]
		g := d.Group()
		switch {
		case d.unproven() && g.Type == record.SRV && remaining[g] == 0:
			d.refuse(veto{evidence.Skipped, "the last record of this name is not deleted without proof"})
			remaining[g]++
			serving[g]++
		case d.action == standby && d.Impaired && serving[g] == 0:
			d.refuse(veto{evidence.Skipped, "the last serving record of this name is not put on standby"})
			serving[g]++
		}
	}
	spareAddresses(decisions, entries, remaining)
	spareHomes(decisions)
}

// spareAddresses vetoes the deletion of the last address of a host name that a remaining SRV record points to.
func spareAddresses(decisions []decision, entries []evidence.Entry, remaining map[record.Group]int) {
	gone := map[record.Key]bool{}
	for _, d := range decisions {
		if d.action == remove {
			gone[d.Key()] = true
		}
	}
	needed := map[string]bool{}
	for _, e := range entries {
		if e.Type != record.SRV || gone[e.Key()] {
			continue
		}
		for value := range strings.SplitSeq(e.Value, "\n") { // record sets of others may have several values
			if target, ok := record.ParseTarget(value); ok {
				needed[target.Host] = true
			}
		}
	}
	for i := range decisions {
		d := &decisions[i]
		g := record.Group{Name: d.Name, Type: record.A}
		if d.Type == record.A && d.action == remove && needed[g.Name] && remaining[g] == 0 {
			d.refuse(veto{evidence.Skipped, "an SRV record that is kept points to this address"})
			remaining[g]++
		}
	}
}

// spareHomes vetoes the deletion of the A record of a host that EC2 does not know while another record of the host
// is kept: without its account and region, that one could never be deleted.
func spareHomes(decisions []decision) {
	kept := map[string]bool{}
	for _, d := range decisions {
		if d.ID.Kind != record.Host && d.action != remove {
			kept[d.ID.Instance] = true
		}
	}
	for i := range decisions {
		d := &decisions[i]
		if d.ID.Kind == record.Host && d.action == remove && d.Verdict == evidence.Missing && kept[d.ID.Instance] {
			d.refuse(veto{evidence.Skipped, "another record of the host is kept"})
		}
	}
}
