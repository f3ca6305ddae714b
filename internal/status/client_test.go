package status

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering serves one answer to everything.
func answering(t *testing.T, code int, body string) Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return Client{Addr: server.Listener.Addr().String()}
}

func TestClient(t *testing.T) {
	for name, c := range map[string]struct {
		code                int
		body                string
		alive, ready, state string // errors; empty: none
		missing             []string
		version             string
	}{
		"ready agent": {code: 200, body: `{"version": "v1"}`, version: "v1"},
		"agent that is not ready": {
			code:    503,
			body:    "engine: not connected\nzone: not found yet\n",
			alive:   "HTTP status 503 Service Unavailable",
			state:   "HTTP status 503 Service Unavailable",
			missing: []string{"engine: not connected", "zone: not found yet"},
		},
		"another program": {
			code:  404,
			alive: "HTTP status 404 Not Found",
			ready: "HTTP status 404 Not Found",
			state: "HTTP status 404 Not Found",
		},
		"another program that answers everything": {
			code: 200, body: "hello", state: "decode /state (is it another program?): ",
		},
		"another program that answers JSON": {code: 200, body: "{}", state: "no version"},
		"an agent whose answer is cut":      {code: 200, body: `{"version": "v1`, state: "decode /state"},
	} {
		t.Run(name, func(t *testing.T) {
			client := answering(t, c.code, c.body)
			wantError(t, c.alive, client.Alive(t.Context()))
			missing, err := client.Ready(t.Context())
			wantError(t, c.ready, err)
			assert.Equal(t, c.missing, missing)
			state, err := client.State(t.Context())
			wantError(t, c.state, err)
			assert.Equal(t, c.version, state.Version)
		})
	}
}

func wantError(t *testing.T, want string, err error) {
	t.Helper()
	if want == "" {
		assert.NoError(t, err)
		return
	}
	assert.ErrorContains(t, err, want)
}

// A proxy, or a --listen that means all addresses, must not lead the question elsewhere.
func TestClientDialsTheLoopbackAddress(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "::", "", "localhost"} {
		t.Run(host, func(t *testing.T) {
			listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			require.NoError(t, err)
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Listener.Close()
			server.Listener = listener
			server.Start()
			defer server.Close()
			_, port, err := net.SplitHostPort(listener.Addr().String())
			require.NoError(t, err)
			assert.ErrorContains(t, Client{Addr: net.JoinHostPort(host, port)}.Alive(t.Context()), "404")
		})
	}
}

func TestClientEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = Client{Addr: silent.Addr().String()}.State(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second:       "now",
		-time.Second:      "now",
		90 * time.Second:  "90 s ago",
		-90 * time.Second: "in 90 s",
		3 * time.Minute:   "3 min ago",
		3 * time.Hour:     "3 h ago",
		50 * time.Hour:    "2 d ago",
	} {
		assert.Equal(t, want, Ago(d))
	}
}
