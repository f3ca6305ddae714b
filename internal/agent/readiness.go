package agent

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
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
	// it is asked after the rest
	if err := r.unwritable(); err != nil && !(errors.Is(err, permission.ErrUnproven) && len(found) > 0) {
		found = append(found, missing{"route53", err.Error()})
	}
	return found
}

// unwritable returns why Route 53 takes no changes of this host, or why it is not known that it does. The caller holds
// mu.
func (r *Readiness) unwritable() error {
	if err := r.writer.Unproven(); err != nil {
		return err
	}
	applied, err := r.writer.LastCall()
	last := r.since
	if applied.After(last) {
		last = applied
	}
	if err != nil && (applied.IsZero() || time.Since(last) > patience) {
		return err
	}
	return nil
}

// proof returns a batch that this host may send if it may change the zone, and that changes nothing: the removal of an
// SRV record and of an A record that do not exist, since no container has that ID. Their name is the host's own, which
// every policy that lets the host announce anything allows.
func (a *Agent) proof() []plan.Change {
	id := record.SetID{
		Kind:      record.Docker,
		Instance:  a.cfg.Owner.InstanceID,
		Container: strings.Repeat("0", 64),
		Port:      9,
		Proto:     "tcp",
	}
	address := a.zone().HostRecord(a.cfg.Owner)
	address.SetID = id.String()
	service := record.Record{
		Name:   address.Name,
		Type:   record.SRV,
		SetID:  address.SetID,
		Weight: 1,
		Value: record.Target{
			Priority: 1,
			Weight:   1,
			Port:     9,
			Host:     address.Name,
		}.String(),
	}
	proof := []plan.Change{{Action: plan.Delete, Record: service}}
	if a.cfg.Owner.DNSName == "" { // else the host has no A record in the zone
		proof = append(proof, plan.Change{Action: plan.Delete, Record: address})
	}
	return proof
}
