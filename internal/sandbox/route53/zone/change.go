package zone

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Action is what a change does.
type Action string

// The actions of Route 53.
const (
	Create Action = "CREATE"
	Delete Action = "DELETE"
	Upsert Action = "UPSERT"
)

// Change is one element of a change batch.
type Change struct {
	Action Action `json:"action"`
	Set    Set    `json:"set"`
}

// Limits of one ChangeResourceRecordSets request. For UPSERT each element and each character counts twice (Route 53
// developer guide, DNSLimitations).
const (
	maxBatchValues     = 1000
	maxBatchCharacters = 32000
	maxSetValues       = 400
)

// op is one step of an accepted batch: set is nil where the key's set goes.
type op struct {
	key key
	set *rrset
}

// batch is a change batch on its way: the zone as it would be is the zone under the overlay, so that nothing is copied
// and nothing happens to the zone unless all of it is right.
type batch struct {
	zone     *hostedZone
	rules    Rules
	overlay  map[key]*rrset // nil: deleted by this batch
	touched  []*rrset       // created or replaced, in the order of the request
	messages []string
}

func (b *batch) fail(format string, args ...any) {
	b.messages = append(b.messages, fmt.Sprintf(format, args...))
}

func (b *batch) get(k key) *rrset {
	if r, ok := b.overlay[k]; ok {
		return r
	}
	return b.zone.current.get(k)
}

// prepare checks a whole change batch and returns the steps that carry it out, or all that is wrong with it.
func (z *hostedZone) prepare(changes []Change, rules Rules) ([]op, []string) {
	b := &batch{zone: z, rules: rules, overlay: make(map[key]*rrset, len(changes))}
	if b.tooLarge(changes); len(b.messages) > 0 {
		return nil, b.messages
	}
	done := make(map[key][]Action, len(changes))
	for _, c := range changes {
		r := b.parse(c)
		if r == nil {
			continue
		}
		// One batch may replace a set by DELETE and then CREATE; every other second change of a set contradicts.
		before := done[r.key]
		done[r.key] = append(before, c.Action)
		if len(before) > 0 && !(len(before) == 1 && before[0] == Delete && c.Action == Create) {
			b.fail("The request contains an invalid set of changes for a resource record set '%s %s'", r.Type, r.Name)
			continue
		}
		b.apply(c.Action, r)
	}
	b.checkResult()
	if len(b.messages) > 0 {
		return nil, dedupe(b.messages)
	}
	ops := make([]op, 0, len(b.overlay))
	for k, r := range b.overlay {
		ops = append(ops, op{k, r})
	}
	slices.SortFunc(ops, func(x, y op) int { return x.key.compare(y.key) })
	return ops, nil
}

func (b *batch) tooLarge(changes []Change) {
	var values, characters int
	for _, c := range changes {
		times := 1
		if c.Action == Upsert {
			times = 2
		}
		values += times * len(c.Set.Values)
		for _, v := range c.Set.Values {
			characters += times * utf8.RuneCountInString(v)
		}
	}
	if values > maxBatchValues {
		b.fail("Number of records limit of %d exceeded.", maxBatchValues)
	}
	if characters > maxBatchCharacters {
		b.fail("RDATA character limit of %d exceeded.", maxBatchCharacters)
	}
}

