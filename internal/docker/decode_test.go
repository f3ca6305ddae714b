package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
)

func TestDecode(t *testing.T) {
	// unset is what decode gives where inspect says nothing else.
	unset := container.Container{StopSignal: 15}
	with := func(change func(*container.Container)) container.Container {
		c := unset
		change(&c)
		return c
	}
	tests := []struct {
		name, json string
		want       container.Container
	}{
		{"nothing at all", `{}`, unset},
		{"nulls", `{"Id":null,"State":null,"HostConfig":null,"Config":null,"NetworkSettings":null}`, unset},
		{
			"everything",
			`{"Id":"c0ffee","Name":"/ecs-web-1-web-a0","Image":"sha256:1",
			  "State":{"Status":"running","Running":true,"StartedAt":"2026-11-22T10:00:00.5Z","Health":{"Status":"healthy","Log":[]}},
			  "HostConfig":{"NetworkMode":"default","PortBindings":{"443/tcp":[{"HostPort":"1"}],"80/tcp":[{"HostIp":"","HostPort":"0"}]}},
			  "Config":{"Image":"shop/web:7","Env":["PATH=/bin","SERVICE_NAME=old","SERVICE_NAME=new","SERVICE_80_NAME=a=b","SERVICE_EMPTY"],
			    "Labels":{"com.amazonaws.ecs.container-name":"web","SERVICE_WEIGHT":"2","maintainer":"x"},
			    "ExposedPorts":{"443/tcp":{},"80/tcp":{},"80/udp":{}},"StopSignal":"SIGQUIT","StopTimeout":120},
			  "NetworkSettings":{"Ports":{"443/tcp":null,"80/udp":[],
			    "80/tcp":[{"HostIp":"::","HostPort":"32769"},{"HostIp":"0.0.0.0","HostPort":"32768"},{"HostIp":"","HostPort":"8080"}]}}}`,
			container.Container{
				ID:            "c0ffee",
				Name:          "ecs-web-1-web-a0",
				Image:         "shop/web:7",
				Labels:        map[string]string{"com.amazonaws.ecs.container-name": "web", "SERVICE_WEIGHT": "2"},
				Env:           map[string]string{"SERVICE_NAME": "new", "SERVICE_80_NAME": "a=b", "SERVICE_EMPTY": ""},
				SettingsBytes: 9 + 16 + 16 + 19 + 13 + 32 + 3 + 14 + 1 + 10 + 1,
				State:         container.Running,
				Health:        container.Healthy,
				StartedAt:     time.Date(2026, 11, 22, 10, 0, 0, 500_000_000, time.UTC),
				StopSignal:    3,
				StopTimeout:   2 * time.Minute,
				Mode:          container.Bridge,
				Exposed: []container.Port{
					{Number: 80, Proto: "tcp"},
					{Number: 80, Proto: "udp"},
					{Number: 443, Proto: "tcp"},
				},
				Mapped: []container.Port{{Number: 80, Proto: "tcp"}, {Number: 443, Proto: "tcp"}},
				Published: []container.Binding{
					{Port: container.Port{Number: 80, Proto: "tcp"}, HostIP: netip.IPv4Unspecified(), HostPort: 8080},
					{Port: container.Port{Number: 80, Proto: "tcp"}, HostIP: netip.IPv4Unspecified(), HostPort: 32768},
					{Port: container.Port{Number: 80, Proto: "tcp"}, HostIP: netip.IPv6Unspecified(), HostPort: 32769},
				},
			},
		},
		{
			"restarting, though the Engine says running",
			`{"Id":"1","State":{"Status":"restarting","Running":true,"Restarting":true}}`,
			with(func(c *container.Container) { c.ID, c.State = "1", container.Restarting }),
		},
		{
			"no health check, never started",
			`{"Id":"1","State":{"Status":"created","StartedAt":"0001-01-01T00:00:00Z","Health":{"Status":"none"}}}`,
			with(func(c *container.Container) { c.ID, c.State = "1", "created" }),
		},
		{"host", `{"Id":"1","HostConfig":{"NetworkMode":"host"}}`,
			with(func(c *container.Container) { c.ID, c.Mode = "1", container.Host })},
		{"host, with mapped ports, of whose bindings nothing is true", `{"Id":"1","HostConfig":{"NetworkMode":"host",
			"PortBindings":{"18101/tcp":[{"HostIp":"","HostPort":"32769"}],"18100/tcp":null,"53/udp":[],"0/tcp":[{"HostPort":"1"}],"x":null}}}`,
			with(func(c *container.Container) {
				c.ID, c.Mode = "1", container.Host
				c.Mapped = []container.Port{
					{Number: 53, Proto: "udp"},
					{Number: 18100, Proto: "tcp"},
					{Number: 18101, Proto: "tcp"},
				}
			})},
		{"all exposed ports are to be published", `{"Id":"1","HostConfig":{"NetworkMode":"host","PublishAllPorts":true,
			"PortBindings":{"81/tcp":[{}],"80/tcp":[{}]}},"Config":{"ExposedPorts":{"80/tcp":{},"53/udp":{}}}}`,
			with(func(c *container.Container) {
				c.ID, c.Mode, c.Labels, c.Env = "1", container.Host, map[string]string{}, map[string]string{}
				c.Exposed = []container.Port{{Number: 53, Proto: "udp"}, {Number: 80, Proto: "tcp"}}
				c.Mapped = []container.Port{
					{Number: 53, Proto: "udp"},
					{Number: 80, Proto: "tcp"},
					{Number: 81, Proto: "tcp"},
				}
			})},
		{"none", `{"Id":"1","HostConfig":{"NetworkMode":"none"}}`,
			with(func(c *container.Container) { c.ID, c.Mode = "1", container.None })},
		{"network of its own", `{"Id":"1","HostConfig":{"NetworkMode":"backend"}}`,
			with(func(c *container.Container) { c.ID, c.Mode = "1", container.Bridge })},
		{"another's namespace", `{"Id":"1","HostConfig":{"NetworkMode":"container:beef"}}`,
			with(func(c *container.Container) { c.ID, c.Mode, c.SharedWith = "1", container.Shared, "beef" })},
		{
			"ports that are none",
			`{"NetworkSettings":{"Ports":{"x/tcp":[{"HostPort":"1"}],"0/tcp":[{"HostPort":"1"}],"80":[{"HostPort":"1"}],
			  "65536/tcp":[{"HostPort":"1"}],"81/icmp":[{"HostPort":"1"}],
			  "82/tcp":[{"HostPort":""},{"HostPort":"0"},{"HostPort":"70000"},{"HostIp":"nowhere","HostPort":"1"}]}}}`,
			unset,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var in api.InspectResponse
			require.NoError(t, json.Unmarshal([]byte(test.json), &in))
			got := decode(in)
			if in.Config == nil {
				assert.Nil(t, got.Labels)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestSettingsAreBounded(t *testing.T) {
	ecs := map[string]string{container.LabelName: "web", container.LabelCluster: "main"}
	with := func(more map[string]string) map[string]string {
		maps.Copy(more, ecs)
		return more
	}
	many := map[string]string{}
	for i := range 10_000 {
		many[fmt.Sprintf("SERVICE_%d_NAME", i)] = "x"
	}
	big := strings.Repeat("x", 300<<10)
	var manyEnv []string
	for i := range 10_000 {
		manyEnv = append(manyEnv, fmt.Sprintf("SERVICE_%d_NAME=x", i))
	}

	t.Run("too many labels: ECS's own are kept first", func(t *testing.T) {
		labels, env, size := settings(with(many), nil)
		assert.Len(t, labels, maxSettings)
		assert.Equal(t, "web", labels[container.LabelName])
		assert.Equal(t, "main", labels[container.LabelCluster])
		assert.Empty(t, env)
		assert.Less(t, size, maxSettingsBytes)
	})
	t.Run("too many variables: the last value of a kept one still wins", func(t *testing.T) {
		_, env, _ := settings(nil, append(slices.Clone(manyEnv), "SERVICE_0_NAME=y"))
		assert.Len(t, env, maxSettings)
		assert.Equal(t, "y", env["SERVICE_0_NAME"])
	})
	t.Run("a big variable that is no setting leaves only ECS's own labels", func(t *testing.T) {
		labels, env, size := settings(with(map[string]string{
			"SERVICE_NAME": "a",
		}), []string{
			"SERVICE_80_NAME=a",
			"BIG=" + big,
		})
		assert.Equal(t, ecs, labels)
		assert.Empty(t, env)
		assert.Greater(t, size, len(big))
	})
	t.Run("a big label in ECS's own place is not kept", func(t *testing.T) {
		labels, _, _ := settings(map[string]string{
			container.LabelName:   "web",
			container.LabelFamily: big,
			ecsPrefix + "x":       "y",
		}, nil)
		assert.Equal(t, map[string]string{container.LabelName: "web"}, labels)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add(
		[]byte(
			`{"Id":"1","Name":"/a","State":{"Status":"running","Health":null,"StartedAt":"?"},"HostConfig":{"NetworkMode":"container:"},
		"Config":{"Env":["=","","SERVICE_=","SERVICE_80_NAME"],"Labels":{"":"","SERVICE_":""},"ExposedPorts":{"/":{},"80-90/tcp":{}},"StopSignal":"SIGRTMIN+","StopTimeout":-1},
		"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"fe80::1%eth0","HostPort":"1"}]}}}`,
		),
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		var in api.InspectResponse
		if json.Unmarshal(data, &in) != nil {
			return
		}
		c := decode(in)
		assert.LessOrEqual(t, len(c.Labels), maxSettings)
		assert.LessOrEqual(t, len(c.Env), maxSettings)
		assert.LessOrEqual(t, len(c.Exposed), maxSettings)
		assert.LessOrEqual(t, len(c.Mapped), maxSettings)
		assert.LessOrEqual(t, len(c.Image), maxImage)
		kept := 0
		for _, settings := range []map[string]string{c.Labels, c.Env} {
			for k, v := range settings {
				kept += len(k) + len(v)
				assert.True(t, strings.HasPrefix(k, ecsPrefix) || strings.HasPrefix(k, settingPrefix), k)
			}
		}
		assert.LessOrEqual(t, kept, c.SettingsBytes)
		assert.LessOrEqual(t, kept, maxSettingsBytes)
		assert.True(t, 0 < c.StopSignal && c.StopSignal <= sigRTMax)
		for _, b := range c.Published {
			assert.True(t, b.HostIP.IsValid() && b.HostPort > 0 && b.Port.Number > 0)
		}
	})
}

func TestDecodeEvent(t *testing.T) {
	event := func(action events.Action, attributes map[string]string) events.Message {
		return events.Message{
			Type:     events.ContainerEventType,
			Action:   action,
			TimeNano: 1_700_000_000_000_000_001,
			Actor:    events.Actor{ID: "c0ffee", Attributes: attributes},
		}
	}
	hint := func(action container.Action, signal int, service string) container.Hint {
		return container.Hint{
			ContainerID: "c0ffee",
			Action:      action,
			Signal:      signal,
			Service:     service,
			Time:        time.Unix(1_700_000_000, 1),
		}
	}
	network := func(action events.Action, attributes map[string]string) events.Message {
		m := event(action, attributes)
		m.Type, m.Actor.ID = events.NetworkEventType, "5f6046f044bb"
		return m
	}
	ecs := map[string]string{container.LabelName: "web"}
	tests := []struct {
		name  string
		event events.Message
		want  container.Hint
	}{
		{"start", event("start", nil), hint(container.Start, 0, "")},
		{"kill", event("kill", map[string]string{"signal": "15"}), hint(container.Kill, 15, "")},
		{
			"kill by name, as some Engines say it",
			event("kill", map[string]string{"signal": "SIGTERM"}),
			hint(container.Kill, 15, ""),
		},
		{"kill without a signal", event("kill", nil), hint(container.Kill, 0, "")},
		{"kill by nonsense", event("kill", map[string]string{"signal": "-3"}), hint(container.Kill, 0, "")},
		{"die", event("die", map[string]string{"exitCode": "1"}),
			container.Hint{
				ContainerID: "c0ffee",
				Action:      container.Die,
				ExitStatus:  1,
				Time:        time.Unix(1_700_000_000, 1),
			}},
		{"die in ECS", event("die", ecs), hint(container.Die, 0, "web")},
		{"die with a name of its own", event("die", map[string]string{
			container.LabelName: "web",
			"SERVICE_NAME":      "api",
		}),
			hint(container.Die, 0, "api")},
		{
			"die with too long a name",
			event("die", map[string]string{"SERVICE_NAME": strings.Repeat("a", 256)}),
			hint(container.Die, 0, ""),
		},
		{"service is of die only", event("start", ecs), hint(container.Start, 0, "")},
		{"health", event("health_status: healthy", nil), hint(container.Other, 0, "")},
		{"pause", event("pause", nil), hint(container.Other, 0, "")},
		{
			"connect",
			network("connect", map[string]string{"container": "c0ffee", "name": "bridge"}),
			hint(container.Network, 0, ""),
		},
		{"disconnect", network("disconnect", map[string]string{"container": "c0ffee"}), hint(container.Network, 0, "")},
		{
			"end of a network",
			network("destroy", nil),
			container.Hint{Action: container.Network, Time: time.Unix(1_700_000_000, 1)},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { assert.Equal(t, test.want, decodeEvent(test.event)) })
	}
}
