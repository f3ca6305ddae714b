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
			web(label("SERVICE_80_NAME", "label"), env("SERVICE_80_NAME", "variable")), []string{
				"label 80/tcp at 10080",
			},
		},
		"an empty label hides a variable": {
			web(label("SERVICE_IGNORE", ""), env("SERVICE_IGNORE", "1")),
			[]string{standard},
		},
		"the same for the name": {
			web(label("SERVICE_NAME", ""), env("SERVICE_NAME", "www")),
			[]string{standard},
		},
		"ignored": {
			web(env("SERVICE_IGNORE", "true")),
			[]string{"- container: SERVICE_IGNORE is set"},
		},
		"ignored, and with it what is wrong": {
			web(env("SERVICE_IGNORE", "1"), env("SERVICE_0_NAME", "a")), []string{"- container: SERVICE_IGNORE is set"},
		},
		"HTTP check": {
			web(env("SERVICE_80_CHECK_HTTP", strings.Repeat("/", 5000))),
			[]string{standard},
		},
		"other people's variables": {
			web(env("SERVICE_FOO", strings.Repeat("x", 5000)), env("SERVICE_NAMES", "x")),
			[]string{standard},
		},
		"port too high": {
			web(env("SERVICE_65536_NAME", "a")),
			[]string{standard, notPort("SERVICE_65536_NAME", "65536")},
		},
		"port 0": {
			web(env("SERVICE_0_IGNORE", "a")),
			[]string{standard, notPort("SERVICE_0_IGNORE", "0")},
		},
		"port with a zero before": {
			web(env("SERVICE_080_NAME", "a")),
			[]string{standard, notPort("SERVICE_080_NAME", "080")},
		},
		"port with a sign": {
			web(env("SERVICE_+80_NAME", "a")),
			[]string{standard, notPort("SERVICE_+80_NAME", "+80")},
		},
		"TCP needs no word for it": {
			web(env("SERVICE_80_TCP_NAME", "a")),
			[]string{standard, notPort("SERVICE_80_TCP_NAME", "80_TCP")},
		},
		"UDP has no weight of its own": {
			web(env("SERVICE_80_UDP_WEIGHT", "2")),
			[]string{standard, notPort("SERVICE_80_UDP_WEIGHT", "80_UDP")},
		},
		"highest port": {
			web(mode(container.Host), env("SERVICE_65535_NAME", "a")), []string{"a 65535/tcp at 65535"},
		},
		"empty names are none": {web(env("SERVICE_80_NAME", "")), []string{standard}},
		"names too long: still explicit": {
			web(env("SERVICE_80_NAME", strings.Repeat("x", 4097))),
			[]string{"? SERVICE_80_NAME: its value has 4097 bytes, and at most 4096 are read"},
		},
		"the longest names": {
			web(env("SERVICE_80_NAME", "a"+strings.Repeat(" ", 4095))), []string{"a 80/tcp at 10080"},
		},
		"the longest service name": {
			web(env("SERVICE_NAME", "a"+strings.Repeat(" ", 4095))), []string{"a 80/tcp at 10080"},
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
		"weight":   {web(env("SERVICE_WEIGHT", " 5 ")), []string{standard + " weight 5"}},
		"weight 0": {web(env("SERVICE_WEIGHT", "0")), []string{standard + " weight 0"}},
		"weight of a port": {
			web(env("SERVICE_WEIGHT", "5"), label("SERVICE_80_WEIGHT", "255")),
			[]string{standard + " weight 255"},
		},
		"of another port": {web(env("SERVICE_8_WEIGHT", "5")), []string{standard}},
		"bad weight": {
			web(env("SERVICE_WEIGHT", "lots")),
			[]string{standard, `? SERVICE_WEIGHT: "lots" is not a weight of 0 to 255; 1 is used`},
		},
		"weight too high": {
			web(env("SERVICE_80_WEIGHT", "256")),
			[]string{standard, `? SERVICE_80_WEIGHT: "256" is not a weight of 0 to 255; 1 is used`},
		},
		"weight with sign": {
			web(env("SERVICE_WEIGHT", "+5")),
			[]string{standard, `? SERVICE_WEIGHT: "+5" is not a weight of 0 to 255; 1 is used`},
		},
		"empty weight": {
			web(env("SERVICE_80_WEIGHT", ""), env("SERVICE_WEIGHT", "5")),
			[]string{standard + " weight 5"},
		},
		"weight below zero": {
			web(env("SERVICE_WEIGHT", "-1")),
			[]string{standard, `? SERVICE_WEIGHT: "-1" is not a weight of 0 to 255; 1 is used`},
		},
		"bad weight of several ports is reported once": {
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

// An application has variables of its own that begin with SERVICE_. It is no problem that they name no port.
func TestVariablesThatOnlyLookLikeSettings(t *testing.T) {
	for _, key := range []string{
		"SERVICE_ACCOUNT_NAME", "SERVICE_http_NAME", "SERVICE__NAME", "SERVICE_UDP_NAME", "SERVICE_2FA_NAME",
		"SERVICE_80S_NAME",
		"SERVICE_ACCOUNT_UDP_NAME", "SERVICE_ACCOUNT_WEIGHT", "SERVICE_ACCOUNT_IGNORE", "SERVICE_MESH_CHECK_HTTP",
		"SERVICE_FQDN_NAME", "SERVICE_S3_BUCKET_NAME", "SERVICE_NAME_80_NAME", "SERVICE_\x1b\"_NAME",
		"SERVICE_\u0668\u0660_NAME",
	} {
		for _, value := range []string{"", "default", strings.Repeat("x", 5000)} {
			t.Run(fmt.Sprintf("%q of %d bytes", key, len(value)), func(t *testing.T) {
				assert.Equal(t, []string{"web 80/tcp at 10080"}, mapped(web(env(key, value))), "a variable")
				assert.Equal(t, []string{"web 80/tcp at 10080"}, mapped(web(label(key, value))), "a label")
			})
		}
	}
}

func TestValuesOfIgnore(t *testing.T) {
	for value, ignored := range map[string]bool{
		"":        false,
		"0":       false,
		"false":   false,
		"no":      false,
		"False":   false,
		"FALSE":   false,
		"No":      false,
		"NO":      false,
		" false ": false,
		"1":       true,
		"true":    true,
		"yes":     true,
		"True":    true,
		"00":      true,
		"off":     true,
		"f":       true,
		"n":       true,
		"falsey":  true,
		"-":       true,
		" ":       true,
	} {
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			whole, port := []string{"web 80/tcp at 10080"}, []string{"web 80/tcp at 10080"}
			if ignored {
				whole, port = []string{
					"- container: SERVICE_IGNORE is set",
				}, []string{
					"- port 80/tcp: SERVICE_80_IGNORE is set",
				}
			}
			for _, as := range []func(string, string) with{env, label} {
				assert.Equal(t, whole, mapped(web(as("SERVICE_IGNORE", value))))
				assert.Equal(t, port, mapped(web(as("SERVICE_80_IGNORE", value))))
				assert.Equal(
					t,
					port,
					mapped(web(as("SERVICE_80_NAME", "web"), as("SERVICE_80_IGNORE", value))),
					"a port that is named",
				)
			}
		})
	}
	assert.Equal(t, []string{
		"web 80/tcp at 10080",
	}, mapped(web(label("SERVICE_IGNORE", "false"), env("SERVICE_IGNORE", "1"))), "a label wins")
}

// A task that someone runs once, by hand, has the labels and the ports of its service. An override adds a variable, and
// can neither change nor add a label.
func TestRunTaskOverrideKeepsAOneOffTaskOutOfItsService(t *testing.T) {
	serving := web()
	oneOff := web(func(c *container.Container) { c.ID, c.Name = pauseID, "ecs-shop-3-web-once" })
	assert.Equal(t, []string{
		"web 80/tcp at 10080",
		"web 80/tcp at 10080",
	}, mapped(serving, oneOff), "without the override it takes traffic")
	oneOff.Env["SERVICE_IGNORE"] = "true"
	assert.Equal(t, []string{"web 80/tcp at 10080", "- container: SERVICE_IGNORE is set"}, mapped(serving, oneOff))
	// The definition may name ports, in variables or labels.
	for _, as := range []func(string, string) with{env, label} {
		as("SERVICE_80_NAME", "shop,www")(&serving)
		as("SERVICE_80_NAME", "shop,www")(&oneOff)
		assert.Equal(t, []string{
			"shop 80/tcp at 10080",
			"www 80/tcp at 10080",
			"- container: SERVICE_IGNORE is set",
		}, mapped(serving, oneOff))
	}
}

func TestWeightsThatTheOperatorChooses(t *testing.T) {
	p := endpoint.Policy{Zone: "sd.internal", DefaultWeight: 3, MaxWeight: 10}
	for value, want := range map[string][]string{
		"":   {"web 80/tcp at 10080 weight 3"},
		"10": {"web 80/tcp at 10080 weight 10"},
		"11": {
			"web 80/tcp at 10080 weight 10",
			"? SERVICE_WEIGHT: 11 is above the highest weight allowed on this host (--max-weight); 10 is used",
		},
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
		"the longest": {web(env("SERVICE_NAME", strings.Repeat("x", 4096))), strings.Repeat("x", 4096)},
		"several":     {web(env("SERVICE_NAME", "a, b")), "a, b"},
		"label first": {web(env("SERVICE_NAME", "a"), label("SERVICE_NAME", "b")), "b"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, endpoint.Service(tt.container)) })
	}
}

