package sandbox_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

// manage returns the answer to one management call, which must have the status.
func manage(t *testing.T, s *sandbox.Server, method, path, body string, status int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.ManageURL()+path, strings.NewReader(body))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, string(text))
	return string(text)
}

func TestManageZonesAndRecords(t *testing.T) {
	s, zoneID, _ := start(t, sandbox.Config{})
	assert.Contains(t, manage(t, s, "GET", "/", "", 200), "POST   /faults")
	manage(t, s, "POST", "/zones",
		`{"id": "Z1", "name": "a.internal", "vpcs": [{"id": "vpc-1", "region": "eu-central-1"}]}`, 200)
	manage(t, s, "POST", "/zones", `{"id": "Z2", "name": "example.com"}`, 200)
	zones := s.Zones()
	require.Len(t, zones, 3)
	assert.True(t, zones[1].Private)
	assert.False(t, zones[2].Private)
	assert.Contains(t, manage(t, s, "GET", "/zones", "", 200), `"name": "a.internal."`)
	manage(t, s, "DELETE", "/zones/Z2", "", 200)
	assert.Len(t, s.Zones(), 2)

	const records = `[{"name": "web.servicediscovery.internal", "type": "SRV", "setIdentifier": "i-1", "weight": 1, "ttl": 0,
		"values": ["1 1 32768 ip-10-0-0-1.servicediscovery.internal"]}]`
	manage(t, s, "POST", "/zones/"+zoneID+"/records", records, 200)
	assert.Equal(t, []sandbox.Set{seed("i-1", 1)}, s.Records(zoneID))
	assert.JSONEq(t, strings.Replace(records, "internal\", \"type", "internal.\", \"type", 1),
		manage(t, s, "GET", "/zones/"+zoneID+"/records", "", 200))
	manage(t, s, "DELETE", "/zones/"+zoneID+"/records", records, 200)
	assert.Empty(t, s.Records(zoneID))
	assert.Contains(t, manage(t, s, "DELETE", "/zones/"+zoneID+"/records", records, 400), "but it was not found")
	assert.Contains(t, manage(t, s, "GET", "/zones/ZNONE/records", "", 400), "NoSuchHostedZone")
	assert.Contains(t, manage(t, s, "POST", "/zones", `{"nom": "a"}`, 400), "unknown field")

	events := manage(t, s, "GET", "/events?name=web.servicediscovery.internal&zone="+zoneID, "", 200)
	assert.Equal(t, 2, strings.Count(events, `"time"`))
	assert.Contains(t, manage(t, s, "GET", "/events?name=a..b", "", 400), "DomainLabelEmpty")
}

func TestManageFaults(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	manage(t, s, "POST", "/faults",
		`{"kind": "fail", "code": "Throttling", "operation": "ChangeResourceRecordSets", "count": 1}`, 200)
	manage(t, s, "POST", "/faults", `{"kind": "delay", "latency": "1ms", "jitter": "2ms"}`, 200)
	code, _ := codeOf(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	assert.Equal(t, "Throttling", code)
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
	assert.JSONEq(t, `[{"kind": "fail", "code": "Throttling", "status": 400, "message": "Rate exceeded", "count": 1,
		"operation": "ChangeResourceRecordSets", "seen": 2, "hits": 1}, {"kind": "delay", "latency": "1ms", "jitter": "2ms", "seen": 2, "hits": 2}]`,
		manage(t, s, "GET", "/faults", "", 200))
	manage(t, s, "PUT", "/faults", `[{"kind": "lose"}]`, 200)
	require.Len(t, s.Faults(), 1)
	assert.Contains(t, manage(t, s, "PUT", "/faults", `[{"kind": "odd"}]`, 400), "read fault kind")
	assert.Contains(t, manage(t, s, "POST", "/faults", `{"kind": "delay", "latency": "soon"}`, 400), "invalid duration")
	manage(t, s, "DELETE", "/faults", "", 200)
	assert.Empty(t, s.Faults())

	manage(t, s, "PUT", "/listening", "false", 200)
	assert.ErrorContains(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)),
		"connection refused")
	manage(t, s, "PUT", "/listening", "true", 200)
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionUpsert, srv("i-1", 1)))
}

