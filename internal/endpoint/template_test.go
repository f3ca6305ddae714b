package endpoint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
)

func TestTemplateOfNames(t *testing.T) {
	arn := label(container.LabelCluster, "arn:aws:ecs:eu-central-1:123456789012:cluster/Blue")
	for name, tt := range map[string]struct {
		template  string
		container container.Container
		want      []string
	}{
		"empty":   {"", web(), []string{"web 80/tcp at 10080"}},
		"service": {"{{.Service}}", web(env("SERVICE_NAME", "WWW")), []string{"www 80/tcp at 10080"}},
		"cluster": {"{{.Service}}.{{.Cluster}}", web(), []string{"web.blue 80/tcp at 10080"}},
		"its ARN": {"{{.Service}}.{{.Cluster}}", web(arn), []string{"web.blue 80/tcp at 10080"}},
		"everything": {
			"{{.Family}}-{{.Revision}}-{{.Port}}-{{.Proto}}",
			web(),
			[]string{"shop-3-80-tcp 80/tcp at 10080"},
		},
		"implicit names with their ends": {
			"{{.Service}}.x", web(publishes(published(tcp(80), udp(53)))),
			[]string{"web-53-udp.x 53/udp at 10053", "web-80.x 80/tcp at 10080", "web.x 80/tcp at 10080"},
		},
		"two names become one": {
			"{{.Family}}", web(env("SERVICE_80_NAME", "a,b")), []string{"shop 80/tcp at 10080"},
		},
		"two ports become one name": {
			"{{.Family}}", web(publishes(published(tcp(80), tcp(81)))), []string{
				"shop 80/tcp at 10080",
				"shop 81/tcp at 10081",
			},
		},
		"a name of nothing": {
			"svc-{{.Service}}", web(env("SERVICE_80_NAME", "a, ")),
			[]string{"svc-a 80/tcp at 10080", "? SERVICE_80_NAME: one of its names is empty"},
		},
		"no cluster": {
			"{{.Service}}.{{.Cluster}}", web(withoutECS, env("SERVICE_NAME", "www")),
			[]string{`? SERVICE_NAME: name "www." has an empty part between dots, or is empty`},
		},
		"hostile label": {
			"{{.Service}}.{{.Family}}", web(label(container.LabelFamily, strings.Repeat("a", 200<<10))),
			[]string{`? com.amazonaws.ecs.container-name: expand name template: the name becomes too long`},
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
}

func TestParseTemplateRefuses(t *testing.T) {
	const fields = "(the fields are .Service, .Cluster, .Family, .Revision, .Port and .Proto)"
	for name, tt := range map[string]struct{ template, want string }{
		"syntax":                          {"{{.Service", "read name template: "},
		"unknown function":                {"{{upper .Service}}", `function "upper" not defined`},
		"unknown field":                   {"{{.Name}}", fields},
		"unknown field, only in ECS":      {"{{if .Cluster}}{{.Name}}{{end}}", fields},
		"unknown field, only outside ECS": {"{{if not .Cluster}}{{.Name}}{{end}}", fields},
		"field of a field":                {"{{.Service.Name}}", fields},
		"never a name": {
			"{{.Service}} {{.Cluster}}",
			`try name template: name "web default" has a character`,
		},
		"no name at all": {
			"{{if eq .Port 1}}{{.Service}}{{end}}",
			`try name template: name "" has an empty part`,
		},
		"a name without end":               {`{{printf "%2000d" 1}}`, "the name becomes too long"},
		"a name without end, in its parts": {strings.Repeat("{{.Service}}", 400), "the name becomes too long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := endpoint.ParseTemplate(tt.template)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}
