package sqs

import (
	"encoding/json"
	"slices"
	"strings"
)

// policy is the part of a queue's policy that decides whether EventBridge may send: statements that allow. What else
// can stand in a policy allows nothing here.
type policy struct {
	Statement []statement
}

type statement struct {
	Effect    string
	Principal principal
	Action    list
	Resource  list
	Condition map[string]map[string]list
}

// principal is "*" or the services of a principal.
type principal struct {
	everyone bool
	services list
}

func (p *principal) UnmarshalJSON(text []byte) error {
	if string(text) == `"*"` {
		p.everyone = true
		return nil
	}
	var fields struct {
		Service list
		AWS     list
	}
	err := json.Unmarshal(text, &fields)
	p.services, p.everyone = fields.Service, slices.Contains(fields.AWS, "*")
	return err
}

// list is one string or several.
type list []string

func (l *list) UnmarshalJSON(text []byte) error {
	if strings.HasPrefix(string(text), `"`) {
		*l = list{""}
		return json.Unmarshal(text, &(*l)[0])
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// allows reports whether a service may send to the queue on behalf of a source, such as a rule, of an account.
func (p *policy) allows(service, queueARN, sourceARN, account string) bool {
	if p == nil {
		return false
	}
	return slices.ContainsFunc(p.Statement, func(s statement) bool {
		who := s.Principal.everyone || slices.Contains(s.Principal.services, service)
		action := slices.ContainsFunc(
			s.Action,
			func(a string) bool { return like(strings.ToLower(a), "sqs:sendmessage") },
		)
		resource := slices.ContainsFunc(s.Resource, func(r string) bool { return like(r, queueARN) })
		return s.Effect == "Allow" && who && action && resource && s.conditions(sourceARN, account)
	})
}

// conditions reports whether all conditions of a statement hold. One that is not imitated does not.
func (s statement) conditions(sourceARN, account string) bool {
	for operator, keys := range s.Condition {
		for key, values := range keys {
			value := map[string]string{"aws:sourcearn": sourceARN, "aws:sourceaccount": account}[strings.ToLower(key)]
			holds := func(pattern string) bool { return pattern == value }
			switch operator {
			case "ArnLike", "ArnEquals", "StringLike":
				holds = func(pattern string) bool { return like(pattern, value) }
			case "StringEquals":
			default:
				return false
			}
			if value == "" || !slices.ContainsFunc(values, holds) {
				return false
			}
		}
	}
	return true
}

// like matches * as any text.
func like(pattern, text string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, before)
	for ; ok; rest = rest[1:] {
		if like(after, rest) {
			return true
		}
		if rest == "" {
			return false
		}
	}
	return false
}
