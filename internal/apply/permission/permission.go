// Package permission keeps what is known of whether a host may change a zone. The answer to its first batch shows it. A
// host that has nothing to write asks: it sends the removal of records that do not exist, which changes nothing,
// because Route 53 judges whether the caller may make a change before it looks at what the zone holds. So does a host
// of which a change was denied, since policies go by name and type, and AWS does not report which change of a batch it
// denies.
package permission

import (
	"errors"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// askEvery is how often Route 53 is asked anew, while the host may not change the zone or that is not known.
	askEvery = time.Minute
	// Where denied changes are held back they ask each minute by themselves. But one that a policy never allows shows
	// nothing of the others.
	askBeside = 5 * time.Minute
	// Where everything was denied for longer than deniedLong, the first change that is not denied means that permission
	// may be back.
	deniedLong = 10 * time.Second
)

// ErrUnproven is the error of a host that Route 53 has not answered yet.
var ErrUnproven = errors.New("not known yet whether this host may change records: Route 53 has not answered")

// State is what is known. The zero value knows nothing.
type State struct {
	// Route 53 has judged an SRV change of this host by its content, or the journal has a confirmed record
	proven bool
	ask    bool      // a change was denied, and Route 53 has judged none since
	answer error     // the denial that answered the last question; nil where it was not denied, or is no longer true
	err    error     // why the last question was not answered
	next   time.Time // of the next question
	denied error     // of a change; nil once Route 53 has judged a batch by its content
	since  time.Time // when it was denied last
}

// New returns the State of a host that has current in its journal: a confirmed record proves that it may write.
func New(current plan.Current) *State {
	s := &State{}
	for _, e := range current {
		s.proven = s.proven || !e.Unconfirmed
	}
	return s
}

// Unproven returns why it is not known that the host may change the zone, or that it may not; nil where it may. lastErr
// is the error of the last call, if it failed.
func (s *State) Unproven(lastErr error) error {
	switch {
	case s.answer != nil:
		return s.answer
	case s.proven:
		return nil
	}
	for _, err := range []error{s.denied, lastErr, s.err} {
		if err != nil {
			return err
		}
	}
	return ErrUnproven
}

// Denied returns why changes are denied, where Route 53 has accepted none since.
func (s *State) Denied() error { return s.denied }

// NextQuestion returns when Route 53 is to be asked; false where it need not be.
func (s *State) NextQuestion() (at time.Time, ok bool) {
	return s.next, !s.proven || s.ask || s.answer != nil
}

// Judged notes that Route 53 has judged a batch by its content, and reports whether it denied any change before. A
// batch without SRV records proves nothing for those.
func (s *State) Judged(batch []plan.Change) (permittedAgain bool) {
	if !slices.ContainsFunc(batch, func(c plan.Change) bool { return c.Record.Type == record.SRV }) {
		return false
	}
	permittedAgain = s.answer != nil
	s.proven, s.ask, s.answer, s.err, s.next = true, false, nil, nil, time.Time{}
	return permittedAgain
}

// ChangeDenied notes that a change was denied that was not denied before.
func (s *State) ChangeDenied(err error, now time.Time) {
	s.denied, s.since = err, now
	s.ask, s.next = true, time.Time{}
}

// NotDenied notes that a batch was not denied, and reports whether all that was denied long ago may be permitted now.
func (s *State) NotDenied(now time.Time) (mayBeBack bool) {
	mayBeBack = s.denied != nil && now.Sub(s.since) > deniedLong
	s.denied = nil
	return mayBeBack
}

// QuestionDenied notes that the answer to the question is no, and reports whether that is news. beside reports whether
// denied changes are held back. jitter is in [0, 1).
func (s *State) QuestionDenied(err error, beside bool, now time.Time, jitter float64) (isNew bool) {
	isNew = s.answer == nil
	wait := askEvery
	if beside {
		wait = askBeside
	}
	s.answer, s.err = err, nil
	s.next = now.Add(backoff.Around(wait, jitter))
	return isNew
}

// QuestionFailed notes that the question was not answered.
func (s *State) QuestionFailed(err error) { s.err = err }
