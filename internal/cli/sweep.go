package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/sweep"
	sweeprun "github.com/ecssd/ecssd/internal/sweep/run"
)

type sweepCommand struct {
	DryRun          bool   `help:"Say what would be done, and change nothing."`
	Clusters        string `help:"Names or ARNs of ECS clusters, with commas between; all clusters of the region where not given."`
	CheckHealth     bool   `help:"Check containers over HTTP, at every TCP port that they announce."`
	CheckHealthPath string `help:"Path of the check, where a container names none." default:"/health"`
	UnhealthyAction string `help:"What is done about a container that fails its check: standby, or stop-task if its task definition names the check and it failed in an earlier pass." enum:"standby,stop-task" default:"standby"`
	DeleteBudget    string `help:"Part of the records above which none are deleted without EC2's proof, and of the checks that fail above which no task is stopped." default:"30%"`
	NegativeTTL     int64  `name:"negative-ttl" help:"Seconds for which resolvers may keep the answer that a name does not exist; 0 leaves the zone's SOA record as it is." default:"0"`
	JSON            bool   `name:"json" help:"Print the report as JSON."`
}

// Help is printed by ecssd sweep --help.
func (sweepCommand) Help() string {
	return `Reads the whole zone, ECS and EC2, and deletes the records of hosts and containers that are gone. It deletes nothing if any of
these cannot be read. Containers that only ECS does not know are looked for again after 90 seconds. It runs anywhere with the
sweeper's permissions (docs/sweeper.md), and leaves --ttl alone.

    ecssd sweep --dry-run
    ecssd sweep --dry-run --json | jq -r '.findings[]?.name'
    ecssd sweep --clusters web,batch --check-health --check-health-path /up

The exit status is 1 if something could not be read or done, or more would go than --delete-budget allows.`
}

// parameters gives the sweeper's parameters. The TTL of the records is left alone, since --ttl has a default.
func (c sweepCommand) parameters(s *Settings) sweeprun.Parameters {
	return sweeprun.Parameters{
		Zone:            s.Zone,
		ZoneID:          s.ZoneID,
		Clusters:        c.Clusters,
		CheckHealth:     c.CheckHealth,
		CheckHealthPath: c.CheckHealthPath,
		UnhealthyAction: c.UnhealthyAction,
		DeleteBudget:    c.DeleteBudget,
		NegativeTTL:     c.NegativeTTL,
		DryRun:          c.DryRun,
	}
}

func (c sweepCommand) Run(ctx context.Context, s *Settings, std streams) error {
	p := c.parameters(s)
	if err := p.Validate(); err != nil {
		if wrong, ok := errors.AsType[sweeprun.ParamError](err); ok {
			err = fmt.Errorf("--%s %s", strings.ToLower(strings.ReplaceAll(wrong.Variable, "_", "-")), wrong.Problem)
		}
		return UsageError{err}
	}
	metadata, err := openMetadata(ctx, s)
	if err != nil {
		return err
	}
	config, err := readAWS(ctx, s, metadata)
	if err != nil {
		return err
	}
	if config.Region == "" {
		// Unlike Route 53, ECS and EC2 are other ones in each region: of a region that nobody named they would say that
		// all is gone.
		id, err := metadata.Identify(ctx, host.Given{})
		if err != nil || id.Region == "" {
			return UsageError{
				errors.New(
					"no AWS region is configured, and EC2 metadata tells none: give --region, or AWS_REGION in the environment",
				),
			}
		}
		config.Region = id.Region
	}
	report, err := sweeprun.Sweep(ctx, config, p, s.logger(std.Err))
	if c.JSON {
		encoder := json.NewEncoder(std.Out)
		encoder.SetIndent("", "  ")
		if encodeErr := encoder.Encode(report); encodeErr != nil {
			return encodeErr
		}
		return err
	}
	if report.Seen == 0 && err != nil { // which says why nothing was read
		return err
	}
	printReport(std.Out, s.Zone, report)
	return err
}

// printReport prints a report: what is to be done about each record that is out of order, and what was done.
func printReport(out io.Writer, zone string, r sweep.Report) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		action := "delete"
		switch f.Verdict {
		case sweep.Standby, sweep.Restore:
			action = string(f.Verdict)
		case sweep.Skipped:
			action = "leave"
		case sweep.Refused:
			action = "refuse"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", action, record.Escape(f.Name), f.Type, status.Printable(f.Reason), f.SetID)
	}
	for _, stop := range r.Stops {
		fmt.Fprintf(table, "stop\t%s\ttask\t%s\n", status.Printable(stop.Task), status.Printable(stop.Reason))
	}
	for _, s := range r.Stuck {
		fmt.Fprintf(
			table,
			"stuck\t%s\ttask\tits container %s on %s has no container ID in ECS after 10 minutes\n",
			status.Printable(s.Task),
			status.Printable(s.Container),
			s.Instance,
		)
	}
	if r.NegativeTTL > 0 {
		fmt.Fprintf(
			table,
			"lower\t%s\tSOA\tresolvers are to keep for %d s that a name does not exist\n",
			record.Escape(zone),
			r.NegativeTTL,
		)
	}
	_ = table.Flush()
	if r.TasksSpared != "" {
		fmt.Fprintln(out, r.TasksSpared)
	}
	fmt.Fprintf(
		out,
		"%d records seen, %d stale, %d refused, %d unhealthy, %d left\n",
		r.Seen,
		r.Stale,
		r.Refused,
		r.Unhealthy,
		r.Skipped,
	)
	if r.DryRun {
		fmt.Fprintln(out, "dry run: nothing is changed")
		return
	}
	fmt.Fprintf(out, "%d deleted, %d put on standby, %d restored, %d not done, %d tasks stopped, in %.1f s\n",
		r.Deleted, r.Standby, r.Restored, r.NotDone, r.TasksStopped, r.Seconds)
}
