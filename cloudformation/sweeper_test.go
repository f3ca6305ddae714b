package cloudformation

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sweeperStack is sweeper.cform with its parameters that have no default, and some more.
func sweeperStack(t *testing.T, more map[string]any) stack {
	t.Helper()
	parameters := map[string]any{
		"ZoneId": "Z0123456789ABCDEFGHIJ", "CodeBucket": "artifacts", "CodeKey": "ecssd/sweeper-1.2.30-arm64.zip",
	}
	for name, value := range more {
		parameters[name] = value
	}
	return load(t, "sweeper.cform", parameters)
}

// statements returns what a role allows.
func statements(t *testing.T, s stack, role string) (all []map[string]any) {
	t.Helper()
	resources := s.resources(t)
	policies := resources[role]["Policies"].([]any)
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		if roles, ok := resources[name]["Roles"].([]any); ok && slices.Contains(roles, any(role)) {
			policies = append(policies, resources[name])
		}
	}
	for _, policy := range policies {
		for _, statement := range policy.(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			all = append(all, statement.(map[string]any))
		}
	}
	return all
}

// actions returns the actions that a role allows, sorted.
func actions(t *testing.T, s stack, role string) (names []string) {
	t.Helper()
	for _, statement := range statements(t, s, role) {
		for _, action := range list(statement["Action"]) {
			names = append(names, action.(string))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestSweeperReadsEveryVariableOfItsEnvironment(t *testing.T) {
	source, err := os.ReadFile("../lambda/sweeper/parameters.go")
	require.NoError(t, err)
	var read []string
	for _, match := range regexp.MustCompile(`(?:getenv\(|getenv, )"([A-Z_]+)"`).FindAllSubmatch(source, -1) {
		read = append(read, string(match[1]))
	}
	slices.Sort(read)
	var given []string
	environment := sweeperStack(t, nil).resources(t)["Function"]["Environment"].(map[string]any)
	for name := range environment["Variables"].(map[string]any) {
		given = append(given, name)
	}
	slices.Sort(given)
	assert.Equal(t, slices.Compact(read), given)
}

// The sweeper's calls are the functions of the SDKs that its two adapters hold.
func TestSweeperMayDoWhatItDoesAndNoMore(t *testing.T) {
	calls := func(file string) (names []string) {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		held := regexp.MustCompile(`(?:func\(context\.Context, \*|operation\[)(\w+)\.(\w+)Input,`)
		for _, match := range held.FindAllSubmatch(source, -1) {
			names = append(names, strings.ReplaceAll(string(match[1]), "sdk", "route53")+":"+string(match[2]))
		}
		return names
	}
	can := append(calls("../internal/route53/client.go"), calls("../internal/sweep/inventory/source.go")...)
	require.Greater(t, len(can), 10)
	can = slices.DeleteFunc(can, func(action string) bool {
		switch action {
		case "sts:GetCallerIdentity": // takes no permission
		case "route53:ListHostedZonesByName", "route53:GetHostedZone": // not asked where the zone's ID is given
		default:
			return false
		}
		return true
	})
	slices.Sort(can)
	all := sweeperStack(t, map[string]any{"CheckHealth": "true", "UnhealthyAction": "stop-task"})
	may := slices.DeleteFunc(actions(t, all, "Role"), func(action string) bool {
		return strings.HasPrefix(action, "logs:") || strings.HasPrefix(action, "sqs:")
	})
	assert.Equal(t, slices.Compact(can), may)

	for name, c := range map[string]struct {
		parameters map[string]any
		without    []string
	}{
		"no checks": {nil, []string{"ecs:DescribeTaskDefinition", "ecs:StopTask"}},
		"checks":    {map[string]any{"CheckHealth": "true"}, []string{"ecs:StopTask"}},
		"given clusters": {
			map[string]any{"EcsClusters": []any{"a", "b"}, "CheckHealth": "true", "UnhealthyAction": "stop-task"},
			[]string{"ecs:ListClusters"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			less := actions(t, sweeperStack(t, c.parameters), "Role")
			for _, action := range actions(t, all, "Role") {
				assert.NotEqual(t, slices.Contains(c.without, action), slices.Contains(less, action), action)
			}
		})
	}
}

// ListTasks by cluster is authorized with the resource *: a statement that names resources never allows it.
func TestSweeperSeesOnlyGivenClusters(t *testing.T) {
	for name, c := range map[string]struct {
		clusters []any
		want     []any
	}{
		"given": {[]any{"shop", "office"}, []any{"arn:*:ecs:*:*:cluster/shop", "arn:*:ecs:*:*:cluster/office"}},
		"all":   {[]any{""}, []any{"arn:*:ecs:*:*:cluster/*"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := sweeperStack(t, map[string]any{
				"EcsClusters":     c.clusters,
				"CheckHealth":     "true",
				"UnhealthyAction": "stop-task",
			})
			type grant struct{ resource, condition any }
			const own = "arn:aws:ecs:eu-central-1:123456789012:"
			clusters := map[string]any{"ArnLike": map[string]any{"ecs:cluster": c.want}}
			members := grant{[]any{own + "container-instance/*", own + "task/*"}, clusters}
			granted := map[string]grant{}
			for _, statement := range statements(t, s, "Role") {
				for _, action := range list(statement["Action"]) {
					if name := action.(string); strings.HasPrefix(name, "ecs:") && name != "ecs:ListClusters" &&
						name != "ecs:DescribeTaskDefinition" {
						assert.NotContains(t, granted, name)
						granted[name] = grant{statement["Resource"], statement["Condition"]}
					}
				}
			}
			assert.Equal(t, map[string]grant{
				"ecs:ListContainerInstances": {
					c.want,
					map[string]any{"StringEquals": map[string]any{"aws:RequestedRegion": "eu-central-1"}},
				},
				"ecs:ListTasks": {
					"*",
					with(clusters, "ArnEquals", map[string]any{"ecs:cluster": own + "cluster/*"}),
				},
				"ecs:DescribeContainerInstances": members,
				"ecs:DescribeTasks":              members,
				"ecs:StopTask":                   {own + "task/*", clusters},
			}, granted)
		})
	}
}

func TestSweeperChangesOnlyServiceRecordsAndWhereAskedTheSOARecord(t *testing.T) {
	const zone = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
	changes := func(s stack) (conditions []any) {
		for _, statement := range statements(t, s, "Role") {
			if slices.Contains(list(statement["Action"]), any("route53:ChangeResourceRecordSets")) {
				assert.Equal(t, []any{"route53:ChangeResourceRecordSets"}, list(statement["Action"]))
				assert.Equal(t, zone, statement["Resource"])
				conditions = append(conditions, statement["Condition"])
			}
		}
		return conditions
	}
	some := map[string]any{
		"route53:ChangeResourceRecordSetsRecordTypes": "false", "route53:ChangeResourceRecordSetsActions": "false",
		"route53:ChangeResourceRecordSetsNormalizedRecordNames": "false",
	}
	records := map[string]any{
		"ForAllValues:StringEquals": map[string]any{
			"route53:ChangeResourceRecordSetsRecordTypes": []any{"SRV", "A"},
			"route53:ChangeResourceRecordSetsActions":     []any{"CREATE", "DELETE"},
		},
		"ForAllValues:StringLike": map[string]any{
			"route53:ChangeResourceRecordSetsNormalizedRecordNames": []any{"*.sd.example"},
		},
		"Null": some,
	}
	soa := map[string]any{
		"ForAllValues:StringEquals": map[string]any{
			"route53:ChangeResourceRecordSetsRecordTypes":           []any{"SOA"},
			"route53:ChangeResourceRecordSetsActions":               []any{"UPSERT"},
			"route53:ChangeResourceRecordSetsNormalizedRecordNames": []any{"sd.example"},
		},
		"Null": some,
	}
	assert.Equal(t, []any{
		records,
		soa,
	}, changes(sweeperStack(t, map[string]any{
		"ZoneName": "sd.example",
	})), "60 seconds, by default")
	assert.Equal(t, []any{
		records,
	}, changes(sweeperStack(t, map[string]any{
		"ZoneName":    "sd.example",
		"NegativeTtl": "0",
	})))
}

// An alarm on a metric that nothing writes never fires, or always.
func TestAlarmsAreOnMetricsThatAreWritten(t *testing.T) {
	source, err := os.ReadFile("../lambda/sweeper/metrics.go")
	require.NoError(t, err)
	require.Contains(t, string(source), `const namespace = "ecssd"`)
	require.Contains(t, string(source), `[][]string{{"Zone"}}`)
	alarms := 0
	for name, properties := range sweeperStack(t, nil).resources(t) {
		if properties["ComparisonOperator"] == nil {
			continue
		}
		alarms++
		if properties["Namespace"] == "ecssd" {
			assert.Contains(t, string(source), `"`+properties["MetricName"].(string)+`"`, name)
			assert.Equal(t, []any{
				map[string]any{"Name": "Zone", "Value": "servicediscovery.internal"},
			}, properties["Dimensions"], name)
		} else {
			assert.Equal(t, []any{
				"AWS/Lambda",
				"Errors",
			}, []any{
				properties["Namespace"],
				properties["MetricName"],
			}, name)
		}
		assert.Nil(t, properties["AlarmActions"], "no topic is given")
		assert.Nil(t, properties["OKActions"], "no topic is given")
	}
	assert.Equal(t, 4, alarms)
	topic := "arn:aws:sns:eu-central-1:123456789012:night"
	alarm := sweeperStack(t, map[string]any{"AlarmTopic": topic}).resources(t)["NotRunAlarm"]
	assert.Equal(t, []any{topic}, alarm["AlarmActions"])
	assert.Equal(t, []any{topic}, alarm["OKActions"])
}

func TestPassesDoNotOverlapAndAreNotRepeated(t *testing.T) {
	resources := sweeperStack(t, nil).resources(t)
	assert.Equal(t, "rate(5 minutes)", resources["Schedule"]["ScheduleExpression"])
	assert.LessOrEqual(
		t,
		resources["Function"]["Timeout"],
		4*60,
		"two invocations may be a minute closer than the rate",
	)
	assert.Nil(t, resources["Function"]["ReservedConcurrentExecutions"])
	assert.Equal(t, 0, resources["FunctionInvocation"]["MaximumRetryAttempts"])
	assert.Equal(
		t,
		0,
		resources["Schedule"]["Target"].(map[string]any)["RetryPolicy"].(map[string]any)["MaximumRetryAttempts"],
	)
	assert.Equal(t, []string{
		"lambda:InvokeFunction",
		"sqs:SendMessage",
	}, actions(t, sweeperStack(t, nil), "ScheduleRole"))
	assert.Equal(t, 1, sweeperStack(t, map[string]any{
		"ReserveConcurrency": "true",
	}).resources(t)["Function"]["ReservedConcurrentExecutions"])
}

func TestSweeperInAVPC(t *testing.T) {
	assert.Nil(t, sweeperStack(t, nil).resources(t)["Function"]["VpcConfig"])
	assert.NotContains(t, actions(t, sweeperStack(t, nil), "Role"), "ec2:CreateNetworkInterface")
	s := sweeperStack(t, map[string]any{"SubnetIds": []any{"subnet-0a"}, "SecurityGroupIds": []any{"sg-0a"}})
	assert.Equal(t, map[string]any{
		"SubnetIds":        []any{"subnet-0a"},
		"SecurityGroupIds": []any{"sg-0a"},
	}, s.resources(t)["Function"]["VpcConfig"])
	assert.Contains(t, actions(t, s, "Role"), "ec2:CreateNetworkInterface")
}

func TestSweeperRulesRefuseWhatCannotWork(t *testing.T) {
	inVPC := map[string]any{"CheckHealth": "true", "SubnetIds": []any{"subnet-0a"}, "SecurityGroupIds": []any{"sg-0a"}}
	assert.Empty(t, sweeperStack(t, nil).violated(t))
	assert.Empty(t, sweeperStack(t, inVPC).violated(t))
	assert.Empty(t, sweeperStack(t, with(inVPC, "UnhealthyAction", "stop-task")).violated(t))
	assert.Contains(t, sweeperStack(t, with(inVPC, "SubnetIds", []any{""})).violated(t), "ChecksNeedSubnets")
	assert.Contains(t, sweeperStack(t, with(inVPC, "SecurityGroupIds", []any{""})).violated(t), "ChecksNeedSubnets")
	assert.Contains(t, sweeperStack(t, map[string]any{
		"UnhealthyAction": "stop-task",
	}).violated(t), "StoppingNeedsChecks")
}

func TestSweeperParametersThatAreRefused(t *testing.T) {
	s := sweeperStack(t, nil)
	for name, values := range map[string]struct{ good, bad []string }{
		"ZoneName": {
			[]string{"servicediscovery.internal", "a_b.c"},
			[]string{"", "A.internal", "a.internal.", ".a", "a..b", "*.a"},
		},
		"EcsClusters":     {[]string{"", "shop_1"}, []string{"arn:aws:ecs:eu-west-1:123456789012:cluster/a", "*"}},
		"CheckHealthPath": {[]string{"/", "/up?x=1"}, []string{"", "up", "/a b"}},
		"UnhealthyAction": {[]string{"standby", "stop-task"}, []string{"stop"}},
		"DeleteBudget":    {[]string{"0%", "30%", "100%"}, []string{"", "30", "101%", "-1%", "%"}},
		"NegativeTtl":     {[]string{"0", "60", "86400"}, []string{"-1", "86401", "x"}},
		"Ttl":             {[]string{"", "0", "60"}, []string{"-1", "x"}},
		"DryRun":          {[]string{"true", "false"}, []string{"yes"}},
		"SubnetIds":       {[]string{"", "subnet-0a"}, []string{"vpc-0a"}},
		"CodeBucket":      {[]string{"my.bucket-1"}, []string{"", "s3://bucket", "Bucket"}},
		"AlarmTopic": {
			[]string{"", "arn:aws-cn:sns:cn-north-1:123456789012:t"},
			[]string{"topic", "arn:aws:sqs:a:123456789012:t"},
		},
	} {
		for _, value := range values.good {
			assert.True(t, s.accepts(t, name, value), "%s %q", name, value)
		}
		for _, value := range values.bad {
			assert.False(t, s.accepts(t, name, value), "%s %q", name, value)
		}
	}
}

func TestZoneIsPrivateToTheVPCOf2016AndOutlivesItsStack(t *testing.T) {
	s := load(t, "privatedns.cform", map[string]any{"VPC": "vpc-0a"})
	assert.Equal(t, map[string]any{
		"Name": "servicediscovery.internal", "HostedZoneConfig": map[string]any{
			"Comment": "Service discovery for ECS, managed by ecssd",
		},
		"VPCs": []any{map[string]any{"VPCId": "vpc-0a", "VPCRegion": "eu-central-1"}},
	}, s.resources(t)["HostedZone"])
	resource := s.template["Resources"].(map[string]any)["HostedZone"].(map[string]any)
	assert.Equal(t, []any{"Retain", "Retain"}, []any{resource["DeletionPolicy"], resource["UpdateReplacePolicy"]})
	for _, output := range []string{"ZoneId", "ZoneName"} {
		assert.Contains(t, s.template["Outputs"], output)
	}
}
