package container_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
)

func TestPortsAreOrderedByNumberAndThenProtocol(t *testing.T) {
	want := []container.Port{
		{Number: 53, Proto: container.TCP},
		{Number: 53, Proto: container.UDP},
		{Number: 80, Proto: container.TCP},
		{Number: 8080, Proto: container.SCTP},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, container.Port.Compare)
	assert.Equal(t, want, got)
}
