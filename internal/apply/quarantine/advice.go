package quarantine

import (
	"regexp"
	"strings"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Advice by reason.
var advice = map[plan.Reason]string{
	plan.NameFull: "Route 53 holds at most 100 weighted records of one name and type: run fewer containers of the " +
		"service or split it by name",
	plan.ZoneFull: "the hosted zone is full: ask AWS for a higher quota of records in a hosted zone, or remove " +
		"records that nobody needs",
	plan.Conflict: "a record set that ecssd does not own and that is not weighted has this name and type: remove it " +
		"or rename the service",
	plan.Denied:  "allow route53:ChangeResourceRecordSets on this hosted zone for this name to the instance's role",
	plan.Invalid: "see the message; check that --zone is the name of the hosted zone that --zone-id means",
}

// Advice about the A record of a host or a task, to which SRV records point.
var adviceOnAddress = map[plan.Reason]string{
	plan.Conflict: "an A record that is not weighted and not ecssd's has this host's name: remove it; while it has " +
		"another address, no SRV record that points to it is added",
	plan.Denied: "allow route53:ChangeResourceRecordSets on this hosted zone for A records, too, to the instance's " +
		"role; SRV records that point to this one wait",
}

var cname = regexp.MustCompile(`(?i)of type +'?CNAME\b`)

// ByCNAME reports whether a CNAME record somewhere is why the change is refused. A message may name several changes.
func (h *Held) ByCNAME() bool { return cname.MatchString(h.Message) }

// Advice returns what a person can do about the refusal; it may be empty.
func (h *Held) Advice() string {
	for part := range strings.SplitSeq(h.Message, ", ") {
		if h.Reason == plan.Conflict && cname.MatchString(part) &&
			strings.Contains(part, " "+h.Change.Record.Name+".") {
			return "a CNAME record has this name, and DNS allows no other record beside it: remove it or rename the " +
				"service"
		}
	}
	if text, ok := adviceOnAddress[h.Reason]; ok && h.Change.Record.Type == record.A {
		return text
	}
	return AdviceOn(h.Reason)
}

// AdviceOn returns what a person can do about changes that are refused for a reason; it may be empty.
func AdviceOn(reason plan.Reason) string { return advice[reason] }
