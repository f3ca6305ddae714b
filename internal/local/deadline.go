package local

import "time"

// Deadline is a time at which something is due. The zero Deadline never is.
type Deadline struct{ at time.Time }

// At returns the deadline t.
func At(t time.Time) Deadline { return Deadline{t} }

// Earliest returns the first of several deadlines.
func Earliest(deadlines ...Deadline) Deadline {
	var first Deadline
	for _, d := range deadlines {
		if !first.Set() || d.Set() && d.at.Before(first.at) {
			first = d
		}
	}
	return first
}

// Set reports whether the deadline will ever come.
func (d Deadline) Set() bool { return !d.at.IsZero() }

// Due reports whether the deadline has come.
func (d Deadline) Due(now time.Time) bool { return d.Set() && !d.at.After(now) }

// Time returns when the deadline comes; the zero time where it never does.
func (d Deadline) Time() time.Time { return d.at }
