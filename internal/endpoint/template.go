package endpoint

import (
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/ecssd/ecssd/internal/container"
)

// maxExpansion bounds, in bytes, what a name template may make of hostile labels before it is checked as a name.
const maxExpansion = 1024

// NameFields are what a name template can use. Cluster, Family and Revision are empty for containers that ECS did not
// start.
type NameFields struct {
	Service  string // the name so far: "web", "web-8080", "dns-udp"
	Cluster  string // its short name
	Family   string // of the task definition
	Revision string // of the task definition
	Port     uint16 // the container's own
	Proto    string // tcp or udp
}

// ParseTemplate reads a template of names: text/template over NameFields. It tries the template on a container of ECS
// and on another one, so that a field that does not exist is found before a container needs it; of the former it has to
// make a name. Empty text means {{.Service}}.
func ParseTemplate(text string) (*template.Template, error) {
	if text == "" {
		text = "{{.Service}}"
	}
	parsed, err := template.New("name").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read name template: %w", err)
	}
	for _, fields := range []NameFields{
		{Service: "web", Port: 80, Proto: "udp"},
		{
			Service:  "web",
			Cluster:  "default",
			Family:   "web",
			Revision: "1",
			Port:     80,
			Proto:    "tcp",
		},
	} {
		name, err := expand(parsed, fields)
		if err != nil {
			return nil, fmt.Errorf("%w (the fields are .Service, .Cluster, .Family, .Revision, .Port and .Proto)", err)
		}
		if err := CheckName(strings.ToLower(name), ""); err != nil && fields.Cluster != "" {
			return nil, fmt.Errorf("try name template: %w", err)
		}
	}
	return parsed, nil
}

// name returns the name that the template makes of a service, in lower case and without the zone.
func (m *mapping) name(service string, port container.Port) (string, error) {
	if m.Template == nil {
		return strings.ToLower(withoutZone(service, m.Zone)), nil
	}
	labels := m.container.Labels
	cluster := labels[container.LabelCluster] // a name, or an ARN that ends in /name
	name, err := expand(m.Template, NameFields{
		Service:  service,
		Cluster:  cluster[strings.LastIndexByte(cluster, '/')+1:],
		Family:   labels[container.LabelFamily],
		Revision: labels[container.LabelRevision],
		Port:     port.Number,
		Proto:    string(port.Proto),
	})
	return strings.ToLower(withoutZone(name, m.Zone)), err
}

func expand(t *template.Template, fields NameFields) (string, error) {
	var out bounded
	if err := t.Execute(&out, fields); err != nil {
		return "", fmt.Errorf("expand name template: %w", err)
	}
	return out.text.String(), nil
}

// bounded is a writer that takes maxExpansion bytes.
type bounded struct{ text strings.Builder }

var errTooLong = errors.New("the name becomes too long")

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxExpansion {
		return 0, errTooLong
	}
	return b.text.Write(p)
}
