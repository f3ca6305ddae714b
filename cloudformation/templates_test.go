// Package cloudformation tests the templates in this directory, without CloudFormation: it finds what CloudFormation
// would reject, and what it would accept although it is wrong.
package cloudformation

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// resourceType is the part of a type in the CloudFormation template reference that the templates use: properties, with
// an exclamation mark if required, and the attributes that Fn::GetAtt returns.
type resourceType struct{ properties, attributes []string }

var resourceTypes = map[string]resourceType{
	"AWS::AutoScaling::AutoScalingGroup": {
		properties: words(`MinSize! MaxSize! DesiredCapacity VPCZoneIdentifier LaunchTemplate
		NewInstancesProtectedFromScaleIn Tags`),
	},
	"AWS::AutoScaling::LifecycleHook": {
		properties: words("AutoScalingGroupName! LifecycleTransition! HeartbeatTimeout DefaultResult"),
	},
	"AWS::CloudWatch::Alarm": {
		properties: words(`ComparisonOperator! EvaluationPeriods! AlarmActions AlarmDescription DatapointsToAlarm
		Dimensions MetricName Namespace OKActions Period Statistic Threshold TreatMissingData Unit`),
		attributes: words("Arn"),
	},
	"AWS::CloudWatch::Dashboard": {properties: words("DashboardBody! DashboardName")},
	"AWS::EC2::LaunchTemplate": {properties: words("LaunchTemplateData! LaunchTemplateName TagSpecifications"),
		attributes: words("DefaultVersionNumber LatestVersionNumber LaunchTemplateId")},
	"AWS::EC2::SecurityGroup": {
		properties: words("GroupDescription! VpcId Tags"),
		attributes: words("GroupId VpcId"),
	},
	"AWS::EC2::SecurityGroupIngress": {
		properties: words("IpProtocol! GroupId SourceSecurityGroupId Description FromPort ToPort"),
	},
	"AWS::ECS::CapacityProvider": {properties: words("Name AutoScalingGroupProvider Tags")},
	"AWS::ECS::Cluster": {
		properties: words("ClusterName CapacityProviders Tags"),
		attributes: words("Arn"),
	},
	"AWS::ECS::ClusterCapacityProviderAssociations": {
		properties: words("Cluster! CapacityProviders! DefaultCapacityProviderStrategy!")},
	"AWS::IAM::Policy":          {properties: words("PolicyDocument! PolicyName! Roles")},
	"AWS::IAM::InstanceProfile": {properties: words("Roles!"), attributes: words("Arn")},
	"AWS::IAM::Role": {properties: words("AssumeRolePolicyDocument! ManagedPolicyArns Policies Description"),
		attributes: words("Arn RoleId")},
	"AWS::Lambda::EventInvokeConfig": {
		properties: words(`FunctionName! Qualifier! MaximumEventAgeInSeconds MaximumRetryAttempts
		DestinationConfig`),
	},
	"AWS::Lambda::Function": {
		properties: words(`Code! Role! Architectures DeadLetterConfig Description Environment Handler LoggingConfig
		MemorySize ReservedConcurrentExecutions Runtime Timeout VpcConfig`),
		attributes: words("Arn"),
	},
	"AWS::Logs::LogGroup":      {properties: words("LogGroupName RetentionInDays"), attributes: words("Arn")},
	"AWS::Route53::HostedZone": {properties: words("Name HostedZoneConfig VPCs"), attributes: words("Id NameServers")},
	"AWS::SQS::Queue": {
		properties: words("MessageRetentionPeriod SqsManagedSseEnabled"),
		attributes: words("Arn QueueName QueueUrl"),
	},
	"AWS::Scheduler::Schedule": {properties: words("FlexibleTimeWindow! ScheduleExpression! Target! Description State"),
		attributes: words("Arn")},
}

