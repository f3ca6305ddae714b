package docker

import (
	"strings"
	"testing"

	api "github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
)

// The Engine takes names of any length; each would stand in every line of the log about its container.
func TestLongNameIsCutShort(t *testing.T) {
	c := decode(api.InspectResponse{ContainerJSONBase: &api.ContainerJSONBase{Name: "/" + strings.Repeat("n", 20000)}})
	assert.Equal(t, strings.Repeat("n", 600), c.Name)
}
