package endpoint_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

var policy = endpoint.Policy{Zone: "sd.internal", DefaultWeight: 1, MaxWeight: 255}

const (
	taskARN = "arn:aws:ecs:eu-central-1:123456789012:task/blue/0123456789abcdef0123456789abcdef"
	webID   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	pauseID = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func tcp(number uint16) container.Port { return container.Port{Number: number, Proto: container.TCP} }
func udp(number uint16) container.Port { return container.Port{Number: number, Proto: container.UDP} }

// bind publishes a port as the Engine writes it: "0.0.0.0:32768", "[::]:32768".
func bind(port container.Port, at ...string) []container.Binding {
	var bindings []container.Binding
	for _, s := range at {
		addr := netip.MustParseAddrPort(s)
		bindings = append(bindings, container.Binding{Port: port, HostIP: addr.Addr(), HostPort: addr.Port()})
	}
	return bindings
}

// published publishes each port on all addresses, 80 at host port 10080.
func published(ports ...container.Port) []container.Binding {
	var bindings []container.Binding
	for _, p := range ports {
		at := strconv.Itoa(10000 + int(p.Number))
		bindings = append(bindings, bind(p, "0.0.0.0:"+at, "[::]:"+at)...)
	}
	return bindings
}

type with = func(*container.Container)

// web is a container of ECS that is called web in its task definition and publishes 80/tcp, but for what is different.
func web(different ...with) container.Container {
	c := container.Container{
		ID:    webID,
		Name:  "ecs-shop-3-web",
		State: container.Running,
		Mode:  container.Bridge,
		Labels: map[string]string{
			container.LabelName:     "web",
			container.LabelTaskARN:  taskARN,
			container.LabelFamily:   "shop",
			container.LabelRevision: "3",
			container.LabelCluster:  "blue",
		},
		Env:       map[string]string{},
		Published: published(tcp(80)),
	}
	for _, d := range different {
		d(&c)
	}
	return c
}

func label(key, value string) with { return func(c *container.Container) { c.Labels[key] = value } }
func image(name string) with       { return func(c *container.Container) { c.Image = name } }
func env(key, value string) with   { return func(c *container.Container) { c.Env[key] = value } }
func state(s container.State) with { return func(c *container.Container) { c.State = s } }
func publishes(b ...[]container.Binding) with {
	return func(c *container.Container) {
		c.Published = nil
		for _, more := range b {
			c.Published = append(c.Published, more...)
		}
	}
}
func maps(p ...container.Port) with    { return func(c *container.Container) { c.Mapped = p } }
func exposes(p ...container.Port) with { return func(c *container.Container) { c.Exposed = p } }
func mode(m container.Mode) with {
	return func(c *container.Container) { c.Mode, c.Published = m, nil }
}
func withoutECS(c *container.Container) { c.Labels = map[string]string{} }

// lines returns endpoints and problems one to a line: "web 80/tcp at 10080", "? port 80/tcp: reason", "- container:
// chosen reason".
func lines(endpoints []endpoint.Endpoint, problems []endpoint.Problem) []string {
	lines := []string{}
	for _, e := range endpoints {
		line := fmt.Sprintf("%s %s at %d", e.Name, e.Port, e.HostPort)
		if e.Address.IsValid() {
			line = fmt.Sprintf("%s %s at %s", e.Name, e.Port, netip.AddrPortFrom(e.Address, e.HostPort))
		}
		if e.Weight != 1 {
			line += fmt.Sprintf(" weight %d", e.Weight)
		}
		if e.Standby {
			line += " standby"
		}
		lines = append(lines, line)
	}
	for _, p := range problems {
		sign := "?"
		if p.Chosen {
			sign = "-"
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", sign, p.Subject, p.Reason))
	}
	return lines
}

func mapped(containers ...container.Container) []string { return lines(policy.Map(containers)) }

func TestWholeValues(t *testing.T) {
	paused := web(state(container.Paused), label("SERVICE_80_WEIGHT", "7"))
	manual := web(withoutECS, label("SERVICE_80_NAME", "time, b~d"), func(c *container.Container) {
		c.ID, c.Name = pauseID, "by-hand"
	})
	endpoints, problems := policy.Map([]container.Container{paused, manual})
	assert.Equal(t, []endpoint.Endpoint{
		{
			Name:        "time",
			ContainerID: pauseID,
			Port:        tcp(80),
			HostPort:    10080,
			Weight:      1,
		},
		{
			Name:        "web",
			ContainerID: webID,
			ECS:         true,
			Port:        tcp(80),
			HostPort:    10080,
			Weight:      7,
			Standby:     true,
		},
	}, endpoints)
	assert.Equal(t, []endpoint.Problem{{
		ContainerID:   pauseID,
		ContainerName: "by-hand",
		Subject:       "SERVICE_80_NAME",
		Reason:        `name "b~d" has a character other than letters, digits, '-', '_' and '.'`,
	}}, problems)
}

func TestWhichContainers(t *testing.T) {
	const neither = "- container: it has neither the label com.amazonaws.ecs.container-name nor a SERVICE_NAME or " +
		"SERVICE_<port>_NAME setting"
	const own = "- container: the ECS agent runs it for its own purposes"
	notLive := func(s string) string {
		return `- container: its state is "` + s + `", and only running and paused containers are registered`
	}
	for name, tt := range map[string]struct {
		container container.Container
		want      []string
	}{
		"of ECS":  {web(), []string{"web 80/tcp at 10080"}},
		"by hand": {web(withoutECS), []string{neither}},
		"by hand, named by a label": {
			web(withoutECS, label("SERVICE_NAME", "www")),
			[]string{"www 80/tcp at 10080"},
		},
		"by hand, named by a variable": {
			web(withoutECS, env("SERVICE_NAME", "www")),
			[]string{"www 80/tcp at 10080"},
		},
		"by hand, a port named": {
			web(withoutECS, env("SERVICE_80_NAME", "www")),
			[]string{"www 80/tcp at 10080"},
		},
		"by hand, only weighted":           {web(withoutECS, env("SERVICE_WEIGHT", "3")), []string{neither}},
		"by hand, variable of another use": {web(withoutECS, env("SERVICE_URL", "http://x")), []string{neither}},
		"by hand, named emptily": {
			web(withoutECS, env("SERVICE_80_NAME", ""), env("SERVICE_NAME", " ")),
			[]string{neither},
		},
		"by hand, what is named is no port": {
			web(withoutECS, env("SERVICE_ACCOUNT_NAME", "default")),
			[]string{neither},
		},
		"paused":            {web(state(container.Paused)), []string{"web 80/tcp at 10080 standby"}},
		"restarting":        {web(state(container.Restarting)), []string{notLive("restarting")}},
		"exited":            {web(state("exited")), []string{notLive("exited")}},
		"state unknown":     {web(state("")), []string{notLive("")}},
		"pause of awsvpc":   {web(label(container.LabelName, "~internal~ecs~pause")), []string{own}},
		"pause of a bridge": {web(label(container.LabelName, "~internal~ecs~pause-web")), []string{own}},
		"empty volume":      {web(label(container.LabelName, "~internal~ecs-emptyvolume-source")), []string{own}},
		"relay":             {web(label(container.LabelTaskARN, "arn:::::/service-connect-relay-1")), []string{own}},
		"managed daemon":    {web(label(container.LabelTaskARN, "arn:::::/ebs-csi-driver-1")), []string{own}},
		"ECS's own, renamed": {
			web(label(container.LabelName, "~internal~ecs~pause"), label("SERVICE_NAME", "x")),
			[]string{own},
		},
		"relay, by its name alone": {
			web(label(container.LabelName, "instance-service-connect-relay"), mode(container.Host)), []string{own},
		},
		"managed daemon, by its name alone": {
			web(label(container.LabelName, "ecs-managed-ebs-csi-driver"), mode(container.Host)), []string{own},
		},
		"Service Connect's proxy": {
			web(image("ecs-service-connect-agent:interface-v1"),
				label(container.LabelName, "ecs-service-connect-a1b2c3")), []string{
				own,
			},
		},
		"Service Connect's proxy, with a name of ours": {
			web(image("ecs-service-connect-agent:interface-v1"), label("SERVICE_15000_NAME", "x")), []string{own},
		},
		"a user's own, named like the proxy": {
			web(image("web:1"), label(container.LabelName, "ecs-service-connect-a1b2c3")),
			[]string{"ecs-service-connect-a1b2c3 80/tcp at 10080"},
		},
		"a user's own image, named like the proxy's": {
			web(image("registry.example/ecs-service-connect-agent:1")), []string{"web 80/tcp at 10080"},
		},
		"the proxy's image, run by hand": {
			web(withoutECS, image("ecs-service-connect-agent:interface-v1"), env("SERVICE_NAME", "proxy")), []string{
				"proxy 80/tcp at 10080",
			},
		},
		"a user's own, named like a daemon": {
			web(label(container.LabelName, "ecs-managed-orders")), []string{"ecs-managed-orders 80/tcp at 10080"},
		},
		"a user's own, named like the relay": {
			web(label(container.LabelName, "instance-service-connect-relay")),
			[]string{"instance-service-connect-relay 80/tcp at 10080"},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, mapped(tt.container)) })
	}
}

func TestOrderOfProblemsIsThatOfContainersNames(t *testing.T) {
	called := func(id, name string) container.Container {
		return web(publishes(), func(c *container.Container) { c.ID, c.Name = id, name })
	}
	for _, given := range [][]container.Container{
		{called("1", "b"), called("2", "a"), called("3", "a")}, {called("3", "a"), called("2", "a"), called("1", "b")},
	} {
		_, problems := policy.Map(given)
		var got []string
		for _, p := range problems {
			got = append(got, p.ContainerName+p.ContainerID)
		}
		assert.Equal(t, []string{"a2", "a3", "b1"}, got)
	}
}

func TestStandby(t *testing.T) {
	for health, want := range map[container.Health]bool{
		container.NoHealthCheck: false,
		container.Healthy:       false,
		container.Starting:      true,
		container.Unhealthy:     true,
	} {
		t.Run("health "+string(health), func(t *testing.T) {
			endpoints, _ := policy.Map([]container.Container{web(func(c *container.Container) { c.Health = health })})
			require.Len(t, endpoints, 1)
			assert.Equal(t, want, endpoints[0].Standby)
		})
	}
}

func TestImplicitNames(t *testing.T) {
	for name, tt := range map[string]struct {
		container container.Container
		want      []string
	}{
		"SERVICE_NAME replaces ECS's name": {web(env("SERVICE_NAME", "WWW")), []string{"www 80/tcp at 10080"}},
		"several ports": {
			web(publishes(published(tcp(9000), tcp(80)))),
			[]string{"web 80/tcp at 10080", "web-80 80/tcp at 10080", "web-9000 9000/tcp at 19000"},
		},
		"the lowest as a number, not as text": {
			web(publishes(published(tcp(9), tcp(10)))),
			[]string{"web 9/tcp at 10009", "web-10 10/tcp at 10010", "web-9 9/tcp at 10009"},
		},
		"one UDP port": {web(publishes(published(udp(53)))), []string{"web-udp 53/udp at 10053"}},
		"the same number on TCP and UDP": {
			web(publishes(published(udp(53), tcp(53)))),
			[]string{"web 53/tcp at 10053", "web-53 53/tcp at 10053", "web-53-udp 53/udp at 10053"},
		},
		"UDP below TCP": {
			web(publishes(published(udp(53), tcp(80)))),
			[]string{"web 80/tcp at 10080", "web-53-udp 53/udp at 10053", "web-80 80/tcp at 10080"},
		},
		"several UDP ports only": {
			web(publishes(published(udp(53), udp(54)))),
			[]string{"web-53-udp 53/udp at 10053", "web-54-udp 54/udp at 10054"},
		},
		"SCTP beside TCP": {
			web(publishes(published(container.Port{Number: 7, Proto: container.SCTP}, tcp(80)))),
			[]string{"web 80/tcp at 10080", "? port 7/sctp: only tcp and udp are registered"},
		},
		"an ignored port does not count": {
			web(publishes(published(tcp(80), tcp(9000))), label("SERVICE_80_IGNORE", "yes")),
			[]string{"web 9000/tcp at 19000", "- port 80/tcp: SERVICE_80_IGNORE is set"},
		},
		"an ignored port is ignored on UDP too": {
			web(publishes(published(tcp(53), udp(53))), label("SERVICE_53_IGNORE", "1")),
			[]string{"- port 53/tcp: SERVICE_53_IGNORE is set", "- port 53/udp: SERVICE_53_IGNORE is set"},
		},
		"no port, as many workers": {
			web(publishes()),
			[]string{"- container: it has no port: add a port mapping"},
		},
		"no port, but a name for it": {
			web(publishes(), env("SERVICE_NAME", "worker")),
			[]string{"? container: it has no port: add a port mapping"},
		},
		"a bad name is reported once for all ports": {
			web(publishes(published(tcp(80), tcp(81))), label(container.LabelName, "my web")),
			[]string{
				`? com.amazonaws.ecs.container-name: name "my web-80" has a character other than letters, digits, '-', '_' and '.'`,
			},
		},
		"a suffix makes one name too long": {
			web(publishes(published(tcp(80), tcp(8080))), env("SERVICE_NAME", strings.Repeat("a", 60))),
			[]string{
				strings.Repeat("a", 60) + " 80/tcp at 10080", strings.Repeat("a", 60) + "-80 80/tcp at 10080",
				`? SERVICE_NAME: name "` + strings.Repeat("a", 60) + `-8080" has a part of 65 characters, and DNS allows 63 between dots`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, mapped(tt.container)) })
	}
}

