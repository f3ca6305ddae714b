package cli

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// told tells what the agent says of the container.
func (e explanation) told(out io.Writer) {
	s := e.agent
	if s.Ready {
		fmt.Fprintf(out, "agent      ready, of host %s, in zone %s (%s)\n", s.Instance, s.Zone.Name, s.Zone.ID)
	} else {
		fmt.Fprintln(out, "agent      not ready")
	}
	for _, line := range s.Missing {
		fmt.Fprintf(out, "missing    %s\n", line)
	}
	if s.HostStandby != "" {
		fmt.Fprintf(out, "host       on standby, so that all its records have weight 0: %s\n", s.HostStandby)
	}
	i := slices.IndexFunc(s.Containers, func(c status.Container) bool { return c.ID == e.subject.ID })
	if i < 0 { // it does not run, or the agent has not looked yet
		e.mapping(out)
	} else {
		e.announced(out, s.Containers[i])
	}
	for _, c := range s.Pending {
		if e.about(c.Record) {
			fmt.Fprintf(out, "pending    %s\n", c)
		}
	}
	if s.Calls.Error != "" {
		fmt.Fprintf(out, "failing    the last call to Route 53: %s%s\n", s.Calls.Error, e.again(s.Calls.Retry))
	}
	for _, r := range s.Refused {
		if e.about(r.Record) || e.waitsFor(r.Record) {
			fmt.Fprintf(out, "refused    %s: %s\n", r.Change, r.Message)
			if r.Advice != "" {
				fmt.Fprintf(out, "to do      %s\n", r.Advice)
			}
			fmt.Fprintf(out, "retry      %s; refused %d× so far\n", e.when(r.Retry), r.Times)
		}
	}
	told := map[string]bool{} // only the last change of each record
	for _, done := range s.Recent {
		if e.about(done.Record) && !told[done.Record.Name] {
			told[done.Record.Name] = true
			fmt.Fprintf(out, "changed    %s, %s\n", done.Change, e.when(done.At))
		}
	}
}

// announced tells as what the container is announced, and why it is not.
func (e explanation) announced(out io.Writer, c status.Container) {
	for _, p := range c.Endpoints {
		how := p.State
		if p.State == status.Standby {
			how = "standby (weight 0)"
		}
		if p.Why != "" {
			how += ": " + p.Why
		}
		fmt.Fprintf(out, "announced  %s.%s: container port %s, at host port %d, weight %d, %s\n",
			p.Name, e.agent.Zone.Name, p.Port, p.HostPort, p.Asked, how)
	}
	switch {
	case len(c.Kept) > 0:
		fmt.Fprintln(out, "announced  as before: its records stay as they are")
	case len(c.Endpoints) == 0:
		fmt.Fprintln(out, "announced  no")
	}
	if w := c.Withheld; w != nil {
		why := "others of its service have died soon after their start"
		if w.Since != nil {
			why = "it was asked to stop " + e.when(*w.Since)
		}
		fmt.Fprintf(out, "because    %s; if it lives, it is announced %s\n", why, e.when(w.Until))
	}
	for _, p := range c.Problems {
		printReason(out, len(c.Endpoints) > 0 && p.Chosen, p.Subject, p.Reason)
	}
	records := slices.Clone(c.Kept)
	for _, p := range c.Endpoints {
		if p.Record != nil {
			records = append(records, *p.Record)
		}
	}
	for _, r := range records {
		fmt.Fprintf(
			out,
			"record     %s %s %q weight %d ttl %d in zone %s\n",
			r.Name,
			r.Type,
			r.Value,
			r.Weight,
			r.TTL,
			e.agent.Zone.ID,
		)
	}
	if len(records) == 0 {
		fmt.Fprintln(out, "records    none written")
	}
}

// about says whether a record is of the container.
func (e explanation) about(r status.Record) bool {
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

// when gives a time with its distance from the time of the agent's answer.
func (e explanation) when(t time.Time) string {
	return fmt.Sprintf("at %s (%s)", t.Format(time.RFC3339), status.Ago(e.agent.Now.Sub(t)))
}

// again says when something is tried next.
func (e explanation) again(t *time.Time) string {
	if t == nil {
		return ""
	}
	return "; tried again " + e.when(*t)
}
