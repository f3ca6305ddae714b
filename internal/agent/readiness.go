package agent

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/journal"
)

// patience is how long Route 53 may fail to take changes before the agent is no longer ready.
const patience = time.Minute

// Readiness says whether the agent can do its work, and if not, why. Its zero value is ready to use and not ready.
type Readiness struct {
	mu      sync.Mutex
	missing map[string]string // part → why
	writer  *apply.Writer
	journal *journal.Journal
	since   time.Time // when the writer began
}

// NotReady notes that a part of what the agent needs is missing, and why.
func (r *Readiness) NotReady(part, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing == nil {
		r.missing = map[string]string{}
	}
	r.missing[part] = why
}

// Ready notes that a part is there.
func (r *Readiness) Ready(part string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.missing, part)
}

func (r *Readiness) watch(writer *apply.Writer, journal *journal.Journal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writer, r.journal, r.since = writer, journal, time.Now()
}

// Missing gives a line for each thing that keeps the agent from its work, sorted; none where it is ready.
func (r *Readiness) Missing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, part := range slices.Sorted(maps.Keys(r.missing)) {
		lines = append(lines, part+": "+r.missing[part])
	}
	if r.writer == nil {
		return append(lines, "agent: starting")
	}
	if err := r.journal.Err(); err != nil {
		lines = append(lines, fmt.Sprintf("journal: %v", err))
	}
	last := r.since
	status := r.writer.Status()
	if status.LastGood.After(last) {
		last = status.LastGood
	}
	if status.Err != nil && (status.LastGood.IsZero() || time.Since(last) > patience) {
		lines = append(lines, fmt.Sprintf("route53: %v", status.Err))
	}
	return lines
}
