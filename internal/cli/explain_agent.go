package cli

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// printAgent prints what the agent answers about the container.
func (e explanation) printAgent(out io.Writer) {
	s := e.agent
	if s.Ready {
		printLine(out, "agent", "ready, of host %s, in zone %s (%s)", s.Instance, s.Zone.Name, s.Zone.ID)
	} else {
		printLine(out, "agent", "not ready")
	}
	for _, line := range s.Missing {
		printLine(out, "missing", "%s", line)
	}
	if s.HostStandby != "" {
		printLine(out, "host", "on standby, so that all its records have weight 0: %s", s.HostStandby)
	}
	i := slices.IndexFunc(s.Containers, func(c status.Container) bool { return c.ID == e.subject.ID })
	if i < 0 { // it does not run, or the agent has not listed it yet
		e.printMapping(out)
	} else {
		e.printContainer(out, s.Containers[i])
	}
	e.printChanges(out)
}

// printChanges prints the changes of the container's records: to be made, failing, refused, made.
func (e explanation) printChanges(out io.Writer) {
	s := e.agent
	for _, c := range s.Pending {
		if e.concerns(c.Record) {
			printLine(out, "pending", "%s", c)
		}
	}
	if s.Calls.Error != "" {
		retry := ""
		if s.Calls.Retry != nil {
			retry = "; retry " + e.when(*s.Calls.Retry)
		}
		printLine(out, "failing", "the last call to Route 53: %s%s", s.Calls.Error, retry)
	}
	for _, r := range s.Refused {
		if !e.concerns(r.Record) && !e.waitsFor(r.Record) {
			continue
		}
		printLine(out, "refused", "%s: %s", r.Change, r.Message)
		if r.Advice != "" {
			printLine(out, "hint", "%s", r.Advice)
		}
		printLine(out, "retry", "%s; refused %d× so far", e.when(r.Retry), r.Times)
	}
	printed := map[string]bool{} // only the last change of each record
	for _, done := range s.Recent {
		if e.concerns(done.Record) && !printed[done.Record.Name] {
			printed[done.Record.Name] = true
			printLine(out, "changed", "%s, %s", done.Change, e.when(done.At))
		}
	}
}

// printContainer prints under which names the container is registered, or why it is not.
func (e explanation) printContainer(out io.Writer, c status.Container) {
	records := slices.Clone(c.Kept)
	for _, p := range c.Endpoints {
		state := p.State
		if p.State == status.Standby {
			state = "standby (weight 0)"
		}
		if p.Why != "" {
			state += ": " + p.Why
		}
		printLine(out, "registered", "%s.%s: container port %s, at host port %d, weight %d, %s",
			p.Name, e.agent.Zone.Name, p.Port, p.HostPort, p.Asked, state)
		if p.Record != nil {
			records = append(records, *p.Record)
		}
	}
	switch {
	case len(c.Kept) > 0:
		printLine(out, "registered", "as before: its records are kept")
	case len(c.Endpoints) == 0:
		printLine(out, "registered", "no")
	}
	if w := c.Withheld; w != nil {
		why := "other containers of its service died soon after their start"
		if w.Since != nil {
			why = "it received a stop signal " + e.when(*w.Since)
		}
		printLine(out, "because", "%s; if it is still alive, it is registered %s", why, e.when(w.Until))
	}
	for _, p := range c.Problems {
		printReason(out, len(c.Endpoints) > 0 && p.Chosen, p.Subject, p.Reason)
	}
	for _, r := range records {
		printLine(out, "record", "%s %s %q weight %d ttl %d in zone %s",
			r.Name, r.Type, r.Value, r.Weight, r.TTL, e.agent.Zone.ID)
	}
	if len(records) == 0 {
		printLine(out, "records", "none written")
	}
}

// concerns reports whether a record is of the container.
func (e explanation) concerns(r status.Record) bool {
	id, ok := record.ParseSetID(r.SetID)
	return ok && id.Container == e.subject.ID
}

// waitsFor reports whether a record is an A record that a record of the container waits for.
func (e explanation) waitsFor(r status.Record) bool {
	for _, c := range e.agent.Containers {
		if c.ID == e.subject.ID && r.Type == string(record.A) {
			return slices.ContainsFunc(c.Endpoints, func(p status.Endpoint) bool { return p.WaitsFor == r.Name })
		}
	}
	return false
}

// when returns a time with its distance from the time of the agent's answer.
func (e explanation) when(t time.Time) string {
	return fmt.Sprintf("at %s (%s)", t.Format(time.RFC3339), status.Ago(e.agent.Now.Sub(t)))
}
