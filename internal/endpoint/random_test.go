package endpoint_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

var validName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// hold asserts what is true of the map of any containers.
func hold(t assert.TestingT, p endpoint.Policy, containers []container.Container) {
	endpoints, problems := p.Map(containers)
	type key struct {
		name, id string
		port     container.Port
	}
	byID := map[string]container.Container{}
	for _, c := range containers {
		byID[c.ID] = c
	}
	keys, names, reported := map[key]bool{}, map[string]int{}, map[string]int{}
	ports := map[[2]string]int{} // by container and name
	for _, e := range endpoints {
		assert.Regexp(t, validName, e.Name)
		assert.LessOrEqual(t, len(e.Name+"."+p.Zone), 253)
		assert.True(t, byID[e.ContainerID].Live(), "registered while %s", byID[e.ContainerID].State)
		assert.Contains(t, []container.Proto{container.TCP, container.UDP}, e.Port.Proto)
		assert.NotZero(t, e.HostPort)
		if c := byID[e.ContainerID]; c.Mode == container.Bridge && p.Address.IsValid() {
			assert.True(t, slices.ContainsFunc(c.Published, func(b container.Binding) bool {
				ip := b.HostIP.Unmap()
				return b.Port == e.Port && b.HostPort == e.HostPort &&
					(ip == p.Address || ip == netip.IPv4Unspecified())
			}), "consumers do not reach %s at %d", e.Port, e.HostPort)
		}
		assert.True(t, !e.Address.IsValid() || e.Address.Is4(), "address %s", e.Address)
		assert.True(t, 0 <= e.Weight && e.Weight <= p.MaxWeight, "weight %d", e.Weight)
		k := key{e.Name, e.ContainerID, e.Port}
		assert.False(t, keys[k], "%v twice", k)
		keys[k] = true
		names[e.ContainerID]++
		ports[[2]string{e.ContainerID, e.Name}]++
		assert.LessOrEqual(t, ports[[2]string{e.ContainerID, e.Name}], 20, "ports under %s", e.Name)
		assert.False(t, strings.HasSuffix("."+e.Name, "."+p.Zone), "%s is with its zone", e.Name)
	}
	subjects := map[[2]string]bool{}
	for _, problem := range problems {
		for _, text := range []string{problem.Subject, problem.Reason} {
			assert.NotEmpty(t, text)
			assert.LessOrEqual(t, len(text), 1500)
			assert.True(
				t,
				utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }),
				"%q",
				text,
			)
		}
		subject := [2]string{problem.ContainerID, problem.Subject}
		more := problem.Subject == "container" && strings.HasPrefix(problem.Reason, "and ")
		assert.True(t, more || !subjects[subject], "%v twice", subject)
		subjects[subject] = true
		reported[problem.ContainerID]++
	}
	for id := range byID {
		assert.NotZero(t, names[id]+reported[id], "nothing is said of a container")
		assert.LessOrEqual(t, names[id], 101)
		assert.LessOrEqual(t, reported[id], 20)
	}
	turned := slices.Clone(containers)
	slices.Reverse(turned)
	for i, c := range turned {
		turned[i].Published, turned[i].Exposed, turned[i].Mapped = slices.Clone(
			c.Published,
		), slices.Clone(
			c.Exposed,
		), slices.Clone(
			c.Mapped,
		)
		slices.Reverse(turned[i].Published)
		slices.Reverse(turned[i].Exposed)
		slices.Reverse(turned[i].Mapped)
	}
	otherEndpoints, otherProblems := p.Map(turned)
	assert.Equal(t, endpoints, otherEndpoints, "the order of containers or of their ports matters")
	assert.Equal(t, problems, otherProblems, "the order of containers or of their ports matters")
}

