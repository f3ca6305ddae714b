package cli

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// longestPrinted bounds a text of somebody else's choosing where a line is printed for a person, in bytes.
const longestPrinted = 300

// printable gives a text with nothing in it that a terminal takes for more than text: what is not printable is written
// as in Go source, \x1b.
func printable(s string) string {
	if len(s) > longestPrinted {
		s = s[:longestPrinted] + "…"
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}
