package docker_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// stream is a Follow under way.
type stream struct {
	cancel context.CancelFunc
	ended  chan error

	mu    sync.Mutex
	hints []container.Hint
}

// follow returns when the Engine has accepted the subscription.
func follow(t *testing.T, engine *docker.Engine) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s := &stream{cancel: cancel, ended: make(chan error, 1)}
	connected := make(chan struct{})
	go func() {
		s.ended <- engine.Follow(ctx, func() { close(connected) }, func(h container.Hint) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hints = append(s.hints, h)
		})
	}()
	select {
	case <-connected:
	case err := <-s.ended:
		require.NoError(t, err)
	}
	return s
}

// of returns the hints about one container, without their times, but for those of its networks.
func (s *stream) of(id string) []container.Hint {
	return slices.DeleteFunc(s.all(id), func(h container.Hint) bool { return h.Action == container.Network })
}

// all returns the hints about one container, without their times.
func (s *stream) all(id string) []container.Hint {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hints []container.Hint
	for _, h := range s.hints {
		if h.ContainerID == id {
			h.Time = time.Time{}
			hints = append(hints, h)
		}
	}
	return hints
}

func (s *stream) count(id string) int { return len(s.of(id)) }

func TestFollowTellsALife(t *testing.T) {
	engine := newEngine(t, "")
	s := follow(t, engine)
	labels := enginetest.ECSLabels("web")
	c := enginetest.Run(t, enginetest.Options{Network: "none", Labels: labels})
	c.Kill("HUP") // and lives on
	require.NoError(t, enginetest.Client(t).ContainerRename(t.Context(), c.ID, c.Name+"-renamed"))
	c.Stop(10)
	c.Remove()

	hint := func(action container.Action, signal int, service string) container.Hint {
		return container.Hint{
			ContainerID: c.ID,
			Action:      action,
			Signal:      signal,
			Service:     service,
		}
	}
	want := []container.Hint{
		hint(container.Start, 0, ""),
		hint(container.Kill, 1, ""),
		hint(container.Other, 0, ""), // rename
		hint(container.Kill, 15, ""),
		hint(container.Die, 0, "web"),
		hint(container.Other, 0, ""), // destroy
	}
	eventually(t, func() bool { return s.count(c.ID) >= len(want) })
	assert.Equal(t, want, s.of(c.ID))
}

// To be connected to another network, or disconnected from one, moves a container's published ports.
func TestFollowTellsOfNetworks(t *testing.T) {
	engine := newEngine(t, "")
	s := follow(t, engine)
	c := enginetest.Run(t, enginetest.Options{Publish: []string{"8080"}})
	eventually(t, func() bool { return s.count(c.ID) == 1 })
	cli := enginetest.Client(t)
	for _, change := range []struct {
		make      func() error
		published int
	}{
		{func() error { return cli.NetworkDisconnect(t.Context(), "bridge", c.ID, false) }, 0},
		{func() error { return cli.NetworkConnect(t.Context(), "bridge", c.ID, nil) }, 1},
	} {
		before := len(s.all(c.ID))
		require.NoError(t, change.make())
		eventually(t, func() bool { return len(s.all(c.ID)) > before })
		assert.Equal(t, container.Hint{ContainerID: c.ID, Action: container.Network}, s.all(c.ID)[before])
		got := snapshotOf(t, engine, c.ID)
		assert.GreaterOrEqual(t, len(got.Published), change.published)
		assert.Equal(t, change.published == 0, len(got.Published) == 0)
		assert.Equal(t, []container.Port{{Number: 8080, Proto: container.TCP}}, got.Mapped, "it stays mapped")
	}
}

// Engines at times tell a pause twice.
func TestFollowTellsPauses(t *testing.T) {
	s := follow(t, newEngine(t, ""))
	c := enginetest.Run(t, enginetest.Options{Network: "none"})
	eventually(t, func() bool { return s.count(c.ID) == 1 })
	for _, change := range []func(){c.Pause, c.Unpause} {
		before := s.count(c.ID)
		change()
		eventually(t, func() bool { return s.count(c.ID) > before })
		assert.Equal(t, container.Other, s.of(c.ID)[before].Action)
	}
}

