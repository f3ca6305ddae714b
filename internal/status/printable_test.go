package status

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// Whatever is printed does nothing to a terminal, is bounded, and is left as it is where it is harmless.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"web", "\x1b]0;owned\x07", "\u009b31m", "a\ntime=\"2026\" level=error msg=x", "</Value>", "\u202eexe.gpj", "\xff\xfe", `back\slash "quoted"`, "tab\there", strings.Repeat("é", 400), "\u2028", "🙂"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		printed := Printable(text)
		assert.True(t, utf8.ValidString(printed))
		assert.False(t, strings.ContainsFunc(printed, func(r rune) bool {
			return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Cs)
		}), "%q", printed)
		assert.LessOrEqual(t, len(printed), 4*maxPrintable+20)
		if len(printed) <= maxPrintable {
			assert.Equal(t, printed, Printable(printed), "twice the same")
		}
	})
}
