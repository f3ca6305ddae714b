package agent

import (
	"errors"
	"time"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/health"
)

// patience is how long Route 53 may fail to take changes before the agent is no longer ready.
const patience = time.Minute

// unwritable returns a check of why Route 53 takes no changes of this host, or why it is not known that it does. began
// is when the writer began.
func unwritable(writer *apply.Writer, began time.Time) func() error {
	return func() error {
		if err := writer.Unproven(); errors.Is(err, permission.ErrUnproven) {
			return health.Unknown(err)
		} else if err != nil {
			return err
		}
		applied, err := writer.LastCall()
		last := began
		if applied.After(last) {
			last = applied
		}
		if err != nil && (applied.IsZero() || time.Since(last) > patience) {
			return err
		}
		return nil
	}
}
