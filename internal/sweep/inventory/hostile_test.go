package inventory

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// A sweep has a deadline; a reading that goes round for ever would use all of its time, and its memory.
func TestPaginationLoop(t *testing.T) {
	for name, tokens := range map[string][]string{
		"of one page":            {"a"},
		"of two":                 {"a", "b"},
		"of three, entered late": {"x", "a", "b", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			err := pages(func(*string) (*string, error) {
				calls++
				require.Less(t, calls, 10, "it never ends")
				if calls > len(tokens) {
					return aws.String(tokens[len(tokens)-1]), nil
				}
				return aws.String(tokens[calls-1]), nil
			})
			assert.ErrorContains(t, err, "pagination loop")
		})
	}
	t.Run("there and back", func(t *testing.T) {
		calls := 0
		err := pages(func(*string) (*string, error) {
			calls++
			require.Less(t, calls, 10, "it never ends")
			return aws.String([]string{"a", "b"}[calls%2]), nil
		})
		assert.ErrorContains(t, err, "pagination loop")
		assert.Equal(t, 3, calls)
	})
}

// A task of which ECS does not say when it was created passes for a new one: nothing on its host is taken for left
// over.
func TestTaskWithoutATime(t *testing.T) {
	r := &reading{
		fleet: evidence.Fleet{Instances: map[string]evidence.Instance{"i-1": {Complete: true}}},
		hosts: map[string]string{"arn": "i-1"},
	}
	r.add(member{host: "arn", name: "web"})
	assert.Equal(t, evidence.Fleet{Instances: map[string]evidence.Instance{"i-1": {}}}, r.fleet)
	r.add(member{host: "arn of a host that is not known", name: "web"})
	assert.Len(t, r.fleet.Instances, 1)
}
