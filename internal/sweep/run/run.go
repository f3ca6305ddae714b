// Package run wires a sweep to AWS. The Lambda function and the command ecssd sweep share it; they differ only in where
// the parameters come from.
package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
	"github.com/ecssd/ecssd/internal/sweep/inventory"
)

// Parameters are the settings of a sweep, as they stand in variables or flags.
type Parameters struct {
	Zone            string // name of the private hosted zone
	ZoneID          string // empty: found by its name
	Clusters        string // comma-separated names or ARNs; empty: all clusters of the region
	CheckHealth     bool
	CheckHealthPath string
	UnhealthyAction string // standby or stop-task
	DeleteBudget    string // "30%"
	NegativeTTL     int64  // seconds; 0: the zone's SOA record is left as it is
	TTL             string // seconds; empty: left as they are
	DryRun          bool
}

// ParamError is an invalid parameter, named by its variable in the function's environment.
type ParamError struct{ Variable, Problem string }

func (e ParamError) Error() string { return e.Variable + " " + e.Problem }

func paramError(variable, problem string, args ...any) error {
	return ParamError{variable, fmt.Sprintf(problem, args...)}
}

// Validate returns a ParamError for the first invalid parameter.
func (p Parameters) Validate() error {
	if _, err := p.budget(); err != nil {
		return err
	}
	if _, err := p.ttl(); err != nil {
		return err
	}
	switch {
	case p.Zone == "":
		return paramError("ZONE", "is empty: it is the name of the hosted zone")
	case p.ZoneID != "" && !record.ValidZoneID(p.ZoneID):
		return paramError("ZONE_ID", "%q is not the ID of a hosted zone", p.ZoneID)
	case !strings.HasPrefix(p.CheckHealthPath, "/"):
		return paramError("CHECK_HEALTH_PATH", "%q does not begin with a slash", p.CheckHealthPath)
	case p.UnhealthyAction != "standby" && p.UnhealthyAction != "stop-task":
		return paramError("UNHEALTHY_ACTION", "%q is neither standby nor stop-task", p.UnhealthyAction)
	case p.NegativeTTL < 0 || p.NegativeTTL > 86400:
		return paramError("NEGATIVE_TTL", "%d is not within 0 to 86400 seconds", p.NegativeTTL)
	}
	return nil
}

// budget returns DeleteBudget as a fraction, 0 to 1.
func (p Parameters) budget() (float64, error) {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(p.DeleteBudget, "%"), 64)
	if err != nil || !(percent >= 0 && percent <= 100) || !strings.HasSuffix(p.DeleteBudget, "%") {
		return 0, paramError("DELETE_BUDGET", "%q is not a percentage, 0%% to 100%%", p.DeleteBudget)
	}
	return percent / 100, nil
}

// ttl returns TTL in seconds; nil where it is empty.
func (p Parameters) ttl() (*int64, error) {
	if p.TTL == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(p.TTL, 10, 32)
	if err != nil || seconds < 0 {
		return nil, paramError("TTL", "%q is not a number of seconds, 0 to 2147483647", p.TTL)
	}
	return &seconds, nil
}

// Sweep makes one pass. With invalid parameters it returns a ParamError and changes nothing.
func Sweep(ctx context.Context, config aws.Config, p Parameters, log *logrus.Entry) (sweep.Report, error) {
	if err := p.Validate(); err != nil {
		return sweep.Report{}, err
	}
	budget, _ := p.budget()
	ttl, _ := p.ttl()
	client := route53.New(config)
	zone := client.Zone(p.ZoneID)
	if p.ZoneID == "" {
		found, err := client.FindZone(ctx, p.Zone, "")
		if err != nil {
			return sweep.Report{Error: err.Error()}, fmt.Errorf("nothing is changed: %w", err)
		}
		zone = client.Zone(found.ID)
	}
	var clusters []string
	for name := range strings.SplitSeq(p.Clusters, ",") {
		if name = strings.TrimSpace(name); name != "" {
			clusters = append(clusters, name)
		}
	}
	source := inventory.New(config, clusters, p.CheckHealth)
	c := sweep.Config{
		Zone:   zone,
		Source: source,
		Budget: budget,
		TTL:    ttl,
		DryRun: p.DryRun,
		Log:    log,
	}
	if p.CheckHealth {
		c.Check = httpcheck.New(p.CheckHealthPath)
	}
	if p.UnhealthyAction == "stop-task" {
		c.Stop = source.StopTask
	}
	quota, quotaErr := zone.Quota(ctx)
	if quotaErr != nil {
		log.WithError(quotaErr).Warn("cannot read the quota of the hosted zone; its fill level is not reported")
	}
	// First, because it depends on nothing that is read below: a pass that fails or runs out of time must not leave it
	// out.
	lowered, soaErr := p.lowerNegativeTTL(ctx, zone)
	report, err := sweep.Sweep(ctx, c)
	report.ZoneRecords, report.ZoneQuota, report.NegativeTTL = quota.Records, quota.Limit, lowered
	if err = errors.Join(soaErr, err); err != nil {
		report.Error = err.Error()
	}
	return report, err
}

// lowerNegativeTTL lowers the negative TTL of the zone, and returns what to, in seconds; 0 where it stays.
func (p Parameters) lowerNegativeTTL(ctx context.Context, zone *route53.Zone) (int64, error) {
	if p.NegativeTTL == 0 {
		return 0, nil
	}
	lower, err := zone.LowerNegativeTTL(ctx, p.Zone, p.NegativeTTL, p.DryRun)
	if err != nil || !lower {
		return 0, err
	}
	return p.NegativeTTL, nil
}
