package view

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/status"
)

// Of a container that has just been looked at nothing is pending yet.
func TestStateOfAnEndpointWithoutARecord(t *testing.T) {
	c := hosted{
		Container: container.Container{ID: "1", State: container.Running},
		endpoints: []registration{{}},
	}
	owner := record.Owner{Address: netip.MustParseAddr("10.0.0.1")}
	told := containerState(c, Input{Owner: owner, Local: &local.State{}}, nil)
	assert.Equal(t, status.Pending, told.Endpoints[0].State)
	assert.Equal(t, "its record is not written yet", told.Endpoints[0].Why)
	assert.Nil(t, told.Endpoints[0].Record)
}
