package endpoint_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

func TestWhichBinding(t *testing.T) {
	const only = "it is announced at host port 32768 only, the lowest on IPv4, and not at "
	for name, tt := range map[string]struct {
		at   []string
		want []string
	}{
		"one":                   {[]string{"0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"the same port on IPv6": {[]string{"[::]:32768", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"another port on IPv6, as Engine 20.10 chooses": {
			[]string{"[::]:32760", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768", "- port 80/tcp: " + only + "[::]:32760"},
		},
		"one address of the host": {[]string{"10.0.0.1:32768"}, []string{"web 80/tcp at 32768"}},
		"the lowest": {
			[]string{"0.0.0.0:40000", "0.0.0.0:32768", "0.0.0.0:32769"},
			[]string{"web 80/tcp at 32768", "? port 80/tcp: " + only + "0.0.0.0:32769, 0.0.0.0:40000"},
		},
		"not loopback, though lower": {
			[]string{"127.0.0.1:80", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768", "? port 80/tcp: " + only + "127.0.0.1:80"},
		},
		"not IPv6, though lower": {
			[]string{"[fd00::1]:80", "10.0.0.1:32768"}, []string{"web 80/tcp at 32768", "? port 80/tcp: " + only + "[fd00::1]:80"},
		},
		"the same port of two addresses": {
			[]string{"10.0.0.2:32768", "10.0.0.1:32768"}, []string{"web 80/tcp at 32768", "? port 80/tcp: " + only + "10.0.0.2:32768"},
		},
		"loopback only": {
			[]string{"127.0.0.2:80", "[::1]:80", "[::ffff:127.0.0.1]:81"},
			[]string{"? port 80/tcp: it is published on loopback only, where no other host reaches it"},
		},
		"IPv6 only": {
			[]string{"[::]:32768", "127.0.0.1:80"},
			[]string{"? port 80/tcp: it is published on IPv6 only, and IPv4 is what is announced"},
		},
		"no host port":           {[]string{"0.0.0.0:0"}, []string{"? port 80/tcp: the Engine names no host port of it"}},
		"a host port after all":  {[]string{"0.0.0.0:0", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"the same binding twice": {[]string{"0.0.0.0:32768", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"more than anybody reads": {
			[]string{"0.0.0.0:32768", "0.0.0.0:40001", "0.0.0.0:40002", "0.0.0.0:40003", "0.0.0.0:40004", "0.0.0.0:40005",
				"0.0.0.0:40006", "0.0.0.0:40007", "0.0.0.0:40008", "0.0.0.0:40009", "0.0.0.0:40010", "0.0.0.0:40011"},
			[]string{"web 80/tcp at 32768", "? port 80/tcp: " + only + "0.0.0.0:40001, 0.0.0.0:40002, 0.0.0.0:40003, " +
				"0.0.0.0:40004, 0.0.0.0:40005, 0.0.0.0:40006, 0.0.0.0:40007, 0.0.0.0:40008, 0.0.0.0:40009, 0.0.0.0:40010 and others"},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, mapped(web(publishes(bind(tcp(80), tt.at...))))) })
	}
}

func TestMapLeavesItsInputAlone(t *testing.T) {
	c := web(publishes(bind(tcp(80), "127.0.0.1:80", "0.0.0.0:40000", "0.0.0.0:32768")), exposes(tcp(9), tcp(8)))
	host := web(mode(container.Host), exposes(tcp(9), tcp(8)), label("SERVICE_7_NAME", "x"))
	c.ID = pauseID // the higher one first
	given := []container.Container{c, host}
	policy.Map(given)
	assert.Equal(t, []string{pauseID, webID}, []string{given[0].ID, given[1].ID})
	assert.Equal(t, bind(tcp(80), "127.0.0.1:80", "0.0.0.0:40000", "0.0.0.0:32768"), given[0].Published)
	assert.Equal(t, []container.Port{tcp(9), tcp(8)}, given[1].Exposed)
}

func TestHostMode(t *testing.T) {
	for name, tt := range map[string]struct {
		container container.Container
		want      []string
	}{
		"declared":       {web(mode(container.Host), exposes(tcp(8080))), []string{"web 8080/tcp at 8080"}},
		"declared twice": {web(mode(container.Host), exposes(tcp(8080), tcp(8080))), []string{"web 8080/tcp at 8080"}},
		"named":          {web(mode(container.Host), env("SERVICE_9000_NAME", "time")), []string{"time 9000/tcp at 9000"}},
		"named, with others declared": {
			web(mode(container.Host), exposes(tcp(8080), tcp(9000)), env("SERVICE_9000_NAME", "time")),
			[]string{"time 9000/tcp at 9000"},
		},
		"named, declared as UDP": {
			web(mode(container.Host), exposes(udp(53)), env("SERVICE_53_NAME", "dns")), []string{"dns 53/udp at 53"},
		},
		"named as UDP": {web(mode(container.Host), env("SERVICE_53_UDP_NAME", "dns")), []string{"dns 53/udp at 53"}},
		"SCTP": {
			web(mode(container.Host), exposes(container.Port{Number: 7, Proto: container.SCTP})),
			[]string{"? port 7/sctp: only tcp and udp are announced"},
		},
		"only weighted, so neither declared nor named": {
			web(mode(container.Host), env("SERVICE_9000_WEIGHT", "3")),
			[]string{"- container: it has no port: add a port mapping or, on the host's network or its task's own, let the image expose one"},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, mapped(tt.container)) })
	}
}

func TestNoNetwork(t *testing.T) {
	assert.Equal(t, []string{`- container: it has no network of which ports could be announced (mode "none")`},
		mapped(web(mode(container.None))))
	assert.Equal(t, []string{`? container: it has no network of which ports could be announced (mode "none")`},
		mapped(web(mode(container.None), env("SERVICE_80_NAME", "time"))))
	assert.Equal(t, []string{`- container: it has no network of which ports could be announced (mode "")`}, mapped(web(mode(""))))
}

func TestSharedNetwork(t *testing.T) {
	shares := func(with string) with {
		return func(c *container.Container) { c.Mode, c.SharedWith, c.Published = container.Shared, with, nil }
	}
	address := func(s string) with { return func(c *container.Container) { c.Address = netip.MustParseAddr(s) } }
	pause := func(name string, different ...with) container.Container {
		c := web(label(container.LabelName, name))
		c.ID, c.Name = pauseID, "ecs-shop-3-internalecspause"
		for _, d := range different {
			d(&c)
		}
		return c
	}
	plain := func(different ...with) container.Container {
		return pause("", append([]with{withoutECS}, different...)...)
	}
	awsvpc := pause("~internal~ecs~pause", mode(container.None))

	const own = "- container: the ECS agent runs it for its own purposes"
	const neither = "- container: it has neither the label com.amazonaws.ecs.container-name nor a SERVICE_NAME or SERVICE_<port>_NAME setting"
	const gone = `? container: it uses the network of container "bbbbbbbbbbbb", which does not run`
	for name, tt := range map[string]struct {
		container container.Container
		others    []container.Container
		want      []string
	}{
		"awsvpc": {
			web(shares(pauseID), exposes(tcp(8080)), address("10.0.7.7")), []container.Container{awsvpc},
			[]string{"web 8080/tcp at 10.0.7.7:8080", own},
		},
		"awsvpc, named": {
			web(shares(pauseID), env("SERVICE_9000_NAME", "time"), exposes(tcp(8080)), address("10.0.7.7")),
			[]container.Container{awsvpc}, []string{"time 9000/tcp at 10.0.7.7:9000", own},
		},
		"awsvpc, IPv4 in the form of IPv6": {
			web(shares(pauseID), exposes(tcp(8080)), address("::ffff:10.0.7.7")), []container.Container{awsvpc},
			[]string{"web 8080/tcp at 10.0.7.7:8080", own},
		},
		"awsvpc, address not known": {
			web(shares(pauseID), exposes(tcp(8080))), []container.Container{awsvpc},
			[]string{own, "? container: the address of its task's network interface is not known yet from ECS introspection"},
		},
		"awsvpc, IPv6 only": {
			web(shares(pauseID), exposes(tcp(8080)), address("fd00::7")), []container.Container{awsvpc},
			[]string{own, "? container: its task's network interface has only an IPv6 address, and IPv4 is what is announced"},
		},
		"Service Connect in bridge mode": {
			web(shares(pauseID), exposes(tcp(80), tcp(9000))),
			[]container.Container{pause("~internal~ecs~pause-web", publishes(published(tcp(80))))},
			[]string{"web 80/tcp at 10080", own},
		},
		"Service Connect in bridge mode, with an address that must not matter": {
			web(shares(pauseID), address("10.0.7.7")),
			[]container.Container{pause("~internal~ecs~pause-web", publishes(published(tcp(80))))},
			[]string{"web 80/tcp at 10080", own},
		},
		"plain, a port of the owner named": {
			web(shares(pauseID), env("SERVICE_81_NAME", "metrics")),
			[]container.Container{plain(publishes(published(tcp(80), tcp(81))))},
			[]string{"metrics 81/tcp at 10081", neither},
		},
		"plain, of a container on the host's network": {
			web(shares(pauseID), exposes(tcp(9000))), []container.Container{plain(mode(container.Host), exposes(tcp(80)))},
			[]string{"web 9000/tcp at 9000", neither},
		},
		"plain, of a container without network": {
			web(shares(pauseID), exposes(tcp(9000))), []container.Container{plain(mode(container.None))},
			[]string{neither, `? container: it uses the network of container "ecs-shop-3-internalecspause", which has none`},
		},
		"owner named by name": {
			web(shares("ecs-shop-3-internalecspause")), []container.Container{plain()}, []string{"web 80/tcp at 10080", neither},
		},
		"owner named by the beginning of its ID": {
			web(shares(pauseID[:12])), []container.Container{plain()}, []string{"web 80/tcp at 10080", neither},
		},
		"owner named by less of its ID than the Engine shows": {
			web(shares(pauseID[:4])), []container.Container{plain()},
			[]string{neither, `? container: it uses the network of container "bbbb", which does not run`},
		},
		"owner gone": {web(shares(pauseID)), nil, []string{gone}},
		"owner stopped": {
			web(shares(pauseID)), []container.Container{plain(state("exited"))},
			[]string{`- container: its state is "exited", and only running and paused containers are announced`, gone},
		},
		"owner uses another's": {
			web(shares(pauseID)),
			[]container.Container{plain(shares("third")), plain(func(c *container.Container) { c.ID, c.Name = "c", "third" })},
			[]string{"web 80/tcp at 10080", neither, neither},
		},
		"owners in a circle": {
			web(shares(pauseID)), []container.Container{plain(shares(webID))},
			[]string{neither, gone},
		},
		"owner is itself": {web(shares(webID)), nil, []string{`? container: it uses the network of container "aaaaaaaaaaaa", which does not run`}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ElementsMatch(t, tt.want, mapped(append(tt.others, tt.container)...))
		})
	}
}

func TestOwnerThatSeveralContainersCouldBeIsTheSameOneEachTime(t *testing.T) {
	const prefix = "bbbbbbbbbbbb"
	owner := func(id string, port string) container.Container {
		return web(withoutECS, publishes(bind(tcp(80), port)), func(c *container.Container) { c.ID = id })
	}
	one, other := owner(prefix+"1", "0.0.0.0:1001"), owner(prefix+"2", "0.0.0.0:1002")
	sharing := web(mode(container.Shared), func(c *container.Container) { c.SharedWith = prefix })
	want := mapped(sharing, one, other)
	assert.Equal(t, "web 80/tcp at 1001", want[0])
	assert.Equal(t, want, mapped(sharing, other, one))
}

func TestOwnInterface(t *testing.T) {
	shared := container.Container{Mode: container.Shared}
	named := func(name string, mode container.Mode) container.Container {
		return container.Container{Mode: mode, Labels: map[string]string{container.LabelName: name}}
	}
	assert.True(t, endpoint.OwnInterface(shared, named("~internal~ecs~pause", container.None)))
	assert.False(t, endpoint.OwnInterface(shared, named("~internal~ecs~pause-web", container.Bridge)), "Service Connect")
	assert.False(t, endpoint.OwnInterface(shared, named("web", container.None)), "a user's own")
	assert.False(t, endpoint.OwnInterface(shared, container.Container{}), "an owner that is gone")
	assert.False(t, endpoint.OwnInterface(named("web", container.Bridge), named("~internal~ecs~pause", container.None)))
}
