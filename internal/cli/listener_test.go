package cli

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestListenerOfTheRunningAgent asks the agent as it runs, so that what is tested above is what serves.
func TestListenerOfTheRunningAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	send := func(request string) (status int) {
		t.Helper()
		conn, err := net.Dial("tcp", w.listen)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		go func() { _, _ = io.WriteString(conn, request) }() // it may be refused before its end
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		response.Body.Close()
		return response.StatusCode
	}
	assert.Equal(t, 200, send("GET /metrics HTTP/1.1\r\nHost: "+w.listen+"\r\n\r\n"))
	assert.Equal(t, 200, send("HEAD /metrics HTTP/1.1\r\nHost: "+w.listen+"\r\n\r\n"))
	assert.Equal(t, 200, send("GET /healthz HTTP/1.0\r\n\r\n"))
	assert.Equal(t, 421, send("GET /metrics HTTP/1.1\r\nHost: attacker.example\r\n\r\n"))
	assert.Equal(t, 421, send("GET http://attacker.example/metrics HTTP/1.1\r\nHost: "+w.listen+"\r\n\r\n"))
	assert.Equal(t, 403, send("GET /metrics HTTP/1.1\r\nHost: "+w.listen+"\r\nOrigin: http://attacker.example\r\n\r\n"))
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		assert.Equal(
			t,
			405,
			send(method+" /metrics HTTP/1.1\r\nHost: "+w.listen+"\r\nContent-Length: 0\r\n\r\n"),
			method,
		)
	}
	assert.Equal(
		t,
		431,
		send("GET /metrics HTTP/1.1\r\nHost: "+w.listen+"\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"),
	)
	assert.Equal(t, 404, send("GET /debug/pprof/ HTTP/1.1\r\nHost: "+w.listen+"\r\n\r\n"), "nothing is served unasked")
}
