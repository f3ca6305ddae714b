package backoff

import "time"

// Minutely limits the log of a failure that goes on to one line a minute. The zero value allows the first line at once.
// Use it from one goroutine.
type Minutely struct{ last time.Time }

// Allow reports whether a line may be logged now, and counts it as logged if so.
func (m *Minutely) Allow(now time.Time) bool {
	if m.Logged() && now.Sub(m.last) < time.Minute {
		return false
	}
	m.last = now
	return true
}

// Logged reports whether a line was allowed since the last Reset, so that the end of the failure is worth a line, too.
func (m *Minutely) Logged() bool { return !m.last.IsZero() }

// Reset notes that the failure has ended. The first line about the next one is allowed at once.
func (m *Minutely) Reset() { m.last = time.Time{} }
