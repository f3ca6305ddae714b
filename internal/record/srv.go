package record

import (
	"strconv"
	"strings"
)

// Priorities of SRV records. They carry a message from the sweeper to the agent; to consumers they make no difference,
// since Route 53 answers a query with one weighted record.
const (
	priority       = 1
	markedPriority = 2 // put on standby by the sweeper
)

// Target is the value of an SRV record (RFC 2782).
type Target struct {
	Priority int
	Weight   int // what the container asked for; what it gets now is the record's own Weight
	Port     uint16
	Host     string // fully qualified, no final dot
}

// String returns the value as it is written in Route 53: four fields with a space between.
func (t Target) String() string {
	return strconv.Itoa(t.Priority) + " " + strconv.Itoa(t.Weight) + " " + strconv.Itoa(int(t.Port)) + " " + t.Host
}

// ParseTarget reads the value of an SRV record; false where it is not a single value of four fields.
func ParseTarget(value string) (Target, bool) {
	fields := strings.Fields(value)
	if len(fields) != 4 || strings.Contains(value, "\n") {
		return Target{}, false
	}
	var numbers [3]uint64
	for i := range numbers {
		n, err := strconv.ParseUint(fields[i], 10, 16)
		if err != nil {
			return Target{}, false
		}
		numbers[i] = n
	}
	return Target{
		Priority: int(numbers[0]),
		Weight:   int(numbers[1]),
		Port:     uint16(numbers[2]),
		Host:     strings.ToLower(strings.TrimSuffix(fields[3], ".")),
	}, true
}

// Marked reports whether the sweeper has put the record on standby: weight 0 and priority 2. The sweeper restores only
// what it has marked, and the agent leaves a mark alone until the container's run or health changes.
func (r Record) Marked() bool {
	target, ok := ParseTarget(r.Value)
	return ok && r.Type == SRV && r.Weight == 0 && target.Priority == markedPriority
}

// Mark puts an SRV record on standby as the sweeper does it.
func (r Record) Mark() Record {
	target, ok := ParseTarget(r.Value)
	if !ok {
		return r
	}
	target.Priority = markedPriority
	r.Weight, r.Value = 0, target.String()
	return r
}

// Unmark returns a marked record the weight that its container asked for.
func (r Record) Unmark() Record {
	target, ok := ParseTarget(r.Value)
	if !ok {
		return r
	}
	target.Priority = priority
	r.Weight, r.Value = int64(min(target.Weight, 255)), target.String()
	return r
}

// SameTarget reports whether two SRV records lead to the same host and port.
func (r Record) SameTarget(other Record) bool {
	a, okA := ParseTarget(r.Value)
	b, okB := ParseTarget(other.Value)
	return okA && okB && a.Host == b.Host && a.Port == b.Port
}

// Same reports whether two records mean the same. It is true for values that differ only as Route 53 might rewrite
// them: case, the final dot of the target, leading zeros.
func (r Record) Same(other Record) bool {
	if r == other {
		return true
	}
	a, okA := ParseTarget(r.Value)
	b, okB := ParseTarget(other.Value)
	if !okA || !okB || a != b {
		return false
	}
	r.Value = other.Value
	return r == other
}
