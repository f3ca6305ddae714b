package cli

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

func TestRecordsOfATypicalContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.sandbox.ClearCalls()
	c := w.container("web", enginetest.Options{})
	w.has("web", 1)
	want := []sandbox.Set{
		{
			Name:          "ip-10-0-0-1.servicediscovery.internal.",
			Type:          "A",
			TTL:           60,
			Weight:        new(int64(1)),
			SetIdentifier: "i-0123456789abcdef0:host:123456789012/eu-central-1",
			Values:        []string{"10.0.0.1"},
		},
		{
			Name:          w.prefix + "web.servicediscovery.internal.",
			Type:          "SRV",
			TTL:           0,
			Weight:        new(int64(1)),
			SetIdentifier: "i-0123456789abcdef0:ecs:" + c.ID + ":8080/tcp",
			Values: []string{
				fmt.Sprintf("1 1 %d ip-10-0-0-1.servicediscovery.internal", c.HostPort("8080/tcp")),
			},
		},
	}
	assert.Equal(t, want, w.own())
	calls := w.changes()
	require.Len(t, calls, 1)
	assert.Len(t, calls[0].Changes, 2, "both in one batch")

	c.Stop(5)
	w.has("web", 0)
	assert.Equal(t, want[:1], w.own(), "the host keeps its name")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := []struct {
		name    string
		labels  map[string]string // PREFIX in values stands for the world's
		env     []string
		publish []string
		docker  bool     // ECS did not start it
		want    []string // "name port route53-weight asked"
	}{
		{"label wins over variable", map[string]string{
			"SERVICE_NAME": "PREFIXlabel",
		}, []string{
			"SERVICE_NAME=PREFIXenv",
			"SERVICE_WEIGHT=7",
		},
			[]string{"8080"}, false, []string{"label 8080/tcp 7 7"}},
		{"explicit names", map[string]string{
			"SERVICE_8080_NAME": "PREFIXone, PREFIXTWO",
		}, []string{
			"SERVICE_8080_WEIGHT=9",
			"SERVICE_WEIGHT=2",
		},
			[]string{"8080", "9000"}, false, []string{"one 8080/tcp 9 9", "two 8080/tcp 9 9"}},
		{"several ports", nil, nil, []string{"9000", "8080", "53/udp"}, false, []string{
			"several 8080/tcp 1 1", "several-53-udp 53/udp 1 1",
			"several-8080 8080/tcp 1 1", "several-9000 9000/tcp 1 1",
		}},
		{"tcp and udp of one port", map[string]string{
			"SERVICE_53_NAME":     "PREFIXtcp53",
			"SERVICE_53_UDP_NAME": "PREFIXudp53",
		}, nil,
			[]string{"53", "53/udp"}, false, []string{"tcp53 53/tcp 1 1", "udp53 53/udp 1 1"}},
		{"weight 0", nil, []string{"SERVICE_WEIGHT=0"}, []string{"8080"}, false, []string{"weight 8080/tcp 0 0"}},
		{"ignored", nil, []string{"SERVICE_IGNORE=1"}, []string{"8080"}, false, nil},
		{"not-ignored", nil, []string{
			"SERVICE_IGNORE=False",
		}, []string{
			"8080",
		}, false, []string{
			"not-ignored 8080/tcp 1 1",
		}},
		{"several names", nil, []string{
			"SERVICE_NAME=PREFIXfull.Servicediscovery.internal.,PREFIXnext",
		}, []string{
			"8080",
		}, false,
			[]string{"full 8080/tcp 1 1", "next 8080/tcp 1 1"}},
		{"one port ignored", nil, []string{
			"SERVICE_9000_IGNORE=yes",
		}, []string{
			"8080",
			"9000",
		}, false, []string{
			"one-port 8080/tcp 1 1",
		}},
		{"not of ECS", map[string]string{
			"SERVICE_NAME": "PREFIXalone",
		}, nil, []string{
			"8080",
		}, true, []string{
			"alone 8080/tcp 1 1",
		}},
		{"not of ECS and unnamed", nil, nil, []string{"8080"}, true, nil},
	}
	containers := make([]*enginetest.Container, len(tests))
	for i, tt := range tests {
		labels := map[string]string{}
		if !tt.docker {
			words := strings.Fields(tt.name)
			name := words[0]
			if tt.name == "one port ignored" {
				name = "one-port"
			}
			labels = enginetest.ECSLabels(w.prefix + name)
		}
		for key, value := range tt.labels {
			labels[key] = strings.ReplaceAll(value, "PREFIX", w.prefix)
		}
		var env []string
		for _, variable := range tt.env {
			env = append(env, strings.ReplaceAll(variable, "PREFIX", w.prefix))
		}
		containers[i] = enginetest.Create(t, enginetest.Options{Labels: labels, Env: env, Publish: tt.publish})
	}
	each(t, containers, start)
	w.start()
	w.caughtUp("witness")
	for i, tt := range tests {
		var got []string
		for _, r := range w.own() {
			rest, ofDocker := strings.CutPrefix(r.SetIdentifier, instanceID+":docker:"+containers[i].ID+":")
			if !ofDocker {
				var ofECS bool
				if rest, ofECS = strings.CutPrefix(r.SetIdentifier, instanceID+":ecs:"+containers[i].ID+":"); !ofECS {
					continue
				}
			}
			assert.Equal(t, tt.docker, ofDocker, tt.name)
			name := strings.TrimSuffix(strings.TrimPrefix(r.Name, w.prefix), "."+zoneName+".")
			asked := strings.Fields(r.Values[0])[1]
			got = append(got, name+" "+rest+" "+strconv.FormatInt(*r.Weight, 10)+" "+asked)
			assert.Equal(t, []string{
				fmt.Sprintf("1 %s %d %s", asked, containers[i].HostPort(rest), hostTarget),
			}, r.Values, tt.name)
		}
		assert.ElementsMatch(t, tt.want, got, tt.name)
	}
}

