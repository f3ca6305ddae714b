package zone

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Types that Route 53 has. A and SRV values are checked in full, the others as far as a foreign record needs.
var types = []string{
	"A",
	"AAAA",
	"CAA",
	"CNAME",
	"DS",
	"HTTPS",
	"MX",
	"NAPTR",
	"NS",
	"PTR",
	"SOA",
	"SPF",
	"SRV",
	"SSHFP",
	"SVCB",
	"TLSA",
	"TXT",
}

// KnownType reports whether Route 53 has the record type.
func KnownType(t string) bool { return slices.Contains(types, t) }

// checkValue returns what Route 53 would find wrong with a value, in its words where they are known, or "".
func checkValue(typ, value string) string {
	wrong := func(code, text string) string {
		return fmt.Sprintf("Invalid Resource Record: FATAL problem: %s (%s) encountered with '%s'", code, text, value)
	}
	fields := strings.Split(value, " ")
	switch typ {
	case "A", "AAAA":
		return checkAddress(typ, value, wrong)
	case "SRV":
		if len(fields) != 4 {
			return wrong("SRVRRDATANotFourFields", "SRV record doesn't have 4 fields")
		}
		return checkNumbered("SRV", fields, wrong, "Priority", "Weight", "Port")
	case "CNAME", "NS", "PTR":
		if len(fields) != 1 {
			return wrong(typ+"RRDATANotSingleField", "Value contains spaces")
		}
		return checkDomain(value)
	case "MX":
		if len(fields) != 2 {
			return wrong("MXRRDATANotTwoFields", "MX record doesn't have 2 fields")
		}
		return checkNumbered("MX", fields, wrong, "Priority")
	case "SOA":
		if len(fields) != 7 {
			return wrong("SOARRDATANotSevenFields", "SOA record doesn't have 7 fields")
		}
		for _, f := range fields[2:] {
			if _, err := strconv.ParseUint(f, 10, 32); err != nil {
				return wrong("SOARRDATAIllegalNumber", "Value is not a number")
			}
		}
	case "TXT", "SPF":
		return checkText(value, wrong)
	}
	return ""
}

func checkAddress(typ, value string, wrong func(code, text string) string) string {
	a, err := netip.ParseAddr(value)
	switch {
	case typ == "A" && strings.Contains(value, " "):
		return wrong("ARRDATANotSingleField", "Value contains spaces")
	case typ == "A" && (err != nil || !a.Is4()):
		return wrong("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address")
	case typ == "AAAA" && (err != nil || !a.Is6() || a.Zone() != ""):
		return wrong("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address")
	}
	return ""
}

// checkNumbered checks numbers of 16 bits, and the domain name behind them.
func checkNumbered(typ string, fields []string, wrong func(code, text string) string, numbers ...string) string {
	for i, name := range numbers {
		if _, err := strconv.ParseUint(fields[i], 10, 16); err != nil {
			return wrong(typ+"RRDATAIllegal"+name, name+" is not a number from 0 to 65535")
		}
	}
	return checkDomain(fields[len(numbers)])
}

func checkDomain(s string) string {
	if _, err := ParseName(s); err != nil && s != "." {
		return "Invalid Resource Record: " + err.Error()
	}
	return ""
}

// checkText wants character strings in quotation marks, each of at most 255 octets, apart by spaces.
func checkText(value string, wrong func(code, text string) string) string {
	rest := value
	for {
		if !strings.HasPrefix(rest, `"`) {
			return wrong("InvalidCharacterString", "Value should be enclosed in quotation marks")
		}
		n, i := 0, 1
		for ; i < len(rest) && rest[i] != '"'; i, n = i+1, n+1 {
			if rest[i] != '\\' {
				continue
			}
			if i+3 < len(rest) && octal(rest[i+1:i+4]) {
				i += 3
			} else {
				i++
			}
		}
		if i >= len(rest) {
			return wrong("InvalidCharacterString", "Value should be enclosed in quotation marks")
		}
		if n > 255 {
			return wrong("CharacterStringTooLong", "Value is too long")
		}
		if rest = strings.TrimLeft(rest[i+1:], " "); rest == "" {
			return ""
		}
	}
}

// normalize is how values are stored under Rules.NormalizeValues: targets in lower case with a final dot, numbers
// without leading zeros.
func normalize(typ, value string) string {
	fields := strings.Split(value, " ")
	switch typ {
	case "SRV", "MX":
		for i := range len(fields) - 1 {
			if n, err := strconv.ParseUint(fields[i], 10, 16); err == nil {
				fields[i] = strconv.FormatUint(n, 10)
			}
		}
	case "CNAME", "NS", "PTR":
	default:
		return value
	}
	if name, err := ParseName(fields[len(fields)-1]); err == nil {
		fields[len(fields)-1] = name.text
	}
	return strings.Join(fields, " ")
}
