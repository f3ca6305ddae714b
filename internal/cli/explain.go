package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

type explainCommand struct {
	Container string `arg:"" help:"Name or ID of a container of this host, or the beginning of its ID."`
}

// Help is printed by ecssd explain --help.
func (explainCommand) Help() string {
	return `Follows a container from its labels and variables to its records in DNS, and prints for each step whether it happened and, if
not, why. It asks the agent of this host, at --listen. If no agent answers within 2 seconds, it prints what an agent would do with
the settings of this command, and the records in the agent's journal.

    ecssd explain 2f3c8e51a9d0
    ecssd explain $(docker ps -lq)                    # the container created last
    ecssd explain --allow-names 'web.*' web           # with other settings, where no agent runs

Of labels and variables it prints only those that names and settings are read from: com.amazonaws.ecs.… and SERVICE_….`
}

func (c explainCommand) Run(ctx context.Context, s *Settings, std streams) error {
	engine, err := docker.New(s.DockerHost)
	if err != nil {
		return UsageError{fmt.Errorf("--docker-host: %w", err)}
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
		return UsageError{err}
	}
	e := explanation{subject: subject, policy: policy, settings: s}
	if e.agent, e.agentErr = agentState(ctx, s); e.agentErr != nil {
		e.current, e.journalErr = journal.Read(s.StateDir)
		e.policy.Address = ownAddress(ctx, s)
	} else {
		e.policy.Address, _ = netip.ParseAddr(e.agent.Address)
	}
	e.all = addressed(ctx, append(all, subject))
	e.print(std.Out)
	return nil
}

// ownAddress returns the address of this host that consumers connect to; the zero Addr if EC2 metadata does not return
// it in time.
func ownAddress(ctx context.Context, s *Settings) netip.Addr {
	if address := s.address(); address.IsValid() {
		return address
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	metadata, err := openMetadata(ctx, s)
	if err != nil {
		return netip.Addr{}
	}
	id, _ := identify(ctx, metadata, s)
	return id.Address
}

// addressed fills in the addresses that only the ECS agent knows.
func addressed(ctx context.Context, all []container.Container) []container.Container {
	byID := make(map[string]container.Container, len(all))
	for _, c := range all {
		byID[c.ID] = c
	}
	ask := sync.OnceValue(func() map[string]agent.Task {
		found, _ := tasks(ctx, host.NewIntrospection(host.IntrospectionURL)) // after an error no address is known
		return found
	})
	for i, c := range all {
		if endpoint.OwnInterface(c, byID[c.SharedWith]) {
			all[i].Address = ask()[c.ID].Address
		}
	}
	return all
}

// explanation is what explain prints.
type explanation struct {
	subject  container.Container
	policy   endpoint.Policy
	settings *Settings
	all      []container.Container

	agent    status.State
	agentErr error // why there is no agent's state; the fields below are used instead

	current    map[string]plan.Current // by zone, from the agent's journal
	journalErr error
}

// printLine prints one line of the explanation.
func printLine(out io.Writer, kind, format string, args ...any) {
	fmt.Fprintf(out, "%-10s  %s\n", kind, fmt.Sprintf(format, args...))
}

func (e explanation) print(out io.Writer) {
	c := e.subject
	printLine(out, "container", "%s (%.12s), %s%s", status.Printable(c.Name), c.ID, c.State, healthOf(c))
	for _, source := range []struct {
		kind   string
		values map[string]string
	}{{"label", c.Labels}, {"variable", c.Env}} {
		for _, key := range slices.Sorted(maps.Keys(source.values)) {
			printLine(out, source.kind, "%s=%.200q", status.Printable(key), source.values[key])
		}
	}
	if e.agentErr != nil {
		printLine(out, "agent", "no agent at %s (%s); below is what one would do with the settings of this command",
			e.settings.Listen, status.Printable(e.agentErr.Error()))
		e.printMapping(out)
		e.printJournal(out)
		return
	}
	// Another program may listen there, and send control characters.
	var text strings.Builder
	e.printAgent(&text)
	_, _ = io.WriteString(out, strings.Map(func(r rune) rune {
		if r != '\n' && !strconv.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text.String()))
}

// printMapping prints what an agent would register with the settings of this command.
func (e explanation) printMapping(out io.Writer) {
	endpoints, problems := e.policy.Map(e.all)
	registered := false
	for _, p := range endpoints {
		if p.ContainerID != e.subject.ID {
			continue
		}
		registered = true
		state := status.Serving
		if p.Standby {
			state = "standby (weight 0)"
		}
		printLine(out, "registered", "%s.%s: container port %s, at host port %d, weight %d, %s",
			p.Name, e.policy.Zone, p.Port, p.HostPort, p.Weight, state)
	}
	if !registered {
		printLine(out, "registered", "no")
	}
	for _, p := range problems {
		if p.ContainerID == e.subject.ID {
			printReason(out, registered && p.Chosen, p.Subject, p.Reason)
		}
	}
}

// printReason prints why something is not registered; as a note where something is, and this was chosen.
func printReason(out io.Writer, note bool, subject, reason string) {
	kind := "because"
	if note {
		kind = "note"
	}
	printLine(out, kind, "%s: %s", subject, reason)
}

// printJournal prints what the agent has written of the container.
func (e explanation) printJournal(out io.Writer) {
	if e.journalErr != nil {
		printLine(out, "records", "unknown: %v", e.journalErr)
		return
	}
	written := false
	for _, zone := range slices.Sorted(maps.Keys(e.current)) {
		for _, entry := range e.current[zone] {
			id, ok := record.ParseSetID(entry.Record.SetID)
			if !ok || id.Container != e.subject.ID {
				continue
			}
			written = true
			printEntry(out, entry, zone)
		}
	}
	if !written {
		printLine(out, "records", "none written")
	}
}

func printEntry(out io.Writer, entry plan.Entry, zone string) {
	notes := ""
	if entry.Unconfirmed {
		notes += ", not confirmed yet"
	}
	if entry.Record.Marked() {
		notes += ", put on standby by the sweeper"
	}
	r := entry.Record
	printLine(out, "record", "%s %s %q weight %d ttl %d in zone %s%s", record.Escape(r.Name), r.Type,
		strings.ReplaceAll(r.Value, "\n", " "), r.Weight, r.TTL, zone, notes)
}

func healthOf(c container.Container) string {
	if c.Health == container.NoHealthCheck {
		return ""
	}
	return ", " + string(c.Health)
}
