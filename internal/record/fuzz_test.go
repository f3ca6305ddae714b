package record_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	containers "github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/record"
)

// Whatever is escaped is a name that Route 53 takes and a terminal shows, and there is one way of writing it.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{`\052.example`, "a b.example", `a\056b\134`, "café", "\x1b[31m\xff", `\400`, `a\05`, "UPPER.example", ""} {
		f.Add(s)
	}
	safe := regexp.MustCompile(`^(?:[a-z0-9_.-]|\\[0-3][0-7]{2})*$`)
	f.Fuzz(func(t *testing.T, text string) {
		listed := record.Escape(text)
		assert.Regexp(t, safe, listed)
		assert.LessOrEqual(t, len(listed), 4*len(text))
		plain := record.Unescape(listed)
		assert.Equal(t, listed, record.Escape(plain))
		assert.Equal(t, plain, record.Unescape(listed), "twice the same")
		assert.Equal(t, strings.Count(plain, "."), strings.Count(listed, "."), "labels are as they were")
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{
		"1 1 32768 ip-10-0-0-1.example",
		"2 255 1 h.",
		"01 001 080 H.Example.",
		"1 1 1 a\n2 2 2 b",
		"1  1 1\ta",
		"65535 65535 65535 x",
		"-1 1 1 a",
	} {
		f.Add(s, int64(1))
	}
	f.Fuzz(func(t *testing.T, value string, weight int64) {
		r := record.Record{
			Name:   "web.example",
			Type:   record.SRV,
			SetID:  "i-1:ecs:" + container + ":80/tcp",
			Weight: weight,
			Value:  value,
		}
		assert.True(t, r.Same(r))
		target, ok := record.ParseTarget(value)
		if !ok {
			assert.Equal(t, r, r.Mark(), "what is not understood is left as it is")
			assert.Equal(t, r, r.Unmark())
			assert.False(t, r.Marked())
			return
		}
		for i, n := range []int{target.Priority, target.Weight, int(target.Port)} {
			digits := strings.TrimLeft(strings.Fields(value)[i], "0")
			assert.True(
				t,
				n == 0 && digits == "" || n > 0 && n <= 65535 && strconv.Itoa(n) == digits,
				"%d for %q",
				n,
				digits,
			)
		}
		again, ok := record.ParseTarget(target.String())
		if strings.HasSuffix(target.Host, ".") || target.Host == "" {
			return // of a name such as "..", which no record holds
		}
		assert.True(t, ok, "%q", target.String())
		assert.Equal(t, target, again)
		plain := r
		plain.Value = target.String()
		assert.True(t, r.Same(plain) && plain.Same(r), "%q and %q", value, plain.Value)
		marked := r.Mark()
		assert.True(t, marked.Marked())
		assert.Equal(t, marked, marked.Mark())
		back := marked.Unmark()
		assert.False(t, back.Marked())
		assert.Equal(t, int64(min(target.Weight, 255)), back.Weight, "as the container asked")
		restored, _ := record.ParseTarget(back.Value)
		assert.Equal(t, 1, restored.Priority)
		assert.Equal(t, target.Host, restored.Host)
	})
}

var (
	anyName  = regexp.MustCompile(`^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$`)
	anyValue = regexp.MustCompile(`^1 (?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]) [1-9][0-9]{0,4} [a-z0-9._-]+$`)
)

// Whatever containers say of themselves, the records made of it are ones that Route 53 takes, no two have one key, and
// each is found again to be this host's and its container's.
func FuzzDesired(f *testing.F) {
	f.Add("SERVICE_80_NAME", "time,clock", "SERVICE_WEIGHT", "5", "web", "{{.Service}}", byte(0))
	f.Add("SERVICE_80_NAME", "web", "SERVICE_WEIGHT", "255", "web", "", byte(0))
	f.Add(
		"SERVICE_53_UDP_NAME",
		"_dns._udp",
		"SERVICE_53_NAME",
		"_DNS._tcp",
		"dns",
		"{{.Service}}.{{.Cluster}}",
		byte(1),
	)
	f.Add(
		"SERVICE_NAME",
		" Web ",
		"SERVICE_80_WEIGHT",
		"256",
		"~internal~",
		"{{.Family}}-{{.Port}}-{{.Proto}}",
		byte(2),
	)
	f.Add("SERVICE_80_NAME", "a,a,A, a", "SERVICE_53_NAME", "a", "", "{{if .Cluster}}x{{end}}{{.Service}}", byte(3))
	f.Add(
		"SERVICE_080_NAME",
		"a",
		"SERVICE_80_IGNORE",
		"",
		strings.Repeat("long.", 60),
		"{{slice .Service 0 3}}",
		byte(0),
	)
	f.Add("SERVICE_\xff_NAME", "\x00", "SERVICE_NAME", "\u212a", "a\x1b[31m", "", byte(1))
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2, name, template string, kind byte) {
		if len(template) > 200 || strings.Contains(template, "range") || strings.Contains(template, "printf") ||
			strings.Contains(template, "define") {
			return // the operator's own doing
		}
		parsed, err := endpoint.ParseTemplate(template)
		if err != nil {
			return
		}
		one := containers.Container{
			ID:    container,
			Name:  "a",
			State: containers.Running,
			Mode:  []containers.Mode{containers.Bridge, containers.Host}[kind&1],
			Labels: map[string]string{
				containers.LabelName:    name,
				containers.LabelTaskARN: "arn:aws:ecs:x",
				containers.LabelFamily:  value1,
				key1:                    value1,
			},
			Env: map[string]string{key2: value2},
			Exposed: []containers.Port{
				{Number: 80, Proto: containers.TCP},
				{Number: 53, Proto: containers.UDP},
				{Number: 53, Proto: containers.TCP},
			},
		}
		for _, p := range one.Exposed {
			one.Published = append(one.Published, containers.Binding{
				Port:     p,
				HostIP:   netip.IPv4Unspecified(),
				HostPort: 30000 + p.Number,
			})
		}
		two := one
		two.ID, two.State = strings.Repeat("b", 64), containers.Paused
		policy := endpoint.Policy{
			Zone:          "sd.internal",
			Template:      parsed,
			DefaultWeight: 1,
			MaxWeight:     200,
		}
		endpoints, _ := policy.Map([]containers.Container{one, two})
		owner := record.Owner{
			InstanceID: "i-0123456789abcdef0",
			Address:    netip.MustParseAddr("10.0.0.1"),
			Account:    "123456789012",
			Region:     "eu-central-1",
		}
		if kind&2 != 0 {
			owner.DNSName = "ip-10-0-0-1.eu-central-1.compute.internal"
		}
		keys := map[record.Key]bool{}
		for _, r := range record.Desired(record.Zone{Name: "sd.internal", TTL: 5}, owner, endpoints) {
			assert.False(t, keys[r.Key()], "%v twice", r.Key())
			keys[r.Key()] = true
			assert.Regexp(t, anyName, r.Name)
			assert.LessOrEqual(t, len(r.Name), 253)
			assert.True(t, strings.HasSuffix(r.Name, ".sd.internal"), r.Name)
			assert.Equal(t, r.Name, record.Escape(r.Name), "nothing to escape")
			assert.True(t, 0 <= r.Weight && r.Weight <= 200, "%d", r.Weight)
			assert.Equal(t, map[record.Type]int64{record.SRV: 5, record.A: 60}[r.Type], r.TTL)
			assert.True(t, r.Owned(owner.InstanceID))
			assert.False(t, r.Marked())
			id, ok := record.ParseSetID(r.SetID)
			assert.True(t, ok, r.SetID)
			if r.Type == record.A {
				assert.Equal(t, record.Host, id.Kind)
				continue
			}
			assert.Regexp(t, anyValue, r.Value)
			assert.Contains(t, []string{one.ID, two.ID}, id.Container)
			assert.True(t, id.Container == one.ID || r.Weight == 0, "a paused container has traffic")
			target, ok := record.ParseTarget(r.Value)
			assert.True(t, ok)
			assert.Contains(t, []string{"ip-10-0-0-1.sd.internal", owner.DNSName}, target.Host)
		}
		assert.LessOrEqual(t, len(keys), 1+2*100, "each container has at most 100 names: %s", fmt.Sprint(len(keys)))
	})
}
