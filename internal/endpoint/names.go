package endpoint

import (
	"fmt"
	"strings"
)

const (
	maxLabel = 63  // characters between two dots (RFC 1035, section 2.3.4)
	maxName  = 253 // characters in all: 255 bytes as sent, which count the length of the first label and the root
)

// CheckName says what keeps name from being a name below zone (or, where that is empty, a domain name). Letters in lower case,
// digits, hyphens and underscores may stand between dots, so that _time._tcp works; a hyphen may also come first or last,
// as Route 53 has it.
func CheckName(name, zone string) error {
	whole := name
	if zone != "" {
		whole += "." + zone
	}
	if len(whole) > maxName {
		return fmt.Errorf("name %.80q has %d characters with the zone, and DNS allows %d", name, len(whole), maxName)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return fmt.Errorf("name %.80q has an empty part between dots, or is empty", name)
		case len(label) > maxLabel:
			return fmt.Errorf("name %.80q has a part of %d characters, and DNS allows %d between dots", name, len(label), maxLabel)
		}
		for i := range len(label) {
			b := label[i]
			if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_') {
				return fmt.Errorf("name %.80q has a character other than letters, digits, '-', '_' and '.'", name)
			}
		}
	}
	return nil
}
