// Package health knows whether the agent can do its work, and if not, why: the lines of /readyz. It counts what the
// agent does for /metrics, and shows there what /state answers, taken once a scrape. It repairs nothing.
package health

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Parts are all parts that can be missing, sorted.
var Parts = []string{"agent", "containers", "engine", "identity", "journal", "listen", "route53", "zone"}

// Readiness holds which parts of what the agent needs are missing. The zero value misses nothing. Its methods may be
// called from several goroutines.
type Readiness struct {
	mu      sync.Mutex
	missing map[string]string       // part → why
	checks  map[string]func() error // part → why, each time it is asked
}

// NotReady notes that a part is missing, and why.
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

// Check has a part asked each time somebody asks what is missing. check returns why the part is missing, nil where it
// is there; it must be quick. It replaces an earlier check of the part.
func (r *Readiness) Check(part string, check func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checks == nil {
		r.checks = map[string]func() error{}
	}
	r.checks[part] = check
}

// Why returns why a part was noted as missing; empty where it was not.
func (r *Readiness) Why(part string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missing[part]
}

// Missing returns a line for each part that is missing, sorted: "zone: not found yet". The part "agent", which waits
// for others, is the last. It returns none where the agent is ready.
func (r *Readiness) Missing() []string {
	r.mu.Lock()
	found, checks := maps.Clone(r.missing), maps.Clone(r.checks)
	r.mu.Unlock()
	if found == nil {
		found = map[string]string{}
	}
	unknown := map[string]string{}
	for part, check := range checks {
		var u unknownError
		switch err := check(); {
		case errors.As(err, &u):
			unknown[part] = err.Error()
		case err != nil:
			found[part] = err.Error()
		}
	}
	if len(found) == 0 {
		found = unknown
	}
	var lines []string
	for _, part := range slices.SortedFunc(maps.Keys(found), agentLast) {
		lines = append(lines, part+": "+found[part])
	}
	return lines
}

func agentLast(a, b string) int {
	switch "agent" {
	case a:
		return 1
	case b:
		return -1
	}
	return strings.Compare(a, b)
}

// Unknown returns the error of a check that does not know yet whether its part is there. It counts where no other part
// is missing: what is asked last is not known before the rest is there.
func Unknown(err error) error { return unknownError{err} }

type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }
