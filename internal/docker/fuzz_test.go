package docker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
)

// Of any inspection at all: everything is bounded, and in range.
func FuzzInspection(f *testing.F) {
	f.Add(
		[]byte(
			`{"Id":"c0","Name":"/web","State":{"Status":"running","StartedAt":"2026-01-01T00:00:00.5Z","Health":{"Status":"starting"}},
		"HostConfig":{"NetworkMode":"default"},"Config":{"Env":["SERVICE_80_NAME=a"],"Labels":{"com.amazonaws.ecs.container-name":"web"},
		"ExposedPorts":{"80/tcp":{},"53/udp":{},"0/tcp":{},"65536/tcp":{}},"StopSignal":"SIGRTMAX-3","StopTimeout":9223372036854775807},
		"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"32768"},{"HostIp":"127.0.0.1","HostPort":"80"}],"53/udp":null,"x":[{}]}}}`,
		),
	)
	f.Add(
		[]byte(
			`{"HostConfig":{"NetworkMode":"container:abc"},"Config":{"StopSignal":"-15","StopTimeout":-1},"NetworkSettings":{"Ports":{"1/sctp":[{"HostIp":"::1","HostPort":"1"}]}}}`,
		),
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		var in api.InspectResponse
		if json.Unmarshal(data, &in) != nil {
			return
		}
		c := decode(in)
		assert.LessOrEqual(t, len(c.Name), maxName)
		assert.GreaterOrEqual(t, c.StopTimeout, time.Duration(0), "a time to wait")
		assert.Contains(
			t,
			[]container.Mode{"", container.Bridge, container.Host, container.None, container.Shared},
			c.Mode,
		)
		assert.True(t, c.Mode == container.Shared || c.SharedWith == "")
		for i, p := range c.Exposed {
			again, ok := container.ParsePort(p.String())
			assert.True(t, ok && again == p, "%v", p)
			assert.True(t, i == 0 || c.Exposed[i-1].Compare(p) <= 0, "in order")
		}
		for _, b := range c.Published {
			assert.True(t, b.HostPort > 0 && b.HostIP.IsValid() && b.Port.Number > 0)
		}
		for key := range c.Labels {
			assert.Equal(t, in.Config.Labels[key], c.Labels[key])
		}
		for key, value := range c.Env {
			assert.True(
				t,
				slices.Contains(in.Config.Env, key+"="+value) || value == "" && slices.Contains(in.Config.Env, key),
				"%q",
				key,
			)
		}
		assert.Equal(t, c, decode(in), "twice the same")
	})
}

func FuzzEvent(f *testing.F) {
	f.Add(
		[]byte(
			`{"Type":"container","Action":"kill","Actor":{"ID":"c0","Attributes":{"signal":"15"}},"timeNano":1700000000000000001}`,
		),
	)
	f.Add(
		[]byte(
			`{"Type":"container","Action":"die","Actor":{"ID":"c0","Attributes":{"SERVICE_NAME":"web","com.amazonaws.ecs.container-name":"x"}}}`,
		),
	)
	f.Add([]byte(`{"Type":"container","Action":"kill","Actor":{"Attributes":{"signal":"SIGRTMIN+99"}},"timeNano":-1}`))
	f.Add([]byte(`{"Type":"container","Action":"health_status: healthy"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m events.Message
		if json.Unmarshal(data, &m) != nil {
			return
		}
		h := decodeEvent(m)
		if m.Type == events.NetworkEventType {
			assert.Equal(t, m.Actor.Attributes["container"], h.ContainerID)
			assert.Equal(t, container.Network, h.Action)
			return
		}
		assert.Equal(t, m.Actor.ID, h.ContainerID)
		assert.True(t, 0 <= h.Signal && h.Signal <= sigRTMax, "%d", h.Signal)
		assert.True(t, h.Signal == 0 || h.Action == container.Kill)
		assert.LessOrEqual(t, len(h.Service), maxService)
		assert.True(t, h.Service == "" || h.Action == container.Die)
		assert.Contains(t, []container.Action{
			container.Start,
			container.Kill,
			container.Die,
			container.Other,
		}, h.Action)
	})
}

// Two listings that say the same of a container are equal, in whatever order; each of what can change makes them
// differ.
func FuzzListing(f *testing.F) {
	f.Add(
		[]byte(
			`{"Id":"c0","Names":["/b","/a"],"State":"running","Status":"Up 5 minutes (healthy)","Ports":[{"IP":"::","PrivatePort":80,"PublicPort":2,"Type":"tcp"},{"PrivatePort":80,"PublicPort":1,"Type":"tcp"}],
		"NetworkSettings":{"Networks":{"a":{"EndpointID":"1"},"b":null}}}`,
		),
	)
	f.Add([]byte(`{"Status":"Restarting (1) 3 seconds ago"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var one, other, changed api.Summary
		if json.Unmarshal(data, &one) != nil {
			return
		}
		_ = json.Unmarshal(data, &other)
		_ = json.Unmarshal(data, &changed)
		for i, j := 0, len(other.Ports)-1; i < j; i, j = i+1, j-1 {
			other.Ports[i], other.Ports[j] = other.Ports[j], other.Ports[i]
		}
		for i, j := 0, len(other.Names)-1; i < j; i, j = i+1, j-1 {
			other.Names[i], other.Names[j] = other.Names[j], other.Names[i]
		}
		assert.Equal(t, listing(one), listing(other))
		changed.State += "x"
		assert.NotEqual(t, listing(one), listing(changed))
	})
}

// A signal is one number, however it is written.
func FuzzStopSignal(f *testing.F) {
	for _, s := range []string{"SIGTERM", "term", "15", "", "SIGRTMIN+3", "RTMAX-2", "RTMIN+", "RTMIN+-1", "0", "-1",
		"65", "SIGSIGTERM", "CLD", "99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := signalNumber(text)
		assert.True(t, ok == (n != 0) && 0 <= n && n <= sigRTMax, "%q: %d", text, n)
		assert.True(t, 0 < stopSignal(text) && stopSignal(text) <= sigRTMax)
		if !ok {
			assert.Equal(t, 15, stopSignal(text))
			return
		}
		lower, ok := signalNumber(strings.ToLower(text))
		assert.True(t, ok && lower == n, "%q", text)
		if upper := strings.ToUpper(text); !strings.HasPrefix(upper, "SIG") &&
			strings.Trim(upper, "0123456789+") != "" {
			long, ok := signalNumber("SIG" + text)
			assert.True(t, ok && long == n, "%q", text)
		}
	})
}