func TestOneContainerCannotClaimWithoutEnd(t *testing.T) {
	t.Run("settings in bytes", func(t *testing.T) {
		c := web(func(c *container.Container) { c.SettingsBytes = 256<<10 + 1 })
		assert.Equal(t, []string{
			"? container: its environment and labels have 262145 bytes, and at most 262144 are read",
		}, mapped(c))
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
		assert.Equal(t, []string{
			"? container: more than 1000 of its labels and variables look like settings, and none is read",
		}, mapped(c))
	})
	t.Run("names", func(t *testing.T) {
		var names []string
		for i := range 101 {
			names = append(names, fmt.Sprintf("n%03d", i))
		}
		endpoints, problems := policy.Map([]container.Container{web(env("SERVICE_80_NAME", strings.Join(names, ",")))})
		require.Len(t, endpoints, 100)
		assert.Equal(t, "n099", endpoints[99].Name)
		assert.Equal(t, []string{
			"? container: it asks for more than 100 names, and the first 100 are looked at",
		}, lines(nil, problems))

		endpoints, problems = policy.Map([]container.Container{
			web(env("SERVICE_80_NAME", strings.Join(names[:100], ","))),
		})
		assert.Len(t, endpoints, 100)
		assert.Empty(t, problems)
	})
	t.Run("names of a range of ports", func(t *testing.T) {
		of := func(n int, different ...with) []string {
			var ports []container.Port
			for i := range n {
				ports = append(ports, tcp(uint16(8000+i)))
			}
			return mapped(web(append([]with{publishes(published(ports...))}, different...)...))
		}
		got := of(100)
		assert.Len(t, got, 101, "the service's own name costs no port its name")
		assert.Contains(t, got, "web 8000/tcp at 18000")
		assert.Contains(t, got, "web-8000 8000/tcp at 18000")
		assert.Contains(t, got, "web-8099 8099/tcp at 18099")

		const more = "? container: it asks for more than 100 names, and the first 100 are looked at"
		got = of(101)
		assert.Len(t, got, 102)
		assert.Contains(t, got, "web 8000/tcp at 18000")
		assert.NotContains(t, got, "web-8100 8100/tcp at 18100")
		assert.Equal(t, more, got[101])

		got = of(60, env("SERVICE_NAME", "a,b"))
		assert.Len(t, got, 102, "60 of a and a itself, 40 of b with b itself among them, and a problem")
		assert.Contains(t, got, "a 8000/tcp at 18000")
		assert.Contains(t, got, "a-8059 8059/tcp at 18059")
		assert.Contains(t, got, "b 8000/tcp at 18000")
		assert.Equal(t, more, got[101])

		assert.Len(
			t,
			of(2, env("SERVICE_NAME", strings.Repeat("a.a,", 1000))),
			5,
			"names that are the same, and problems",
		)
		assert.LessOrEqual(t, len(of(2, env("SERVICE_NAME", strings.Join(many("n", 1000), ",")))), 102)
	})
	t.Run("ports of one name", func(t *testing.T) {
		c := web(publishes())
		for i := range uint16(100) {
			c.Published = append(c.Published, published(tcp(8000+i))...)
			c.Env[fmt.Sprintf("SERVICE_%d_NAME", 8000+i)] = "web,own"
		}
		endpoints, problems := policy.Map([]container.Container{c})
		assert.Len(t, endpoints, 40)
		assert.Equal(t, []string{
			"? name web: more than 20 ports of this container ask for it, and the first 20 get it: Route 53 takes " +
				"100 records of a name, from all containers",
			"? name own: more than 20 ports of this container ask for it, and the first 20 get it: Route 53 takes " +
				"100 records of a name, from all containers",
			"? container: it asks for more than 100 names, and the first 100 are looked at",
		}, lines(nil, problems))

		p := policy
		var err error
		p.Template, err = endpoint.ParseTemplate("{{.Family}}")
		require.NoError(t, err)
		c = web(publishes())
		for i := range uint16(21) {
			c.Published = append(c.Published, published(tcp(8000+i))...)
		}
		endpoints, problems = p.Map([]container.Container{c})
		assert.Len(t, endpoints, 20, "a template may make one name of many")
		assert.Len(t, problems, 1)
		c.Published = c.Published[:40]
		endpoints, problems = p.Map([]container.Container{c, web(func(c *container.Container) { c.ID = pauseID })})
		assert.Len(t, endpoints, 21, "each container has a number of its own")
		assert.Empty(t, problems)
	})
	t.Run("problems", func(t *testing.T) {
		wrong := func(n int) []string {
			return mapped(web(publishes(published(tcp(80))), func(c *container.Container) {
				for i := range n {
					c.Env[fmt.Sprintf("SERVICE_0%02d_NAME", i)] = "a"
				}
			}))[1:]
		}
		assert.Len(t, wrong(20), 20)
		assert.Equal(t, `? SERVICE_019_NAME: "019" is not a port, 1 to 65535`, wrong(20)[19])
		got := wrong(30)
		require.Len(t, got, 20)
		assert.Equal(t, `? SERVICE_018_NAME: "018" is not a port, 1 to 65535`, got[18])
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

func many(prefix string, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%03d", prefix, i))
	}
	return names
}