// wildcards are the resources and actions with a * in them, by template and statement, with the reason.
var wildcards = map[string]map[string]string{
	"sweeper.cform": {
		"Role fleet ec2:DescribeInstances *":         "knows no resource",
		"Role fleet ec2:DescribeInstanceStatus *":    "knows no resource",
		"AllClustersPolicy ecs:ListClusters *":       "knows no resource",
		"CheckPolicy ecs:DescribeTaskDefinition *":   "knows no resource",
		"VpcPolicy ec2:CreateNetworkInterface *":     "Lambda takes no other role for a function in a VPC",
		"VpcPolicy ec2:DescribeNetworkInterfaces *":  "Lambda takes no other role for a function in a VPC",
		"VpcPolicy ec2:DescribeSubnets *":            "Lambda takes no other role for a function in a VPC",
		"VpcPolicy ec2:DeleteNetworkInterface *":     "Lambda takes no other role for a function in a VPC",
		"VpcPolicy ec2:AssignPrivateIpAddresses *":   "Lambda takes no other role for a function in a VPC",
		"VpcPolicy ec2:UnassignPrivateIpAddresses *": "Lambda takes no other role for a function in a VPC",
		"Role fleet ecs:ListTasks *": "a listing by cluster knows no resource; the cluster is its " +
			"condition",

		"Role fleet ecs:ListContainerInstances arn:*:ecs:*:*:cluster/${Names}": "the given clusters; the region is " +
			"its condition, and a role's account its own",

		"Role fleet ecs:DescribeContainerInstances " + ofAny("container-instance"): "what there is is found out",
		"Role fleet ecs:DescribeContainerInstances " + ofAny("task"):               "what there is is found out",
		"Role fleet ecs:DescribeTasks " + ofAny("container-instance"):              "what there is is found out",
		"Role fleet ecs:DescribeTasks " + ofAny("task"):                            "what there is is found out",
		"StopTaskPolicy ecs:StopTask " + ofAny("task"):                             "which task fails is found out",
	},
}

// ofAny is everything of a kind in the stack's region and account.
func ofAny(kind string) string {
	return "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:" + kind + "/*"
}

func words(s string) []string { return strings.Fields(s) }

func TestTemplates(t *testing.T) {
	files, err := filepath.Glob("*.cform")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"environment.cform", "privatedns.cform", "sweeper.cform"}, files)
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			problems, found := check(t, text)
			assert.Empty(t, problems)
			allowed := slices.Sorted(maps.Keys(wildcards[file]))
			assert.Equal(t, allowed, found, "statements with wildcards, and those that are known and have a reason")
		})
	}
}

// check returns what is wrong with a template, and its statements with wildcards, both sorted.
func check(t *testing.T, text []byte) (problems, wild []string) {
	t.Helper()
	var twice map[string]any
	if err := yaml.Unmarshal(text, &twice); err != nil { // a key that is there twice is an error only here
		return []string{err.Error()}, nil
	}
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	c := checker{
		template:       longForm(t, document.Content[0]).(map[string]any),
		used:           map[string]bool{},
		usedConditions: map[string]bool{},
	}
	c.limits(text)
	c.walk("", c.template)
	for name, resource := range c.section("Resources") {
		c.resource(name, resource.(map[string]any))
	}
	c.parameters()
	for name := range c.section("Conditions") {
		if !c.usedConditions[name] {
			c.problem("condition %s is not used", name)
		}
	}
	slices.Sort(c.problems)
	slices.Sort(c.wild)
	return slices.Compact(c.problems), slices.Compact(c.wild)
}

type checker struct {
	template             map[string]any
	used, usedConditions map[string]bool
	problems, wild       []string
}

func (c *checker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) section(name string) map[string]any {
	section, _ := c.template[name].(map[string]any)
	return section
}

// limits are those of a template that is sent in the call, not through S3 ("Understand CloudFormation quotas").
func (c *checker) limits(text []byte) {
	if len(text) > 51_200 {
		c.problem("the template has %d bytes, and 51,200 may be sent", len(text))
	}
	for name, parameter := range c.section("Parameters") {
		if description, _ := parameter.(map[string]any)["Description"].(string); len(description) > 4000 {
			c.problem("parameter %s: a description of over 4,000 bytes", name)
		}
	}
	if description, _ := c.template["Description"].(string); description == "" || len(description) > 1024 {
		c.problem("the template has no description of at most 1,024 bytes")
	}
	for name := range c.template {
		if !slices.Contains(
			words("AWSTemplateFormatVersion Description Metadata Parameters Rules Conditions Resources Outputs"),
			name,
		) {
			c.problem("unknown section %s", name)
		}
	}
}

// variable is a ${Name} or ${Resource.Attribute} in Fn::Sub; ${!Name} is text.
var variable = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

