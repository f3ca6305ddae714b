package cli

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/agent"
)

// ask gives the answer to a request for /metrics with these headers.
func ask(listen, host string, header map[string]string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Host = host
	for key, value := range header {
		request.Header.Set(key, value)
	}
	answer := httptest.NewRecorder()
	guarded(listen, handler(prometheus.NewRegistry(), &agent.Readiness{}, nil)).Handler.ServeHTTP(answer, request)
	return answer
}

func TestListenerAnswersToAddressesOnly(t *testing.T) {
	for host, want := range map[string]int{
		"127.0.0.1:9553":        http.StatusOK,
		"10.0.0.1:9553":         http.StatusOK, // Prometheus, where --listen is 0.0.0.0:9553
		"10.0.0.1":              http.StatusOK,
		"[::1]:9553":            http.StatusOK,
		"[fd00::1]":             http.StatusOK,
		"localhost:9553":        http.StatusOK,
		"LocalHost":             http.StatusOK,
		"":                      http.StatusOK, // HTTP/1.0
		"attacker.example:9553": http.StatusMisdirectedRequest,
		"attacker.example":      http.StatusMisdirectedRequest,
		"localhost.example":     http.StatusMisdirectedRequest,
		"127.0.0.1.example":     http.StatusMisdirectedRequest,
		"127.1":                 http.StatusMisdirectedRequest,
		"host.internal:9553":    http.StatusMisdirectedRequest,
		"a:b:c":                 http.StatusMisdirectedRequest,
		"\x1b[31m":              http.StatusMisdirectedRequest,
	} {
		assert.Equal(t, want, ask("0.0.0.0:9553", host, nil).Code, "Host: %q", host)
	}
	assert.Equal(
		t,
		http.StatusOK,
		ask("Host.internal:9553", "host.internal:9553", nil).Code,
		"a name that the operator has given",
	)
	assert.Equal(t, http.StatusMisdirectedRequest, ask(":9553", "attacker.example", nil).Code)
}

func TestListenerRefusesPagesOfOtherSites(t *testing.T) {
	for name, c := range map[string]struct {
		header map[string]string
		want   int
	}{
		"Prometheus, curl": {nil, http.StatusOK},
		"typed in": {
			map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
			http.StatusOK,
		},
		"from a page of its own": {
			map[string]string{
				"Sec-Fetch-Site": "same-origin",
				"Sec-Fetch-Mode": "cors",
				"Origin":         "http://127.0.0.1:9553",
			},
			http.StatusOK,
		},
		"a link on another site": {
			map[string]string{
				"Sec-Fetch-Site": "cross-site",
				"Sec-Fetch-Mode": "navigate",
				"Sec-Fetch-Dest": "document",
			},
			http.StatusOK,
		},
		"a script of another site": {
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
			http.StatusForbidden,
		},
		"an image of another site": {
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
			http.StatusForbidden,
		},
		"a frame of another site": {
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
			http.StatusForbidden,
		},
		"another port of the host": {
			map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
			http.StatusForbidden,
		},
		"another origin":             {map[string]string{"Origin": "http://attacker.example"}, http.StatusForbidden},
		"an origin that hides":       {map[string]string{"Origin": "null"}, http.StatusForbidden},
		"its own origin, encrypted?": {map[string]string{"Origin": "https://127.0.0.1:9553"}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			answer := ask("127.0.0.1:9553", "127.0.0.1:9553", c.header)
			assert.Equal(t, c.want, answer.Code)
			assert.Equal(t, "nosniff", answer.Header().Get("X-Content-Type-Options"))
			assert.Equal(t, "same-origin", answer.Header().Get("Cross-Origin-Resource-Policy"))
			assert.Equal(
				t,
				"default-src 'none'; frame-ancestors 'none'",
				answer.Header().Get("Content-Security-Policy"),
			)
			assert.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
			assert.Equal(t, "no-referrer", answer.Header().Get("Referrer-Policy"))
			assert.Empty(t, answer.Header().Get("Access-Control-Allow-Origin"))
		})
	}
}

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

// pipes is a listener of connections within this process, whose deadlines go by the clock of synctest.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p.conns
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (p pipes) Close() error {
	close(p.conns)
	return nil
}
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Whoever sends a byte now and then must not hold a connection for ever.
func TestListenerDropsWhoIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := pipes{make(chan net.Conn)}
		server := guarded("127.0.0.1:9553", handler(prometheus.NewRegistry(), &agent.Readiness{}, nil))
		go func() { _ = server.Serve(few(listener)) }()
		defer server.Close()

		near, far := net.Pipe()
		listener.conns <- far
		go func() { _, _ = io.Copy(io.Discard, near) }()
		begun := time.Now()
		for {
			if _, err := io.WriteString(near, "G"); err != nil {
				break
			}
			time.Sleep(time.Second)
			require.Less(t, time.Since(begun), time.Minute, "it is still being listened to")
		}
		near.Close()
		assert.LessOrEqual(t, time.Since(begun), longestRequest+2*time.Second)

		near, far = net.Pipe()
		listener.conns <- far
		begun = time.Now()
		go func() { _, _ = io.WriteString(near, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") }()
		all, err := io.ReadAll(near) // until the other end closes
		require.NoError(t, err)
		assert.Contains(t, string(all), "200 OK")
		assert.Equal(t, longestIdle, time.Since(begun))
		near.Close()
	})
}

func TestListenerTakesFewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := pipes{make(chan net.Conn, 2*mostConnections)}
		limited := few(listener)
		for range cap(listener.conns) {
			conn, other := net.Pipe()
			defer other.Close()
			listener.conns <- conn
		}
		var taken []net.Conn
		go func() {
			for {
				conn, err := limited.Accept()
				if err != nil {
					return
				}
				taken = append(taken, conn)
			}
		}()
		synctest.Wait()
		require.Len(t, taken, mostConnections)
		taken[0].Close()
		synctest.Wait()
		assert.Len(t, taken, mostConnections+1, "another has its turn")
		require.NoError(t, limited.Close())
	})
}
