package docker_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// counted is the way to this machine's Engine, on which calls are noted: "list", or "inspect ID".
func counted(t *testing.T) (host string, calls func() []string) {
	t.Helper()
	var mu sync.Mutex
	var noted []string
	socket := strings.TrimPrefix(enginetest.Client(t).DaemonHost(), "unix://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, path, found := strings.Cut(r.URL.Path, "/containers/")
		mu.Lock()
		switch id, of, _ := strings.Cut(path, "/"); {
		case path == "json":
			noted = append(noted, "list")
		case found && of == "json":
			noted = append(noted, "inspect "+id)
		}
		mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http", "tcp", 1), func() []string {
		mu.Lock()
		defer mu.Unlock()
		said := noted
		noted = nil
		slices.Sort(said)
		return said
	}
}

// One event costs one inspection, however many containers there are.
func TestRefreshLooksAtWhatIsHintedAtAlone(t *testing.T) {
	one, other := enginetest.Run(t, enginetest.OnHost()), enginetest.Run(t, enginetest.OnHost())
	host, calls := counted(t)
	engine := newEngine(t, host)
	snapshotOf(t, engine, one.ID)
	assert.Contains(t, calls(), "list")
	refreshed := func(hinted ...string) map[string]container.State {
		t.Helper()
		dirty := map[string]bool{}
		want := []string{}
		for _, id := range hinted {
			dirty[id] = true
			want = append(want, "inspect "+id)
		}
		slices.Sort(want)
		found, err := engine.Refresh(t.Context(), dirty)
		require.NoError(t, err)
		assert.Equal(t, want, append([]string{}, calls()...))
		states := map[string]container.State{}
		for _, c := range found {
			states[c.ID] = c.State
		}
		return states
	}
	one.Pause()
	other.Pause()
	states := refreshed(one.ID)
	assert.Equal(t, container.Paused, states[one.ID])
	assert.Equal(t, container.Running, states[other.ID], "as it was")
	states = refreshed(other.ID, one.ID)
	assert.Equal(t, container.Paused, states[other.ID])

	one.Unpause()
	one.Kill("KILL")
	fresh := enginetest.Run(t, enginetest.OnHost())
	eventually(t, func() bool {
		in, err := engine.Inspect(t.Context(), one.ID)
		return err == nil && in.State == "exited"
	})
	calls()
	states = refreshed(one.ID, fresh.ID)
	assert.NotContains(t, states, one.ID)
	assert.Equal(t, container.Running, states[fresh.ID])
	one.Remove()
	assert.NotContains(t, refreshed(one.ID), one.ID)
	assert.Equal(t, snapshotOf(t, newEngine(t, ""), fresh.ID), snapshotOf(t, engine, fresh.ID))
}