// walk follows every function to what it names.
func (c *checker) walk(path string, value any) {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			c.walk(fmt.Sprintf("%s[%d]", path, i), item)
		}
	case string:
		if path != "/Metadata" && regexp.MustCompile(`\b(arn:aws:|[a-z]{2}-[a-z]+-[1-9]\b|[0-9]{12}\b)`).MatchString(value) && !strings.HasPrefix(path, "/Parameters") {
			c.problem("%s: %.60q names a partition, region or account", path, value)
		}
	case map[string]any:
		for key, item := range value {
			at := path + "/" + key
			switch key {
			case "Ref":
				c.reference(at, item.(string))
				continue
			case "Fn::GetAtt":
				c.attribute(at, item)
				continue
			case "Fn::Sub":
				c.substitute(at, item)
				continue
			case "Fn::If":
				c.condition(at, item.([]any)[0].(string))
				c.walk(at, item.([]any)[1:])
				continue
			case "Condition":
				if name, ok := item.(string); ok {
					c.condition(at, name)
					continue
				}
			case "DependsOn":
				for _, name := range list(item) {
					if _, ok := c.section("Resources")[name.(string)]; !ok {
						c.problem("%s: there is no resource %s", at, name)
					}
				}
				continue
			case "Metadata":
				if path == "" {
					continue
				}
			}
			if strings.HasPrefix(key, "Fn::") && !slices.Contains(words("Fn::Base64 Fn::EachMemberEquals Fn::Equals "+
				"Fn::Join Fn::Not Fn::Or Fn::And Fn::Select Fn::Split"), key) {
				c.problem("%s: unknown function", at)
			}
			c.walk(at, item)
		}
	}
}

func list(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}

func (c *checker) reference(at, name string) {
	if pseudo, ok := strings.CutPrefix(name, "AWS::"); ok {
		if !slices.Contains(
			words("AccountId NoValue NotificationARNs Partition Region StackId StackName URLSuffix"),
			pseudo,
		) {
			c.problem("%s: there is no %s", at, name)
		}
		return
	}
	_, parameter := c.section("Parameters")[name]
	_, resource := c.section("Resources")[name]
	if !parameter && !resource {
		c.problem("%s: there is no parameter or resource %s", at, name)
	}
	c.used[name] = true
}

func (c *checker) attribute(at string, value any) {
	var parts []string
	for _, part := range list(value) {
		parts = append(parts, part.(string))
	}
	name, attribute, _ := strings.Cut(strings.Join(parts, "."), ".")
	resource, ok := c.section("Resources")[name].(map[string]any)
	if !ok {
		c.problem("%s: there is no resource %s", at, name)
		return
	}
	if kind, _ := resource["Type"].(string); !slices.Contains(resourceTypes[kind].attributes, attribute) {
		c.problem("%s: %s, a %s, has no attribute %s", at, name, kind, attribute)
	}
}

func (c *checker) substitute(at string, value any) {
	parts := list(value)
	own := map[string]any{}
	if len(parts) == 2 {
		own = parts[1].(map[string]any)
		c.walk(at, own)
	}
	named := map[string]bool{}
	for _, match := range variable.FindAllStringSubmatch(parts[0].(string), -1) {
		name := match[1]
		named[name] = true
		if _, ok := own[name]; ok {
			continue
		}
		if strings.Contains(name, ".") {
			c.attribute(at, name)
		} else {
			c.reference(at, name)
		}
	}
	if len(named) == 0 {
		c.problem("%s: Fn::Sub of a text without variables", at)
	}
	for name := range own {
		if !named[name] {
			c.problem("%s: variable %s is not used", at, name)
		}
	}
	c.walk(at, parts[0])
}

func (c *checker) condition(at, name string) {
	if _, ok := c.section("Conditions")[name]; !ok {
		c.problem("%s: there is no condition %s", at, name)
	}
	c.usedConditions[name] = true
}

func (c *checker) resource(name string, resource map[string]any) {
	for key := range resource {
		if !slices.Contains(
			words(
				"Type Properties Condition CreationPolicy DeletionPolicy DependsOn Metadata UpdatePolicy "+
					"UpdateReplacePolicy",
			),
			key,
		) {
			c.problem("resource %s: unknown key %s", name, key)
		}
	}
	kind, _ := resource["Type"].(string)
	known, ok := resourceTypes[kind]
	if !ok {
		c.problem("resource %s: type %q is not known to this test", name, kind)
		return
	}
	properties, _ := resource["Properties"].(map[string]any)
	for property := range properties {
		if !slices.Contains(known.properties, property) && !slices.Contains(known.properties, property+"!") {
			c.problem("resource %s: a %s has no property %s", name, kind, property)
		}
	}
	for _, property := range known.properties {
		required, ok := strings.CutSuffix(property, "!")
		if _, given := properties[required]; ok && !given {
			c.problem("resource %s: property %s is missing", name, required)
		}
	}
	if kind == "AWS::IAM::Policy" {
		c.statements(name, properties["PolicyDocument"].(map[string]any)["Statement"])
	}
	if kind == "AWS::IAM::Role" {
		for _, policy := range alternatives(properties["Policies"]) {
			policy := policy.(map[string]any)
			c.statements(name+" "+policy["PolicyName"].(string), policy["PolicyDocument"].(map[string]any)["Statement"])
		}
	}
}

