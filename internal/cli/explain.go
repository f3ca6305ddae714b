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
	return `Goes the whole way from the container's labels and variables to its records in DNS, and says of each step that does not happen
why. It asks the agent of this host, at --listen; where none answers within 2 seconds it works out what one would do, with the
settings given here, and tells the records that the agent's journal holds.

    ecssd explain 2f3c8e51a9d0
    ecssd explain $(docker ps -lq)                    # the container created last
    ecssd explain --allow-names 'web.*' web           # under other settings, where no agent runs

Of labels and variables only those are printed that names and settings are read from: com.amazonaws.ecs.… and SERVICE_….`
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
		e.known, e.journalErr = journal.Read(s.StateDir)
		e.policy.Address = ownAddress(ctx, s)
	} else {
		e.policy.Address, _ = netip.ParseAddr(e.agent.Address)
	}
	e.all = addressed(ctx, append(all, subject))
	e.print(std.Out)
	return nil
}

// ownAddress gives the address of this host to which consumers are sent; the zero Addr where EC2 does not tell it in
// time.
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
		known, _ := tasks(ctx, host.NewIntrospection(host.IntrospectionURL)) // without an answer no address is known
		return known
	})
	for i, c := range all {
		if endpoint.OwnInterface(c, byID[c.SharedWith]) {
			all[i].Address = ask()[c.ID].Address
		}
	}
	return all
}

// explanation is what explain tells of.
type explanation struct {
	subject  container.Container
	policy   endpoint.Policy
	settings *Settings
	all      []container.Container

	agent    status.State
	agentErr error // why there is no agent's state; what follows stands in for it

	known      map[string]plan.Current // by zone, as in the agent's journal
	journalErr error
}

func (e explanation) print(out io.Writer) {
	c := e.subject
	fmt.Fprintf(out, "container  %s (%.12s), %s%s\n", status.Printable(c.Name), c.ID, c.State, health(c))
	for _, source := range []struct {
		kind   string
		values map[string]string
	}{{"label", c.Labels}, {"variable", c.Env}} {
		for _, key := range slices.Sorted(maps.Keys(source.values)) {
			fmt.Fprintf(out, "%-9s  %s=%.200q\n", source.kind, status.Printable(key), source.values[key])
		}
	}
	if e.agentErr != nil {
		fmt.Fprintf(
			out,
			"agent      none answers at %s (%s): this is what one would do with the settings of this command\n",
			e.settings.Listen,
			status.Printable(e.agentErr.Error()),
		)
		e.mapping(out)
		e.records(out)
		return
	}
	// What listens there may be somebody else's.
	var told strings.Builder
	e.told(&told)
	_, _ = io.WriteString(out, strings.Map(func(r rune) rune {
		if r != '\n' && !strconv.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, told.String()))
}

// mapping tells what an agent would announce with the settings of this command.
func (e explanation) mapping(out io.Writer) {
	endpoints, problems := e.policy.Map(e.all)
	announced := false
	for _, p := range endpoints {
		if p.ContainerID != e.subject.ID {
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
		if p.ContainerID == e.subject.ID {
			printReason(out, announced && p.Chosen, p.Subject, p.Reason)
		}
	}
}

// printReason prints why something is not announced, or only what is to be known of what is.
func printReason(out io.Writer, note bool, subject, reason string) {
	kind := "because"
	if note {
		kind = "note"
	}
	fmt.Fprintf(out, "%-9s  %s: %s\n", kind, subject, reason)
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
			if entry.Unconfirmed {
				notes += ", not confirmed yet"
			}
			if entry.Record.Marked() {
				notes += ", put on standby by the sweeper"
			}
			fmt.Fprintf(
				out,
				"record     %s %s %q weight %d ttl %d in zone %s%s\n",
				record.Escape(entry.Record.Name),
				entry.Record.Type,
				strings.ReplaceAll(entry.Record.Value, "\n", " "),
				entry.Record.Weight,
				entry.Record.TTL,
				zone,
				notes,
			)
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