// The time between the signal and the death is what a stopping container is given to finish; hearing of it only at the
// death would send consumers to it all that while.
func TestFollowTellsOfAStopBeforeTheDeath(t *testing.T) {
	s := follow(t, newEngine(t, ""))
	c := enginetest.Run(t, enginetest.Options{Network: "none", Args: []string{"-drain", "10m"}, StopSignal: "TERM"})
	before := time.Now()
	c.Kill("TERM")
	eventually(t, func() bool { return s.count(c.ID) == 2 })
	s.mu.Lock()
	kill := s.hints[slices.IndexFunc(s.hints, func(h container.Hint) bool {
		return h.ContainerID == c.ID && h.Action == container.Kill
	})]
	s.mu.Unlock()
	assert.Equal(t, 15, kill.Signal)
	assert.WithinRange(t, kill.Time, before.Add(-time.Second), time.Now().Add(time.Second), "when the signal was sent")
	assert.Equal(t, container.Running, snapshotOf(t, newEngine(t, ""), c.ID).State, "it drains")
}

func TestFollowTellsHealthAndNoProbes(t *testing.T) {
	s := follow(t, newEngine(t, ""))
	c := enginetest.Run(t, enginetest.Options{Network: "none", Health: enginetest.Probe(100 * time.Millisecond)})
	eventually(t, func() bool { return s.count(c.ID) == 2 }) // start, health_status
	time.Sleep(time.Second)                                  // of some ten probes, three events each
	assert.Equal(t, []container.Hint{
		{ContainerID: c.ID, Action: container.Start},
		{ContainerID: c.ID, Action: container.Other},
	}, s.of(c.ID))
}

func TestFollowReplaysWhatHappenedWhileNobodyListened(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	engine := newEngine(t, proxy.Host())
	first := follow(t, engine)
	a := enginetest.Run(t, enginetest.Options{Network: "none"})
	eventually(t, func() bool { return first.count(a.ID) == 1 })
	proxy.Cut()
	require.Error(t, <-first.ended)
	a.Kill("KILL")
	b := enginetest.Run(t, enginetest.Options{Network: "none"})
	proxy.Restore()
	second := follow(t, engine)
	eventually(t, func() bool { return second.count(a.ID) >= 3 && second.count(b.ID) >= 1 })
	assert.Equal(t, []container.Hint{
		{ContainerID: a.ID, Action: container.Start},
		{ContainerID: a.ID, Action: container.Kill, Signal: 9},
		{ContainerID: a.ID, Action: container.Die, ExitStatus: 137},
	}, second.of(a.ID))
}

func TestFollowEnds(t *testing.T) {
	noHint := func(container.Hint) {}
	unexpected := func() { t.Error("called connected") }

	t.Run("with its context", func(t *testing.T) {
		s := follow(t, newEngine(t, ""))
		s.cancel()
		assert.ErrorIs(t, <-s.ended, context.Canceled)
	})
	t.Run("with the stream", func(t *testing.T) {
		proxy := enginetest.NewProxy(t)
		s := follow(t, newEngine(t, proxy.Host()))
		proxy.Cut()
		assert.ErrorContains(t, <-s.ended, "read the Docker Engine's events: ")
	})
	t.Run("without an Engine", func(t *testing.T) {
		err := newEngine(t, "unix:///nowhere/docker.sock").Follow(t.Context(), unexpected, noHint)
		assert.ErrorContains(t, err, "ping the Docker Engine: ")
	})
	t.Run("when cancelled before any answer", func(t *testing.T) {
		proxy := enginetest.NewProxy(t)
		proxy.Hold("/events")
		ctx, cancel := context.WithCancel(t.Context())
		proxy.Before(func(path string) {
			if path == "/events" {
				cancel()
			}
		})
		err := newEngine(t, proxy.Host()).Follow(ctx, unexpected, noHint)
		assert.ErrorIs(t, err, context.Canceled)
	})
	// A subscription that fails must not look like one that was accepted and ended.
	t.Run("when refused", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "_ping") {
				http.Error(w, "no events today", http.StatusInternalServerError)
			}
		}))
		defer server.Close()
		err := newEngine(t, strings.Replace(server.URL, "http", "tcp", 1)).Follow(t.Context(), unexpected, noHint)
		assert.ErrorContains(t, err, "no events today")
		assert.NotErrorIs(t, err, io.EOF)
	})
}
