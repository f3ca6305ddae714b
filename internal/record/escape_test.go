package record_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/ecssd/ecssd/internal/record"
)

func TestEscapes(t *testing.T) {
	for name, c := range map[string]struct{ listed, plain string }{
		"plain":             {"_calc._tcp.my-zone.internal", "_calc._tcp.my-zone.internal"},
		"wildcard":          {`\052.example`, "*.example"},
		"space and quote":   {`a\040b\047c.example`, "a b'c.example"},
		"bytes of UTF-8":    {`caf\303\251.example`, "café.example"},
		"dot in a label":    {`a\056b.example`, `a\056b.example`},
		"backslash":         {`a\134b.example`, `a\134b.example`},
		"escaped backslash": {`a\134052.example`, `a\134052.example`},
		"empty":             {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.plain, record.Unescape(c.listed))
			assert.Equal(t, c.listed, record.Escape(c.plain))
		})
	}
}

func TestUnescapeLeavesAloneWhatIsNoEscape(t *testing.T) {
	for _, s := range []string{`a\`, `a\05`, `a\400`, `a\089`, `\x41`} {
		assert.Equal(t, s, record.Unescape(s))
	}
}

func TestEscapeFindsBackToEveryListedName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A name as Route 53 lists it: any byte within labels, dots between them.
		var listed strings.Builder
		for _, c := range rapid.SliceOf(rapid.Byte()).Draw(t, "bytes") {
			switch plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'; {
			case plain, c == '.' && rapid.Bool().Draw(t, "between labels"):
				listed.WriteByte(c)
			default:
				listed.WriteString(`\` + string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7}))
			}
		}
		assert.Equal(t, listed.String(), record.Escape(record.Unescape(listed.String())))
	})
}
