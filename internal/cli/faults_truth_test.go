package cli

import (
	"fmt"
	"slices"
	"strings"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// truth is what the zone has to say of an Engine's containers of this world: for each that runs, and publishes a port
// or is on the host's network, its name, set identifier and value.
func (w *world) truth(cli *client.Client) []string {
	w.t.Helper()
	found, err := cli.ContainerList(w.t.Context(), api.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", container.LabelName), filters.Arg("status", "running")),
	})
	require.NoError(w.t, err)
	want := []string{}
	for _, c := range found {
		name := c.Labels[container.LabelName]
		if !strings.HasPrefix(name, w.prefix) {
			continue
		}
		says := func(inside string, outside uint16) {
			want = append(
				want,
				fmt.Sprintf(
					"%s.%s. %s:ecs:%s:%s 1 1 %d %s",
					name,
					zoneName,
					instanceID,
					c.ID,
					inside,
					outside,
					hostTarget,
				),
			)
		}
		for _, p := range c.Ports {
			if p.PublicPort != 0 && !strings.Contains(p.IP, ":") {
				says(fmt.Sprintf("%d/%s", p.PrivatePort, p.Type), p.PublicPort)
			}
		}
		if port, ok := container.ParsePort(c.Labels[enginetest.MappedLabel]); ok && c.HostConfig.NetworkMode == "host" {
			says(port.String(), port.Number)
		}
	}
	slices.Sort(want)
	return want
}

// told is what the zone says of this world's containers on this host, in the same form.
func (w *world) told() []string {
	said := []string{}
	for _, s := range w.own() {
		if s.Type == "SRV" {
			said = append(said, s.Name+" "+s.SetIdentifier+" "+strings.Join(s.Values, ","))
		}
	}
	slices.Sort(said)
	return said
}

// settles waits until the zone says what is true of an Engine, which nothing changes any more.
func (w *world) settles(cli *client.Client) {
	w.t.Helper()
	want := w.truth(cli)
	patience.Until(func() bool { return slices.Equal(want, w.told()) })
	require.Equal(w.t, want, w.told(), "after %s", patience.Limit)
	require.Equal(w.t, want, w.truth(cli), "the containers have changed meanwhile, which no test expects")
	require.True(w.t, w.running(), "the agent has ended")
}
