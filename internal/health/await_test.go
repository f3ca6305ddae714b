package health

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is missing at boot may come two minutes later.
func TestWhatIsMissingForTwoMinutesIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, hook := logtest.NewNullLogger()
		readiness := &Readiness{}
		began := time.Now()
		tries := 0
		err := Await(t.Context(), logrus.NewEntry(logger), readiness, "identity", func(context.Context) error {
			tries++
			if time.Since(began) < 2*time.Minute {
				return errors.New("no answer")
			}
			return nil
		})
		require.NoError(t, err)
		assert.Less(t, time.Since(began), 2*time.Minute+15*time.Second)
		assert.Less(t, tries, 30, "it does not hurry")
		said := []string{}
		for _, e := range hook.AllEntries() {
			said = append(said, e.Message)
		}
		assert.Equal(t, []string{
			"waiting for a dependency; retrying", "waiting for a dependency; retrying", "dependency is available",
		}, said, "once, then every minute")
		assert.Empty(t, readiness.Missing())
	})
}
