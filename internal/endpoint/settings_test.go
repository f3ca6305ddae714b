package endpoint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

func TestSettings(t *testing.T) {
	const standard = "web 80/tcp at 10080"
	notPort := func(key, part string) string { return fmt.Sprintf("? %s: %q is not a port, 1 to 65535", key, part) }
	for name, tt := range map[string]struct {
		container container.Container
		want      []string
	}{
		"a label wins": {
			web(label("SERVICE_80_NAME", "label"), env("SERVICE_80_NAME", "variable")), []string{"label 80/tcp at 10080"},
		},
		"an empty label hides a variable": {web(label("SERVICE_IGNORE", ""), env("SERVICE_IGNORE", "1")), []string{standard}},
		"the same for the name":           {web(label("SERVICE_NAME", ""), env("SERVICE_NAME", "www")), []string{standard}},
		"ignored":                         {web(env("SERVICE_IGNORE", "false")), []string{"- container: SERVICE_IGNORE is set"}},
		"ignored, and with it what is wrong": {
			web(env("SERVICE_IGNORE", "1"), env("SERVICE_x_NAME", "a")), []string{"- container: SERVICE_IGNORE is set"},
		},
		"HTTP check":                   {web(env("SERVICE_80_CHECK_HTTP", strings.Repeat("/", 5000))), []string{standard}},
		"other people's variables":     {web(env("SERVICE_FOO", strings.Repeat("x", 5000)), env("SERVICE_NAMES", "x")), []string{standard}},
		"no port":                      {web(env("SERVICE_http_NAME", "a")), []string{standard, notPort("SERVICE_http_NAME", "http")}},
		"port too high":                {web(env("SERVICE_65536_NAME", "a")), []string{standard, notPort("SERVICE_65536_NAME", "65536")}},
		"port 0":                       {web(env("SERVICE_0_IGNORE", "a")), []string{standard, notPort("SERVICE_0_IGNORE", "0")}},
		"port with a zero before":      {web(env("SERVICE_080_NAME", "a")), []string{standard, notPort("SERVICE_080_NAME", "080")}},
		"port with a sign":             {web(env("SERVICE_+80_NAME", "a")), []string{standard, notPort("SERVICE_+80_NAME", "+80")}},
		"empty port":                   {web(env("SERVICE__NAME", "a")), []string{standard, notPort("SERVICE__NAME", "")}},
		"UDP without port":             {web(env("SERVICE_UDP_NAME", "a")), []string{standard, notPort("SERVICE_UDP_NAME", "UDP")}},
		"UDP has no weight of its own": {web(env("SERVICE_80_UDP_WEIGHT", "2")), []string{standard, notPort("SERVICE_80_UDP_WEIGHT", "80_UDP")}},
		"highest port": {
			web(mode(container.Host), env("SERVICE_65535_NAME", "a")), []string{"a 65535/tcp at 65535"},
		},
		"odd bytes in a key": {
			web(env("SERVICE_\x1b\"_NAME", "a")), []string{standard, `? SERVICE_\x1b\"_NAME: "\x1b\"" is not a port, 1 to 65535`},
		},
		"empty names are none": {web(env("SERVICE_80_NAME", "")), []string{standard}},
		"names too long: still explicit": {
			web(env("SERVICE_80_NAME", strings.Repeat("x", 4097))),
			[]string{"? SERVICE_80_NAME: its value has 4097 bytes, and at most 4096 are read"},
		},
		"the longest names": {
			web(env("SERVICE_80_NAME", "a"+strings.Repeat(" ", 4095))), []string{"a 80/tcp at 10080"},
		},
		"service name too long: not ECS's instead": {
			web(env("SERVICE_NAME", strings.Repeat("x", 4097))),
			[]string{"? SERVICE_NAME: its value has 4097 bytes, and at most 4096 are read"},
		},
		"service name too long, by hand": {
			web(withoutECS, env("SERVICE_NAME", strings.Repeat("x", 4097))),
			[]string{"? SERVICE_NAME: its value has 4097 bytes, and at most 4096 are read"},
		},
		"service name too long, which no named port needs": {
			web(env("SERVICE_NAME", strings.Repeat("x", 4097)), env("SERVICE_80_NAME", "a")),
			[]string{"a 80/tcp at 10080", "? SERVICE_NAME: its value has 4097 bytes, and at most 4096 are read"},
		},
		"weight":            {web(env("SERVICE_WEIGHT", " 5 ")), []string{standard + " weight 5"}},
		"weight 0":          {web(env("SERVICE_WEIGHT", "0")), []string{standard + " weight 0"}},
		"weight of a port":  {web(env("SERVICE_WEIGHT", "5"), label("SERVICE_80_WEIGHT", "255")), []string{standard + " weight 255"}},
		"of another port":   {web(env("SERVICE_8_WEIGHT", "5")), []string{standard}},
		"bad weight":        {web(env("SERVICE_WEIGHT", "lots")), []string{standard, `? SERVICE_WEIGHT: "lots" is not a weight of 0 to 255; 1 is used`}},
		"weight too high":   {web(env("SERVICE_80_WEIGHT", "256")), []string{standard, `? SERVICE_80_WEIGHT: "256" is not a weight of 0 to 255; 1 is used`}},
		"weight with sign":  {web(env("SERVICE_WEIGHT", "+5")), []string{standard, `? SERVICE_WEIGHT: "+5" is not a weight of 0 to 255; 1 is used`}},
		"empty weight":      {web(env("SERVICE_80_WEIGHT", ""), env("SERVICE_WEIGHT", "5")), []string{standard + " weight 5"}},
		"weight below zero": {web(env("SERVICE_WEIGHT", "-1")), []string{standard, `? SERVICE_WEIGHT: "-1" is not a weight of 0 to 255; 1 is used`}},
		"bad weight of several ports is told once": {
			web(publishes(published(tcp(80), tcp(81))), env("SERVICE_WEIGHT", "x")),
			[]string{
				"web 80/tcp at 10080", "web-80 80/tcp at 10080", "web-81 81/tcp at 10081",
				`? SERVICE_WEIGHT: "x" is not a weight of 0 to 255; 1 is used`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, mapped(tt.container)) })
	}
}

