package consumer

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

func TestFindAsksDNS(t *testing.T) {
	s, err := sandbox.Start(sandbox.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	zone, err := s.CreateZone("servicediscovery.internal", sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	require.NoError(t, s.Seed(zone, sandbox.Set{
		Name:          "time.servicediscovery.internal",
		Type:          "SRV",
		SetIdentifier: "x",
		Weight:        new(int64(1)),
		Values:        []string{"1 1 32768 ip-10-0-0-1.servicediscovery.internal"},
	}))
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.DNSAddr())
	}}

	address, err := Find(t.Context(), resolver, "time")
	require.NoError(t, err)
	assert.Equal(t, "ip-10-0-0-1.servicediscovery.internal:32768", address)

	_, err = Find(t.Context(), resolver, "nothing")
	var notFound *net.DNSError
	require.ErrorAs(t, err, &notFound)
	assert.True(t, notFound.IsNotFound)
}

func TestReferenceShowsThisCode(t *testing.T) {
	code, err := os.ReadFile("consumer.go")
	require.NoError(t, err)
	page, err := os.ReadFile("../../../docs/reference.md")
	require.NoError(t, err)
	_, function, found := strings.Cut(string(code), "// Find returns")
	require.True(t, found)
	assert.Contains(t, string(page), "```go\n// Find returns"+function+"```\n")
}
