package eventbridge

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ecssd/ecssd/internal/sandbox/gate"
)

const (
	enabled     = "ENABLED"
	disabled    = "DISABLED"
	mostTargets = 5 // of a rule (EventBridge quotas)
)

type ruleKey struct{ bus, name string }

// rule is a rule of a bus.
type rule struct {
	Name         string `json:"Name"`
	ARN          string `json:"Arn"`
	EventPattern string `json:"EventPattern"`
	State        string `json:"State"`
	Description  string `json:"Description,omitempty"`
	EventBusName string `json:"EventBusName"`

	pattern *pattern
	targets []target
}

// target is where the events of a rule go.
type target struct {
	ID          string       `json:"Id"`
	ARN         string       `json:"Arn"`
	SQS         *sqsTarget   `json:"SqsParameters,omitempty"`
	DeadLetters *deadLetters `json:"DeadLetterConfig,omitempty"`
	Retry       *struct {
		MaximumRetryAttempts     *int `json:"MaximumRetryAttempts,omitempty"`
		MaximumEventAgeInSeconds *int `json:"MaximumEventAgeInSeconds,omitempty"`
	} `json:"RetryPolicy,omitempty"`

	Input            *string `json:"Input,omitempty"`
	InputPath        *string `json:"InputPath,omitempty"`
	InputTransformer any     `json:"InputTransformer,omitempty"`
	RoleARN          string  `json:"RoleArn,omitempty"`
}

type sqsTarget struct {
	MessageGroupID string `json:"MessageGroupId,omitempty"`
}

type deadLetters struct {
	ARN string `json:"Arn"`
}

func (t target) group() string {
	if t.SQS == nil {
		return ""
	}
	return t.SQS.MessageGroupID
}

// check returns what is wrong with a target.
func (t target) check() (code, message string) {
	switch {
	case !targetID.MatchString(t.ID):
		return "ValidationException", "Value at 'targets.1.member.id' failed to satisfy constraint"
	case !strings.HasPrefix(t.ARN, "arn:aws:sqs:"):
		return "ValidationException", "The sandbox does not imitate the target " + t.ARN + ": it has queues alone"
	case t.Input != nil || t.InputPath != nil || t.InputTransformer != nil:
		return "ValidationException", "The sandbox does not imitate Input, InputPath and InputTransformer"
	case strings.HasSuffix(t.ARN, ".fifo") && t.group() == "":
		return "ValidationException", "Parameter(s) SqsParameters must be specified for target: " + t.ID + "."
	case !strings.HasSuffix(t.ARN, ".fifo") && t.group() != "":
		return "ValidationException", "Parameter(s) MessageGroupId not valid for target: " + t.ID + "."
	}
	return "", ""
}

var (
	ruleName = regexp.MustCompile(`^[.A-Za-z0-9_-]{1,64}$`)
	targetID = regexp.MustCompile(`^[.A-Za-z0-9_-]{1,64}$`)
)

func (b *Bus) sorted() []ruleKey {
	return slices.SortedFunc(maps.Keys(b.rules), func(x, y ruleKey) int {
		return cmp.Or(cmp.Compare(x.bus, y.bus), cmp.Compare(x.name, y.name))
	})
}

type putRule struct {
	Name, EventPattern, State, Description, EventBusName, ScheduleExpression string

	RoleARN string `json:"RoleArn"`
	Tags    []any
}

