package journal

import "time"

// SetTime replaces the clock.
func (j *Journal) SetTime(now func() time.Time) { j.now = now }
