package cli

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/web"
)

// healthcheck runs the command in-process; it prints nothing of its own.
func healthcheck(t *testing.T, listen string) error {
	t.Helper()
	var printed bytes.Buffer
	err := Run(t.Context(), "", []string{"healthcheck", "--listen", listen}, &printed, &printed)
	assert.Empty(t, printed.String())
	return err
}

func TestHealthcheckOfAnAgentThatIsNotReady(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for name, host := range map[string]string{
		"loopback":           "127.0.0.1",
		"all IPv4 addresses": "0.0.0.0",
		"all addresses":      "::",
		"no host":            "",
		"a name":             "localhost",
	} {
		t.Run(name, func(t *testing.T) {
			_, port, err := net.SplitHostPort(freeAddress(t))
			require.NoError(t, err)
			address := net.JoinHostPort(host, port)
			log, _ := logtest.NewNullLogger()
			go web.Serve(t.Context(), web.Config{
				Addr:      address,
				Registry:  prometheus.NewRegistry(),
				Readiness: &health.Readiness{},
				Log:       logrus.NewEntry(log),
			})
			assert.EventuallyWithT(
				t,
				func(c *assert.CollectT) { assert.NoError(c, healthcheck(t, address)) },
				10*time.Second,
				10*time.Millisecond,
			)
		})
	}
}

func TestHealthcheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	nobody := freeAddress(t)
	for name, c := range map[string]struct{ listen, want string }{
		"nobody listens": {nobody, nobody + ": connect: connection refused"},
		"no answer":      {silent.Addr().String(), "no answer within 2s"},
		"another program": {
			broken.Listener.Addr().String(),
			"ask the agent at " + broken.Listener.Addr().String() + " for its health: HTTP status 404 Not Found",
		},
		"no address": {"", `--listen "" is not an address and port`},
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorContains(t, healthcheck(t, c.listen), c.want) })
	}
}
