package endpoint_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

func TestWhichBinding(t *testing.T) {
	const only = "it is registered at host port 32768 only, the lowest that consumers reach over IPv4, and not at "
	for name, tt := range map[string]struct {
		at   []string
		want []string
	}{
		"one":                   {[]string{"0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"the same port on IPv6": {[]string{"[::]:32768", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"another port on IPv6, as Engine 20.10 chooses": {
			[]string{
				"[::]:32760",
				"0.0.0.0:32768",
			}, []string{
				"web 80/tcp at 32768",
				"- port 80/tcp: " + only + "[::]:32760",
			},
		},
		"one address of the host": {[]string{"10.0.0.1:32768"}, []string{"web 80/tcp at 32768"}},
		"the lowest": {
			[]string{"0.0.0.0:40000", "0.0.0.0:32768", "0.0.0.0:32769"},
			[]string{"web 80/tcp at 32768", "? port 80/tcp: " + only + "0.0.0.0:32769, 0.0.0.0:40000"},
		},
		"not loopback, though lower": {
			[]string{
				"127.0.0.1:80",
				"0.0.0.0:32768",
			}, []string{
				"web 80/tcp at 32768",
				"? port 80/tcp: " + only + "127.0.0.1:80",
			},
		},
		"not IPv6, though lower": {
			[]string{
				"[fd00::1]:80",
				"10.0.0.1:32768",
			}, []string{
				"web 80/tcp at 32768",
				"? port 80/tcp: " + only + "[fd00::1]:80",
			},
		},
		"the same port of two addresses": {
			[]string{
				"10.0.0.2:32768",
				"10.0.0.1:32768",
			}, []string{
				"web 80/tcp at 32768",
				"? port 80/tcp: " + only + "10.0.0.2:32768",
			},
		},
		"loopback only": {
			[]string{"127.0.0.2:80", "[::1]:80", "[::ffff:127.0.0.1]:81"},
			[]string{"? port 80/tcp: it is published on loopback only, where no other host reaches it"},
		},
		"IPv6 only": {
			[]string{"[::]:32768", "127.0.0.1:80"},
			[]string{"? port 80/tcp: it is published on IPv6 only, and IPv4 is what is registered"},
		},
		"no host port": {
			[]string{"0.0.0.0:0"},
			[]string{"? port 80/tcp: the Engine names no host port of it"},
		},
		"a host port after all":  {[]string{"0.0.0.0:0", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"the same binding twice": {[]string{"0.0.0.0:32768", "0.0.0.0:32768"}, []string{"web 80/tcp at 32768"}},
		"more than anybody reads": {
			[]string{"0.0.0.0:32768", "0.0.0.0:40001", "0.0.0.0:40002", "0.0.0.0:40003", "0.0.0.0:40004",
				"0.0.0.0:40005",
				"0.0.0.0:40006", "0.0.0.0:40007", "0.0.0.0:40008", "0.0.0.0:40009", "0.0.0.0:40010", "0.0.0.0:40011"},
			[]string{"web 80/tcp at 32768", "? port 80/tcp: " + only + "0.0.0.0:40001, 0.0.0.0:40002, 0.0.0.0:40003, " +
				"0.0.0.0:40004, 0.0.0.0:40005, 0.0.0.0:40006, 0.0.0.0:40007, 0.0.0.0:40008, 0.0.0.0:40009, " +
				"0.0.0.0:40010 and others"},
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

// Consumers are sent to one address of the host. A port that is bound to another answers nobody there.
func TestBindingThatConsumersReach(t *testing.T) {
	const other = "? port 80/tcp: it is registered at host port %s only, the lowest that consumers reach over IPv4, " +
		"and not at %s"
	host := policy
	host.Address = netip.MustParseAddr("10.0.0.1")
	for name, tt := range map[string]struct {
		at   []string
		want []string
	}{
		"all addresses":      {[]string{"0.0.0.0:21001"}, []string{"web 80/tcp at 21001"}},
		"the host's address": {[]string{"10.0.0.1:21000"}, []string{"web 80/tcp at 21000"}},
		"the host's address in the form of IPv6": {
			[]string{"[::ffff:10.0.0.1]:21000"},
			[]string{"web 80/tcp at 21000"},
		},
		"Docker's own bridge": {
			[]string{"172.17.0.1:21000"},
			[]string{
				"? port 80/tcp: it is published at 172.17.0.1:21000 only, and consumers are sent to 10.0.0.1: " +
					"publish it there or on all addresses",
			},
		},
		"two other addresses of the host": {
			[]string{"10.0.0.3:21001", "10.0.0.2:21000", "127.0.0.1:80"},
			[]string{
				"? port 80/tcp: it is published at 10.0.0.2:21000, 10.0.0.3:21001 only, and consumers are sent to " +
					"10.0.0.1: publish it there or on all addresses",
			},
		},
		"another address, though lower, beside all": {
			[]string{"172.17.0.1:21000", "0.0.0.0:21001"},
			[]string{"web 80/tcp at 21001", fmt.Sprintf(other, "21001", "172.17.0.1:21000")},
		},
		"another address, though lower, beside the host's": {
			[]string{"10.0.0.2:21000", "10.0.0.1:21001"},
			[]string{"web 80/tcp at 21001", fmt.Sprintf(other, "21001", "10.0.0.2:21000")},
		},
		"the host's address and all: the lower": {
			[]string{"10.0.0.1:21002", "0.0.0.0:21001"},
			[]string{"web 80/tcp at 21001", fmt.Sprintf(other, "21001", "10.0.0.1:21002")},
		},
		"another address beside IPv6": {
			[]string{"172.17.0.1:21000", "[::]:21001"},
			[]string{
				"? port 80/tcp: it is published at 172.17.0.1:21000 only, and consumers are sent to 10.0.0.1: " +
					"publish it there or on all addresses",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := web(publishes(bind(tcp(80), tt.at...)))
			assert.Equal(t, tt.want, lines(host.Map([]container.Container{c})))
			pause := web(label(container.LabelName, "~internal~ecs~pause-web"), publishes(bind(tcp(80), tt.at...)))
			pause.ID = pauseID
			c.Mode, c.SharedWith, c.Published = container.Shared, pauseID, nil
			assert.Subset(t, lines(host.Map([]container.Container{c, pause})), tt.want, "by the network of another")
		})
	}
	assert.Equal(
		t,
		[]string{"web 80/tcp at 21001", fmt.Sprintf(other, "21001", "172.17.0.1:21000")},
		mapped(
			web(publishes(bind(tcp(80), "172.17.0.1:21000", "0.0.0.0:21001"))),
		),
		"where the host's address is not known",
	)
}

// A container that is taken out of its last network keeps its port mappings, and none of them is published.
func TestMappedPortsThatDockerDoesNotPublish(t *testing.T) {
	const connect = "connect it to a network that publishes ports (docker network connect)"
	assert.Equal(t, []string{
		"- container: Docker publishes none of its mapped ports (80/tcp, 81/tcp) at present: " + connect,
	},
		mapped(web(publishes(), maps(tcp(80), tcp(81)))))
	assert.Equal(t, []string{
		"? SERVICE_80_NAME: container port 80/tcp is mapped, and Docker does not publish it at present: " + connect,
	},
		mapped(web(publishes(), maps(tcp(80)), env("SERVICE_80_NAME", "time"))))
	assert.Equal(t, []string{"? SERVICE_82_NAME: container port 82/tcp is not published; published are: none"},
		mapped(web(publishes(), maps(tcp(80)), env("SERVICE_82_NAME", "time"))))
	assert.Equal(t, []string{
		"- container: it has no port: add a port mapping",
	}, mapped(web(publishes(), exposes(tcp(80)))))
}

func TestHostMode(t *testing.T) {
	const none = "- container: it has no port: add a port mapping, or name the port with SERVICE_<port>_NAME"
	const exposedOnly = none + "; what its image exposes does not count on the host's network"
	const beside = "- port 80/tcp: no port mapping names it, and what the image exposes does not count beside one on " +
		"the host's network"
	hand := func(different ...with) container.Container {
		return web(append([]with{withoutECS, mode(container.Host)}, different...)...)
	}
	for name, tt := range map[string]struct {
		container container.Container
		want      []string
	}{
		"mapped": {
			web(mode(container.Host), maps(tcp(8080)), exposes(tcp(8080))),
			[]string{"web 8080/tcp at 8080"},
		},
		"mapped twice": {web(mode(container.Host), maps(tcp(8080), tcp(8080))), []string{"web 8080/tcp at 8080"}},
		"mapped, of an image that exposes another port": {
			web(mode(container.Host), maps(tcp(18080)), exposes(tcp(80), tcp(18080))), []string{
				"web 18080/tcp at 18080",
				beside,
			},
		},
		"a mapped range": {
			web(mode(container.Host), maps(tcp(18100), tcp(18101)), exposes(tcp(18100), tcp(18101))),
			[]string{"web 18100/tcp at 18100", "web-18100 18100/tcp at 18100", "web-18101 18101/tcp at 18101"},
		},
		"mapped as UDP": {
			web(mode(container.Host), maps(udp(53)), exposes(udp(53))),
			[]string{"web-udp 53/udp at 53"},
		},
		"exposed only":               {web(mode(container.Host), exposes(tcp(80))), []string{exposedOnly}},
		"neither mapped nor exposed": {web(mode(container.Host)), []string{none}},
		"exposed only, with a name": {
			web(mode(container.Host), exposes(tcp(80)), env("SERVICE_NAME", "time")),
			[]string{"time 80/tcp at 80"},
		},
		"exposed only, with a weight": {
			web(mode(container.Host), exposes(tcp(80)), env("SERVICE_WEIGHT", "3")),
			[]string{exposedOnly},
		},
		"exposed only, an empty name": {
			web(mode(container.Host), exposes(tcp(80)), env("SERVICE_NAME", " ")),
			[]string{exposedOnly},
		},
		"exposed only, a hidden name": {
			web(mode(container.Host), exposes(tcp(80)), env("SERVICE_NAME", "x"), label("SERVICE_NAME", "")),
			[]string{exposedOnly},
		},
		"exposed only, a port ignored": {
			web(mode(container.Host), exposes(tcp(80)), env("SERVICE_80_IGNORE", "1")),
			[]string{exposedOnly},
		},
		"mapped, with a name, and exposed": {
			web(mode(container.Host), maps(tcp(18080)), exposes(tcp(80), tcp(18080)), env("SERVICE_NAME", "time")),
			[]string{"time 18080/tcp at 18080", beside},
		},
		"named": {web(mode(container.Host), env("SERVICE_9000_NAME", "time")), []string{"time 9000/tcp at 9000"}},
		"named, with others mapped and exposed": {
			web(mode(container.Host), maps(tcp(8080)), exposes(tcp(80), tcp(9000)), env("SERVICE_9000_NAME", "time")),
			[]string{"time 9000/tcp at 9000"},
		},
		"named, exposed as UDP": {
			web(mode(container.Host), exposes(udp(53)), env("SERVICE_53_NAME", "dns")), []string{"dns 53/udp at 53"},
		},
		"named, exposed as UDP beside a mapping": {
			web(mode(container.Host), maps(tcp(80)), exposes(tcp(80), udp(53)), env("SERVICE_53_NAME", "dns")),
			[]string{
				"dns 53/udp at 53",
			},
		},
		"named, mapped as UDP, though TCP is exposed": {
			web(mode(container.Host), maps(udp(53)), exposes(tcp(53), udp(53)), env("SERVICE_53_NAME", "dns")),
			[]string{
				"dns 53/udp at 53",
			},
		},
		"named as UDP": {web(mode(container.Host), env("SERVICE_53_UDP_NAME", "dns")), []string{"dns 53/udp at 53"}},
		"SCTP": {
			web(mode(container.Host), maps(container.Port{Number: 7, Proto: container.SCTP})),
			[]string{"? port 7/sctp: only tcp and udp are registered"},
		},
		"only weighted, so neither mapped nor named": {
			web(mode(container.Host), env("SERVICE_9000_WEIGHT", "3")),
			[]string{none},
		},
		"run by hand": {hand(exposes(tcp(80)), env("SERVICE_NAME", "time")), []string{"time 80/tcp at 80"}},
		"run by hand, mapped": {
			hand(maps(tcp(8080)), exposes(tcp(80), tcp(8080)), env("SERVICE_NAME", "time")), []string{
				"time 8080/tcp at 8080",
				beside,
			},
		},
		"run by hand, without a port": {
			hand(env("SERVICE_NAME", "time")),
			[]string{"? container: it has no port: add a port mapping, or name the port with SERVICE_<port>_NAME"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, mapped(tt.container))
			owner := web(withoutECS, mode(container.Host), exposes(tcp(1)), maps(tcp(2)))
			owner.ID = pauseID
			c := tt.container
			c.Mode, c.SharedWith = container.Shared, pauseID
			assert.Subset(t, mapped(c, owner), tt.want, "by the network of another container")
		})
	}
}

func TestNoNetwork(t *testing.T) {
	assert.Equal(t, []string{`- container: it has no network of which ports could be registered (mode "none")`},
		mapped(web(mode(container.None))))
	assert.Equal(t, []string{`? container: it has no network of which ports could be registered (mode "none")`},
		mapped(web(mode(container.None), env("SERVICE_80_NAME", "time"))))
	assert.Equal(t, []string{
		`- container: it has no network of which ports could be registered (mode "")`,
	}, mapped(web(mode(""))))
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
	const awsvpcNoPort = "- container: no port of it is known: with awsvpc the host is not given port mappings; " +
		"let the image EXPOSE the port, or name it with SERVICE_<port>_NAME"
	const neither = "- container: it has neither the label com.amazonaws.ecs.container-name nor a SERVICE_NAME or " +
		"SERVICE_<port>_NAME setting"
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
		"awsvpc, no port": {
			web(shares(pauseID), address("10.0.7.7")),
			[]container.Container{awsvpc},
			[]string{awsvpcNoPort, own},
		},
		"awsvpc, two containers of a task": {
			web(shares(pauseID), exposes(tcp(8080)), address("10.0.7.7")),
			[]container.Container{awsvpc,
				web(shares(pauseID), label(container.LabelName, "envoy"), exposes(tcp(9901)), address("10.0.7.7"),
					func(c *container.Container) { c.ID = "c" })},
			[]string{"web 8080/tcp at 10.0.7.7:8080", "envoy 9901/tcp at 10.0.7.7:9901", own},
		},
		"awsvpc, UDP": {
			web(shares(pauseID), exposes(udp(53)), address("10.0.7.7")), []container.Container{awsvpc},
			[]string{"web-udp 53/udp at 10.0.7.7:53", own},
		},
		"awsvpc, address not known": {
			web(shares(pauseID), exposes(tcp(8080))), []container.Container{awsvpc},
			[]string{
				own,
				"? container: the address of its task's network interface is not known yet from ECS introspection",
			},
		},
		"awsvpc, IPv6 only": {
			web(shares(pauseID), exposes(tcp(8080)), address("fd00::7")), []container.Container{awsvpc},
			[]string{
				own,
				"? container: its task's network interface has only an IPv6 address, and IPv4 is what is registered",
			},
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
			web(shares(pauseID), exposes(tcp(9000)), env("SERVICE_NAME", "time")),
			[]container.Container{plain(mode(container.Host), exposes(tcp(80)), maps(tcp(81)))},
			[]string{"time 9000/tcp at 9000", neither},
		},
		"plain, of a container without a port": {
			web(shares(pauseID), exposes(tcp(9000))), []container.Container{plain(publishes())},
			[]string{
				neither,
				`- container: it has no port: add a port mapping to container "ecs-shop-3-internalecspause", whose network it uses`,
			},
		},
		"plain, of a container in no network": {
			web(shares(pauseID), exposes(tcp(9000))), []container.Container{plain(publishes(), maps(tcp(80)))},
			[]string{neither, "- container: Docker publishes none of its mapped ports (80/tcp) at present: " +
				"connect it to a network that publishes ports (docker network connect)"},
		},
		"plain, of a container without network": {
			web(shares(pauseID), exposes(tcp(9000))), []container.Container{plain(mode(container.None))},
			[]string{
				neither,
				`? container: it uses the network of container "ecs-shop-3-internalecspause", which has none`,
			},
		},
		"owner named by name": {
			web(shares("ecs-shop-3-internalecspause")), []container.Container{
				plain(),
			}, []string{
				"web 80/tcp at 10080",
				neither,
			},
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
			[]string{`- container: its state is "exited", and only running and paused containers are registered`, gone},
		},
		"owner uses another's": {
			web(shares(pauseID)),
			[]container.Container{
				plain(shares("third")),
				plain(func(c *container.Container) { c.ID, c.Name = "c", "third" }),
			},
			[]string{"web 80/tcp at 10080", neither, neither},
		},
		"owners in a circle": {
			web(shares(pauseID)), []container.Container{plain(shares(webID))},
			[]string{neither, gone},
		},
		"owner is itself": {
			web(shares(webID)),
			nil,
			[]string{`? container: it uses the network of container "aaaaaaaaaaaa", which does not run`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ElementsMatch(t, tt.want, mapped(append(tt.others, tt.container)...))
		})
	}
}

// A network namespace lasts for one run of its owner. Whoever used it when the owner started again has what is left of
// it, in which nobody is reached.
func TestOwnerThatHasStartedAgain(t *testing.T) {
	at := func(seconds int) with {
		return func(c *container.Container) { c.StartedAt = time.Unix(1_800_000_000+int64(seconds), 0) }
	}
	owner := func(id string, different ...with) container.Container {
		c := web(append([]with{withoutECS}, different...)...)
		c.ID, c.Name = id, id
		return c
	}
	shares := func(with string) with {
		return func(c *container.Container) { c.Mode, c.SharedWith, c.Published = container.Shared, with, nil }
	}
	const reached = "web 80/tcp at 10080"
	stale := func(name string) string {
		return fmt.Sprintf(
			"? container: container %q, whose network it uses, has started again since, with a new network: restart "+
				"this one",
			name,
		)
	}
	for name, tt := range map[string]struct {
		all  []container.Container // the first of which is meant
		want string
	}{
		"owner first":     {[]container.Container{web(shares("x"), at(2)), owner("x", at(1))}, reached},
		"both at once":    {[]container.Container{web(shares("x"), at(1)), owner("x", at(1))}, reached},
		"owner later":     {[]container.Container{web(shares("x"), at(1)), owner("x", at(2))}, stale("x")},
		"both again":      {[]container.Container{web(shares("x"), at(4)), owner("x", at(3))}, reached},
		"times not known": {[]container.Container{web(shares("x")), owner("x", at(3))}, reached},
		"owner later, on the host's network": {
			[]container.Container{
				web(shares("x"), at(1), env("SERVICE_80_NAME", "web")),
				owner("x", mode(container.Host), at(2)),
			}, "web 80/tcp at 80",
		},
		"pause container of Service Connect later": {
			[]container.Container{
				web(shares("x"), at(1)),
				owner("x", label(container.LabelName, "~internal~ecs~pause-web"), at(2)),
			}, stale("x"),
		},
		"in a row": {
			[]container.Container{web(shares("x"), at(3)), owner("x", shares("y"), at(2)), owner("y", at(1))}, reached,
		},
		"in a row, the last later": {
			[]container.Container{
				web(shares("x"), at(3)),
				owner("x", shares("y"), at(2)),
				owner("y", at(4)),
			}, stale("y"),
		},
		"in a row, the last later than the middle only": {
			[]container.Container{
				web(shares("x"), at(4)),
				owner("x", shares("y"), at(2)),
				owner("y", at(3)),
			}, stale("y"),
		},
		"in a row, the middle again: both have the network of the last": {
			[]container.Container{web(shares("x"), at(2)), owner("x", shares("y"), at(3)), owner("y", at(1))}, reached,
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Contains(t, mapped(tt.all...), tt.want) })
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
	assert.False(
		t,
		endpoint.OwnInterface(shared, named("~internal~ecs~pause-web", container.Bridge)),
		"Service Connect",
	)
	assert.False(t, endpoint.OwnInterface(shared, named("web", container.None)), "a user's own")
	assert.False(t, endpoint.OwnInterface(shared, container.Container{}), "an owner that is gone")
	assert.False(t, endpoint.OwnInterface(named("web", container.Bridge), named("~internal~ecs~pause", container.None)))
}
