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
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/run"
)

type sweepCommand struct {
	DryRun          bool   `help:"Print what would be done, and change nothing."`
	Clusters        string `help:"Names or ARNs of ECS clusters, separated by commas; all clusters of the region where not given."`
	CheckHealth     bool   `help:"Check containers over HTTP, at every registered TCP port."`
	CheckHealthPath string `help:"Path of the check of a container that sets none." default:"/health"`
	UnhealthyAction string `help:"Action for a container that fails its check: standby, or stop-task if its task definition sets the check and it failed in an earlier pass." enum:"standby,stop-task" default:"standby"`
	DeleteBudget    string `help:"Share of the records above which none are deleted unless EC2 confirms that the host is gone; also the share of failing checks above which no task is stopped." default:"30%"`
	NegativeTTL     int64  `name:"negative-ttl" help:"Seconds for which resolvers may cache NXDOMAIN; 0 leaves the SOA record of the zone unchanged." default:"0"`
	JSON            bool   `name:"json" help:"Print the report as JSON."`
}

// Help is printed by ecssd sweep --help.
func (sweepCommand) Help() string {
	return `Reads the whole zone, ECS and EC2, and deletes the records of hosts and containers that are gone. It deletes nothing if any of
these cannot be read. Containers that are missing in ECS alone are looked up again after 90 seconds. It runs anywhere with the
sweeper's permissions (docs/sweeper.md), and ignores --ttl.

    ecssd sweep --dry-run
    ecssd sweep --dry-run --json | jq -r '.findings[]?.name'
    ecssd sweep --clusters web,batch --check-health --check-health-path /up

The exit status is 1 if something cannot be read or changed, or if more records would be deleted than --delete-budget allows.`
}

// parameters returns the sweeper's parameters, without --ttl: it has a default, and would rewrite every name that has
// another TTL.
func (c sweepCommand) parameters(s *Settings) run.Parameters {
	return run.Parameters{
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
		if invalid, ok := errors.AsType[run.ParamError](err); ok {
			flag := strings.ToLower(strings.ReplaceAll(invalid.Variable, "_", "-"))
			err = fmt.Errorf("--%s %s", flag, invalid.Problem)
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
		// Unlike Route 53, ECS and EC2 are separate in each region: in a default region they would know no host.
		id, err := metadata.Identify(ctx, host.Given{})
		if err != nil || id.Region == "" {
			return UsageError{
				errors.New(
					"no AWS region is configured, and EC2 metadata has none (hint: give --region, or set AWS_REGION)",
				),
			}
		}
		config.Region = id.Region
	}
	zone, err := findZone(ctx, s, route53.New(config), metadata)
	if err != nil {
		return fmt.Errorf("nothing is changed: %w", err)
	}
	p.ZoneID = zone.ID
	report, err := run.Sweep(ctx, config, p, s.logger(std.Err))
	if c.JSON {
		encoder := json.NewEncoder(std.Out)
		encoder.SetIndent("", "  ")
		if encodeErr := encoder.Encode(report); encodeErr != nil {
			return encodeErr
		}
		return err
	}
	if report.Seen == 0 && err != nil { // nothing was read, and err is why
		return err
	}
	printReport(std.Out, s.Zone, report)
	return err
}

// printReport prints a report: the action for each record that is out of date, and how many were done.
func printReport(out io.Writer, zone string, r sweep.Report) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		action := "delete"
		switch f.Verdict {
		case evidence.Standby, evidence.Restore:
			action = string(f.Verdict)
		case evidence.Skipped:
			action = "leave"
		case evidence.Refused:
			action = "refuse"
		}
		reason := status.Printable(f.Reason)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", action, record.Escape(f.Name), f.Type, reason, f.SetID)
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
			"lower\t%s\tSOA\tset how long resolvers cache NXDOMAIN to %d s\n",
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
		fmt.Fprintln(out, "dry run: nothing was changed")
		return
	}
	fmt.Fprintf(out, "%d deleted, %d put on standby, %d restored, %d not done, %d tasks stopped, in %.1f s\n",
		r.Deleted, r.Standby, r.Restored, r.NotDone, r.TasksStopped, r.Seconds)
}
