package endpoint

import (
	"errors"
	"fmt"
	"strings"
)

const (
	maxLabel = 63  // characters between two dots (RFC 1035, section 2.3.4)
	maxName  = 253 // characters in all: 255 bytes as sent, which count the length of the first label and the root
)

// CheckName returns what keeps name from being a name below zone (or, where that is empty, a domain name). Letters in
// lower case, digits, hyphens and underscores may stand between dots, so that _time._tcp works. Route 53 takes a hyphen
// at the beginning or end of a label, too, but Go's resolver does not look such a name up (isDomainName in package
// net).
func CheckName(name, zone string) error {
	whole := name
	if zone != "" {
		whole += "." + zone
	}
	if len(whole) > maxName {
		return fmt.Errorf("name %.80q has %d characters with the zone, and DNS allows %d", name, len(whole), maxName)
	}
	if zone != "" && name == zone {
		return errors.New(zoneItself(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return fmt.Errorf("name %.80q has an empty part between dots, or is empty", name)
		case len(label) > maxLabel:
			return fmt.Errorf(
				"name %.80q has a part of %d characters, and DNS allows %d between dots",
				name,
				len(label),
				maxLabel,
			)
		case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
			return fmt.Errorf(
				"name %.80q has a part that begins or ends with '-', which not every resolver looks up",
				name,
			)
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !inLabel(r) }) {
			return fmt.Errorf("name %.80q has a character other than letters, digits, '-', '_' and '.'", name)
		}
	}
	return nil
}

// inLabel reports whether a character may stand between two dots of a name.
func inLabel(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

func zoneItself(name string) string {
	return fmt.Sprintf("name %.80q is the zone itself: name a service below it", name)
}

// withoutZone takes the zone off a name that is written in full, with or without a final dot: web.sd.internal is web.
func withoutZone(name, zone string) string {
	if zone == "" {
		return name
	}
	for _, end := range []string{"." + zone, "." + zone + "."} {
		// The zone is ASCII, so what equals it but for the case has as many bytes.
		if cut := len(name) - len(end); cut >= 0 && strings.EqualFold(name[cut:], end) {
			return name[:cut]
		}
	}
	return name
}
