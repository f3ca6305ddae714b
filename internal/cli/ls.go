package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/status"
)

type lsCommand struct {
	Service string `help:"List only this service." placeholder:"NAME"`
	Host    string `help:"List only endpoints on this host." placeholder:"ID|ADDRESS"`
	Watch   bool   `help:"List again every 5 seconds, until stopped."`
	JSON    bool   `name:"json" help:"Print a JSON array instead of a table."`
}

// Help is printed by ecssd ls --help.
func (lsCommand) Help() string {
	return `Lists the records in the hosted zone, from which Route 53 answers. STATE is

    serving    consumers are sent there, by weight
    standby    weight 0: its health check does not pass yet or any more, it is paused, or its host is about to go
               or put on standby by hand
    unhealthy  weight 0, set by the sweeper: its HTTP check fails, or its host is impaired
    orphaned   its host has no address in the zone, so that consumers cannot connect; the sweeper removes it once its host is gone

Examples:

    ecssd ls --service time
    ecssd ls --host i-0123456789abcdef0 --watch
    ecssd ls --json | jq -r '.[] | select(.state != "serving") | .service'

A listing takes one call of Route 53 for each 300 records in the zone, also with --service and --host, and an account may make few
calls a second (Route 53 developer guide, Quotas). So --watch waits 5 seconds between listings, or a second for each call of the
last one where that is longer. There are no colours if NO_COLOR is set or the output is not a terminal.`
}

// The states of a listed record.
const (
	listedServing   = "serving"
	listedStandby   = "standby"
	listedUnhealthy = "unhealthy"
	listedOrphaned  = "orphaned"
)

// listed is one SRV record of the zone.
type listed struct {
	Service   string `json:"service"` // below the zone
	Target    string `json:"target"`
	Address   string `json:"address,omitempty"` // of the target, where the zone names it
	Port      uint16 `json:"port"`
	Weight    int64  `json:"weight"` // in Route 53
	Asked     int    `json:"asked"`  // what the container asked for
	State     string `json:"state"`  // serving, standby, unhealthy or orphaned
	Host      string `json:"host"`   // instance ID, or the host name of a record of the original agent
	Container string `json:"container"`
}

func (c lsCommand) Run(ctx context.Context, s *Settings, std streams) error {
	zone, err := openZone(ctx, s)
	if err != nil {
		return err
	}
	if c.Watch {
		return c.watch(ctx, s, zone, std)
	}
	rows, _, err := c.list(ctx, s, zone)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(std.Out, rows)
	}
	_, err = io.WriteString(std.Out, strings.Join(c.lines(s.Zone, rows, terminal(std.Out), wide), ""))
	return err
}

// list returns the rows asked for, and how many calls of Route 53 it took.
func (c lsCommand) list(ctx context.Context, s *Settings, zone *route53.Zone) (rows []listed, calls int, err error) {
	var records []record.Record
	err = zone.Each(ctx, func(page []record.Record, _ int) error {
		records = append(records, page...)
		calls++
		return nil
	})
	service := strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(c.Service, ".")), "."+s.Zone)
	rows = slices.DeleteFunc(tabulate(s.Zone, records), func(r listed) bool {
		return service != "" && r.Service != service || c.Host != "" && r.Host != c.Host && r.Address != c.Host
	})
	return rows, calls, err
}

func printJSON(out io.Writer, rows []listed) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(rows)
}

// tabulate returns a row for each SRV record that ecssd, or the original agent, has written.
func tabulate(zone string, records []record.Record) []listed {
	type named struct{ name, owner string }
	addresses, own := map[string]string{}, map[named]bool{}
	for _, r := range records {
		if id, ours := record.ParseSetID(r.SetID); r.Type == record.A {
			addresses[r.Name] = r.Value
			own[named{r.Name, id.Instance}] = ours
		}
	}
	rows := []listed{}
	for _, r := range records {
		id, ours := record.ParseSetID(r.SetID)
		target, valid := record.ParseTarget(r.Value)
		if r.Type != record.SRV || !ours || !valid {
			continue
		}
		row := listed{
			// As Route 53 lists it: whoever may write to the zone may put any byte into a name.
			Service:   record.Escape(strings.TrimSuffix(r.Name, "."+zone)),
			Target:    target.Host,
			Address:   addresses[target.Host],
			Port:      target.Port,
			Weight:    r.Weight,
			Asked:     target.Weight,
			State:     listedServing,
			Host:      id.Instance,
			Container: id.Container,
		}
		switch {
		// A host writes its A record with its first SRV record. Where only another's has that name, the address has
		// been given to another host. What the original agent's records point to is made by others, in whatever way.
		case id.Kind != record.Legacy && strings.HasSuffix(target.Host, "."+zone) && !own[named{
			target.Host,
			id.Instance,
		}]:
			row.State = listedOrphaned
		case r.Marked():
			row.State = listedUnhealthy
		case r.Weight == 0 && target.Weight > 0:
			row.State = listedStandby
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Container, b.Container))
	})
	return rows
}

// lines gives the table, cut to a width, with colours where they are wanted.
func (c lsCommand) lines(zone string, rows []listed, colourful bool, width int) []string {
	if len(rows) == 0 {
		what := "service"
		if c.Service != "" || c.Host != "" {
			what = "such service"
		}
		return []string{fmt.Sprintf("no %s is registered in %s\n", what, zone)}
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tENDPOINT\tWEIGHT\tSTATE\tHOST\tCONTAINER")
	for _, r := range rows {
		fmt.Fprintf(
			table,
			"%s\t%s\t%d\t%s\t%s\t%s\n",
			r.Service,
			status.Printable(cmp.Or(r.Address, r.Target))+":"+strconv.Itoa(int(r.Port)),
			r.Weight,
			r.State,
			r.Host,
			r.Container[:12],
		)
	}
	_ = table.Flush() // to a strings.Builder, which never fails
	lines := slices.Collect(strings.Lines(text.String()))
	for i, line := range lines {
		line = cut(line, width)
		if i > 0 && colourful {
			line = coloured(line, rows[i-1].State)
		}
		lines[i] = line
	}
	return lines
}

// cut returns the beginning of a line that fits into a width.
func cut(line string, width int) string {
	if text := []rune(strings.TrimSuffix(line, "\n")); len(text) > width {
		return string(text[:width]) + "\n"
	}
	return line
}