// parse checks what can be checked without looking at the zone's sets; nil where something was wrong.
func (b *batch) parse(c Change) *rrset {
	name, err := ParseName(c.Set.Name)
	if err != nil {
		b.fail("%s", err)
		return nil
	}
	set := c.Set.clone()
	set.Name = name.text
	if !name.In(b.zone.name) {
		b.fail("RRSet with DNS name %s is not permitted in zone %s", name, b.zone.name)
		return nil
	}
	if set.Type == "CNAME" && name.text == b.zone.name.text {
		b.fail("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", name, b.zone.name)
		return nil
	}
	if problem := set.malformed(); problem != "" {
		b.fail("Invalid Resource Record Set: %s", problem)
		return nil
	}
	if len(set.Values) > maxSetValues {
		b.fail("Cannot have more than %d records in a RRSet.", maxSetValues)
		return nil
	}
	ok := true
	for i, v := range set.Values {
		if problem := checkValue(set.Type, v); problem != "" {
			b.fail("%s", problem)
			ok = false
		}
		if b.rules.NormalizeValues {
			set.Values[i] = normalize(set.Type, v)
		}
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(set.Values))); ok && len(distinct) != len(set.Values) {
		b.fail("Invalid Resource Record: FATAL problem: DuplicateResourceRecord (Value is given more than once) "+
			"encountered with '%s'", strings.Join(set.Values, ", "))
		ok = false
	}
	if !ok {
		return nil
	}
	return &rrset{Set: set, key: key{name.order, set.Type, set.SetIdentifier}}
}

func (b *batch) apply(action Action, r *rrset) {
	old := b.get(r.key)
	switch {
	case action == Create && old != nil:
		b.fail("Tried to create resource record set %s but it already exists", b.describe(r))
	case action == Delete && old == nil:
		b.fail("Tried to delete resource record set %s but it was not found", b.describe(r))
	case action == Delete && !old.matches(&r.Set):
		b.fail(
			"Tried to delete resource record set %s but the values provided do not match the current values",
			b.describe(r),
		)
	case action == Delete:
		b.overlay[r.key] = nil
	default:
		b.overlay[r.key] = r
		b.touched = append(b.touched, r)
	}
}

func (b *batch) describe(r *rrset) string {
	s := fmt.Sprintf("[name='%s', type='%s'", r.Name, r.Type)
	if r.SetIdentifier != "" {
		s += ", set-identifier='" + r.SetIdentifier
		if !b.rules.UnclosedIdentifier {
			s += "'"
		}
	}
	return s + "]"
}

// at returns the sets that a name would have after the batch, in order.
func (b *batch) at(order string, added map[string][]*rrset) sorted {
	var result sorted
	for _, r := range b.zone.current.at(order) {
		if now, ok := b.overlay[r.key]; !ok {
			result = append(result, r)
		} else if now != nil {
			result = append(result, now)
		}
	}
	for _, r := range added[order] {
		result.put(r)
	}
	return result
}

// checkResult checks the zone as it would be after the whole batch.
func (b *batch) checkResult() {
	added := map[string][]*rrset{} // by name; touched sets that are still there at the end
	change := 0                    // of the number of sets
	for k, r := range b.overlay {
		existed := b.zone.current.get(k) != nil
		switch {
		case r != nil && !existed:
			change++
		case r == nil && existed:
			change--
		}
		if r != nil {
			added[k.order] = append(added[k.order], r)
		}
	}
	checked := map[string]bool{}
	for _, r := range b.touched {
		if !checked[r.key.order] {
			checked[r.key.order] = true
			b.checkName(b.at(r.key.order, added))
		}
	}
	b.checkApex(b.at(b.zone.name.order, added))
	if total := len(b.zone.current) + change; change > 0 && total > b.rules.MaxSets {
		b.fail("Exceeded limit MAX_RRSETS_BY_ZONE for zone: %s", b.zone.id)
	}
}

// checkApex checks the sets that the zone's own name would have, and that no other name has a SOA record.
func (b *batch) checkApex(sets []*rrset) {
	apex := map[string]int{}
	for _, r := range sets {
		apex[r.Type]++
	}
	if apex["SOA"] != 1 {
		b.fail("A HostedZone must contain exactly one SOA record.")
	}
	if apex["NS"] == 0 {
		b.fail("A HostedZone must contain at least one NS record for the zone itself.")
	}
	for _, r := range b.touched {
		if r.Type == "SOA" && r.Name != b.zone.name.text {
			b.fail("A HostedZone must contain exactly one SOA record.")
		}
	}
}