func (b *Bus) putRule(in putRule) (any, *gate.Failure) {
	switch {
	case !ruleName.MatchString(in.Name):
		return nil, invalid("Value '%s' at 'name' failed to satisfy constraint", in.Name)
	case in.ScheduleExpression != "" || len(in.Tags) > 0:
		return nil, invalid("The sandbox does not imitate schedules and tags of rules")
	case in.EventPattern == "":
		return nil, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case !slices.Contains([]string{"", enabled, disabled}, in.State):
		return nil, invalid("Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: "+
			"[ENABLED, DISABLED]", in.State)
	}
	p, err := parsePattern(in.EventPattern)
	if err != nil {
		return nil, gate.Refuse(400, "InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := ruleKey{busName(in.EventBusName), in.Name}
	r := b.rules[key]
	if r == nil {
		r = &rule{Name: in.Name, EventBusName: key.bus}
		path := in.Name
		if key.bus != defaultBus {
			path = key.bus + "/" + path
		}
		r.ARN = "arn:aws:events:" + b.Region + ":" + b.Account + ":rule/" + path
		b.rules[key] = r
	}
	r.EventPattern, r.Description, r.State, r.pattern = in.EventPattern, in.Description, cmp.Or(in.State, enabled), p
	return struct{ RuleArn string }{r.ARN}, nil
}

// Subscribe makes a rule of the default bus, whose events go to a queue.
func (b *Bus) Subscribe(name, pattern, queueARN string) error {
	if _, f := b.putRule(putRule{Name: name, EventPattern: pattern}); f != nil {
		return fmt.Errorf("put rule %s: %s: %s", name, f.Code, f.Message)
	}
	if _, f := b.putTargets(putTargets{Rule: name, Targets: []target{{ID: "queue", ARN: queueARN}}}); f != nil {
		return fmt.Errorf("put the target of rule %s: %s: %s", name, f.Code, f.Message)
	}
	return nil
}

// named is a request about one rule.
type named struct{ Name, Rule, EventBusName string }

// find returns a rule; the lock is held.
func (b *Bus) find(bus, name string) (*rule, *gate.Failure) {
	bus = busName(bus)
	if r := b.rules[ruleKey{bus, name}]; r != nil {
		return r, nil
	}
	return nil, gate.Refuse(400, "ResourceNotFoundException", "Rule %s does not exist on EventBus %s.", name, bus)
}

func (b *Bus) describeRule(in named) (any, *gate.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, f := b.find(in.EventBusName, in.Name)
	if f != nil {
		return nil, f
	}
	return *r, nil
}

func (b *Bus) deleteRule(in named) (any, *gate.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, f := b.find(in.EventBusName, in.Name)
	switch {
	case f != nil: // which is no error
	case len(r.targets) > 0:
		return nil, invalid("Rule can't be deleted since it has targets.")
	default:
		delete(b.rules, ruleKey{r.EventBusName, r.Name})
	}
	return struct{}{}, nil
}

func (b *Bus) enable(state string) func(named) (any, *gate.Failure) {
	return func(in named) (any, *gate.Failure) {
		b.mu.Lock()
		defer b.mu.Unlock()
		r, f := b.find(in.EventBusName, in.Name)
		if f != nil {
			return nil, f
		}
		r.State = state
		return struct{}{}, nil
	}
}

type putTargets struct {
	Rule, EventBusName string
	Targets            []target
}

type failedTarget struct {
	TargetID     string `json:"TargetId"`
	ErrorCode    string
	ErrorMessage string
}

type targetResult struct {
	FailedEntryCount int
	FailedEntries    []failedTarget
}

func (b *Bus) putTargets(in putTargets) (any, *gate.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, f := b.find(in.EventBusName, in.Rule)
	if f != nil {
		return nil, f
	}
	if len(in.Targets) == 0 {
		return nil, invalid(
			"Value '[]' at 'targets' failed to satisfy constraint: Member must have length greater than or equal to 1",
		)
	}
	targets := slices.Clone(r.targets)
	for _, t := range in.Targets {
		if code, message := t.check(); code != "" {
			return nil, gate.Refuse(400, code, "%s", message)
		}
		targets = slices.DeleteFunc(targets, func(other target) bool { return other.ID == t.ID })
		targets = append(targets, t)
	}
	if len(targets) > mostTargets {
		return nil, gate.Refuse(
			400,
			"LimitExceededException",
			"The requested resource exceeds the maximum number allowed.",
		)
	}
	r.targets = targets
	return targetResult{FailedEntries: []failedTarget{}}, nil
}

type removeTargets struct {
	Rule, EventBusName string
	IDs                []string `json:"Ids"`
}

func (b *Bus) removeTargets(in removeTargets) (any, *gate.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, f := b.find(in.EventBusName, in.Rule)
	if f != nil {
		return nil, f
	}
	r.targets = slices.DeleteFunc(slices.Clone(r.targets), func(t target) bool { return slices.Contains(in.IDs, t.ID) })
	return targetResult{FailedEntries: []failedTarget{}}, nil
}

func (b *Bus) listTargets(in named) (any, *gate.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, f := b.find(in.EventBusName, in.Rule)
	if f != nil {
		return nil, f
	}
	return struct{ Targets []target }{append([]target{}, r.targets...)}, nil
}

type listRules struct{ NamePrefix, EventBusName string }

func (b *Bus) listRules(in listRules) (any, *gate.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	result := struct{ Rules []rule }{[]rule{}}
	for _, key := range b.sorted() {
		if key.bus == busName(in.EventBusName) && strings.HasPrefix(key.name, in.NamePrefix) {
			result.Rules = append(result.Rules, *b.rules[key])
		}
	}
	return result, nil
}

func invalid(format string, args ...any) *gate.Failure {
	return gate.Refuse(400, "ValidationException", "%s", fmt.Sprintf(format, args...))
}
