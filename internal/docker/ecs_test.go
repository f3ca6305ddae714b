package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"

	api "github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
)

// recorded returns the containers in testdata/ecs-agent/inspect.json, with what the ECS agent reported of them at the
// same moment. It was recorded from Amazon ECS agent 1.105.1, Docker Engine 20.10.24.
func recorded(t *testing.T) []container.Container {
	t.Helper()
	content, err := os.ReadFile("testdata/ecs-agent/inspect.json")
	require.NoError(t, err)
	var inspected []api.InspectResponse
	require.NoError(t, json.Unmarshal(content, &inspected))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "../host/testdata/ecs-agent/tasks.json")
	}))
	defer server.Close()
	tasks, err := host.NewIntrospection(server.URL).Tasks(t.Context())
	require.NoError(t, err)
	addresses := map[string]netip.Addr{}
	for _, task := range tasks {
		for _, c := range task.Containers {
			addresses[c.DockerID] = c.Address
		}
	}
	var all []container.Container
	for _, in := range inspected {
		c := decode(in)
		c.Address = addresses[c.ID]
		all = append(all, c)
	}
	return all
}

// Tasks of every network mode, as the ECS agent runs them: what each container is registered as.
func TestContainersOfAnECSAgent(t *testing.T) {
	policy := endpoint.Policy{
		Zone:          "sd.internal",
		DefaultWeight: 1,
		MaxWeight:     255,
		Address:       netip.MustParseAddr("10.0.0.1"),
	}
	all := recorded(t)
	endpoints, problems := policy.Map(all)
	var got []string
	for _, e := range endpoints {
		line := fmt.Sprintf("%s %s at %d weight %d", e.Name, e.Port, e.HostPort, e.Weight)
		if e.Address.IsValid() {
			line += " of " + e.Address.String()
		}
		got = append(got, line)
	}
	assert.Equal(t, []string{
		"api_v2 80/tcp at 32771 weight 1",
		"envoy 9901/tcp at 9901 weight 1 of 10.0.1.8", // it exposes the port; of awsvpc tasks no more is known here
		"frontset 18080/tcp at 18080 weight 1 of 10.0.1.8",
		"hrange 18100/tcp at 18100 weight 1", // the range 18100-18101 on the host's network
		"hrange-18100 18100/tcp at 18100 weight 1",
		"hrange-18101 18101/tcp at 18101 weight 1",
		"hzero 18110/tcp at 18110 weight 1", // hostPort 0, likewise
		"labelled 80/tcp at 32784 weight 1",
		"long 80/tcp at 32797 weight 1",
		"main2 18086/tcp at 18086 weight 1",
		"multi 53/tcp at 32774 weight 1",
		"multi-53 53/tcp at 32774 weight 1",
		"multi-53-udp 53/udp at 32773 weight 1",
		"multi-80 80/tcp at 18081 weight 1",
		"multi-9000 9000/tcp at 32772 weight 1",
		"plain 80/tcp at 80 weight 1 of 10.0.1.8",
		"range 10000/tcp at 32775 weight 1",
		"range-10000 10000/tcp at 32775 weight 1",
		"range-10001 10001/tcp at 32776 weight 1",
		"range-10002 10002/tcp at 32777 weight 1",
		"range-10003 10003/tcp at 32778 weight 1",
		"renamed 80/tcp at 32783 weight 5",
		"rsop 80/tcp at 32798 weight 1",
		"scapp 80/tcp at 32787 weight 1", // Service Connect
		"sick 80/tcp at 32779 weight 1",
		"web 18080/tcp at 18080 weight 1", // not at 80 too, which its image exposes
	}, got)

	const own, none = "container: the ECS agent runs it for its own purposes", "container: it has no port: add a " +
		"port mapping"
	const exposedOnly = none + ", or name the port with SERVICE_<port>_NAME; what its image exposes does not count " +
		"on the host's network"
	const beside = "port 80/tcp: no port mapping names it, and what the image exposes does not count beside one on " +
		"the host's network"
	why := map[string][]string{}
	for _, p := range problems {
		assert.True(t, p.Chosen, "nobody has done anything wrong: %v", p)
		why[p.ContainerID[:12]] = append(why[p.ContainerID[:12]], p.Subject+": "+p.Reason)
	}
	said := map[string][]string{}
	for _, c := range all {
		if lines := why[c.ID[:12]]; lines != nil {
			said[c.Labels[container.LabelName]] = lines
		}
	}
	assert.Equal(t, map[string][]string{
		"alone": {
			`container: it has no network of which ports could be registered (mode "none")`,
		},
		"bare":                           {exposedOnly},
		"c3":                             {"container: SERVICE_IGNORE is set"},
		"ecs-service-connect-abcd":       {own},
		"instance-service-connect-relay": {own},
		"main2":                          {beside},
		"side":                           said["side"], // two are called so, see below
		"web":                            {beside},
		"~internal~ecs~pause":            {own},
		"~internal~ecs~pause-ecs-service-connect-abcd": {own},
		"~internal~ecs~pause-scapp":                    {own},
	}, said)
	assert.Equal(t, []string{exposedOnly}, why["10a1d13167ba"], "the sidecar on the host's network")
	assert.Equal(t, []string{none}, why["b14b64c3da18"], "the sidecar on the bridge")
}

// It is ECS's own, though nothing but the listing tells of it.
func TestServiceConnectsProxyThatCannotBeInspected(t *testing.T) {
	for _, c := range recorded(t) {
		if c.Labels[container.LabelName] != "ecs-service-connect-abcd" {
			continue
		}
		listed := unread(api.Summary{
			ID:     c.ID,
			Image:  c.Image,
			Labels: c.Labels,
			State:  "running",
		}, errors.New("timeout"))
		_, problems := endpoint.Policy{Zone: "sd.internal"}.Map([]container.Container{listed})
		assert.Equal(t, []endpoint.Problem{
			{
				ContainerID: c.ID,
				Subject:     "container",
				Reason:      "the ECS agent runs it for its own purposes",
				Chosen:      true,
			},
		}, problems)
	}
}
