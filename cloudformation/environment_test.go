package cloudformation

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// environmentParameters are those that have no default; subnets are a list.
func environmentParameters() map[string]any {
	return map[string]any{
		"ZoneId":       "Z0123456789ABCDEFGHIJ",
		"AgentUrl":     "s3://artifacts/ecssd/ecssd-1.2.30-1.x86_64.rpm",
		"AgentVersion": "1.2.30",
		"AgentSha256":  strings.Repeat("0f", 32),
		"Subnets":      []any{"subnet-0a", "subnet-0b"},
		"VpcId":        "vpc-0123456789abcdef0",
	}
}

func with(parameters map[string]any, name string, value any) map[string]any {
	parameters = maps.Clone(parameters)
	parameters[name] = value
	return parameters
}

// stack is a template with parameters, of which CloudFormation's functions are resolved as far as environment.cform
// uses them. A resource is known by its logical name, and an attribute as Resource.Attribute.
type stack struct {
	template   map[string]any
	parameters map[string]any
}

// absent is what AWS::NoValue resolves to.
type absent struct{}

func environment(t *testing.T, parameters map[string]any) stack {
	t.Helper()
	return load(t, "environment.cform", parameters)
}

func load(t *testing.T, file string, parameters map[string]any) stack {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	s := stack{longForm(t, document.Content[0]).(map[string]any), map[string]any{
		"AWS::NoValue":   absent{},
		"AWS::AccountId": "123456789012",
		"AWS::Partition": "aws",
		"AWS::Region":    "eu-central-1",
		"AWS::StackName": "ecs-shop",
		"AWS::URLSuffix": "amazonaws.com",
	}}
	for name, declared := range s.template["Parameters"].(map[string]any) {
		if value, ok := declared.(map[string]any)["Default"]; ok {
			if kind := declared.(map[string]any)["Type"]; kind == "CommaDelimitedList" {
				value = []any{value}
			}
			s.parameters[name] = value
		}
	}
	for name, value := range parameters {
		require.Contains(t, s.template["Parameters"], name)
		s.parameters[name] = value
	}
	return s
}

// longForm turns !Sub into Fn::Sub and so on.
func longForm(t *testing.T, node *yaml.Node) (value any) {
	t.Helper()
	tag := node.Tag
	if function := strings.TrimPrefix(tag, "!"); tag != function && !strings.HasPrefix(function, "!") {
		defer func() {
			switch function {
			case "Ref", "Condition":
			default:
				function = "Fn::" + function
			}
			value = map[string]any{function: value}
		}()
		node.Tag = ""
	}
	switch node.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			m[node.Content[i].Value] = longForm(t, node.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			list = append(list, longForm(t, item))
		}
		return list
	default:
		var scalar any
		require.NoError(t, node.Decode(&scalar))
		return scalar
	}
}

func (s stack) resolve(t *testing.T, value any) any {
	t.Helper()
	switch value := value.(type) {
	case []any:
		list := []any{}
		for _, item := range value {
			if resolved := s.resolve(t, item); resolved != (any)(absent{}) {
				list = append(list, resolved)
			}
		}
		return list
	case map[string]any:
		if len(value) == 1 {
			for function, argument := range value {
				if function == "Ref" || strings.HasPrefix(function, "Fn::") {
					return s.call(t, function, argument)
				}
			}
		}
		m := map[string]any{}
		for key, item := range value {
			if resolved := s.resolve(t, item); resolved != (any)(absent{}) {
				m[key] = resolved
			}
		}
		return m
	}
	return value
}

func (s stack) call(t *testing.T, function string, argument any) any {
	t.Helper()
	if function == "Fn::If" {
		branches := argument.([]any)
		if s.condition(t, branches[0].(string)) {
			return s.resolve(t, branches[1])
		}
		return s.resolve(t, branches[2])
	}
	if function == "Ref" {
		if value, ok := s.parameters[argument.(string)]; ok {
			return value
		}
		require.Contains(t, s.template["Resources"], argument)
		return argument
	}
	resolved := s.resolve(t, argument)
	list, _ := resolved.([]any)
	switch function {
	case "Fn::GetAtt":
		resource, _, _ := strings.Cut(resolved.(string), ".")
		require.Contains(t, s.template["Resources"], resource)
		return resolved
	case "Fn::Base64":
		return resolved
	case "Fn::Equals":
		return fmt.Sprint(list[0]) == fmt.Sprint(list[1])
	case "Fn::EachMemberEquals":
		return !slices.ContainsFunc(list[0].([]any), func(item any) bool { return item != list[1] })
	case "Fn::Join":
		var parts []string
		for _, part := range list[1].([]any) {
			parts = append(parts, part.(string))
		}
		return strings.Join(parts, list[0].(string))
	case "Fn::Not":
		return !list[0].(bool)
	case "Fn::Split":
		parts := []any{}
		for part := range strings.SplitSeq(list[1].(string), list[0].(string)) {
			parts = append(parts, part)
		}
		return parts
	case "Fn::Select":
		return list[1].([]any)[list[0].(int)]
	case "Fn::Sub":
		text, ok := resolved.(string)
		own := map[string]any{}
		if !ok {
			text, own = list[0].(string), list[1].(map[string]any)
		}
		return regexp.MustCompile(`\$\{([^}]*)\}`).ReplaceAllStringFunc(text, func(variable string) string {
			name := variable[2 : len(variable)-1]
			if value, ok := own[name]; ok {
				return value.(string)
			}
			return s.call(t, "Ref", name).(string)
		})
	}
	require.FailNow(t, "this test does not know "+function)
	return nil
}

func (s stack) condition(t *testing.T, name string) bool {
	t.Helper()
	require.Contains(t, s.template["Conditions"], name)
	return s.resolve(t, s.template["Conditions"].(map[string]any)[name]).(bool)
}

// resources returns the properties of the resources that the stack has.
func (s stack) resources(t *testing.T) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for name, declared := range s.template["Resources"].(map[string]any) {
		resource := declared.(map[string]any)
		if condition, ok := resource["Condition"]; ok && !s.condition(t, condition.(string)) {
			continue
		}
		properties, _ := resource["Properties"].(map[string]any)
		if properties == nil {
			properties = map[string]any{}
		}
		all[name] = s.resolve(t, properties).(map[string]any)
	}
	return all
}

func (s stack) server(t *testing.T) map[string]any {
	t.Helper()
	return s.resources(t)["ServerTemplate"]["LaunchTemplateData"].(map[string]any)
}

// accepts reports whether CloudFormation would accept a value for a parameter.
func (s stack) accepts(t *testing.T, name, value string) bool {
	t.Helper()
	declared := s.template["Parameters"].(map[string]any)[name].(map[string]any)
	if pattern, ok := declared["AllowedPattern"]; ok && !regexp.MustCompile(pattern.(string)).MatchString(value) {
		return false
	}
	if values, ok := declared["AllowedValues"]; ok && !slices.Contains(values.([]any), any(value)) {
		return false
	}
	if longest, ok := declared["MaxLength"]; ok && len(value) > longest.(int) {
		return false
	}
	if declared["Type"] == "Number" {
		number, err := strconv.Atoi(value)
		lowest, bounded := declared["MinValue"]
		highest, capped := declared["MaxValue"]
		return err == nil && (!bounded || number >= lowest.(int)) && (!capped || number <= highest.(int))
	}
	return true
}

// violated names the rules that parameters break.
func (s stack) violated(t *testing.T) (names []string) {
	t.Helper()
	for name, declared := range s.template["Rules"].(map[string]any) {
		rule := declared.(map[string]any)
		if condition, ok := rule["RuleCondition"]; ok && !s.resolve(t, condition).(bool) {
			continue
		}
		for _, assertion := range rule["Assertions"].([]any) {
			if !s.resolve(t, assertion.(map[string]any)["Assert"]).(bool) {
				names = append(names, name)
			}
		}
	}
	return names
}

func TestServersKeepTheirCredentialsAndDiskToThemselves(t *testing.T) {
	server := environment(t, environmentParameters()).server(t)
	assert.Equal(t, map[string]any{
		"HttpEndpoint":            "enabled",
		"HttpTokens":              "required",
		"HttpPutResponseHopLimit": 1,
	}, server["MetadataOptions"])
	assert.Equal(t, []any{map[string]any{"DeviceName": "/dev/xvda", "Ebs": map[string]any{
		"VolumeType":          "gp3",
		"VolumeSize":          30,
		"Encrypted":           true,
		"DeleteOnTermination": true,
	}}}, server["BlockDeviceMappings"])
}

