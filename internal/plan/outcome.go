package plan

import (
	"errors"
	"fmt"
)

// ErrNoSuchZone is the error of a call for a hosted zone that does not exist, or no longer.
var ErrNoSuchZone = errors.New("no such hosted zone")

// ErrThrottled is the error of a call that Route 53 throttled (Throttling, PriorRequestNotComplete).
var ErrThrottled = errors.New("throttled by Route 53")

// ErrZoneBusy is the ErrThrottled that passes soonest: another change of the zone is being processed
// (PriorRequestNotComplete).
var ErrZoneBusy = fmt.Errorf("%w: the zone is busy with another change", ErrThrottled)

// Outcome is what became of a ChangeResourceRecordSets call. Only Applied and Unknown may have changed the zone.
type Outcome int

// The outcomes.
const (
	Applied   Outcome = iota
	Rejected          // the same batch would be rejected again: the error is a *Refusal
	Throttled         // the account's quota of calls or changes is used up
	ZoneBusy          // another change of the zone is being processed, which takes some tens of milliseconds
	Gone              // the hosted zone does not exist
	Unknown           // no answer, or one that leaves it open: the zone may have changed
)

// OutcomeOf returns the outcome of a call from its error, which may be wrapped, and the refusal of a call that was
// Rejected.
func OutcomeOf(err error) (Outcome, *Refusal) {
	var refusal *Refusal
	switch {
	case err == nil:
		return Applied, nil
	case errors.As(err, &refusal):
		return Rejected, refusal
	case errors.Is(err, ErrZoneBusy):
		return ZoneBusy, nil
	case errors.Is(err, ErrThrottled):
		return Throttled, nil
	case errors.Is(err, ErrNoSuchZone):
		return Gone, nil
	}
	return Unknown, nil
}

// Busy reports whether Route 53 throttled the call, for either reason.
func (o Outcome) Busy() bool { return o == Throttled || o == ZoneBusy }
