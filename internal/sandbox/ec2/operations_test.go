package ec2

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/account"
)

func TestMatcher(t *testing.T) {
	i := account.Instance{
		ID:               "i-0a",
		State:            "running",
		PrivateIP:        "10.0.0.1",
		AvailabilityZone: "eu-central-1a",
	}
	for _, test := range []struct {
		name    string
		filters []filter
		want    bool
	}{
		{"no filter", nil, true},
		{"one of the values", []filter{{"instance-id", []string{"i-0b", "i-0a"}}}, true},
		{"none of the values", []filter{{"instance-id", []string{"i-0b"}}}, false},
		{"all filters must match", []filter{{"instance-id", []string{"i-0a"}},
			{"instance-state-name", []string{"stopped"}}}, false},
		{"any text", []filter{{"availability-zone", []string{"eu-*"}}}, true},
		{"one character", []filter{{"instance-id", []string{"i-0?"}}}, true},
		{"a dot is a dot", []filter{{"private-ip-address", []string{"10.0?0.*"}}}, true},
		{"a dot is no wildcard", []filter{{"private-ip-address", []string{"10a0*"}}}, false},
		{"the state's code", []filter{{"instance-state-code", []string{"16"}}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			match, failure := matcher(test.filters, instanceFilters)
			require.Nil(t, failure)
			assert.Equal(t, test.want, match(i))
		})
	}
}

func TestMatcherRefuses(t *testing.T) {
	many := filter{name: "instance-id"}
	for n := range maxFilterValues + 1 {
		many.values = append(many.values, fmt.Sprint(n))
	}
	for _, test := range []struct {
		name, code string
		filter     filter
	}{
		{"an unknown filter", "InvalidParameterValue", filter{"colour", []string{"red"}}},
		{"a filter without a value", "InvalidParameterValue", filter{"instance-id", nil}},
		{"too many values", "FilterLimitExceeded", many},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, failure := matcher([]filter{test.filter}, instanceFilters)
			require.NotNil(t, failure)
			assert.Equal(t, test.code, failure.Code)
		})
	}
}

func TestAListEndsAtTheFirstGap(t *testing.T) {
	form := url.Values{"InstanceId.1": {"a"}, "InstanceId.2": {"b"}, "InstanceId.4": {"d"}}
	assert.Equal(t, []string{"a", "b"}, listed(form, "InstanceId."))
}

func TestWhatShowsOfAnInstanceDependsOnItsState(t *testing.T) {
	full := account.Instance{
		ID:             "i-0a",
		PrivateIP:      "10.0.0.1",
		PrivateDNSName: "ip-10-0-0-1",
		VPC:            "vpc-1",
	}
	for state, want := range map[string][]string{
		"pending":       {"10.0.0.1", "", "vpc-1"},
		"running":       {"10.0.0.1", "ip-10-0-0-1", "vpc-1"},
		"shutting-down": {"10.0.0.1", "ip-10-0-0-1", "vpc-1"},
		"stopped":       {"10.0.0.1", "ip-10-0-0-1", "vpc-1"},
		"terminated":    {"", "", ""},
	} {
		full.State = state
		s := shown(full)
		assert.Equal(t, want, []string{s.PrivateIP, s.PrivateDNSName, s.VPC}, state)
	}
}
