package hostcheck

import (
	"context"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/sandbox"
)

// offEC2 is what the operator says of a host that has no EC2 metadata.
var offEC2 = host.Given{InstanceID: "i-1", Address: netip.MustParseAddr("10.0.0.7")}

// here returns a look at a host off EC2, with an empty state directory, no agent and the Engine at an address.
func here(t *testing.T, engine string) *Host {
	t.Helper()
	c := Config{
		StateDir: t.TempDir(),
		Listen:   "127.0.0.1:1",
		Version:  "v1",
		Given:    offEC2,
		Metadata: host.NewMetadata(aws.Config{}),
		Address:  func(_ context.Context, all []container.Container) []container.Container { return all },
	}
	for _, e := range []**docker.Engine{&c.Engine, &c.Events} {
		var err error
		*e, err = docker.New(engine)
		require.NoError(t, err)
		t.Cleanup(func() { _ = (*e).Close() })
	}
	return New(c)
}

// onEC2 returns the same on an instance whose metadata a sandbox serves.
func onEC2(t *testing.T, options ...func(*config.LoadOptions) error) (*Host, *sandbox.Server) {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	for name, value := range map[string]string{"AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": ""} {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL())
	options = append(options, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	loaded, err := config.LoadDefaultConfig(t.Context(), options...)
	require.NoError(t, err)
	h := here(t, "unix:///nowhere/docker.sock")
	h.Given, h.Metadata = host.Given{}, host.NewMetadata(loaded)
	return h, s
}

// found runs one check of a look at a host.
func found(t *testing.T, h *Host, name string) []doctor.Result {
	t.Helper()
	for _, c := range h.Checks() {
		if c.Name == name {
			return doctor.Run(t.Context(), []doctor.Check{c})
		}
	}
	require.Fail(t, "no such check", name)
	return nil
}

// one is found where there is one result.
func one(t *testing.T, h *Host, name string) doctor.Result {
	t.Helper()
	results := found(t, h, name)
	require.Len(t, results, 1)
	assert.Equal(t, name, results[0].Check)
	return results[0]
}

// Where nothing of a host is there, each check says so and ends.
func TestChecksOfAnEmptyHost(t *testing.T) {
	h := here(t, "unix:///nowhere/docker.sock")
	var lines []string
	for _, r := range doctor.Run(t.Context(), h.Checks()) {
		if r.Check != "ecs" { // which this machine may have
			lines = append(lines, string(r.State)+" "+r.Check)
		}
	}
	assert.Equal(t, []string{"FAIL engine", "FAIL agent", "ok standby", "warn state", "ok metadata"}, lines)
	endpoints, listed := h.Endpoints(t.Context())
	assert.Empty(t, endpoints)
	assert.False(t, listed)
	assert.Nil(t, h.Records(t.Context()))
	assert.Equal(t, "i-1", h.Identity(t.Context()).InstanceID)
}
