package permission_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

var (
	start   = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	srv     = record.Record{Name: "web", Type: record.SRV, SetID: "i-1:ecs"}
	address = record.Record{Name: "ip-10-0-0-1", Type: record.A, SetID: "i-1:host:-"}
	srvs    = []plan.Change{{Action: plan.Create, Record: address}, {Action: plan.Create, Record: srv}}
	only    = []plan.Change{{Action: plan.Create, Record: address}}

	errDenied  = errors.New("denied")
	errAnother = errors.New("another")
	errLast    = errors.New("timeout")
)

// question is when Route 53 is to be asked, and whether.
type question struct {
	at     time.Time
	needed bool
}

func next(s *permission.State) question {
	at, needed := s.NextQuestion()
	return question{at, needed}
}

func journal(entries ...plan.Entry) plan.Current {
	current := plan.Current{}
	for _, e := range entries {
		current[e.Record.Key()] = e
	}
	return current
}

func TestWhatTheJournalProves(t *testing.T) {
	tests := map[string]struct {
		journal plan.Current
		want    error
	}{
		"nothing":               {nil, permission.ErrUnproven},
		"an unconfirmed record": {journal(plan.Entry{Record: srv, Unconfirmed: true}), permission.ErrUnproven},
		"a confirmed record":    {journal(plan.Entry{Record: srv}), nil},
		"one of each": {journal(plan.Entry{Record: srv}, plan.Entry{
			Record:      address,
			Unconfirmed: true,
		}), nil},
		"two, confirmed is another": {journal(plan.Entry{
			Record:      srv,
			Unconfirmed: true,
		}, plan.Entry{Record: address}), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := permission.New(test.journal)
			assert.Equal(t, test.want, s.Unproven(nil))
			assert.Equal(t, question{time.Time{}, test.want != nil}, next(s), "what is proven is not asked")
		})
	}
}

func TestUnprovenNamesTheBestReason(t *testing.T) {
	s := permission.New(nil)
	assert.Equal(t, permission.ErrUnproven, s.Unproven(nil))
	s.QuestionFailed(errAnother)
	assert.Equal(t, errAnother, s.Unproven(nil))
	assert.Equal(t, errLast, s.Unproven(errLast))
	s.ChangeDenied(errDenied, start)
	assert.Equal(t, errDenied, s.Unproven(errLast))
	assert.Equal(t, errDenied, s.Denied())
	s.QuestionDenied(errAnother, false, start, 0.5)
	assert.Equal(t, errAnother, s.Unproven(errLast), "the answer to the question")
	assert.True(t, s.Judged(srvs), "permitted again")
	assert.NoError(t, s.Unproven(errLast))
	assert.Equal(t, question{}, next(s))
	assert.False(t, s.Judged(srvs), "which is no news any more")
}

// A refusal that answers the question replaces the reason why an earlier question was not answered.
func TestAnswerReplacesTheReasonWhyThereWasNone(t *testing.T) {
	s := permission.New(nil)
	s.QuestionFailed(errAnother)
	s.QuestionDenied(errDenied, false, start, 0.5)
	assert.True(t, s.Judged(srvs))
	assert.NoError(t, s.Unproven(nil))
}

func TestAddressesAloneProveNothing(t *testing.T) {
	s := permission.New(nil)
	assert.False(t, s.Judged(only))
	assert.Equal(t, permission.ErrUnproven, s.Unproven(nil))
	s.QuestionDenied(errDenied, false, start, 0.5)
	assert.False(t, s.Judged(only))
	assert.Equal(t, errDenied, s.Unproven(nil))
}

func TestDeniedChangeIsAskedAboutAtOnce(t *testing.T) {
	s := permission.New(journal(plan.Entry{Record: srv}))
	s.ChangeDenied(errDenied, start)
	assert.NoError(t, s.Unproven(nil), "a policy may deny one name")
	assert.Equal(t, question{time.Time{}, true}, next(s))
	assert.True(t, s.QuestionDenied(errAnother, false, start, 0.5), "which is news")
	assert.Equal(t, errAnother, s.Unproven(nil))
	assert.Equal(t, question{start.Add(time.Minute), true}, next(s))
	assert.False(t, s.QuestionDenied(errAnother, true, start, 0.5), "which is known")
	assert.Equal(t, question{start.Add(5 * time.Minute), true}, next(s), "what is held back asks, too")
	s.ChangeDenied(errDenied, start)
	assert.Equal(t, question{time.Time{}, true}, next(s), "another change was denied")
}

func TestQuestionsAreSpread(t *testing.T) {
	s := permission.New(nil)
	s.QuestionDenied(errDenied, false, start, 0)
	assert.Equal(t, question{start.Add(45 * time.Second), true}, next(s))
}

func TestNotDenied(t *testing.T) {
	tests := map[string]struct {
		after     time.Duration
		mayBeBack bool
	}{
		"denied a moment ago":       {time.Second, false},
		"denied 10 s ago":           {10 * time.Second, false},
		"denied more than 10 s ago": {10*time.Second + 1, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := permission.New(nil)
			s.ChangeDenied(errDenied, start)
			assert.Equal(t, test.mayBeBack, s.NotDenied(start.Add(test.after)))
			assert.NoError(t, s.Denied())
			assert.False(t, s.NotDenied(start.Add(time.Hour)), "it is not denied any more")
		})
	}
	assert.False(t, permission.New(nil).NotDenied(start), "it never was")
}

// That a change was denied while the host may change the zone is asked about once, until a batch is judged.
func TestQuestionEndsWhenABatchIsJudged(t *testing.T) {
	s := permission.New(journal(plan.Entry{Record: srv}))
	s.ChangeDenied(errDenied, start)
	assert.False(t, s.Judged(srvs), "no question was denied")
	assert.Equal(t, question{}, next(s))
}
