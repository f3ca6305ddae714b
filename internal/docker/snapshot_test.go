package docker

import (
	"testing"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
)

// Containers are inspected again when their listing changes, so it must not change by itself as time goes by.
func TestListing(t *testing.T) {
	base := func() api.Summary {
		return api.Summary{
			ID:     "c0ffee",
			Names:  []string{"/a", "/b/a"},
			State:  "running",
			Status: "Up 5 seconds (healthy)",
			Ports: []api.Port{{
				IP:          "0.0.0.0",
				PrivatePort: 80,
				PublicPort:  8080,
				Type:        "tcp",
			}, {PrivatePort: 81, Type: "tcp"}},
			NetworkSettings: &api.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{
				"x": {EndpointID: "1"}, "y": {EndpointID: "2"}, "z": nil,
			}},
		}
	}
	tests := []struct {
		name   string
		change func(*api.Summary)
		same   bool
	}{
		{"time passes", func(s *api.Summary) { s.Status = "Up 2 hours (healthy)" }, true},
		{"another order", func(s *api.Summary) {
			s.Names[0], s.Names[1] = s.Names[1], s.Names[0]
			s.Ports[0], s.Ports[1] = s.Ports[1], s.Ports[0]
		}, true},
		{"health", func(s *api.Summary) { s.Status = "Up 5 seconds (unhealthy)" }, false},
		{"health begins", func(s *api.Summary) { s.Status = "Up 5 seconds (health: starting)" }, false},
		{"no health", func(s *api.Summary) { s.Status = "Up 5 seconds" }, false},
		{"state", func(s *api.Summary) { s.State = "paused" }, false},
		{"name", func(s *api.Summary) { s.Names[0] = "/c" }, false},
		{"host port", func(s *api.Summary) { s.Ports[0].PublicPort++ }, false},
		{"host address", func(s *api.Summary) { s.Ports[0].IP = "::" }, false},
		{"endpoint", func(s *api.Summary) { s.NetworkSettings.Networks["x"].EndpointID = "3" }, false},
		{"no networks", func(s *api.Summary) { s.NetworkSettings = nil }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			changed := base()
			test.change(&changed)
			assert.Equal(t, test.same, listing(base()) == listing(changed))
		})
	}
	t.Run("time passes while restarting", func(t *testing.T) {
		assert.Equal(t, listing(api.Summary{Status: "Restarting (1) 3 seconds ago"}),
			listing(api.Summary{Status: "Restarting (1) 4 seconds ago"}))
	})
}
