package record_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
)

// Identifiers are printed for people, and whoever may write to the zone chooses them.
func TestWhatNoHostIsCalledIsNobodysIdentifier(t *testing.T) {
	for _, host := range []string{"a b", "\x1b[31m", "\u009b31m", "a\nb", "ip-10-0-0-1\u202e", "\xff", "<x>", ""} {
		_, ok := record.ParseSetID(host + ":" + container)
		assert.False(t, ok, "%q", host)
	}
}