func TestHostileSettingsAreReportedOnceAndHurtNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--resync", "1s")
	w.start()
	w.container("good", enginetest.Options{})
	w.has("good", 1)
	name := func(n int) string { return fmt.Sprintf("%shostile-%d", w.prefix, n) }
	labels := func(key, value string) map[string]string {
		l := enginetest.ECSLabels(w.prefix + "bad")
		l[key] = value
		return l
	}
	var megabyte []string
	for n := range 10 {
		megabyte = append(megabyte, fmt.Sprintf("BALLAST_%d=%s", n, strings.Repeat("x", 100_000)))
	}
	tests := []struct {
		options enginetest.Options
		reason  string
	}{
		{enginetest.Options{Labels: labels("SERVICE_NAME", `we<b>"\n`+"\x1b[31m")}, "has a character other than"},
		{enginetest.Options{Labels: labels("SERVICE_NAME", strings.Repeat("long.", 60))}, "DNS allows 253"},
		{enginetest.Options{Labels: labels("SERVICE_080_NAME", "web")}, "is not a port, 1 to 65535"},
		{enginetest.Options{Labels: labels("SERVICE_99999_NAME", "web")}, "is not a port, 1 to 65535"},
		{enginetest.Options{Labels: labels("SERVICE_WEIGHT", "-1e9")}, "is not a weight of 0 to 255; 1 is used"},
		{enginetest.Options{Env: megabyte}, "at most 262144 are read"},
	}
	for n, tt := range tests {
		tt.options.Name = name(n)
		w.container("bad", tt.options)
	}
	w.caughtUp("witness")
	looks := w.looks()
	w.eventually("two looks more at the Engine", func() bool { return w.looks() >= looks+2 })
	log := w.log.String()
	for n, tt := range tests {
		var lines []string
		for line := range strings.SplitSeq(log, "\n") {
			if strings.Contains(line, "container="+name(n)+" ") && !strings.Contains(line, "registered at host port") {
				lines = append(lines, line)
			}
		}
		if assert.Len(t, lines, 1, "%s in\n%s", name(n), log) {
			assert.Contains(t, lines[0], tt.reason)
			assert.Less(t, len(lines[0]), 700, "what a container says is told in brief")
			assert.NotContains(t, lines[0], "\x1b")
		}
	}
	assert.Len(t, w.service("good"), 1)
	assert.Len(t, w.service("bad"), 3, "a wrong port in a setting's name or a wrong weight costs no name")
}

