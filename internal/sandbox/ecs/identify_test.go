package ecs

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/account"
)

func TestMember(t *testing.T) {
	const region, owner = "eu-central-1", "123456789012"
	id := strings.Repeat("a", 32)
	arn := "arn:aws:ecs:" + region + ":" + owner + ":task/"
	h := New(account.New(owner, region, "vpc-1", time.Now, rand.New(rand.NewPCG(1, 1))), nil)
	for _, test := range []struct {
		name, id, refused string
	}{
		{"an ID", id, ""},
		{"an ARN", arn + "main/" + id, ""},
		{"an ARN without the cluster", arn + id, "Unexpected number of separators"},
		{"a path that is no ARN", "main/" + id, "Unexpected number of separators"},
		{"of another cluster", arn + "other/" + id, "Identifier is for cluster other. Your cluster is main"},
		{"of another kind", strings.Replace(arn, "task", "cluster", 1) + "main/" + id, "Identifier is not for a task"},
		{"of another region", strings.Replace(arn, region, "eu-west-1", 1) + "main/" + id, "Identifier is for " +
			"eu-west-1"},
		{"of another account", strings.Replace(arn, owner, "210987654321", 1) + "main/" + id, "Identifier is for " +
			"210987654321"},
		{"of another service", strings.Replace(arn, "ecs", "ec2", 1) + "main/" + id, "Unexpected number of separators"},
		{"too short", "abc", "taskId length should be one of [32,36]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, failure := h.member("task", "main", test.id)
			if test.refused == "" {
				require.Nil(t, failure)
				assert.Equal(t, id, got)
				return
			}
			require.NotNil(t, failure)
			assert.Equal(t, "InvalidParameterException", failure.Code)
			assert.Contains(t, failure.Message, test.refused)
		})
	}
}

func TestMembersAreOneToAHundredAndEachOnce(t *testing.T) {
	h := New(account.New("123456789012", "eu-central-1", "vpc-1", time.Now, rand.New(rand.NewPCG(1, 1))), nil)
	id := strings.Repeat("a", 32)
	got, failure := h.members("task", "main", []string{id, id})
	require.Nil(t, failure)
	assert.Equal(t, []string{id}, got)
	_, failure = h.members("task", "main", nil)
	assert.NotNil(t, failure)
	_, failure = h.members("task", "main", make([]string, 101))
	require.NotNil(t, failure)
	assert.Equal(t, "taskIds can have at most 100 items.", failure.Message)
}
