package record

import (
	"fmt"
	"strings"
)

// Unescape turns a domain name as Route 53 lists it into a plain one. Route 53 lists every character but a-z, 0-9,
// hyphen, underscore and the dots between labels as a backslash and three octal digits (Route 53 developer guide,
// DomainNameFormat): \052 is *. A dot or a backslash within a label stays escaped, so that Escape finds the way back.
func Unescape(name string) string {
	if !strings.Contains(name, `\`) {
		return name
	}
	var plain strings.Builder
	for i := 0; i < len(name); i++ {
		if c, ok := escaped(name[i:]); ok {
			if c == '.' || c == '\\' {
				plain.WriteString(name[i : i+4])
			} else {
				plain.WriteByte(c)
			}
			i += 3
			continue
		}
		plain.WriteByte(name[i])
	}
	return plain.String()
}

// Escape turns a plain domain name in lower case into the form in which Route 53 lists it. It undoes Unescape.
func Escape(name string) string {
	var listed strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if e, ok := escaped(name[i:]); ok && (e == '.' || e == '\\') {
			listed.WriteString(name[i : i+4])
			i += 3
			continue
		}
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
			listed.WriteByte(c)
		default:
			fmt.Fprintf(&listed, `\%03o`, c)
		}
	}
	return listed.String()
}

// escaped returns the character that s begins with as \ooo, if it does.
func escaped(s string) (byte, bool) {
	if len(s) < 4 || s[0] != '\\' || s[1] < '0' || s[1] > '3' {
		return 0, false
	}
	value := s[1] - '0'
	for _, digit := range []byte(s[2:4]) {
		if digit < '0' || digit > '7' {
			return 0, false
		}
		value = value<<3 | (digit - '0')
	}
	return value, true
}
