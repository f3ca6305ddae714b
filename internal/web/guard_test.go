package web

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/health"
)

func config(addr string) Config {
	return Config{Addr: addr, Registry: prometheus.NewRegistry(), Readiness: &health.Readiness{}}
}

// ask gives the answer to a request for /metrics with these headers.
func ask(listen, host string, header map[string]string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Host = host
	for key, value := range header {
		request.Header.Set(key, value)
	}
	answer := httptest.NewRecorder()
	config(listen).server().Handler.ServeHTTP(answer, request)
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
		server := config("127.0.0.1:9553").server()
		go func() { _ = server.Serve(limitListener(listener)) }()
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
		assert.LessOrEqual(t, time.Since(begun), readTimeout+2*time.Second)

		near, far = net.Pipe()
		listener.conns <- far
		begun = time.Now()
		go func() { _, _ = io.WriteString(near, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") }()
		all, err := io.ReadAll(near) // until the other end closes
		require.NoError(t, err)
		assert.Contains(t, string(all), "200 OK")
		assert.Equal(t, idleTimeout, time.Since(begun))
		near.Close()
	})
}

func TestListenerTakesFewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := pipes{make(chan net.Conn, 2*maxConnections)}
		limited := limitListener(listener)
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
		require.Len(t, taken, maxConnections)
		taken[0].Close()
		synctest.Wait()
		assert.Len(t, taken, maxConnections+1, "another has its turn")
		require.NoError(t, limited.Close())
	})
}