func TestRoleMayChangeOnlyServiceRecordsOfTheZone(t *testing.T) {
	s := environment(t, with(environmentParameters(), "ZoneName", "services.example.com"))
	role := s.resources(t)["InstanceRole"]
	zone := "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
	records := map[string]any{
		"PolicyName": "service-records",
		"PolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{
				"Sid":      "ChangeServiceRecords",
				"Effect":   "Allow",
				"Action":   "route53:ChangeResourceRecordSets",
				"Resource": zone,
				"Condition": map[string]any{
					"ForAllValues:StringEquals": map[string]any{
						"route53:ChangeResourceRecordSetsRecordTypes": []any{"SRV", "A"},
					},
					"ForAllValues:StringLike": map[string]any{
						"route53:ChangeResourceRecordSetsNormalizedRecordNames": []any{"*.services.example.com"},
					},
					"Null": map[string]any{
						"route53:ChangeResourceRecordSetsRecordTypes":           "false",
						"route53:ChangeResourceRecordSetsNormalizedRecordNames": "false",
					},
				},
			},
			map[string]any{
				"Sid":      "ReadServiceRecords",
				"Effect":   "Allow",
				"Action":   "route53:ListResourceRecordSets",
				"Resource": zone,
			},
			map[string]any{
				"Sid":      "CheckZone",
				"Effect":   "Allow",
				"Action":   []any{"route53:GetHostedZone", "route53:GetHostedZoneLimit"},
				"Resource": zone,
			},
		}},
	}
	packages := map[string]any{"PolicyName": "agent-package", "Roles": []any{
		"InstanceRole",
	}, "PolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{
			"Sid":      "GetAgentPackage",
			"Effect":   "Allow",
			"Action":   "s3:GetObject",
			"Resource": "arn:aws:s3:::artifacts/ecssd/ecssd-1.2.30-1.x86_64.rpm",
		},
	}}}
	provider := map[string]any{
		"PolicyName": "capacity-provider",
		"PolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{
				"Sid":      "SeeCapacityProvider",
				"Effect":   "Allow",
				"Action":   "ecs:DescribeClusters",
				"Resource": "ECSCluster.Arn",
			},
		}},
	}
	ecs := "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
	assert.Equal(t, []any{records, provider}, role["Policies"])
	assert.Equal(t, packages, s.resources(t)["PackagePolicy"])
	assert.Equal(t, []any{ecs}, role["ManagedPolicyArns"])

	s.parameters["AgentUrl"] = "https://example.com/ecssd-1.2.30-1.x86_64.rpm"
	s.parameters["SessionManager"] = "true"
	role = s.resources(t)["InstanceRole"]
	assert.NotContains(t, s.resources(t), "PackagePolicy", "a package that is not in S3 needs no permission")
	assert.Equal(t, []any{ecs, "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}, role["ManagedPolicyArns"])
}

// The parameters of the template of 2016 are still accepted.
func TestServersMaySendEventsOnlyToAGivenBus(t *testing.T) {
	s := environment(t, environmentParameters())
	assert.NotContains(t, s.resources(t), "BusPolicy")
	s.parameters["EventBus"] = "operations"
	assert.Equal(t, []any{map[string]any{
		"Sid":      "TellOfEndpoints",
		"Effect":   "Allow",
		"Action":   "events:PutEvents",
		"Resource": "arn:aws:events:eu-central-1:123456789012:event-bus/operations",
	}}, s.resources(t)["BusPolicy"]["PolicyDocument"].(map[string]any)["Statement"])
	assert.Contains(t, userData(t, s), "ECSSD_EVENT_BUS=operations")
}

func TestParametersOf2016(t *testing.T) {
	s := environment(t, nil)
	for name, value := range map[string]string{
		"ImageId":               "ami-9c9819ef",
		"InstanceSecurityGroup": "sg-1a2b3c4d",
		"KeyName":               "admin@example.com (2016)",
		"InstanceType":          "t2.medium",
		"Subnets":               "subnet-1a2b3c4d",
		"MinSize":               "0",
		"MaxSize":               "4",
		"DesiredCapacity":       "0",
	} {
		assert.True(t, s.accepts(t, name, value), "%s=%s", name, value)
	}
	assert.Equal(t, []any{
		0,
		4,
		1,
	}, []any{
		s.parameters["MinSize"],
		s.parameters["MaxSize"],
		s.parameters["DesiredCapacity"],
	}, "the same defaults")

	parameters := with(environmentParameters(), "InstanceSecurityGroup", "sg-1a2b3c4d")
	delete(parameters, "VpcId")
	s = environment(t, with(with(parameters, "ImageId", "ami-9c9819ef"), "KeyName", "admin"))
	assert.Empty(t, s.violated(t))
	server := s.server(t)
	assert.Equal(t, []any{
		"ami-9c9819ef",
		"admin",
		[]any{"sg-1a2b3c4d"},
	}, []any{
		server["ImageId"],
		server["KeyName"],
		server["SecurityGroupIds"],
	})
	for name := range s.resources(t) {
		assert.NotContains(t, name, "SecurityGroup", "one is given, so none is made")
	}
	group := s.resources(t)["ServerGroup"]
	assert.Equal(t, []any{"subnet-0a", "subnet-0b"}, group["VPCZoneIdentifier"])
	assert.Equal(t, []any{0, 4, 1}, []any{group["MinSize"], group["MaxSize"], group["DesiredCapacity"]})
}

func TestImageIsOfTheArchitecture(t *testing.T) {
	s := environment(t, environmentParameters())
	assert.Equal(t, "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id", s.server(t)["ImageId"])
	assert.NotContains(t, s.server(t), "KeyName")
	s.parameters["Architecture"] = "arm64"
	assert.Equal(
		t,
		"/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
		s.server(t)["ImageId"],
	)
}

func TestSecurityGroupThatIsMadeLetsInOnlyItsOwnServers(t *testing.T) {
	s := environment(t, environmentParameters())
	all := s.resources(t)
	assert.Equal(t, []any{"SecurityGroup.GroupId"}, s.server(t)["SecurityGroupIds"])
	assert.Equal(t, "vpc-0123456789abcdef0", all["SecurityGroup"]["VpcId"])
	assert.NotContains(t, all["SecurityGroup"], "SecurityGroupIngress")
	for name, protocol := range map[string]string{"SecurityGroupTcp": "tcp", "SecurityGroupUdp": "udp"} {
		assert.Equal(t, map[string]any{
			"GroupId":               "SecurityGroup.GroupId",
			"SourceSecurityGroupId": "SecurityGroup.GroupId",
			"Description":           "Containers of the other servers",
			"IpProtocol":            protocol,
			"FromPort":              1024,
			"ToPort":                65535,
		}, all[name])
	}
}

func TestRulesRefuseWhatCannotWork(t *testing.T) {
	parameters := environmentParameters()
	assert.Empty(t, environment(t, parameters).violated(t))
	assert.Equal(t, []string{"RoomForUpdates"}, environment(t, with(parameters, "DesiredCapacity", 4)).violated(t))
	delete(parameters, "VpcId")
	assert.Equal(t, []string{"SecurityGroupOrVpc"}, environment(t, parameters).violated(t))
}

func TestParametersThatAreRefused(t *testing.T) {
	s := environment(t, nil)
	for name, values := range map[string][]string{
		"ZoneName": {
			"Services.example.com", "services.example.com.", ".example.com", "a..b", "*.example.com",
			"-a.example.com", "",
		},
		"AgentUrl": {
			"http://example.com/ecssd.rpm", "s3://artifacts/*.rpm", "s3://artifacts/?.rpm",
			"https://example.com/it's.rpm",
			"https://example.com/ecssd.deb", "",
		},
		"AgentVersion":    {"v1.2.3", "1.2", "latest", "1.2.3'", ""},
		"AgentSha256":     {strings.Repeat("0F", 32), strings.Repeat("0", 63), ""},
		"EventBus":        {"arn:aws:events:eu-central-1:123456789012:event-bus/x", "a'b", "a b", "*"},
		"AgentSettings":   {"TTL=5", "ECSSD_TTL", "ECSSD_TTL=5 ", "ECSSD_TTL=5  ECSSD_WEIGHT=2", "ECSSD_TTL='5'", `ECSSD_TTL="5"`, `ECSSD_TTL=\5`, "ECSSD_TTL=5\nECSSD_WEIGHT=2"},
		"ImageId":         {"ami-9C9819EF", "resolve:ssm:/image"},
		"Architecture":    {"amd64", "aarch64"},
		"VolumeSize":      {"29", "16385"},
		"DesiredCapacity": {"-1"},
		"MaxSize":         {"1"},
		"DrainSeconds":    {"0", "7201"},
	} {
		for _, value := range values {
			assert.False(t, s.accepts(t, name, value), "%s=%q", name, value)
		}
	}
	for name, values := range map[string][]string{
		"ZoneName": {"servicediscovery.internal", "internal", "a-b_c.0.example.com"},
		"AgentUrl": {
			"s3://a.b-c/ecssd-1.0.0~rc.1-1.aarch64.rpm",
			"https://example.com:8443/v1.0.0/ecssd-1.0.0-1.x86_64.rpm?X-Amz-Signature=0a&X-Amz-Date=%20",
		},
		"AgentVersion":  {"1.2.3", "1.2.3~rc.1", "1.2.3.5.g0123abc.dirty"},
		"AgentSettings": {"", "ECSSD_TTL=5", "ECSSD_TTL=5 ECSSD_ALLOW_NAMES=^(web|api)-[a-z]+$"},
	} {
		for _, value := range values {
			assert.True(t, s.accepts(t, name, value), "%s=%q", name, value)
		}
	}
}

// A rolling update keeps the desired number of servers, continues only when the new server signals that it is ready,
// and replaces servers for every change of the launch template.
func TestUpdateReplacesServersOneByOne(t *testing.T) {
	s := environment(t, with(environmentParameters(), "DesiredCapacity", 3))
	group := s.template["Resources"].(map[string]any)["ServerGroup"].(map[string]any)
	assert.Equal(t, map[string]any{
		"ResourceSignal": map[string]any{"Count": 3, "Timeout": "PT15M"},
	}, s.resolve(t, group["CreationPolicy"]))
	policy := s.resolve(t, group["UpdatePolicy"]).(map[string]any)
	rolling := policy["AutoScalingRollingUpdate"].(map[string]any)
	assert.Equal(t, []any{1, 3, true, "PT15M"},
		[]any{
			rolling["MaxBatchSize"],
			rolling["MinInstancesInService"],
			rolling["WaitOnResourceSignals"],
			rolling["PauseTime"],
		})
	assert.Equal(t, true, policy["AutoScalingScheduledAction"].(map[string]any)["IgnoreUnmodifiedGroupSizeProperties"])
	assert.Equal(t, map[string]any{
		"LaunchTemplateId": "ServerTemplate",
		"Version":          "ServerTemplate.LatestVersionNumber",
	},
		s.resources(t)["ServerGroup"]["LaunchTemplate"])

	before := s.server(t)["UserData"]
	for name, value := range map[string]string{
		"AgentUrl":      "https://example.com/ecssd.rpm",
		"AgentVersion":  "1.2.31",
		"AgentSha256":   strings.Repeat("1f", 32),
		"AgentSettings": "ECSSD_TTL=5",
		"ZoneId":        "Z1",
		"ZoneName":      "example.com",
	} {
		changed := environment(t, with(environmentParameters(), name, value)).server(t)["UserData"]
		assert.NotEqual(
			t,
			before,
			changed,
			"%s is a setting of the servers: when it changes they have to be replaced",
			name,
		)
	}
}

func TestServersDrainBeforeTheyEnd(t *testing.T) {
	all := environment(t, with(environmentParameters(), "DrainSeconds", 90)).resources(t)
	assert.Equal(t, map[string]any{
		"AutoScalingGroupName": "ServerGroup",
		"LifecycleTransition":  "autoscaling:EC2_INSTANCE_TERMINATING",
		"HeartbeatTimeout":     90,
		"DefaultResult":        "CONTINUE",
	}, all["ServerDrain"])
	provider := all["CapacityProvider"]["AutoScalingGroupProvider"].(map[string]any)
	assert.Equal(t, "ENABLED", provider["ManagedDraining"])
	assert.Equal(t, map[string]any{"Status": "ENABLED", "TargetCapacity": 100}, provider["ManagedScaling"])
	protected := all["ServerGroup"]["NewInstancesProtectedFromScaleIn"]
	assert.Equal(
		t,
		provider["ManagedTerminationProtection"] == "ENABLED",
		protected,
		"ECS refuses termination protection of a group whose servers have none",
	)
	assert.NotRegexp(t, `(?i)^(aws|ecs|fargate)`, all["CapacityProvider"]["Name"], "ECS refuses such a name")
	assert.Equal(t, map[string]any{
		"Cluster": "ECSCluster", "CapacityProviders": []any{"CapacityProvider"},
		"DefaultCapacityProviderStrategy": []any{map[string]any{"CapacityProvider": "CapacityProvider", "Weight": 1}},
	}, all["CapacityProviders"])
}