// checkName checks the sets that one name would have.
func (b *batch) checkName(sets sorted) {
	var cname, other bool
	byType := map[string]sorted{}
	for _, r := range sets {
		cname = cname || r.Type == "CNAME"
		other = other || r.Type != "CNAME"
		byType[r.Type] = append(byType[r.Type], r)
	}
	changed := slices.DeleteFunc(slices.Clone(sets), func(r *rrset) bool { return !b.changed(r) })
	for _, r := range changed {
		b.checkPolicy(r, byType[r.Type])
	}
	// One set of each type is enough for what concerns the type.
	for _, r := range slices.CompactFunc(changed, func(x, y *rrset) bool { return x.Type == y.Type }) {
		b.checkGroup(byType[r.Type])
		switch {
		case !cname || !other:
		case r.Type == "CNAME":
			b.fail(
				"RRSet of type CNAME with DNS name %s is not permitted as it conflicts with other records with the "+
					"same "+
					"DNS name in zone %s",
				r.Name,
				b.zone.name,
			)
		default: // the two spaces are Route 53's
			b.fail(
				"RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type  CNAME with "+
					"the "+
					"same DNS name already exists in zone %s",
				r.Type,
				r.Name,
				b.zone.name,
			)
		}
	}
}

// changed reports whether the batch created or replaced the set.
func (b *batch) changed(r *rrset) bool { return b.overlay[r.key] == r }

// checkPolicy refuses different routing policies under one name and type. Of two that conflict within one batch both
// are named.
func (b *batch) checkPolicy(r *rrset, group sorted) {
	for _, o := range group {
		if o.policy() == r.policy() {
			continue
		}
		switch r.policy() {
		case "simple":
			b.fail(
				"RRSet with DNS name %s, type %s cannot be created as other RRSets exist with the same name and type.",
				r.Name,
				r.Type,
			)
		default:
			b.fail(
				"RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created as a non-%s set exists with "+
					"the same "+
					"name and type.",
				r.Name,
				r.Type,
				r.SetIdentifier,
				r.policy(),
			)
		}
		return
	}
}

// checkGroup checks the weighted sets of one name and type: how many there are, and that they share one TTL, which
// under Rules.LastTTLWins they are made to.
func (b *batch) checkGroup(group sorted) {
	group = slices.DeleteFunc(slices.Clone(group), func(r *rrset) bool { return r.Weight == nil })
	if len(group) == 0 {
		return
	}
	first := group[0]
	before := 0
	for _, r := range b.zone.current.at(first.key.order) {
		if r.Type == first.Type && r.Weight != nil {
			before++
		}
	}
	if len(group) > b.rules.MaxWeighted && len(group) > before {
		b.fail("Exceeded limit on number of weighted RRSets for %s, type %s in this zone.", first.Name, first.Type)
	}
	if b.rules.LastTTLWins {
		b.shareTTL(group)
		return
	}
	// What the batch leaves alone sets the TTL; where it leaves nothing alone, its first set does.
	ttl := first.TTL
	for _, r := range group {
		if !b.changed(r) {
			ttl = r.TTL
			break
		}
	}
	for _, r := range group {
		if b.changed(r) && r.TTL != ttl {
			b.fail(
				"RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created as weighted sets must contain "+
					"the same "+
					"TTL.",
				r.Name,
				r.Type,
				r.SetIdentifier,
			)
		}
	}
}

func (b *batch) shareTTL(group sorted) {
	var ttl int64
	for _, r := range b.touched {
		if r.key.order == group[0].key.order && r.Type == group[0].Type && b.changed(r) {
			ttl = r.TTL
		}
	}
	for _, r := range group {
		if r.TTL != ttl {
			same := *r
			same.TTL = ttl
			b.overlay[r.key] = &same
		}
	}
}

func dedupe(messages []string) []string {
	var result []string
	for _, m := range messages {
		if !slices.Contains(result, m) {
			result = append(result, m)
		}
	}
	return result
}
