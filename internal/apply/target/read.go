package target

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/record"
)

// ToRead returns this host's A record of a name that SRV records point to and whose A record is refused: the records of
// the name are to be read back, since those of somebody else may lead here just as well. It is the name that was read
// the longest time ago; false where there is none.
func (t *Rule) ToRead() (own record.Record, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(t.addresses)) {
		if t.refusal(name) != nil && (!ok || t.read[name].Before(t.read[own.Name])) && t.pointedTo(name) {
			own, ok = t.addresses[name][0], true
		}
	}
	return own, ok
}

// pointedTo reports whether an SRV record is desired that points to a name.
func (t *Rule) pointedTo(name string) bool {
	for _, d := range t.ledger.Desired() {
		if needs, ok := t.needs(d.Record); ok && needs == name {
			return true
		}
	}
	return false
}

// Read takes all records of the name of own as they are in the zone.
func (t *Rule) Read(own record.Record, found []record.Record, now time.Time) {
	t.read[own.Name] = now
	t.leads[own.Name] = leadOf(found, own.Value)
	if refused := t.refusal(own.Name); len(found) == 0 && refused != nil && refused.ByCNAME() {
		t.leads[own.Name] = elsewhere
	}
}

// ReadFailed notes that the records of a name could not be read.
func (t *Rule) ReadFailed(name string, now time.Time) { t.read[name] = now }

// leadOf returns where the A records of a name lead, seen from the host of an address.
func leadOf(found []record.Record, address string) lead {
	if len(found) == 0 {
		return nowhere
	}
	for _, r := range found {
		for value := range strings.SplitSeq(r.Value, "\n") {
			if value != address {
				return elsewhere
			}
		}
	}
	return here
}

// Forget forgets where names lead whose A record is not refused any more.
func (t *Rule) Forget() {
	for name := range t.read {
		if t.refusal(name) == nil {
			delete(t.read, name)
			delete(t.leads, name)
		}
	}
}
