package route53

import (
	"regexp"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/plan"
)

// boundary finds where one message ends and the next begins: they stand in one pair of brackets with commas between,
// and have commas within. A message begins with a capital letter; what begins so within one is SetIdentifier.
var boundary = regexp.MustCompile(`, ?(?:[A-Z]|(?i:tried to |rrset |exceeded |invalid ))`)

// split takes the messages of a change batch apart. Where it goes wrong a message names no change.
func split(text string) []string {
	var messages []string
	start := 0
	for _, at := range boundary.FindAllStringIndex(text, -1) {
		if next := strings.TrimLeft(text[at[0]:], ", "); !strings.HasPrefix(next, "SetIdentifier") {
			messages = append(messages, text[start:at[0]])
			start = len(text) - len(next)
		}
	}
	return append(messages, text[start:])
}

// phrases are by what a message says why a batch was refused. Each has a space, which no name has as Route 53 writes
// it, so that no service can be named like a phrase. The first reason of which a message holds every word of one line
// is the one.
var phrases = []struct {
	reason plan.Reason
	words  []string
}{
	{plan.NotFound, []string{"to delete ", "not found"}},
	{plan.NotFound, []string{"to delete ", "not exist"}},
	{plan.Mismatch, []string{"to delete ", "not match"}},
	{plan.Exists, []string{"to create ", "already exists"}},
	{plan.TTL, []string{"same ttl"}},
	{plan.NameFull, []string{"limit ", "weighted rrset"}},
	{plan.NameFull, []string{"limit ", "weighted record"}},
	{plan.ZoneFull, []string{"limit max_rrsets_by_zone"}},
	{plan.ZoneFull, []string{"limit ", "rrsets ", " zone"}},
	{plan.ZoneFull, []string{"limit ", "record sets ", " zone"}},
	{plan.Conflict, []string{"cannot be created as "}},
	{plan.Conflict, []string{" conflict"}},
}

func reasonOf(message string) plan.Reason {
	message = strings.ToLower(message)
	for _, p := range phrases {
		if !slices.ContainsFunc(p.words, func(w string) bool { return !strings.Contains(message, w) }) {
			return p.reason
		}
	}
	return plan.Invalid
}

// Where a message says what it is about, in the forms that Route 53 has been seen to use:
//
//	[name='a.example.', type='SRV', set-identifier='i-1:ecs:…'], also without the quote before the bracket
//	RRSet with DNS name a.example., type SRV, SetIdentifier i-1:ecs:… cannot be created as …
//	weighted RRSets for a.example., type SRV in this zone
//	RRSet of type SRV with DNS name a.example. is not permitted …
//	… encountered with '1 1 80 a.example'
var (
	nameIn  = regexp.MustCompile(`(?i)(?:\bname='([^']*)'|\bdns name ([^\s,]+)|\brrsets for ([^\s,]+))`)
	typeIn  = regexp.MustCompile(`(?i)\btype(?:='| +)([a-z]+)`)
	setIDIn = regexp.MustCompile(`(?i)\bset-?identifier(?:='?| +'?)`)
	valueIn = regexp.MustCompile(`(?i)\bencountered with '(.*)'`)
)

// subjects returns the changes that a message is about.
func subjects(message string, reason plan.Reason, changes []plan.Change) []plan.Change {
	name := nameIn.FindStringSubmatch(message)
	if name == nil {
		return valued(message, changes)
	}
	domain := plain(name[1] + name[2] + name[3])
	rrtype := typeIn.FindStringSubmatch(message)
	setID := setIDIn.FindStringIndex(message)
	var found []plan.Change
	for _, c := range changes {
		switch {
		case c.Record.Name != domain, !possible(reason, c):
		case rrtype != nil && !strings.EqualFold(rrtype[1], string(c.Record.Type)):
		case setID != nil && !identifies(message[setID[0]:setID[1]], message[setID[1]:], c.Record.SetID):
		default:
			found = append(found, c)
		}
	}
	if setID == nil && len(found) > 1 && (reason == plan.NotFound || reason == plan.Mismatch) {
		return nil // one of them, and it is not known which
	}
	return found
}

// possible reports whether a change can have been refused for a reason.
func possible(reason plan.Reason, c plan.Change) bool {
	switch reason {
	case plan.NotFound, plan.Mismatch:
		return c.Action == plan.Delete
	case plan.Exists:
		return c.Action == plan.Create
	case plan.TTL, plan.NameFull, plan.ZoneFull, plan.Conflict:
		return c.Action != plan.Delete
	}
	return true
}

// concerns reports whether any of the changes can have been refused for a reason.
func concerns(reason plan.Reason, changes []plan.Change) bool {
	return slices.ContainsFunc(changes, func(c plan.Change) bool { return possible(reason, c) })
}

// identifies reports whether what follows an introduction is exactly this set identifier, and not a longer one.
func identifies(introduction, text, setID string) bool {
	rest, ok := strings.CutPrefix(text, setID)
	if strings.HasSuffix(introduction, "'") {
		return ok && rest != "" && strings.Contains("']", rest[:1])
	}
	return ok && (rest == "" || strings.Contains(" ,]", rest[:1]))
}

// valued returns the changes with a value, or a name, that a message quotes.
func valued(message string, changes []plan.Change) []plan.Change {
	quoted := valueIn.FindStringSubmatch(message)
	if quoted == nil {
		return nil
	}
	var found []plan.Change
	for _, c := range changes {
		if slices.Contains(strings.Split(c.Record.Value, "\n"), quoted[1]) || c.Record.Name == plain(quoted[1]) {
			found = append(found, c)
		}
	}
	return found
}
