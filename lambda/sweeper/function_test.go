package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

const (
	zone      = "servicediscovery.internal"
	living    = "i-0aaaaaaaaaaaaaaa1"
	dead      = "i-0aaaaaaaaaaaaaaa2"
	scheduled = `{"version": "0", "id": "5c6b", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}`
	plenty    = 5 * time.Minute
)

// site is a zone and a fleet: a host that lives and one that EC2 terminated, with a container each, of the service web.
type site struct {
	t *testing.T
	*sandbox.Server
	zone string // ID
}

func newSite(t *testing.T) site {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	id, err := s.CreateZone(zone, sandbox.Private(sandbox.DefaultVPC, sandbox.DefaultRegion))
	require.NoError(t, err)
	require.NoError(t, s.Fleet().Put(account.State{
		Instances:          []account.Instance{{ID: living, PrivateIP: "127.0.0.1"}, {ID: dead, State: "terminated"}},
		Clusters:           []account.Cluster{{Name: "main"}},
		ContainerInstances: []account.ContainerInstance{{ID: hex("c", 32), Cluster: "main", InstanceID: living}},
		TaskDefinitions: []account.TaskDefinition{
			{Family: "web", Revision: 1, Containers: []account.ContainerDefinition{{Name: "web"}}},
		},
	}))
	made := site{t, s, id}
	made.host(living, "10.0.0.1")
	made.host(dead, "10.0.0.2")
	made.task("1", 1) // where nothing listens
	made.announce(living, "1", 1)
	made.announce(dead, "2", 1)
	return made
}

func hex(digit string, length int) string { return strings.Repeat(digit, length) }

func (s site) seed(name, kind, id, value string) {
	s.t.Helper()
	require.NoError(s.t, s.Seed(s.zone, sandbox.Set{
		Name:          name + "." + zone,
		Type:          kind,
		SetIdentifier: id,
		Weight:        new(int64(1)),
		Values:        []string{value},
	}))
}

// host writes the record of a host's address, as its agent does.
func (s site) host(instance, address string) {
	s.t.Helper()
	s.seed(
		"ip-"+strings.ReplaceAll(address, ".", "-"),
		"A",
		instance+":host:"+sandbox.DefaultAccount+"/"+sandbox.DefaultRegion,
		address,
	)
}

// announce writes the record of a container, whose ID is that digit over and over.
func (s site) announce(instance, container string, port int) {
	s.t.Helper()
	s.seed("web", "SRV", instance+":ecs:"+hex(container, 64)+":80/tcp", "1 1 "+strconv.Itoa(port)+" ip-10-0-0-1."+zone)
}

// task lets ECS know of a container on the host that lives.
func (s site) task(container string, port int) {
	s.t.Helper()
	require.NoError(s.t, s.Fleet().Put(account.State{Tasks: []account.Task{{
		ID:                hex(container, 32),
		Cluster:           "main",
		ContainerInstance: hex("c", 32),
		Family:            "web",
		Revision:          1,
		Service:           "web",
		Containers: []account.Container{{
			Name:      "web",
			RuntimeID: hex(container, 64),
			Bindings:  []account.Binding{{ContainerPort: 80, HostPort: port}},
		}},
	}}}))
}

// of gives the set identifiers of the records that a host has.
func (s site) of(instance string) (found []string) {
	for _, set := range s.Records(s.zone) {
		if strings.HasPrefix(set.SetIdentifier, instance+":") {
			found = append(found, set.SetIdentifier)
		}
	}
	return found
}

// changes counts the calls that would have changed the zone.
func (s site) changes() int { return len(s.Calls("ChangeResourceRecordSets")) }

// findings of the dead host's two records.
func findings() []sweep.Finding {
	reason := "EC2 reports instance " + dead + " as stopped or terminated"
	return []sweep.Finding{
		{
			Verdict: evidence.Dead,
			Name:    "ip-10-0-0-2." + zone,
			Type:    "A",
			SetID:   dead + ":host:123456789012/eu-central-1",
			Reason:  reason,
		},
		{
			Verdict: evidence.Dead,
			Name:    "web." + zone,
			Type:    "SRV",
			SetID:   dead + ":ecs:" + hex("2", 64) + ":80/tcp",
			Reason:  reason,
		},
	}
}