// alternatives returns the items of a list, including those that Fn::If may choose.
func alternatives(value any) (items []any) {
	for _, item := range list(value) {
		switch item := item.(type) {
		case nil:
		case map[string]any:
			if branches, ok := item["Fn::If"].([]any); ok {
				items = append(items, alternatives(branches[1])...)
				items = append(items, alternatives(branches[2])...)
			} else if item["Ref"] != "AWS::NoValue" {
				items = append(items, item)
			}
		default:
			items = append(items, item)
		}
	}
	return items
}

func (c *checker) statements(role string, value any) {
	for _, statement := range alternatives(value) {
		statement := statement.(map[string]any)
		for _, element := range words("NotAction NotResource NotPrincipal") {
			if _, ok := statement[element]; ok {
				c.problem("%s: %s grants what nobody thought of", role, element)
			}
		}
		for _, action := range alternatives(statement["Action"]) {
			for _, resource := range alternatives(statement["Resource"]) {
				text := pattern(resource)
				if strings.ContainsAny(action.(string)+text, "*?") {
					c.wild = append(c.wild, role+" "+action.(string)+" "+text)
				}
			}
		}
	}
}

// pattern returns a resource of a policy as it is written, before functions substitute and split it.
func pattern(resource any) string {
	if function, ok := resource.(map[string]any); ok {
		if split, ok := function["Fn::Split"].([]any); ok {
			return pattern(split[1])
		}
		resource = list(function["Fn::Sub"])[0]
	}
	text, _ := resource.(string)
	return text
}

// parameters must be used, have a description and a label, and be in one group of the console's form.
func (c *checker) parameters() {
	metadata, _ := c.section("Metadata")["AWS::CloudFormation::Interface"].(map[string]any)
	labels, _ := metadata["ParameterLabels"].(map[string]any)
	groups := map[string]int{}
	for _, group := range list(metadata["ParameterGroups"]) {
		members, _ := group.(map[string]any)["Parameters"].([]any)
		for _, name := range members {
			groups[name.(string)]++
		}
	}
	for name, parameter := range c.section("Parameters") {
		declared := parameter.(map[string]any)
		for key := range declared {
			if !slices.Contains(
				words(
					"AllowedPattern AllowedValues ConstraintDescription Default Description MaxLength MaxValue "+
						"MinLength MinValue NoEcho Type",
				),
				key,
			) {
				c.problem("parameter %s: unknown key %s", name, key)
			}
		}
		if description, _ := declared["Description"].(string); description == "" {
			c.problem("parameter %s has no description", name)
		}
		if !c.used[name] {
			c.problem("parameter %s is not used", name)
		}
		if labels[name] == nil {
			c.problem("parameter %s has no label", name)
		}
		if groups[name] != 1 {
			c.problem("parameter %s stands in %d groups", name, groups[name])
		}
		if pattern, ok := declared["AllowedPattern"].(string); ok {
			if _, err := regexp.Compile(pattern); err != nil {
				c.problem("parameter %s: %s", name, err)
			}
			if declared["ConstraintDescription"] == nil {
				c.problem("parameter %s: AllowedPattern without ConstraintDescription", name)
			}
		}
	}
	for name := range labels {
		if c.section("Parameters")[name] == nil {
			c.problem("label of %s, which is no parameter", name)
		}
	}
	for name := range groups {
		if c.section("Parameters")[name] == nil {
			c.problem("%s in a group is no parameter", name)
		}
	}
}

