package zone

import (
	"fmt"
	"slices"
	"strings"
)

// Name is a domain name as Route 53 keeps and shows it.
type Name struct {
	text  string // lower case, escaped, with the final dot: `\052.servicediscovery.internal.`
	order string // the labels reversed and unescaped, with a final dot: `internal.servicediscovery.*.`
}

// String returns the name as the API shows it.
func (n Name) String() string { return n.text }

// In reports whether the name is the zone's or below it.
func (n Name) In(zone Name) bool {
	return n.text == zone.text || strings.HasSuffix(n.text, "."+zone.text)
}

// parent of the name; the zero Name above a top-level one.
func (n Name) parent() Name {
	_, rest, _ := strings.Cut(n.text, ".")
	if rest == "" {
		return Name{}
	}
	labels := strings.Split(strings.TrimSuffix(n.order, "."), ".")
	return Name{text: rest, order: strings.Join(labels[:len(labels)-1], ".") + "."}
}

// ParseName reads a name as Route 53 does: letters in either case, the final dot optional, any byte as `\ooo`. Its
// error is worded as Route 53 words it (Route 53 developer guide, DomainNameFormat).
func ParseName(s string) (Name, error) {
	problem := func(code, text string) (Name, error) {
		return Name{}, fmt.Errorf("FATAL problem: %s (%s) encountered with '%s'", code, text, s)
	}
	var labels, raw []string // escaped and plain
	var label, plain strings.Builder
	for i := 0; i < len(s); i++ {
		c, escaped := s[i], false
		switch {
		case c == '\\':
			if i+3 >= len(s) || !octal(s[i+1:i+4]) {
				return problem("InvalidEscape", "Escape must be a backslash and three octal digits")
			}
			c, escaped = (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'), true
			i += 3
		case c <= ' ' || c >= 0x7f:
			return problem("UnsupportedCharacter", "Value contains unsupported characters")
		}
		if c == '.' && !escaped {
			if plain.Len() == 0 {
				return problem("DomainLabelEmpty", "Domain label is empty")
			}
			labels, raw = append(labels, label.String()), append(raw, plain.String())
			label.Reset()
			plain.Reset()
			continue
		}
		writeByte(&label, &plain, c)
	}
	if plain.Len() > 0 {
		labels, raw = append(labels, label.String()), append(raw, plain.String())
	}
	if len(labels) == 0 {
		return problem("DomainLabelEmpty", "Domain label is empty")
	}
	if code, text := tooLong(labels); code != "" {
		return problem(code, text)
	}
	slices.Reverse(raw)
	return Name{text: strings.Join(labels, ".") + ".", order: strings.Join(raw, ".") + "."}, nil
}

// writeByte adds a byte to a label, escaped and plain.
func writeByte(label, plain *strings.Builder, c byte) {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	if plainInName(c) {
		label.WriteByte(c)
	} else {
		fmt.Fprintf(label, `\%03o`, c)
	}
	if c == '.' {
		plain.WriteString(`\056`) // so that it does not look like the end of a label
	} else {
		plain.WriteByte(c)
	}
}

// tooLong returns the code and the text for escaped labels that exceed DNS's bounds.
func tooLong(labels []string) (code, text string) {
	size := 1 // octets on the wire; the root label is one
	for _, l := range labels {
		n := len(l) - 3*strings.Count(l, `\`)
		if n > 63 {
			return "DomainLabelTooLong", "Domain label is too long"
		}
		size += n + 1
	}
	if size > 255 {
		return "DomainNameTooLong", "Domain name is too long"
	}
	return "", ""
}

func plainInName(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func octal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '7' {
			return false
		}
	}
	return s[0] <= '3'
}