func TestWeightsThatTheOperatorChooses(t *testing.T) {
	p := endpoint.Policy{Zone: "sd.internal", DefaultWeight: 3, MaxWeight: 10}
	for value, want := range map[string][]string{
		"":    {"web 80/tcp at 10080 weight 3"},
		"10":  {"web 80/tcp at 10080 weight 10"},
		"11":  {"web 80/tcp at 10080 weight 10", "? SERVICE_WEIGHT: 11 is above the highest weight allowed on this host (--max-weight); 10 is used"},
		"256": {"web 80/tcp at 10080 weight 3", `? SERVICE_WEIGHT: "256" is not a weight of 0 to 255; 3 is used`},
	} {
		t.Run("asked for "+value, func(t *testing.T) {
			assert.Equal(t, want, lines(p.Map([]container.Container{web(env("SERVICE_WEIGHT", value))})))
		})
	}
}

func TestService(t *testing.T) {
	for name, tt := range map[string]struct {
		container container.Container
		want      string
	}{
		"of ECS":      {web(), "web"},
		"setting":     {web(env("SERVICE_NAME", " www ")), "www"},
		"neither":     {web(withoutECS, env("SERVICE_80_NAME", "time")), ""},
		"unreadable":  {web(env("SERVICE_NAME", strings.Repeat("x", 4097))), "web"},
		"label first": {web(env("SERVICE_NAME", "a"), label("SERVICE_NAME", "b")), "b"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, endpoint.Service(tt.container)) })
	}
}

func TestOneContainerCannotClaimWithoutEnd(t *testing.T) {
	t.Run("settings in bytes", func(t *testing.T) {
		c := web(func(c *container.Container) { c.SettingsBytes = 256<<10 + 1 })
		assert.Equal(t, []string{"? container: its environment and labels have 262145 bytes, and at most 262144 are read"}, mapped(c))
		c.SettingsBytes--
		assert.Equal(t, []string{"web 80/tcp at 10080"}, mapped(c))
	})
	t.Run("settings in number", func(t *testing.T) {
		c := web(func(c *container.Container) { // 5 labels of ECS
			for i := range 995 {
				c.Env[fmt.Sprintf("SERVICE_%d_WEIGHT", i+1)] = "1"
			}
		})
		assert.Equal(t, []string{"web 80/tcp at 10080"}, mapped(c))
		c.Env["SERVICE_1000_WEIGHT"] = "1"
		assert.Equal(t, []string{"? container: more than 1000 of its labels and variables look like settings, and none is read"}, mapped(c))
	})
	t.Run("names", func(t *testing.T) {
		var names []string
		for i := range 101 {
			names = append(names, fmt.Sprintf("n%03d", i))
		}
		endpoints, problems := policy.Map([]container.Container{web(env("SERVICE_80_NAME", strings.Join(names, ",")))})
		require.Len(t, endpoints, 100)
		assert.Equal(t, "n099", endpoints[99].Name)
		assert.Equal(t, []string{"? container: it asks for more than 100 names, and the first 100 are looked at"}, lines(nil, problems))

		endpoints, problems = policy.Map([]container.Container{web(env("SERVICE_80_NAME", strings.Join(names[:100], ",")))})
		assert.Len(t, endpoints, 100)
		assert.Empty(t, problems)
	})
	t.Run("problems", func(t *testing.T) {
		wrong := func(n int) []string {
			return mapped(web(publishes(published(tcp(80))), func(c *container.Container) {
				for i := range n {
					c.Env[fmt.Sprintf("SERVICE_x%02d_NAME", i)] = "a"
				}
			}))[1:]
		}
		assert.Len(t, wrong(20), 20)
		assert.Equal(t, `? SERVICE_x19_NAME: "x19" is not a port, 1 to 65535`, wrong(20)[19])
		got := wrong(30)
		require.Len(t, got, 20)
		assert.Equal(t, `? SERVICE_x18_NAME: "x18" is not a port, 1 to 65535`, got[18])
		assert.Equal(t, "? container: and 11 more like these", got[19])
	})
	t.Run("what is chosen is not logged for being much", func(t *testing.T) {
		var ports []container.Port
		c := web()
		for i := range uint16(25) {
			ports = append(ports, tcp(i+1))
			c.Env[fmt.Sprintf("SERVICE_%d_IGNORE", i+1)] = "1"
		}
		c.Published = published(ports...)
		got := mapped(c)
		require.Len(t, got, 20)
		assert.Equal(t, "- container: and 6 more like these", got[19])
	})
}
