package sweep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/record"
)

// budgetFloor is how many records may go without proof however few there are in all.
const budgetFloor = 10

// ErrBudget says that too many records would have gone without proof, and none of those has.
type ErrBudget struct {
	Records, Unproven int
	Budget            float64
}

func (e *ErrBudget) Error() string {
	return fmt.Sprintf(
		"%d of %d records would go and EC2 does not prove their hosts dead, more than %.0f %%: all of those are left; "+
			"see whether ECS and EC2 answer in full for this account and region, and raise the budget if so",
		e.Unproven,
		e.Records,
		100*e.Budget,
	)
}

// unproven says whether a verdict deletes on less than EC2's word.
func (v Verdict) unproven() bool { return v == Orphan || v == Missing }

func (v Verdict) deletes() bool { return v == Dead || v.unproven() }

// settle takes back what would go too far: the last records of names, and where too many would go without proof all of
// those. What is left for its name's sake does not count for the budget. all is the zone, records of others included.
func settle(judgements []Judgement, all []record.Record, budget float64) error {
	before := slices.Clone(judgements)
	spareTheLast(judgements, all)
	refusal := ErrBudget{Records: len(judgements), Budget: budget}
	for _, j := range judgements {
		if j.Verdict.unproven() {
			refusal.Unproven++
		}
	}
	if refusal.Unproven <= budgetFloor || float64(refusal.Unproven) <= budget*float64(refusal.Records) {
		return nil
	}
	for i := range judgements {
		j := &judgements[i]
		switch {
		case j.Verdict.unproven():
			j.is(Refused, "too many records would go without proof ("+j.Reason+")")
		case !before[i].Verdict.unproven():
			*j = before[i] // what is the last of its name, and which address is needed, is another matter now
		}
	}
	spareTheLast(judgements, all)
	return &refusal
}

// spareTheLast leaves the last record of a service that would go without proof, the last serving one that would go on
// standby for its host's sake, and the address of every record that stays.
func spareTheLast(judgements []Judgement, all []record.Record) {
	remaining, serving := map[record.Group]int{}, map[record.Group]int{}
	for _, r := range all {
		g := r.Group()
		remaining[g]++
		if r.Weight > 0 {
			serving[g]++
		}
	}
	for _, j := range judgements {
		g := j.Record.Group()
		if j.Verdict.deletes() {
			remaining[g]--
		}
		if j.Record.Weight > 0 && (j.Verdict.deletes() || j.Verdict == Standby) {
			serving[g]--
		}
	}
	for i := range judgements {
		j := &judgements[i]
		g := j.Record.Group()
		switch {
		case j.Verdict.unproven() && g.Type == record.SRV && remaining[g] == 0:
			j.is(Skipped, "it is the last record of the name, and there is no proof ("+j.Reason+")")
			remaining[g]++
			serving[g]++
		case j.Verdict == Standby && j.Spare && serving[g] == 0:
			j.is(Skipped, "it is the last serving record of the name ("+j.Reason+")")
			serving[g]++
		}
	}
	keepAddresses(judgements, all, remaining)
}

// keepAddresses leaves the last address of a name that a remaining record points to.
func keepAddresses(judgements []Judgement, all []record.Record, remaining map[record.Group]int) {
	gone := map[record.Key]bool{}
	for _, j := range judgements {
		if j.Verdict.deletes() {
			gone[j.Record.Key()] = true
		}
	}
	needed := map[string]bool{}
	for _, r := range all {
		if r.Type != record.SRV || gone[r.Key()] {
			continue
		}
		for value := range strings.SplitSeq(r.Value, "\n") { // others may have sets of several values
			if target, ok := record.ParseTarget(value); ok {
				needed[target.Host] = true
			}
		}
	}
	for i := range judgements {
		j := &judgements[i]
		g := record.Group{Name: j.Record.Name, Type: record.A}
		if j.Record.Type == record.A && j.Verdict.deletes() && needed[g.Name] && remaining[g] == 0 {
			j.is(Skipped, "a record that stays points to it ("+j.Reason+")")
			remaining[g]++
		}
	}
	keepHomes(judgements)
}

// keepHomes leaves the own record of a host that EC2 does not know while another record of the host stays, which
// without it would stay for good.
func keepHomes(judgements []Judgement) {
	stays := map[string]bool{}
	for _, j := range judgements {
		if j.ID.Kind != record.Host && !j.Verdict.deletes() {
			stays[j.ID.Instance] = true
		}
	}
	for i := range judgements {
		if j := &judgements[i]; j.ID.Kind == record.Host && j.Verdict == Missing && stays[j.ID.Instance] {
			j.is(Skipped, "another record of the host stays ("+j.Reason+")")
		}
	}
}
