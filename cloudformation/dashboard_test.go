package cloudformation

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dashboard is what CloudWatch reads of a dashboard's body ("Dashboard body structure and syntax", CloudWatch API
// reference).
type dashboard struct {
	Widgets []struct {
		Type                string
		X, Y, Width, Height int
		Properties          struct {
			Title, Region string
			Period        int
			Alarms        []string
			Metrics       [][]any
			YAxis         json.RawMessage
			Annotations   json.RawMessage
		}
	}
}

func sweeperDashboard(t *testing.T, parameters map[string]any) (d dashboard) {
	t.Helper()
	properties := sweeperStack(t, parameters).resources(t)["Dashboard"]
	assert.Equal(t, "ecs-shop-eu-central-1", properties["DashboardName"], "dashboards of all regions share their names")
	body := json.NewDecoder(strings.NewReader(properties["DashboardBody"].(string)))
	body.DisallowUnknownFields()
	require.NoError(t, body.Decode(&d))
	assert.False(t, body.More())
	return d
}

// The dashboard shows all metrics that the sweeper writes, and no others.
func TestDashboardShowsEveryMetricThatIsWritten(t *testing.T) {
	source, err := os.ReadFile("../lambda/sweeper/metrics.go")
	require.NoError(t, err)
	written := map[string]bool{"Duration": true, "QuotaUsed": true}
	for _, match := range regexp.MustCompile(`"([A-Z][A-Za-z]+)": +(?:r\.|0)`).FindAllSubmatch(source, -1) {
		written[string(match[1])] = true
	}
	for name := range written {
		assert.Contains(t, string(source), `"`+name+`"`)
	}
	shown := map[string]bool{}
	for _, widget := range sweeperDashboard(t, map[string]any{"ZoneName": "sd.example"}).Widgets {
		if widget.Type != "metric" {
			continue
		}
		assert.Equal(t, "eu-central-1", widget.Properties.Region, widget.Properties.Title)
		assert.Equal(t, 300, widget.Properties.Period, "a pass every 5 minutes")
		require.NotEmpty(t, widget.Properties.Metrics, widget.Properties.Title)
		for _, metric := range widget.Properties.Metrics {
			require.Len(t, metric, 5)
			assert.Contains(t, []string{"Sum", "Maximum", "SampleCount"}, metric[4].(map[string]any)["stat"])
			if metric[0] == "AWS/Lambda" {
				assert.Equal(t, []any{"Errors", "FunctionName", "Function"}, metric[1:4])
				continue
			}
			assert.Equal(t, []any{"ecssd", "Zone", "sd.example"}, []any{metric[0], metric[2], metric[3]})
			shown[metric[1].(string)] = true
		}
	}
	assert.Greater(t, len(written), 10)
	assert.Equal(t, written, shown)
}

func TestDashboardShowsEveryAlarm(t *testing.T) {
	var alarms []string
	for name, properties := range sweeperStack(t, nil).resources(t) {
		if properties["ComparisonOperator"] != nil {
			alarms = append(alarms, name+".Arn")
		}
	}
	widgets := sweeperDashboard(t, nil).Widgets
	require.Equal(t, "alarm", widgets[0].Type)
	assert.ElementsMatch(t, alarms, widgets[0].Properties.Alarms)
}

func TestWidgetsStandBesideEachOther(t *testing.T) {
	taken := map[[2]int]string{}
	for _, widget := range sweeperDashboard(t, nil).Widgets {
		title := widget.Properties.Title
		assert.LessOrEqual(t, widget.X+widget.Width, 24, "%s: the grid has 24 columns", title)
		for x := widget.X; x < widget.X+widget.Width; x++ {
			for y := widget.Y; y < widget.Y+widget.Height; y++ {
				assert.Empty(t, taken[[2]int{x, y}], "%s lies over it", title)
				taken[[2]int{x, y}] = title
			}
		}
	}
}

func TestNoDashboardWhereNoneIsWanted(t *testing.T) {
	assert.NotContains(t, sweeperStack(t, map[string]any{"ShowDashboard": "false"}).resources(t), "Dashboard")
}
