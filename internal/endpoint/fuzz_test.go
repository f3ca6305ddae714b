package endpoint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"web", "_calc._tcp", "a..b", "", ".", "Web", strings.Repeat("a", 64),
		strings.Repeat("a.", 130), "*.x", "a\x00", "é", "-a", "sd.internal"} {
		f.Add(s, "sd.internal")
	}
	f.Fuzz(func(t *testing.T, name, zone string) {
		whole := name
		if zone != "" {
			whole += "." + zone
		}
		valid := validName.MatchString(name) && len(whole) <= 253 && (zone == "" || name != zone)
		err := endpoint.CheckName(name, zone)
		assert.Equal(t, valid, err == nil, "%v", err)
		if err != nil {
			assert.Less(t, len(err.Error()), 600)
		}
	})
}

// A template that is accepted makes good names or none, of any container.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"", "{{.Service}}", "{{.Service}}.{{.Cluster}}", "{{.Family}}-{{.Revision}}", "{{.Proto}}{{.Port}}",
		"{{if .Cluster}}a{{else}}b{{end}}",
		"{{slice .Service 0 2}}", "{{.Service}}{{.Service}}", "{{len .Service}}", "{{.Nothing}}", "{{", "x{{/* */}}y",
	} {
		f.Add(text, "web", "arn:aws:ecs:eu-central-1:123456789012:cluster/blue", "shop")
	}
	f.Fuzz(func(t *testing.T, text, service, cluster, family string) {
		for _, word := range []string{"range", "printf", "define", "block", "call"} {
			if strings.Contains(text, word) { // of which an operator can make what has no end
				return
			}
		}
		parsed, err := endpoint.ParseTemplate(text)
		if err != nil {
			return
		}
		p := policy
		p.Template = parsed
		hold(t, p, []container.Container{
			web(
				label(container.LabelName, service),
				label(container.LabelCluster, cluster),
				label(container.LabelFamily, family),
				publishes(published(tcp(80), tcp(81), udp(53))),
			),
		})
	})
}

// Several settings at once, which may speak of the same port: a label beside a variable, one beside its opposite.
func FuzzSettingsTogether(f *testing.F) {
	f.Add("SERVICE_80_NAME", "a", "SERVICE_80_NAME", "b", "SERVICE_IGNORE", "")
	f.Add("SERVICE_80_NAME", "a,,b", "SERVICE_80_UDP_NAME", "a", "SERVICE_80_WEIGHT", "-1")
	f.Add("SERVICE_80_IGNORE", "1", "SERVICE_81_NAME", "A.b", "SERVICE_NAME", "_x._tcp")
	f.Add("SERVICE_65535_NAME", "a", "SERVICE_65536_NAME", "a", "SERVICE_00080_NAME", "a")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2, key3, value3 string) {
		for _, m := range []container.Mode{container.Bridge, container.Host, container.None} {
			hold(t, policy, []container.Container{
				web(
					label(key1, value1),
					env(key2, value2),
					env(key3, value3),
					mode(m),
					publishes(published(tcp(80), tcp(81), udp(80))),
				),
			})
		}
	})
}