func TestExplicitNames(t *testing.T) {
	for name, tt := range map[string]struct {
		container container.Container
		want      []string
	}{
		"only named ports": {
			web(publishes(published(tcp(80), tcp(9000))), env("SERVICE_80_NAME", "time")), []string{
				"time 80/tcp at 10080",
			},
		},
		"several names": {
			web(env("SERVICE_80_NAME", "_Calc._tcp, time,time")), []string{
				"_calc._tcp 80/tcp at 10080",
				"time 80/tcp at 10080",
			},
		},
		"80 is not 8080": {
			web(publishes(published(tcp(8080))), env("SERVICE_80_NAME", "time")),
			[]string{"? SERVICE_80_NAME: container port 80/tcp is not published; published are: 8080/tcp"},
		},
		"nothing is published": {
			web(publishes(), env("SERVICE_80_NAME", "time")),
			[]string{"? SERVICE_80_NAME: container port 80/tcp is not published; published are: none"},
		},
		"UDP where there is no TCP": {
			web(publishes(published(udp(53))), env("SERVICE_53_NAME", "dns")), []string{"dns 53/udp at 10053"},
		},
		"TCP where there is both": {
			web(publishes(published(udp(53), tcp(53))), env("SERVICE_53_NAME", "dns")), []string{"dns 53/tcp at 10053"},
		},
		"both": {
			web(publishes(published(udp(53), tcp(53))), env("SERVICE_53_NAME", "dns"),
				env("SERVICE_53_UDP_NAME", "dns,dns-udp")),
			[]string{"dns 53/tcp at 10053", "dns 53/udp at 10053", "dns-udp 53/udp at 10053"},
		},
		"UDP named, TCP published": {
			web(publishes(published(tcp(53))), env("SERVICE_53_UDP_NAME", "dns")),
			[]string{"? SERVICE_53_UDP_NAME: container port 53/udp is not published; published are: 53/tcp"},
		},
		"a bad name leaves the others": {
			web(publishes(published(tcp(80), tcp(81))), env("SERVICE_80_NAME", "ok,,bad one"),
				env("SERVICE_81_NAME", "other")),
			[]string{
				"ok 80/tcp at 10080", "other 81/tcp at 10081",
				"? SERVICE_80_NAME: one of its names is empty",
			},
		},
		"a bad name alone registers nothing": {
			web(env("SERVICE_80_NAME", "a b")),
			[]string{`? SERVICE_80_NAME: name "a b" has a character other than letters, digits, '-', '_' and '.'`},
		},
		"a list of nothing": {
			web(env("SERVICE_80_NAME", ",")),
			[]string{"? SERVICE_80_NAME: one of its names is empty"},
		},
		"a number of the host": {
			web(env("SERVICE_10080_NAME", "time")),
			[]string{"? SERVICE_10080_NAME: container port 10080/tcp is not published; published are: 80/tcp"},
		},
		"named and ignored": {
			web(publishes(published(tcp(80), tcp(81))), env("SERVICE_80_NAME", "a"), env("SERVICE_81_NAME", "b"),
				env("SERVICE_80_IGNORE", "x")),
			[]string{"b 81/tcp at 10081", "- port 80/tcp: SERVICE_80_IGNORE is set"},
		},
		"what is wrong with a port that is not named is nobody's concern": {
			web(publishes(published(tcp(80)), bind(tcp(9000), "127.0.0.1:9000")), env("SERVICE_80_NAME", "time")),
			[]string{"time 80/tcp at 10080"},
		},
		"a named port on loopback": {
			web(publishes(bind(tcp(80), "127.0.0.1:80"), published(udp(80))), env("SERVICE_80_NAME", "time")),
			[]string{"? port 80/tcp: it is published on loopback only, where no other host reaches it"},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, mapped(tt.container)) })
	}
}

