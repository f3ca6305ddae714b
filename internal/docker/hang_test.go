package docker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
)

// hanging is an Engine that lists running containers, and does not answer while it is asked for some of them.
type hanging struct {
	mu    sync.Mutex
	ids   []string
	stuck map[string]bool
}

// newHanging makes one with so many containers, of which all but the last are stuck.
func newHanging(t *testing.T, n int) (*hanging, *docker.Engine) {
	t.Helper()
	h := &hanging{stuck: map[string]bool{}}
	for i := range n {
		id := fmt.Sprintf("%064d", i)
		h.ids = append(h.ids, id)
		h.stuck[id] = i < n-1
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, newEngine(t, strings.Replace(server.URL, "http", "tcp", 1))
}

func (h *hanging) heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.stuck)
}

func (h *hanging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, path, _ := strings.Cut(r.URL.Path, "/containers/")
	if path == "json" {
		var listed []map[string]any
		for _, id := range h.ids {
			listed = append(listed, map[string]any{"Id": id, "State": "running"})
		}
		_ = json.NewEncoder(w).Encode(listed)
		return
	}
	id := strings.TrimSuffix(path, "/json")
	h.mu.Lock()
	stuck := h.stuck[id]
	h.mu.Unlock()
	if stuck {
		<-r.Context().Done()
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"Id": id, "State": map[string]any{"Status": "running", "StartedAt": "2026-01-01T00:00:00Z"},
	})
}

// unread counts the containers of which was not told, and reports whether the last is one of them.
func unread(found []container.Container) (n int, last bool) {
	for _, c := range found {
		last = c.Unread != ""
		if last {
			n++
		}
	}
	return n, last
}

// Eight containers at a time that hang for 3 s each: a look at 320 of them took two minutes, and the host's watchdog no
// longer.
func TestLookEndsInTimeWhereManyContainersHang(t *testing.T) {
	_, engine := newHanging(t, 40)
	for _, look := range []func(context.Context) ([]container.Container, error){
		func(ctx context.Context) ([]container.Container, error) { return engine.Snapshot(ctx, nil, true) },
		func(ctx context.Context) ([]container.Container, error) { return engine.Refresh(ctx, nil) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		found, err := look(ctx)
		require.NoError(t, err)
		assert.Len(t, found, 40)
		n, last := unread(found)
		assert.Equal(t, 39, n)
		assert.False(t, last, "which is asked for behind all others")
	}
}

// There is no time for all of them, and those that were left out are the first of the next look.
func TestLookThatHasNoTimeForAllGoesOn(t *testing.T) {
	_, engine := newHanging(t, 30)
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	found, err := engine.Snapshot(ctx, nil, true)
	require.NoError(t, err)
	n, last := unread(found)
	assert.Equal(t, []any{30, true}, []any{n, last})
	ctx, cancel = context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	found, err = engine.Refresh(ctx, nil)
	require.NoError(t, err)
	n, last = unread(found)
	assert.Equal(t, []any{29, false}, []any{n, last})
}

// A container that was healthy again was not asked for, though the Engine sent an event of it, for up to a minute.
func TestEventOfAContainerThatWasStuckHasItAskedForAtOnce(t *testing.T) {
	for name, look := range map[string]func(e *docker.Engine, dirty map[string]bool) ([]container.Container, error){
		"snapshot": func(e *docker.Engine, dirty map[string]bool) ([]container.Container, error) {
			return e.Snapshot(context.Background(), dirty, false)
		},
		"refresh": func(e *docker.Engine, dirty map[string]bool) ([]container.Container, error) {
			return e.Refresh(context.Background(), dirty)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, engine := newHanging(t, 3)
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			found, err := engine.Snapshot(ctx, nil, true)
			require.NoError(t, err)
			n, _ := unread(found)
			require.Equal(t, 2, n)
			h.heal()
			found, err = look(engine, nil)
			require.NoError(t, err)
			n, _ = unread(found)
			assert.Equal(t, 2, n, "they have a moment's rest")
			found, err = look(engine, map[string]bool{h.ids[0]: true})
			require.NoError(t, err)
			n, _ = unread(found)
			assert.Equal(t, 1, n)
			assert.Empty(t, found[0].Unread)
		})
	}
}
