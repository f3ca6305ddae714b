package agent

import (
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

// why gives why a part is missing; empty where it is not.
func (r *Readiness) why(part string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missing[part]
}

// parts are all that can be missing.
var parts = []string{"agent", "containers", "engine", "identity", "journal", "listen", "route53", "zone"}

// missing is a part that is missing, and why.
type missing struct{ part, why string }

// Missing gives a line for each thing that keeps the agent from its work, sorted; none where it is ready.
func (r *Readiness) Missing() []string {
	var lines []string
	for _, m := range r.missingParts() {
		lines = append(lines, m.part+": "+m.why)
	}
	return lines
}

func (r *Readiness) missingParts() []missing {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []missing
	for _, part := range slices.Sorted(maps.Keys(r.missing)) {
		found = append(found, missing{part, r.missing[part]})
	}
	if r.writer == nil {
		return append(found, missing{"agent", "starting"})
	}
	if err := r.journal.Err(); err != nil {
		found = append(found, missing{"journal", err.Error()})
	}
	applied, err := r.writer.LastCall()
	last := r.since
	if applied.After(last) {
		last = applied
	}
	if err != nil && (applied.IsZero() || time.Since(last) > patience) {
		found = append(found, missing{"route53", err.Error()})
	}
	return found
}