func TestNamesThatDNSAllows(t *testing.T) {
	label63, label64 := strings.Repeat("a", 63), strings.Repeat("a", 64)
	// 253 characters with ".sd.internal", and one more.
	longest := strings.Repeat(label63+".", 3) + strings.Repeat("b", 253-3*64-len(".sd.internal"))
	for name, tt := range map[string]struct{ name, want string }{
		"one character":       {"a", ""},
		"owner of SRV":        {"_time._udp", ""},
		"hyphens inside":      {"a--b.c-d", ""},
		"hyphen first":        {"-a", "begins or ends with '-'"},
		"hyphen last":         {"a-", "begins or ends with '-'"},
		"only a hyphen":       {"-", "begins or ends with '-'"},
		"hyphen after a dot":  {"a.-b", "begins or ends with '-'"},
		"hyphen before a dot": {"a-.b", "begins or ends with '-'"},
		"underscore first":    {"_-a", ""},
		"longest label":       {label63, ""},
		"longest name":        {longest, ""},
		"empty":               {"", "empty part"},
		"label too long":      {label64, "a part of 64 characters"},
		"name too long":       {longest + "b", "254 characters with the zone"},
		"final dot":           {"a.", "empty part"},
		"dots":                {"a..b", "empty part"},
		"capitals":            {"A", "other than letters"},
		"space":               {"a b", "other than letters"},
		"wildcard":            {"*", "other than letters"},
		"not ASCII":           {"grüße", "other than letters"},
		"escape of Route 53":  {`a\052`, "other than letters"},
		"line end":            {"a\nb", `"a\nb"`},
		"terminal escape":     {"\x1b[31m", `"\x1b[31m"`},
		"text that runs back": {"a\u202eb", `"a\u202eb"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := endpoint.CheckName(tt.name, "sd.internal")
			if tt.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, tt.want)
			}
		})
	}
}

// ecssd ls and resolve take a name with or without its zone, so people write settings so, too.
func TestNamesWrittenWithTheirZone(t *testing.T) {
	const itself = `is the zone itself: name a service below it`
	for name, tt := range map[string]struct {
		template  string
		container container.Container
		want      []string
	}{
		"service":            {"", web(env("SERVICE_NAME", "web.sd.internal")), []string{"web 80/tcp at 10080"}},
		"final dot":          {"", web(env("SERVICE_NAME", "web.sd.internal.")), []string{"web 80/tcp at 10080"}},
		"final dot, no zone": {"", web(env("SERVICE_NAME", "web.")), []string{"web 80/tcp at 10080"}},
		"two final dots": {
			"",
			web(env("SERVICE_NAME", "web..")),
			[]string{`? SERVICE_NAME: name "web." has an empty part between dots, or is empty`},
		},
		"capitals": {"", web(label("SERVICE_NAME", "Web.SD.Internal")), []string{"web 80/tcp at 10080"}},
		"of several labels": {
			"",
			web(env("SERVICE_NAME", "_web._tcp.sd.internal")),
			[]string{"_web._tcp 80/tcp at 10080"},
		},
		"of ECS, by hand": {"", web(label(container.LabelName, "web.sd.internal")), []string{"web 80/tcp at 10080"}},
		"only like the zone": {
			"",
			web(env("SERVICE_NAME", "web-sd.internal")),
			[]string{"web-sd.internal 80/tcp at 10080"},
		},
		"half of the zone": {"", web(env("SERVICE_NAME", "web.sd")), []string{"web.sd 80/tcp at 10080"}},
		"the zone itself": {
			"",
			web(env("SERVICE_NAME", "SD.internal.")),
			[]string{`? SERVICE_NAME: name "SD.internal" ` + itself},
		},
		"nothing but a dot": {
			"",
			web(env("SERVICE_NAME", ".")),
			[]string{"? SERVICE_NAME: one of its names is empty"},
		},
		"a dot and the zone": {
			"",
			web(env("SERVICE_NAME", ".sd.internal")),
			[]string{"? SERVICE_NAME: one of its names is empty"},
		},
		"letters that only look so": {
			"", web(env("SERVICE_NAME", "web.\u017fd.internal")),
			[]string{
				`? SERVICE_NAME: name "web.ſd.internal" has a character other than letters, digits, '-', '_' and '.'`,
			},
		},
		"several ports": {
			"", web(publishes(published(tcp(80), udp(53))), env("SERVICE_NAME", "web.sd.internal")),
			[]string{"web 80/tcp at 10080", "web-53-udp 53/udp at 10053", "web-80 80/tcp at 10080"},
		},
		"list": {
			"", web(env("SERVICE_NAME", "a.sd.internal., B.SD.INTERNAL ,a,sd.internal")),
			[]string{"a 80/tcp at 10080", "b 80/tcp at 10080", `? SERVICE_NAME: name "sd.internal" ` + itself},
		},
		"named port": {
			"", web(env("SERVICE_80_NAME", "a.sd.internal,b.SD.internal.,c,sd.internal")),
			[]string{"a 80/tcp at 10080", "b 80/tcp at 10080", "c 80/tcp at 10080", `? SERVICE_80_NAME: name "sd.internal" ` + itself},
		},
		"named UDP port": {
			"", web(publishes(published(udp(53))), env("SERVICE_53_UDP_NAME", "dns.sd.internal")), []string{
				"dns 53/udp at 10053",
			},
		},
		"before a template": {
			"{{.Service}}.{{.Cluster}}",
			web(env("SERVICE_NAME", "web.sd.internal")),
			[]string{"web.blue 80/tcp at 10080"},
		},
		"by a template":              {"{{.Service}}.sd.internal", web(), []string{"web 80/tcp at 10080"}},
		"by a template, in capitals": {"{{.Service}}.SD.Internal", web(), []string{"web 80/tcp at 10080"}},
		"before and by a template": {
			"{{.Service}}.sd.internal",
			web(env("SERVICE_80_NAME", "web.sd.internal.")),
			[]string{"web 80/tcp at 10080"},
		},
		"the zone by a template": {
			"sd.internal",
			web(),
			[]string{`? com.amazonaws.ecs.container-name: name "sd.internal" ` + itself},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy
			var err error
			p.Template, err = endpoint.ParseTemplate(tt.template)
			require.NoError(t, err)
			assert.Equal(t, tt.want, lines(p.Map([]container.Container{tt.container})))
		})
	}
	p := policy
	p.Allow = regexp.MustCompile(`^(?:web)$`)
	assert.Equal(t, []string{
		"web 80/tcp at 10080",
	}, lines(p.Map([]container.Container{
		web(env("SERVICE_NAME", "web.sd.internal")),
	})), "what is allowed stands without the zone")
}

func TestSeveralServiceNames(t *testing.T) {
	for name, tt := range map[string]struct {
		container container.Container
		want      []string
	}{
		"two": {web(env("SERVICE_NAME", "a, B")), []string{"a 80/tcp at 10080", "b 80/tcp at 10080"}},
		"two, several ports": {
			web(publishes(published(tcp(80), tcp(81))), env("SERVICE_NAME", "a,b")),
			[]string{
				"a 80/tcp at 10080", "a-80 80/tcp at 10080", "a-81 81/tcp at 10081",
				"b 80/tcp at 10080", "b-80 80/tcp at 10080", "b-81 81/tcp at 10081",
			},
		},
		"two, UDP": {
			web(publishes(published(udp(53))), env("SERVICE_NAME", "a,b")),
			[]string{"a-udp 53/udp at 10053", "b-udp 53/udp at 10053"},
		},
		"by hand": {
			web(withoutECS, label("SERVICE_NAME", "a,b")),
			[]string{"a 80/tcp at 10080", "b 80/tcp at 10080"},
		},
		"one that is bad": {
			web(env("SERVICE_NAME", "a,b~d,c")),
			[]string{
				"a 80/tcp at 10080",
				"c 80/tcp at 10080",
				`? SERVICE_NAME: name "b~d" has a character other than letters, digits, '-', '_' and '.'`,
			},
		},
		"one that is empty": {
			web(env("SERVICE_NAME", "a,,b")),
			[]string{"a 80/tcp at 10080", "b 80/tcp at 10080", "? SERVICE_NAME: one of its names is empty"},
		},
		"none": {
			web(env("SERVICE_NAME", ",")),
			[]string{"? SERVICE_NAME: one of its names is empty"},
		},
		"twice the same": {web(env("SERVICE_NAME", "a,A")), []string{"a 80/tcp at 10080"}},
		"a named port goes before": {
			web(env("SERVICE_NAME", "a,b"), env("SERVICE_80_NAME", "c")),
			[]string{"c 80/tcp at 10080"},
		},
		"ECS's name is one": {
			web(label(container.LabelName, "a,b")),
			[]string{
				`? com.amazonaws.ecs.container-name: name "a,b" has a character other than letters, digits, '-', '_' and '.'`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, mapped(tt.container)) })
	}
}

func TestABadNameIsToldInBrief(t *testing.T) {
	_, problems := policy.Map([]container.Container{web(env("SERVICE_NAME", strings.Repeat("x!", 2000)))})
	require.Len(t, problems, 1)
	assert.Less(t, len(problems[0].Reason), 200)
}

func TestAllowedNames(t *testing.T) {
	p := policy
	p.Allow = regexp.MustCompile(`^(?:time|web-.*)$`)
	got := lines(p.Map([]container.Container{web(env("SERVICE_80_NAME", "TIME,web,web-1"))}))
	assert.Equal(t, []string{
		"time 80/tcp at 10080", "web-1 80/tcp at 10080",
		`? SERVICE_80_NAME: name "web" is not one of those allowed on this host (--allow-names)`,
	}, got)
}
