package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const source = `package p

func (t *T) f(a, b int) (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a < 3 && b == a {
		t.n = a
		return a, true
	}
	return b, false
}
`

func TestFaults(t *testing.T) {
	found, err := faults("p/p.go", []byte(source))
	require.NoError(t, err)
	var diffs []string
	for _, f := range found {
		assert.Equal(t, "p", f.Package)
		diffs = append(diffs, f.String()+"\n"+f.diff())
	}
	assert.Equal(t, []string{
		"p/p.go:4: lock removed\n- t.mu.Lock()\n- \tdefer t.mu.Unlock()\n+ ",
		"p/p.go:6: condition negated\n- if a < 3 && b == a {\n+ if !(a < 3 && b == a) {",
		"p/p.go:6: || for &&\n- if a < 3 && b == a {\n+ if a < 3 || b == a {",
		"p/p.go:6: <= for <\n- if a < 3 && b == a {\n+ if a <= 3 && b == a {",
		"p/p.go:6: off by one\n- if a < 3 && b == a {\n+ if a < 4 && b == a {",
		"p/p.go:6: != for ==\n- if a < 3 && b == a {\n+ if a < 3 && b != a {",
		"p/p.go:7: statement removed\n- t.n = a\n+ ",
		"p/p.go:8: result turned round\n- return a, true\n+ return a, false",
		"p/p.go:8: results swapped\n- return a, true\n+ return true, a",
		"p/p.go:10: result turned round\n- return b, false\n+ return b, true",
		"p/p.go:10: results swapped\n- return b, false\n+ return false, b",
	}, diffs)
	assert.Contains(t, string(found[0].in([]byte(source))), "bool) {\n\t\n\t\n\tif a < 3")
}