// settings draws what labels and variables may be: mostly near to what is understood.
func settings() *rapid.Generator[map[string]string] {
	port := rapid.OneOf(
		rapid.SampledFrom([]string{"80", "81", "53", "080", "65535", "65536", "http", ""}),
		rapid.StringN(0, 5, -1),
	)
	key := rapid.OneOf(
		rapid.SampledFrom([]string{
			"SERVICE_NAME", "SERVICE_WEIGHT", "SERVICE_FOO", container.LabelName, container.LabelTaskARN,
			container.LabelFamily,
			container.LabelCluster,
		}),
		rapid.Custom(func(t *rapid.T) string {
			end := rapid.SampledFrom(
				[]string{"NAME", "NAME", "UDP_NAME", "WEIGHT", "IGNORE", "CHECK_HTTP", "UDP_WEIGHT"},
			)
			return "SERVICE_" + port.Draw(t, "port") + "_" + end.Draw(t, "end")
		}),
	)
	value := rapid.OneOf(
		rapid.SampledFrom(
			[]string{
				"web",
				"time,clock",
				"_calc._tcp",
				"a,,b",
				"web.sd.internal.",
				"-a",
				"5",
				"300",
				"",
				"1",
				"~internal~ecs~pause",
				"arn:::::/x",
			},
		),
		rapid.Map(rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z0-9._-]{0,70}`), 0, 130), func(names []string) string {
			return strings.Join(names, ",")
		}),
		rapid.String(),
	)
	return rapid.MapOfN(key, value, 0, 40)
}

func containers() *rapid.Generator[[]container.Container] {
	port := rapid.Custom(func(t *rapid.T) container.Port {
		return container.Port{
			Number: rapid.SampledFrom([]uint16{53, 80, 81, 8080, 65535}).Draw(t, "number"),
			Proto: rapid.SampledFrom([]container.Proto{
				container.TCP,
				container.TCP,
				container.UDP,
				container.SCTP,
			}).Draw(t, "proto"),
		}
	})
	addr := rapid.SampledFrom([]netip.Addr{
		netip.IPv4Unspecified(), netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("127.0.0.1"),
		netip.IPv6Loopback(), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.1"), {},
	})
	binding := rapid.Custom(func(t *rapid.T) container.Binding {
		return container.Binding{
			Port: port.Draw(
				t,
				"port",
			), HostIP: addr.Draw(t, "host IP"), HostPort: rapid.Uint16Range(0, 4).Draw(t, "host port"),
		}
	})
	one := rapid.Custom(func(t *rapid.T) container.Container {
		return container.Container{
			ID:     rapid.StringMatching("[ab]{1,4}").Draw(t, "ID"),
			Name:   rapid.SampledFrom([]string{"a", "x", "y"}).Draw(t, "name"),
			Labels: settings().Draw(t, "labels"),
			Env:    settings().Draw(t, "environment"),
			State: rapid.SampledFrom([]container.State{
				container.Running,
				container.Running,
				container.Paused,
				"exited",
				"\n",
			}).Draw(t, "state"),
			Mode: rapid.SampledFrom([]container.Mode{
				container.Bridge,
				container.Bridge,
				container.Host,
				container.None,
				container.Shared,
				"",
			}).Draw(t, "mode"),
			SharedWith: rapid.SampledFrom([]string{"a", "b", "x", "\x1b", ""}).Draw(t, "shared with"),
			Image: rapid.SampledFrom([]string{
				"",
				"web:1",
				"ecs-service-connect-agent:interface-v1",
			}).Draw(t, "image"),
			StartedAt: time.Unix(rapid.Int64Range(1, 3).Draw(t, "started"), 0),
			Exposed:   rapid.SliceOfN(port, 0, 6).Draw(t, "exposed"),
			Mapped:    rapid.SliceOfN(port, 0, 3).Draw(t, "mapped"),
			Published: rapid.SliceOfN(binding, 0, 8).Draw(t, "published"),
			Address:   addr.Draw(t, "address"),
		}
	})
	return rapid.SliceOfNDistinct(one, 0, 5, func(c container.Container) string { return c.ID })
}

func TestMapOfAnyContainers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := endpoint.Policy{Zone: "sd.internal", DefaultWeight: 1, MaxWeight: 100}
		p.Address = rapid.SampledFrom([]netip.Addr{
			{},
			netip.MustParseAddr("10.0.0.1"),
			netip.MustParseAddr("10.0.0.2"),
		}).Draw(t, "host's address")
		text := rapid.SampledFrom([]string{"", "{{.Service}}.{{.Cluster}}", "{{.Family}}{{.Family}}",
			"{{slice .Service 0 2}}"}).
			Draw(t, "template")
		var err error
		if p.Template, err = endpoint.ParseTemplate(text); err != nil {
			t.Fatal(err)
		}
		hold(t, p, containers().Draw(t, "containers"))
	})
}

func FuzzSettings(f *testing.F) {
	f.Add("SERVICE_80_NAME", "time,clock", "web")
	f.Add("SERVICE_53_UDP_NAME", "_dns._udp", "web")
	f.Add("SERVICE_NAME", "a b", "~internal~")
	f.Add("SERVICE_WEIGHT", "256", "Web.x")
	f.Add("SERVICE_\xff_NAME", "\x00", "\u212a")
	f.Fuzz(func(t *testing.T, key, value, name string) {
		hold(t, policy, []container.Container{
			web(label(container.LabelName, name), env(key, value), publishes(published(tcp(80), udp(53)))),
			web(withoutECS, label(key, value), mode(container.Host), func(c *container.Container) { c.ID = pauseID }),
		})
	})
}
