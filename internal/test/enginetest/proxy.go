package enginetest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
)

// Proxy stands between a client and the Engine on a Unix socket of its own. Paths are without the API version:
// "/events", "/containers/json".
type Proxy struct {
	t      testing.TB
	socket string
	proxy  *httputil.ReverseProxy

	mu       sync.Mutex
	server   *http.Server // nil while cut
	requests map[string]int
	before   func(path string)
	held     string        // prefix of the paths that get no answer; empty: none
	released chan struct{} // closed, and made anew, when held changes
}

// NewProxy starts a Proxy, which ends with the test.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // t.TempDir is too long for a socket
	require.NoError(t, err)
	dial := Client(t).Dialer()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}
	p := &Proxy{
		t:        t,
		socket:   filepath.Join(dir, "docker.sock"),
		requests: map[string]int{},
		released: make(chan struct{}),
	}
	p.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", client.DummyHost
		},
		Transport:     transport,
		FlushInterval: -1, // an event stream is passed on as it comes
		ModifyResponse: func(resp *http.Response) error {
			resp.Body = &gate{resp.Body, p, resp.Request}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.Restore()
	t.Cleanup(func() {
		p.Cut()
		transport.CloseIdleConnections()
		os.RemoveAll(dir)
	})
	return p
}

// Host is the Proxy's address in the form of DOCKER_HOST.
func (p *Proxy) Host() string { return "unix://" + p.socket }

// Cut closes every connection and accepts no more, as an Engine that stops.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		p.server.Close()
		p.server = nil
	}
}

// Hold keeps back every byte of the answers to requests whose path begins with prefix, of those under way, too:
// "/events" makes an event stream deaf, "/" the whole Engine dumb, "" neither.
func (p *Proxy) Hold(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = prefix
	close(p.released)
	p.released = make(chan struct{})
}

// Restore undoes Cut and Hold. What was held back arrives now.
func (p *Proxy) Restore() {
	p.t.Helper()
	p.Hold("")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return
	}
	listener, err := net.Listen("unix", p.socket)
	require.NoError(p.t, err)
	p.server = &http.Server{Handler: p}
	go p.server.Serve(listener)
}

// Requests tells how often each path was asked for since the last time it was called.
func (p *Proxy) Requests() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests := p.requests
	p.requests = map[string]int{}
	return requests
}

// Before has f called before a request is passed on. It replaces the last one.
func (p *Proxy) Before(f func(path string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = f
}

var versioned = regexp.MustCompile(`^/v[0-9.]+/`)

func unversioned(path string) string { return versioned.ReplaceAllString(path, "/") }

// ServeHTTP passes one request on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := unversioned(r.URL.Path)
	p.mu.Lock()
	p.requests[path]++
	before := p.before
	p.mu.Unlock()
	if before != nil {
		before(path)
	}
	p.wait(r.Context(), path)
	p.proxy.ServeHTTP(w, r)
}

// wait returns when path is not held, or ctx ends.
func (p *Proxy) wait(ctx context.Context, path string) {
	for {
		p.mu.Lock()
		held, released := p.held, p.released
		p.mu.Unlock()
		if held == "" || !strings.HasPrefix(path, held) {
			return
		}
		select {
		case <-released:
		case <-ctx.Done():
			return
		}
	}
}

// gate is an answer's body that can be held.
type gate struct {
	io.ReadCloser
	proxy   *Proxy
	request *http.Request
}

func (g *gate) Read(b []byte) (int, error) {
	n, err := g.ReadCloser.Read(b)
	g.proxy.wait(g.request.Context(), unversioned(g.request.URL.Path))
	return n, err
}
