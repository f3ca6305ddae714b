package endpoint

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/ecssd/ecssd/internal/container"
)

const (
	maxLabel = 63  // characters between two dots (RFC 1035)
	maxName  = 253 // characters in all: 255 bytes as sent, which count the length of the first label and the root
	// maxExpansion bounds what a name template may make of hostile labels before it is checked as a name.
	maxExpansion = 1024
)

// CheckName says what keeps name from being a name below zone (or, where that is empty, a domain name). Letters, digits,
// hyphens and underscores may stand between dots, so that _time._tcp works.
func CheckName(name, zone string) error {
	whole := name
	if zone != "" {
		whole += "." + zone
	}
	if len(whole) > maxName {
		return fmt.Errorf("name %.80q has %d characters with the zone, and DNS allows %d", name, len(whole), maxName)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return fmt.Errorf("name %.80q has an empty part between dots, or is empty", name)
		case len(label) > maxLabel:
			return fmt.Errorf("name %.80q has a part of %d characters, and DNS allows %d between dots", name, len(label), maxLabel)
		}
		for i := range len(label) {
			b := label[i]
			if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_') {
				return fmt.Errorf("name %.80q has a character other than letters, digits, '-', '_' and '.'", name)
			}
		}
	}
	return nil
}

// NameFields are what a name template can use. Cluster, Family and Revision are empty for containers that ECS did not start.
type NameFields struct {
	Service  string // the name so far
	Cluster  string // its short name
	Family   string // of the task definition
	Revision string // of the task definition
	Port     uint16 // the container's own
	Proto    string // tcp or udp
}

// ParseTemplate reads a template of names (text/template over NameFields), and tries it once.
func ParseTemplate(text string) (*template.Template, error) {
	parsed, err := template.New("name").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	if _, err := expand(parsed, NameFields{Service: "web", Port: 80, Proto: "tcp"}); err != nil {
		return nil, err
	}
	return parsed, nil
}

// name gives the name that the template makes of a service, in lower case.
func (m *mapping) name(service string, port container.Port) (string, error) {
	if m.Template == nil {
		return strings.ToLower(service), nil
	}
	cluster := m.container.Labels[container.LabelCluster]
	name, err := expand(m.Template, NameFields{
		Service: service, Cluster: cluster[strings.LastIndexByte(cluster, '/')+1:],
		Family: m.container.Labels[container.LabelFamily], Revision: m.container.Labels[container.LabelRevision],
		Port: port.Number, Proto: string(port.Proto),
	})
	return strings.ToLower(name), err
}

func expand(t *template.Template, fields NameFields) (string, error) {
	var out bounded
	if err := t.Execute(&out, fields); err != nil {
		return "", fmt.Errorf("expand template: %w", err)
	}
	return out.String(), nil
}

// bounded is a writer that takes maxExpansion bytes.
type bounded struct{ strings.Builder }

var errTooLong = errors.New("the name is too long")

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxExpansion {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

var _ io.Writer = (*bounded)(nil)
