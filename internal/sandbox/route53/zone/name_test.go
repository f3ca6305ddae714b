package zone

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseName(t *testing.T) {
	label63, long := strings.Repeat("a", 63), strings.Repeat("a.", 127)
	for _, c := range []struct{ name, in, text, order, err string }{
		{"final dot", "web.a.internal.", "web.a.internal.", "internal.a.web.", ""},
		{"no final dot", "web.a.internal", "web.a.internal.", "internal.a.web.", ""},
		{"upper case", "WEB.a.Internal", "web.a.internal.", "internal.a.web.", ""},
		{"underscore and hyphen", "_calc._tcp.a-b.", "_calc._tcp.a-b.", "a-b._tcp._calc.", ""},
		{"wildcard is shown escaped", "*.a", `\052.a.`, "a.*.", ""},
		{"wildcard given escaped", `\052.a`, `\052.a.`, "a.*.", ""},
		{"escape of a plain letter", `\141.a`, `a.a.`, "a.a.", ""},
		{"escape of an upper case letter", `\101.a`, `a.a.`, "a.a.", ""},
		{"escape of a dot", `a\056b.c`, `a\056b.c.`, `c.a\056b.`, ""},
		{"escape of a space and a high octet", `\040\377.a`, `\040\377.a.`, "a. \xff.", ""},
		{"label of 63", label63 + ".a", label63 + ".a.", "a." + label63 + ".", ""},
		{"label of 64", label63 + "b.a", "", "", "FATAL problem: DomainLabelTooLong (Domain label is too long) " +
			"encountered with '" +
			label63 + "b.a'"},
		{"255 octets", long, long, long, ""},
		{"256 octets", "a" + long, "", "", "FATAL problem: DomainNameTooLong (Domain name is too long) encountered " +
			"with 'a" + long + "'"},
		{"257 octets", long + "a.", "", "", "FATAL problem: DomainNameTooLong (Domain name is too long) encountered " +
			"with '" + long + "a.'"},
		{"empty", "", "", "", "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with ''"},
		{"root", ".", "", "", "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '.'"},
		{"empty label", "a..b", "", "", "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with " +
			"'a..b'"},
		{"leading dot", ".a", "", "", "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '.a'"},
		{"space", "a b", "", "", "FATAL problem: UnsupportedCharacter (Value contains unsupported characters) " +
			"encountered with 'a b'"},
		{"umlaut", "ä", "", "", "FATAL problem: UnsupportedCharacter (Value contains unsupported characters) " +
			"encountered with 'ä'"},
		{"decimal escape", `\999.a`, "", "",
			`FATAL problem: InvalidEscape (Escape must be a backslash and three octal digits) encountered with '\999.a'`},
		{"escape above an octet", `\400.a`, "", "",
			`FATAL problem: InvalidEscape (Escape must be a backslash and three octal digits) encountered with '\400.a'`},
		{"escape cut short", `a\05`, "", "",
			`FATAL problem: InvalidEscape (Escape must be a backslash and three octal digits) encountered with 'a\05'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseName(c.in)
			if c.err != "" {
				assert.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, Name{c.text, c.order}, got)
		})
	}
}

func TestNameIn(t *testing.T) {
	zone := parse(t, "a.internal")
	assert.True(t, parse(t, "a.internal").In(zone))
	assert.True(t, parse(t, "x.y.A.internal.").In(zone))
	assert.False(t, parse(t, "ba.internal").In(zone))
	assert.False(t, parse(t, "internal").In(zone))
	assert.False(t, parse(t, `b\056a.internal`).In(zone), "an escaped dot ends no label")
}

func parse(t *testing.T, s string) Name {
	t.Helper()
	n, err := ParseName(s)
	require.NoError(t, err)
	return n
}
