package status

import (
	"fmt"
	"time"
)

// Ago returns how long ago a moment was, or in how long it comes where d is negative, in the largest unit of which
// there are at least two: "3 min ago".
func Ago(d time.Duration) string {
	length := d.Abs()
	count, unit := int(length.Hours()/24), "d"
	switch {
	case length < 2*time.Second:
		return "now"
	case length < 2*time.Minute:
		count, unit = int(length.Seconds()), "s"
	case length < 2*time.Hour:
		count, unit = int(length.Minutes()), "min"
	case length < 48*time.Hour:
		count, unit = int(length.Hours()), "h"
	}
	if d < 0 {
		return fmt.Sprintf("in %d %s", count, unit)
	}
	return fmt.Sprintf("%d %s ago", count, unit)
}
