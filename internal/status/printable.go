package status

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxPrintable bounds a text from a container, AWS or another program where a line is printed for a person, in bytes.
const maxPrintable = 300

// Printable returns s such that a terminal takes it for text alone: what is not printable is written as in Go source
// (\x1b), and what is longer than 300 bytes is cut.
func Printable(s string) string {
	if len(s) > maxPrintable {
		s = s[:maxPrintable] + "…"
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}
