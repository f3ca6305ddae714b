// Package doctor runs checks of what the agent of a host depends on, and collects their results. The checks themselves
// are in the packages below: hostcheck for what can be found out on the host, awscheck for what AWS and DNS answer.
//
// No check changes anything, takes a lock or disturbs an agent that runs; the one exception is the record of a round
// trip, which is removed again. What a check cannot find out is a result, too (Skip).
package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// PerCall bounds each question to another program. The agent cannot work with what needs longer to answer.
	PerCall = 4 * time.Second
	// InAll bounds all checks together but for a round trip: at most three of them wait for each other.
	InAll = 14 * time.Second
)

// State is how a thing stands.
type State string

// The states.
const (
	OK   State = "ok"
	Warn State = "warn" // services are found, for now
	Fail State = "FAIL" // services are not found, or not all
	Skip State = "skip" // not checked
)

// Result is one line of the report.
type Result struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do; empty where there is nothing to do
}

// Check looks at one thing.
type Check struct {
	Name string
	// Run returns what it found: none where another check's result says it all. It ends with its context. A Result that
	// names no check gets the name of this one.
	Run func(context.Context) []Result
}

// One makes the Run of a Check from a function that returns one result.
func One(run func(context.Context) Result) func(context.Context) []Result {
	return func(ctx context.Context) []Result { return []Result{run(ctx)} }
}

// Run runs all checks at once, and returns their results in the order of the checks.
func Run(ctx context.Context, checks []Check) []Result {
	found := make([][]Result, len(checks))
	var group sync.WaitGroup
	for i, check := range checks {
		group.Go(func() { found[i] = check.Run(ctx) })
	}
	group.Wait()
	var results []Result
	for i, check := range checks {
		for _, r := range found[i] {
			if r.Check == "" {
				r.Check = check.Name
			}
			results = append(results, r)
		}
	}
	return results
}

// Fact is what several checks need to know. The first of them finds it out, and the others wait for it.
type Fact[T any] struct {
	once  sync.Once
	value T
}

// Get returns the fact, after finding it out where no other check has.
func (f *Fact[T]) Get(find func() T) T {
	f.once.Do(func() { f.value = find() })
	return f.value
}

// Limit gives a question its time.
func Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, PerCall)
}

// Okf returns a result that is OK.
func Okf(format string, args ...any) Result { return result(OK, format, args) }

// Warnf returns a warning, which needs a hint unless nothing can be done.
func Warnf(format string, args ...any) Result { return result(Warn, format, args) }

// Failf returns a failure, which needs a hint.
func Failf(format string, args ...any) Result { return result(Fail, format, args) }

// Skipf returns the result of a check that could not be made.
func Skipf(format string, args ...any) Result { return result(Skip, format, args) }

func result(state State, format string, args []any) Result {
	return Result{State: state, Detail: fmt.Sprintf(format, args...)}
}

// Hintf returns the result with a hint: what to do, or to type.
func (r Result) Hintf(format string, args ...any) Result {
	r.Hint = fmt.Sprintf(format, args...)
	return r
}

// Of returns the result as that of another check.
func (r Result) Of(check string) Result {
	r.Check = check
	return r
}

// Count returns a number with its noun: 1 record, 2 records.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
