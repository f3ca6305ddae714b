package eventbridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// pattern is an event pattern: an object of objects, whose ends are lists of values. An event matches where it has, for
// each list, one of its values at that path (EventBridge user guide, eb-event-patterns). Content filters, such as
// {"prefix": "x"}, are not imitated.
type pattern struct {
	fields map[string]*pattern
	values []any // of a list: string, json.Number, bool or nil
	isList bool
}

// parsePattern reads a pattern, or returns what is wrong with it.
func parsePattern(text string) (*pattern, error) {
	if len(text) > 4096 {
		return nil, fmt.Errorf("it is longer than 4096 characters")
	}
	v, err := parse([]byte(text))
	if err != nil {
		return nil, err
	}
	fields, ok := v.(map[string]any)
	if !ok || len(fields) == 0 {
		return nil, fmt.Errorf("filter is not an object")
	}
	return toPattern("", fields)
}

func parse(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("there is more than one value")
	}
	return v, nil
}

func toPattern(at string, v any) (*pattern, error) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return nil, fmt.Errorf("empty objects are not allowed at %q", at)
		}
		p := &pattern{fields: map[string]*pattern{}}
		for name, field := range v {
			if name == "$or" {
				return nil, fmt.Errorf("the sandbox does not imitate $or")
			}
			child, err := toPattern(name, field)
			if err != nil {
				return nil, err
			}
			p.fields[name] = child
		}
		return p, nil
	case []any:
		if len(v) == 0 {
			return nil, fmt.Errorf("empty arrays are not allowed at %q", at)
		}
		for _, value := range v {
			switch value.(type) {
			case map[string]any, []any:
				return nil, fmt.Errorf("the sandbox does not imitate content filters, as at %q", at)
			}
		}
		return &pattern{isList: true, values: v}, nil
	}
	return nil, fmt.Errorf("%q must be an object or an array", at)
}

// matches reports whether an event, or a part of it, has what the pattern asks for.
func (p *pattern) matches(event any) bool {
	if p.isList {
		if list, ok := event.([]any); ok { // one of its values suffices
			return slices.ContainsFunc(list, p.has)
		}
		return p.has(event)
	}
	fields, ok := event.(map[string]any)
	if !ok {
		return false
	}
	for name, child := range p.fields {
		value, there := fields[name]
		if !there || !child.matches(value) {
			return false
		}
	}
	return true
}

func (p *pattern) has(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return slices.Contains(p.values, value)
}
