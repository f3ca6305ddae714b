package zone

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A name that is taken has one spelling, which is taken too and means the same.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"web.example", "WEB.example.", `\052.example`, `a\056b.c`, `a\134b`, "a..b", ".", "", `\400`, `a\05`, strings.Repeat("a", 64), strings.Repeat("a.", 128), "é", "a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := ParseName(text)
		if err != nil {
			assert.Contains(t, err.Error(), "FATAL problem: ")
			assert.Equal(t, Name{}, name)
			return
		}
		again, err := ParseName(name.String())
		assert.NoError(t, err)
		assert.Equal(t, name, again)
		assert.True(t, strings.HasSuffix(name.String(), "."))
		octets := 1 // as sent, where each label has its length before it
		for label := range strings.SplitSeq(strings.TrimSuffix(name.String(), "."), ".") {
			length := len(label) - 3*strings.Count(label, `\`)
			assert.True(t, 1 <= length && length <= 63, "a label of %d", length)
			octets += 1 + length
		}
		assert.LessOrEqual(t, octets, 255)
		assert.Equal(t, strings.ToLower(name.String()), name.String())
		upper, err := ParseName(strings.ToUpper(text))
		if assert.NoError(t, err) && !strings.Contains(text, `\`) {
			assert.Equal(t, name, upper)
		}
		assert.True(t, name.In(name))
		for parent := name.parent(); parent != (Name{}); parent = parent.parent() {
			same, err := ParseName(parent.String())
			assert.NoError(t, err)
			assert.Equal(t, same, parent)
			assert.True(t, name.In(parent))
			assert.False(t, parent.In(name))
		}
	})
}

// A value that is taken for one of its type is still one once normalized, and stays as it is then.
func FuzzValue(f *testing.F) {
	f.Add("SRV", "1 01 080 H.example")
	f.Add("A", "10.0.0.1")
	f.Add("AAAA", "fe80::1%eth0")
	f.Add("MX", "10 .")
	f.Add("CNAME", `\052.x`)
	f.Add("TXT", `"a" "b\"\101"`)
	f.Add("SOA", "a. b. 1 2 3 4 5")
	f.Fuzz(func(t *testing.T, typ, value string) {
		if !KnownType(typ) || checkValue(typ, value) != "" {
			return
		}
		normal := normalize(typ, value)
		assert.Empty(t, checkValue(typ, normal), "%q became %q", value, normal)
		assert.Equal(t, normal, normalize(typ, normal))
	})
}