func TestFunction(t *testing.T) {
	dir := archives(t, "022")
	bootstrap := unpack(t, dir)
	t.Run("built again the archives are the same", func(t *testing.T) {
		t.Parallel()
		same(t, dir, archives(t, "077"))
	})
	start := func(t *testing.T, s site, env ...string) *function {
		return launch(t, os.Args[0], append(s.Environment(), env...)...)
	}

	for name, payload := range map[string]string{
		"scheduled event": scheduled,
		"empty event":     `{}`,
		"no event":        `null`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			f := launch(t, bootstrap, s.Environment()...) // that is deployed
			want := outcome{Report: sweep.Report{
				Seen:        4,
				Stale:       2,
				Deleted:     2,
				ZoneRecords: 6,
				ZoneQuota:   10_000,
				Findings:    findings(),
			}}
			assert.Equal(t, want, f.invoke(payload, plenty))
			assert.Len(t, s.of(living), 2)
			assert.Empty(t, s.of(dead))
			assert.Equal(t, 2, s.changes(), "the host's own record comes last")
			assert.Equal(t, outcome{
				Report: sweep.Report{Seen: 2, ZoneRecords: 4, ZoneQuota: 10_000},
			}, f.invoke(payload, plenty), "the same process again")
			assert.Equal(t, 2, s.changes())
		})
	}

	for name, run := range map[string]struct{ payload, variable string }{
		"dry run by event":     {`{"dryRun":true}`, "DRY_RUN="},
		"dry run by parameter": {scheduled, "DRY_RUN=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			before := s.Records(s.zone)
			want := outcome{Report: sweep.Report{
				DryRun:      true,
				Seen:        4,
				Stale:       2,
				NegativeTTL: 60,
				ZoneRecords: 6,
				ZoneQuota:   10_000,
				Findings:    findings(),
			}}
			assert.Equal(t, want, start(t, s, run.variable, "NEGATIVE_TTL=60", "TTL=30").invoke(run.payload, plenty))
			assert.Equal(t, before, s.Records(s.zone))
			assert.Zero(t, s.changes())
		})
	}

	t.Run("metrics", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		f := start(t, s)
		f.invoke(scheduled, plenty)
		require.NoError(t, s.SetFaults(sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "AccessDeniedException",
			Operation: "ecs:ListTasks",
		}))
		f.invoke(scheduled, plenty)
		want := []map[string]any{
			{
				"Seen":      4.,
				"Stale":     2.,
				"Deleted":   2.,
				"Refused":   0.,
				"Unhealthy": 0.,
				"Standby":   0.,
				"Restored":  0.,
				"Left":      0.,
				"NotDone":   0.,
				"Failed":    0.,
				"QuotaUsed": 0.06,
			},
			{
				"Seen":      0.,
				"Stale":     0.,
				"Deleted":   0.,
				"Refused":   0.,
				"Unhealthy": 0.,
				"Standby":   0.,
				"Restored":  0.,
				"Left":      0.,
				"NotDone":   0.,
				"Failed":    1.,
				"QuotaUsed": 0.04,
			},
		}
		var got []map[string]any
		for _, line := range f.end() {
			if line["_aws"] != nil {
				got = append(got, numbers(t, line))
			}
		}
		assert.Equal(t, want, got)
	})

	t.Run("the quota may not be asked for", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		require.NoError(t, s.SetFaults(sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "AccessDenied",
			Status:    403,
			Operation: "GetHostedZoneLimit",
		}))
		f := start(t, s)
		got := f.invoke(scheduled, plenty)
		assert.Equal(t, outcome{Report: sweep.Report{
			Seen:     4,
			Stale:    2,
			Deleted:  2,
			Findings: findings(),
		}}, got)
		for _, line := range f.end() {
			if line["_aws"] != nil {
				assert.NotContains(t, numbers(t, line), "QuotaUsed", "0 would say that the zone is empty")
			}
		}
	})

	t.Run("a read fails on its second page", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.task("3", 32769)
		s.Configure(func(c *sandbox.Settings) { c.Page = 1 })
		require.NoError(t, s.SetFaults(sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "AccessDeniedException",
			Operation: "ecs:ListTasks",
			After:     1,
		}))
		got := start(t, s).invoke(scheduled, plenty)
		assert.Regexp(t, `^nothing is changed: .*ListTasks.*AccessDeniedException`, got.Error)
		assert.Contains(t, got.Error, `"deleted":0`, "the report")
		assert.Len(t, s.of(dead), 2)
		assert.Zero(t, s.changes())
	})

	t.Run("the zone may not be changed", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		require.NoError(t, s.SetFaults(sandbox.Fault{
			Kind:      sandbox.Fail,
			Code:      "AccessDenied",
			Operation: "ChangeResourceRecordSets",
		}))
		got := start(t, s).invoke(scheduled, plenty)
		assert.Contains(t, got.Error, "is not authorized to perform: route53:ChangeResourceRecordSets")
		assert.Contains(t, got.Error, `"deleted":0`)
		assert.Len(t, s.of(dead), 2)
	})

	t.Run("a bad event", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		got := start(t, s).invoke(`{"dryRun":"yes"}`, plenty)
		assert.Regexp(t, `^read the event: .*dryRun`, got.Error)
		assert.Empty(t, s.Calls())
	})

	t.Run("a bad parameter", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		got := start(t, s, "DELETE_BUDGET=a third").invoke(scheduled, plenty)
		assert.Equal(t, `read the environment: DELETE_BUDGET "a third" is not a percentage, 0% to 100%`, got.Error)
		assert.Empty(t, s.Calls())
	})

	t.Run("a zone that is not there", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		got := start(t, s, "ZONE=elsewhere.internal").invoke(scheduled, plenty)
		assert.Regexp(t, `^nothing is changed: find hosted zone elsewhere\.internal: `, got.Error)
	})

	t.Run("the deadline is too near to look twice", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.announce(living, "4", 32770) // no task has it
		got := start(t, s).invoke(scheduled, time.Minute)
		want := sweep.Report{
			Seen:        5,
			Stale:       2,
			Deleted:     2,
			Skipped:     1,
			ZoneRecords: 7,
			ZoneQuota:   10_000,
			Findings: append(findings(), sweep.Finding{
				Verdict: evidence.Skipped,
				Name:    "web." + zone,
				Type:    "SRV",
				SetID:   living + ":ecs:" + hex("4", 64) + ":80/tcp",
				Reason: "no time left to read EC2 and ECS a second time: ECS does not know container 444444444444 " +
					"on instance " + living,
			}),
		}
		assert.Empty(t, got.Error)
		want.Findings[1], want.Findings[2] = want.Findings[2], want.Findings[1] // as the zone lists them
		assert.Equal(t, want, got.Report)
		assert.Len(t, s.of(living), 3)
		assert.Empty(t, s.of(dead))
	})

	t.Run("the deadline is too near to change anything", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		got := start(t, s).invoke(scheduled, 8*time.Second)
		assert.Regexp(t, `^2 changes are left for the next pass: `, got.Error)
		assert.Contains(t, got.Error, `"notDone":2`)
		assert.Len(t, s.of(dead), 2)
		assert.Zero(t, s.changes())
	})

	t.Run("checks over HTTP", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /alive", func(http.ResponseWriter, *http.Request) {})
		well, ill := httptest.NewServer(mux), httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(well.Close)
		t.Cleanup(ill.Close)
		s.task("5", port(well))
		s.announce(living, "5", port(well))
		s.task("6", port(ill))
		s.announce(living, "6", port(ill))
		f := start(
			t,
			s,
			"CHECK_HEALTH=true",
			"CHECK_HEALTH_PATH=/alive",
			"UNHEALTHY_ACTION=stop-task",
			"ECS_CLUSTERS=main",
			"DELETE_BUDGET=70%",
		)
		got := f.invoke(scheduled, plenty)
		assert.Empty(t, got.Error)
		assert.Equal(t, []int{
			2,
			2,
			0,
		}, []int{
			got.Report.Unhealthy,
			got.Report.Standby,
			got.Report.TasksStopped,
		}, "they may not speak HTTP")
		require.NoError(
			t,
			s.Fleet().
				Put(account.State{TaskDefinitions: []account.TaskDefinition{
					{Family: "web", Revision: 1, Containers: []account.ContainerDefinition{
						{Name: "web", Environment: map[string]string{"SERVICE_80_CHECK_HTTP": "/alive"}},
					}}}}),
		)
		got = f.invoke(scheduled, plenty)
		assert.Empty(t, got.Error)
		assert.Equal(t, []int{2, 0, 2}, []int{got.Report.Unhealthy, got.Report.Standby, got.Report.TasksStopped})
		assert.Empty(t, s.Calls("ecs:ListClusters"))
		stopped := s.Calls("ecs:StopTask")
		require.Len(t, stopped, 2)
		assert.Contains(t, string(stopped[0].Input), hex("1", 32))
		assert.Contains(t, string(stopped[1].Input), hex("6", 32))
	})

	t.Run("parameters that change the zone", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		f := start(t, s, "ZONE_ID="+s.zone, "TTL=30", "NEGATIVE_TTL=60", "LOG_LEVEL=warn")
		got := f.invoke(scheduled, plenty)
		assert.Empty(t, got.Error)
		assert.Zero(
			t,
			got.Report.Rewritten,
			"in the service's name something else changes, and the living host's address has its agent's TTL",
		)
		assert.Equal(t, int64(60), got.Report.NegativeTTL)
		assert.Equal(t, "SOA", s.Calls("ChangeResourceRecordSets")[0].Changes[0].Set.Type)
		assert.Equal(t, 1, f.invoke(scheduled, plenty).Report.Rewritten, "the service's name")
	})
}

func port(s *httptest.Server) int { return s.Listener.Addr().(*net.TCPAddr).Port }

// numbers gives what CloudWatch makes of a line in embedded metric format: all metrics but the duration.
func numbers(t *testing.T, line map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(line["_aws"])
	require.NoError(t, err)
	var aws struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &aws))
	assert.WithinDuration(t, time.Now(), time.UnixMilli(aws.Timestamp), time.Minute)
	require.Len(t, aws.CloudWatchMetrics, 1)
	assert.Equal(t, "ecssd", aws.CloudWatchMetrics[0].Namespace)
	assert.Equal(t, [][]string{{"Zone"}}, aws.CloudWatchMetrics[0].Dimensions)
	assert.Equal(t, zone, line["Zone"])
	found := map[string]any{}
	for _, metric := range aws.CloudWatchMetrics[0].Metrics {
		if metric.Name == "Duration" {
			assert.Equal(t, "Seconds", metric.Unit)
			assert.Positive(t, line["Duration"])
			continue
		}
		unit := "Count"
		if metric.Name == "QuotaUsed" {
			unit = "Percent"
		}
		assert.Equal(t, unit, metric.Unit, metric.Name)
		found[metric.Name] = line[metric.Name]
	}
	return found
}
