package run

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sweep"
)

// good gives parameters with which nothing is wrong.
func good() Parameters {
	return Parameters{
		Zone:            "servicediscovery.internal",
		CheckHealthPath: "/health",
		UnhealthyAction: "standby",
		DeleteBudget:    "30%",
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Parameters)
		want   error
	}{
		"as they are": {func(*Parameters) {}, nil},
		"zone ID":     {func(p *Parameters) { p.ZoneID = "Z0123456789ABCDEFGHIJ" }, nil},
		"no zone": {
			func(p *Parameters) { p.Zone = "" },
			ParamError{"ZONE", "is empty: it is the name of the hosted zone"},
		},
		"a path for a zone ID": {
			func(p *Parameters) { p.ZoneID = "/hostedzone/Z1" },
			ParamError{"ZONE_ID", `"/hostedzone/Z1" is not the ID of a hosted zone`},
		},
		"path": {func(p *Parameters) { p.CheckHealthPath = "/a/b?c=d" }, nil},
		"no path": {
			func(p *Parameters) { p.CheckHealthPath = "" },
			ParamError{"CHECK_HEALTH_PATH", `"" does not begin with a slash`},
		},
		"a URL for a path": {
			func(p *Parameters) { p.CheckHealthPath = "http://a/" },
			ParamError{"CHECK_HEALTH_PATH", `"http://a/" does not begin with a slash`},
		},
		"stop-task": {func(p *Parameters) { p.UnhealthyAction = "stop-task" }, nil},
		"another action": {
			func(p *Parameters) { p.UnhealthyAction = "Standby" },
			ParamError{"UNHEALTHY_ACTION", `"Standby" is neither standby nor stop-task`},
		},
		"no budget": {
			func(p *Parameters) { p.DeleteBudget = "" },
			ParamError{"DELETE_BUDGET", `"" is not a percentage, 0% to 100%`},
		},
		"a budget of nothing":    {func(p *Parameters) { p.DeleteBudget = "0%" }, nil},
		"a budget of everything": {func(p *Parameters) { p.DeleteBudget = "100%" }, nil},
		"a budget of more": {
			func(p *Parameters) { p.DeleteBudget = "100.1%" },
			ParamError{"DELETE_BUDGET", `"100.1%" is not a percentage, 0% to 100%`},
		},
		"a budget that is a count": {
			func(p *Parameters) { p.DeleteBudget = "30" },
			ParamError{"DELETE_BUDGET", `"30" is not a percentage, 0% to 100%`},
		},
		"a day of negative TTL": {func(p *Parameters) { p.NegativeTTL = 86400 }, nil},
		"more than a day": {
			func(p *Parameters) { p.NegativeTTL = 86401 },
			ParamError{"NEGATIVE_TTL", "86401 is not within 0 to 86400 seconds"},
		},
		"less than none": {
			func(p *Parameters) { p.NegativeTTL = -1 },
			ParamError{"NEGATIVE_TTL", "-1 is not within 0 to 86400 seconds"},
		},
		"a TTL of 0":      {func(p *Parameters) { p.TTL = "0" }, nil},
		"the longest TTL": {func(p *Parameters) { p.TTL = "2147483647" }, nil},
		"a longer TTL": {
			func(p *Parameters) { p.TTL = "2147483648" },
			ParamError{"TTL", `"2147483648" is not a number of seconds, 0 to 2147483647`},
		},
		"a TTL with a unit": {
			func(p *Parameters) { p.TTL = "30s" },
			ParamError{"TTL", `"30s" is not a number of seconds, 0 to 2147483647`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := good()
			c.change(&p)
			assert.Equal(t, c.want, p.Validate())
		})
	}
}

func TestTheBudgetIsAPart(t *testing.T) {
	for text, want := range map[string]float64{
		"30%":   0.3,
		"0%":    0,
		"100%":  1,
		"12.5%": 0.125,
	} {
		got, err := Parameters{DeleteBudget: text}.budget()
		require.NoError(t, err)
		assert.InDelta(t, want, got, 1e-9, text)
	}
}

func TestWrongParametersReachNothing(t *testing.T) {
	p := good()
	p.DeleteBudget = "most"
	report, err := Sweep(t.Context(), aws.Config{}, p, nil) // a configuration with which every call would fail
	assert.Equal(t, ParamError{"DELETE_BUDGET", `"most" is not a percentage, 0% to 100%`}, err)
	assert.Equal(t, sweep.Report{}, report)
}