// looks is how often the agent has looked at the Engine, by its metrics.
func (w *world) looks() int {
	w.t.Helper()
	response, err := http.Get("http://" + w.listen + "/metrics")
	require.NoError(w.t, err)
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	_, rest, found := strings.Cut(string(metrics), "\necssd_snapshots_total{outcome=\"ok\"} ")
	require.True(w.t, found)
	line, _, _ := strings.Cut(rest, "\n")
	looks, err := strconv.Atoi(line)
	require.NoError(w.t, err)
	return looks
}

func TestTargetEC2(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--target", "ec2")
	w.start()
	c := w.container("web", enginetest.Options{})
	w.has("web", 1)
	value := fmt.Sprintf("1 1 %d ip-10-0-0-1.eu-central-1.compute.internal", c.HostPort("8080/tcp"))
	assert.Equal(t, []sandbox.Set{w.srv("web", "ecs", c, "8080/tcp", 1, value)}, w.own(), "no A record")
}

func TestFlagsThatShapeRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(
		t,
		"--ttl",
		"7",
		"--weight",
		"3",
		"--max-weight",
		"10",
		"--name-template",
		"{{.Service}}-{{.Family}}-{{.Port}}",
	)
	w.args = append(w.args, "--zone-id", w.zone)
	w.start()
	greedy := enginetest.ECSLabels(w.prefix + "greedy")
	greedy["SERVICE_WEIGHT"] = "200"
	greedy["com.amazonaws.ecs.task-definition-family"] = "shop"
	modest := enginetest.ECSLabels(w.prefix + "modest")
	modest["com.amazonaws.ecs.task-definition-family"] = "shop"
	one := w.container("", enginetest.Options{Labels: greedy})
	two := w.container("", enginetest.Options{Labels: modest})
	w.has("greedy-shop-8080", 1)
	w.has("modest-shop-8080", 1)
	want := []sandbox.Set{
		hostRecord(),
		w.srv(
			"greedy-shop-8080",
			"ecs",
			one,
			"8080/tcp",
			10,
			fmt.Sprintf("1 10 %d %s", one.HostPort("8080/tcp"), hostTarget),
		),
		w.srv(
			"modest-shop-8080",
			"ecs",
			two,
			"8080/tcp",
			3,
			fmt.Sprintf("1 3 %d %s", two.HostPort("8080/tcp"), hostTarget),
		),
	}
	for i := range want[1:] {
		want[1+i].TTL = 7
	}
	assert.Equal(t, want, w.own())
	assert.Empty(t, w.sandbox.Calls("ListHostedZonesByName", "GetHostedZone"), "a zone given by ID is not looked for")
}

func TestHostThatIsNamedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--instance-id", "rack-7.example", "--host-ip", "192.168.7.7", "--region", "eu-west-1")
	w.start()
	c := w.container("web", enginetest.Options{})
	w.has("web", 1)
	assert.Equal(t, []sandbox.Set{
		{
			Name:          "ip-192-168-7-7." + zoneName + ".",
			Type:          "A",
			TTL:           60,
			SetIdentifier: "rack-7.example:host:-",
			Weight:        new(int64(1)),
			Values:        []string{"192.168.7.7"},
		},
		{
			Name:          w.prefix + "web." + zoneName + ".",
			Type:          "SRV",
			SetIdentifier: "rack-7.example:ecs:" + c.ID + ":8080/tcp",
			Weight:        new(int64(1)),
			Values:        []string{fmt.Sprintf("1 1 %d ip-192-168-7-7.%s", c.HostPort("8080/tcp"), zoneName)},
		},
	}, w.sandbox.Records(w.zone))
}

// The sweeper of the region that a host names deletes its records if EC2 knows no such instance there.
func TestHostInAnotherRegionThanItsAPIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--region", "eu-west-1")
	w.start()
	c := w.container("web", enginetest.Options{})
	w.has("web", 1)
	assert.Equal(t, []sandbox.Set{
		hostRecord(), // in eu-central-1
		w.srv("web", "ecs", c, "8080/tcp", 1, fmt.Sprintf("1 1 %d %s", c.HostPort("8080/tcp"), hostTarget)),
	}, w.own())
}
