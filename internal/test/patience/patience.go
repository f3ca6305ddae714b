// Package patience bounds how long a test waits for something that must happen. It is the only limit in seconds that
// tests have: on a busy machine everything takes longer, and a test that fails for that has found nothing. What has to
// be fast is shown by what happened, and in which order, never by how long a test waited.
package patience

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Limit is how long a test waits for something that must happen before it fails. Ten times as long as anything here
// took on a machine with seven runnable processes for each processor.
const Limit = 3 * time.Minute

// Every is the time between two looks at a condition.
const Every = 10 * time.Millisecond

// Until waits for a condition, and reports whether it came true within Limit.
func Until(condition func() bool) bool {
	for deadline := time.Now().Add(Limit); !condition(); time.Sleep(Every) {
		if time.Now().After(deadline) {
			return condition()
		}
	}
	return true
}

// Eventually waits for a condition, and fails the test if it does not come true within Limit.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.True(t, Until(condition), "not within %s: %s", Limit, what)
}