func TestManageHistory(t *testing.T) {
	s, zoneID, c := start(t, sandbox.Config{})
	require.NoError(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, srv("i-1", 1)))
	require.Error(t, change(t.Context(), c, zoneID, types.ChangeActionCreate, srv("i-1", 1)))
	_, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("web."+zoneName+".", dns.TypeSRV), s.DNSAddr())
	require.NoError(t, err)
	for query, want := range map[string]int{
		"":                                    2,
		"?operation=ChangeResourceRecordSets": 2,
		"?operation=GetChange":                0,
		"?since=1":                            1,
		"?status=400":                         1,
		"?code=InvalidChangeBatch":            1,
		"?zone=" + zoneID:                     2,
		"?zone=Z1":                            0,
	} {
		assert.Equal(t, want, strings.Count(manage(t, s, "GET", "/calls"+query, "", 200), `"seq"`), query)
	}
	assert.Contains(t, manage(t, s, "GET", "/calls?since=x", "", 400), "read since")
	assert.JSONEq(
		t,
		`{"calls": {"ChangeResourceRecordSets": 2}, "outcomes": {"ok": 1, "InvalidChangeBatch": 1}, "imds": {},
		"dns": {"NOERROR": 1}, "recordSets": {"`+zoneID+`": 3}}`,
		manage(t, s, "GET", "/counters", "", 200),
	)
	manage(t, s, "DELETE", "/calls", "", 200)
	assert.Empty(t, s.Calls())
}

func TestManageSettings(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	manage(
		t,
		s,
		"PATCH",
		"/settings",
		`{"maxWeighted": 3, "propagation": "2s", "priorRequestWindow": "1s", "legacyErrorBody": true,
		"throttle": {"account": {"burst": 5, "perSecond": 5}}}`,
		200,
	)
	manage(t, s, "PATCH", "/settings", `{"lastTtlWins": true}`, 200)
	got := s.Settings()
	var want sandbox.Settings
	want.MaxWeighted, want.Propagation, want.PriorRequestWindow, want.LegacyErrorBody = 3, 2*time.Second,
		time.Second, true
	want.LastTTLWins, want.Throttle = true, throttle.Legacy()
	assert.Equal(t, want, got)
	assert.Contains(t, manage(t, s, "GET", "/settings", "", 200), `"propagation": "2s"`)
	assert.Contains(t, manage(t, s, "PATCH", "/settings", `{"maxWeight": 3}`, 400), "unknown field")
	assert.Equal(t, want, s.Settings())
}

func TestManageMetadata(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	manage(t, s, "PUT", "/imds", `{"id": "i-7"}`, 200)
	manage(t, s, "PUT", "/imds/values/meta-data/autoscaling/target-lifecycle-state", `"Terminated"`, 200)
	values := s.Metadata().Values()
	assert.Equal(t, []string{"i-7", "Terminated"}, []string{values["meta-data/instance-id"],
		values["meta-data/autoscaling/target-lifecycle-state"]})
	assert.Contains(t, manage(t, s, "GET", "/imds", "", 200), `"meta-data/instance-id": "i-7"`)
	manage(t, s, "DELETE", "/imds/values/meta-data/autoscaling/target-lifecycle-state", "", 200)
	assert.NotContains(t, s.Metadata().Values(), "meta-data/autoscaling/target-lifecycle-state")

	manage(t, s, "PUT", "/imds/mode", `"failing"`, 200)
	status, _ := send(t, s, "PUT", "/latest/api/token", "", "")
	assert.Equal(t, 500, status)
	assert.Contains(t, manage(t, s, "GET", "/imds/calls", "", 200), `"/latest/api/token"`)
	assert.Contains(t, manage(t, s, "PUT", "/imds/mode", `"odd"`, 400), "read mode")
	require.NoError(t, s.Metadata().SetMode(imds.Up))
}
