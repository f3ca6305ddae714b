package patience

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestUntil(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // that the condition is true
		want  bool
	}{
		"at once":     {after: 0, want: true},
		"in time":     {after: Limit - time.Second, want: true},
		"never":       {after: 10 * Limit, want: false},
		"at the last": {after: Limit, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				assert.Equal(t, c.want, Until(func() bool { return time.Since(began) >= c.after }))
				assert.LessOrEqual(t, time.Since(began), min(c.after, Limit)+2*Every)
			})
		})
	}
}
