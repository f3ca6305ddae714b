package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

type explainCommand struct {
	Container string `arg:"" help:"Name or ID of a container of this host, or the beginning of its ID."`
}

func (c explainCommand) Run(ctx context.Context, s *Settings, std streams) error {
	engine, err := docker.New(s.DockerHost)
	if err != nil {
		return usageError{fmt.Errorf("--docker-host: %w", err)}
	}
	defer engine.Close()
	subject, err := engine.Inspect(ctx, c.Container)
	if err != nil {
		return err
	}
	all, err := engine.Snapshot(ctx, nil, true)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(other container.Container) bool { return other.ID == subject.ID })
	policy, err := s.policy()
	if err != nil {
		return usageError{err}
	}
	known, journalErr := journal.Read(s.StateDir)
	explain(std.Out, explanation{subject, policy, addressed(ctx, append(all, subject)), known, journalErr})
	return nil
}

// addressed fills in the addresses that only the ECS agent knows.
func addressed(ctx context.Context, all []container.Container) []container.Container {
	byID := make(map[string]container.Container, len(all))
	for _, c := range all {
		byID[c.ID] = c
	}
	for i, c := range all {
		if endpoint.OwnInterface(c, byID[c.SharedWith]) {
			known, err := tasks(ctx, host.NewIntrospection(host.IntrospectionURL))
			if err == nil {
				all[i].Address = known[c.ID].Address
				all[i].Exposed = append(slices.Clone(c.Exposed), known[c.ID].Ports...)
			}
		}
	}
	return all
}

// explanation is what explain tells of.
type explanation struct {
	subject    container.Container
	policy     endpoint.Policy
	all        []container.Container
	known      map[string]plan.Known // by zone, as in the agent's journal
	journalErr error
}

func explain(out io.Writer, e explanation) {
	c := e.subject
	fmt.Fprintf(out, "container  %s (%.12s), %s%s\n", printable(c.Name), c.ID, c.State, health(c))
	for _, source := range []struct {
		kind   string
		values map[string]string
	}{{"label", c.Labels}, {"variable", c.Env}} {
		for _, key := range slices.Sorted(maps.Keys(source.values)) {
			fmt.Fprintf(out, "%-9s  %s=%.200q\n", source.kind, printable(key), source.values[key])
		}
	}
	endpoints, problems := e.policy.Map(e.all)
	announced := false
	for _, p := range endpoints {
		if p.ContainerID != c.ID {
			continue
		}
		announced = true
		state := "serving"
		if p.Standby {
			state = "standby (weight 0)"
		}
		fmt.Fprintf(out, "announced  %s.%s: container port %s, at host port %d, weight %d, %s\n",
			p.Name, e.policy.Zone, p.Port, p.HostPort, p.Weight, state)
	}
	if !announced {
		fmt.Fprintln(out, "announced  no")
	}
	for _, p := range problems {
		if p.ContainerID == c.ID {
			fmt.Fprintf(out, "because    %s: %s\n", p.Subject, p.Reason)
		}
	}
	e.records(out)
}

// records tells what the agent has written of the container.
func (e explanation) records(out io.Writer) {
	if e.journalErr != nil {
		fmt.Fprintf(out, "records    not known: %v\n", e.journalErr)
		return
	}
	written := false
	for _, zone := range slices.Sorted(maps.Keys(e.known)) {
		for _, entry := range e.known[zone] {
			id, ok := record.ParseSetID(entry.Record.SetID)
			if !ok || id.Container != e.subject.ID {
				continue
			}
			written = true
			notes := ""
			if entry.Doubt {
				notes += ", not confirmed yet"
			}
			if entry.Record.Marked() {
				notes += ", put on standby by the sweeper"
			}
			fmt.Fprintf(out, "record     %s %s %q weight %d ttl %d in zone %s%s\n", record.Escape(entry.Record.Name), entry.Record.Type,
				strings.ReplaceAll(entry.Record.Value, "\n", " "), entry.Record.Weight, entry.Record.TTL, zone, notes)
		}
	}
	if !written {
		fmt.Fprintln(out, "records    none written")
	}
}

func health(c container.Container) string {
	if c.Health == container.NoHealthCheck {
		return ""
	}
	return ", " + string(c.Health)
}