func TestTheCheckerFinds(t *testing.T) {
	const sound = `
Description: A queue
Metadata: {AWS::CloudFormation::Interface: {ParameterGroups: [{Parameters: [Days]}], ParameterLabels: {Days: {default: Days}}}}
Parameters: {Days: {Type: Number, Description: Days}}
Conditions: {Some: !Not [!Equals [!Ref Days, '0']]}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Condition: Some
    Properties: {MessageRetentionPeriod: !Ref Days}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: '2012-10-17'}
      Policies: [{PolicyName: p, PolicyDocument: {Statement: [{Action: 'sqs:SendMessage', Resource: !GetAtt Queue.Arn}]}}]
Outputs: {Name: {Value: !Sub '${Queue.QueueName}'}}
`
	problems, wild := check(t, []byte(sound))
	require.Empty(t, problems)
	require.Empty(t, wild)
	for name, c := range map[string]struct{ old, new, problem string }{
		"a reference to nothing": {"!Ref Days}", "!Ref Weeks}", "there is no parameter or resource Weeks"},
		"an unused parameter": {
			"{Days: {Type",
			"{Weeks: {Type: Number, Description: Weeks}, Days: {Type",
			"parameter Weeks is not used",
		},
		"no description":               {", Description: Days", "", "parameter Days has no description"},
		"no label":                     {"{Days: {default: Days}}", "{}", "parameter Days has no label"},
		"no group":                     {"Parameters: [Days]", "Parameters: []", "parameter Days stands in 0 groups"},
		"an attribute of no resource":  {"!GetAtt Queue.Arn", "!GetAtt Topic.Arn", "there is no resource Topic"},
		"no such attribute":            {"!GetAtt Queue.Arn", "!GetAtt Queue.ARN", "has no attribute ARN"},
		"no such attribute in Sub":     {"${Queue.QueueName}", "${Queue.Name}", "has no attribute Name"},
		"Sub without variables":        {"'${Queue.QueueName}'", "'queue'", "Fn::Sub of a text without variables"},
		"Sub of nothing":               {"${Queue.QueueName}", "${Topic}", "there is no parameter or resource Topic"},
		"a condition that is not used": {"    Condition: Some\n", "", "condition Some is not used"},
		"no such condition":            {"Condition: Some", "Condition: None", "there is no condition None"},
		"no such pseudo parameter":     {"!Ref Days}", "!Ref AWS::Account}", "there is no AWS::Account"},
		"no such property": {
			"MessageRetentionPeriod",
			"RetentionPeriod",
			"a AWS::SQS::Queue has no property RetentionPeriod",
		},
		"a missing property": {
			"AssumeRolePolicyDocument: {Version: '2012-10-17'}",
			"Description: x",
			"property AssumeRolePolicyDocument is missing",
		},
		"no such type": {"AWS::SQS::Queue", "AWS::SQS::Cue", `type "AWS::SQS::Cue" is not known`},
		"DependsOn nothing": {
			"    Condition: Some",
			"    Condition: Some\n    DependsOn: [Topic]",
			"there is no resource Topic",
		},
		"a key there twice": {"Outputs:", "Outputs: {}\nOutputs:", "already defined"},
		"a region": {
			"'${Queue.QueueName}'",
			"'${Queue.QueueName}.eu-west-1'",
			"names a partition, region or account",
		},
		"a partition": {
			"!GetAtt Queue.Arn",
			"'arn:aws:sqs:::q'",
			"names a partition, region or account",
		},
		"NotAction":           {"Action:", "NotAction:", "NotAction grants"},
		"an unknown function": {"!GetAtt Queue.Arn", "!ImportValue q", "unknown function"},
		"too large": {
			"Description: A queue",
			"# " + strings.Repeat("x", 51_200) + "\nDescription: A queue",
			"51,200 may be sent",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, sound, c.old)
			problems, _ := check(t, []byte(strings.Replace(sound, c.old, c.new, 1)))
			assert.Contains(t, strings.Join(problems, "\n"), c.problem)
		})
	}
	for name, c := range map[string]struct{ old, new, found string }{
		"an action":    {"sqs:SendMessage", "sqs:*", "Role p sqs:* "},
		"any resource": {"!GetAtt Queue.Arn", "'*'", "Role p sqs:SendMessage *"},
		"a pattern":    {"!GetAtt Queue.Arn", "!Sub 'q/${Days}?'", "Role p sqs:SendMessage q/${Days}?"},
		"a pattern that is split": {
			"!GetAtt Queue.Arn",
			"!Split [',', !Sub ['q/*${N}', {N: !Ref Days}]]",
			"Role p sqs:SendMessage q/*${N}",
		},
		"one of several": {"!GetAtt Queue.Arn", "[!GetAtt Queue.Arn, 'a*']", "Role p sqs:SendMessage a*"},
		"the branch of an If": {
			"!GetAtt Queue.Arn",
			"!If [Some, !GetAtt Queue.Arn, 'a*']",
			"Role p sqs:SendMessage a*",
		},
		"a statement by condition": {
			"{Action: 'sqs:SendMessage', Resource: !GetAtt Queue.Arn}",
			"!If [Some, {Action: 'a:B', Resource: '*'}, !Ref AWS::NoValue]",
			"Role p a:B *",
		},
	} {
		t.Run("wildcard: "+name, func(t *testing.T) {
			require.Contains(t, sound, c.old)
			_, wild := check(t, []byte(strings.Replace(sound, c.old, c.new, 1)))
			assert.Equal(t, []string{c.found}, wild)
		})
	}
}
