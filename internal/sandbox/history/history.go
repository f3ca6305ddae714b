// Package history remembers API calls: who asked what, when, and what came of it.
package history

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// Call is one API call.
type Call struct {
	Seq       int               `json:"seq"` // from 1, in the order of arrival
	Received  time.Time         `json:"received"`
	Answered  time.Time         `json:"answered"` // when the answer, or the refusal to give one, was decided
	Duration  time.Duration     `json:"durationNs"`
	Operation string            `json:"operation"` // ChangeResourceRecordSets; with other services ecs:ListTasks
	ZoneID    string            `json:"zoneId,omitempty"`
	Query     map[string]string `json:"query,omitempty"`
	Changes   []zone.Change     `json:"changes,omitempty"` // as they were sent
	Input     json.RawMessage   `json:"input,omitempty"`   // of ECS, as it was sent
	AccessKey string            `json:"accessKey,omitempty"`
	Attempt   string            `json:"attempt,omitempty"` // as the SDK counts: "attempt=2; max=3"
	Fault     string            `json:"fault,omitempty"`   // the kind of fault that struck
	Applied   bool              `json:"applied,omitempty"` // a change took effect, whatever was answered
	Status    int               `json:"status"`            // 0: no answer was given
	Code      string            `json:"code,omitempty"`
	Message   string            `json:"message,omitempty"`
	RequestID string            `json:"requestId"`
}

// maxCalls bounds the memory; the oldest calls go first.
const maxCalls = 100_000

// Log of calls.
type Log struct {
	// working is held for reading from before a call takes effect until it is remembered, so that whoever has seen the
	// effect finds the call.
	working sync.RWMutex

	mu    sync.Mutex
	seq   int
	calls []Call
}

// Begin numbers a call.
func (l *Log) Begin() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	return l.seq
}

// Work notes that a call is about to take effect, and returns what is to be called once it is remembered.
func (l *Log) Work() (done func()) {
	l.working.RLock()
	return l.working.RUnlock
}

// End remembers a call whose outcome is known.
func (l *Log) End(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.calls)
	for i > 0 && l.calls[i-1].Seq > c.Seq { // calls end in another order than they began, a little
		i--
	}
	l.calls = slices.Insert(l.calls, i, c)
	if over := len(l.calls) - maxCalls; over > 0 {
		l.calls = slices.Delete(l.calls, 0, over+maxCalls/10)
	}
}

// Calls returns the calls that have ended, in the order of arrival: all, or those of the operations named.
func (l *Log) Calls(operations ...string) []Call {
	l.working.Lock()
	defer l.working.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	result := make([]Call, 0, len(l.calls))
	for _, c := range l.calls {
		if len(operations) == 0 || slices.Contains(operations, c.Operation) {
			result = append(result, c)
		}
	}
	return result
}

// Last returns the last n calls that have ended, in the order of arrival.
func (l *Log) Last(n int) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls[max(0, len(l.calls)-n):])
}

// Clear forgets the calls; numbering goes on.
func (l *Log) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = nil
}
