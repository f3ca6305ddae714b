package docker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

func newEngine(t *testing.T, host string) *docker.Engine {
	t.Helper()
	engine, err := docker.New(host)
	require.NoError(t, err)
	t.Cleanup(func() { engine.Close() })
	return engine
}

// eventually waits for what takes the Engine a moment.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	patience.Eventually(t, "what the Engine is to show", condition)
}

// find takes a snapshot and picks one container from it; the Engine runs those of other tests, too. Where the Engine is
// too busy to inspect the container in time, find takes another.
func find(t *testing.T, engine *docker.Engine, id string) (found container.Container, ok bool) {
	t.Helper()
	eventually(t, func() bool {
		found, ok = findAsItIs(t, engine, id)
		return found.Unread == ""
	})
	return found, ok
}

// findAsItIs is find where the container may be one that could not be inspected.
func findAsItIs(t *testing.T, engine *docker.Engine, id string) (container.Container, bool) {
	t.Helper()
	var snapshot []container.Container
	eventually(t, func() bool {
		var err error
		snapshot, err = engine.Snapshot(t.Context(), nil, false)
		if errors.Is(err, context.DeadlineExceeded) {
			return false
		}
		require.NoError(t, err)
		return true
	})
	if i := slices.IndexFunc(snapshot, func(c container.Container) bool { return c.ID == id }); i >= 0 {
		return snapshot[i], true
	}
	return container.Container{}, false
}

func snapshotOf(t *testing.T, engine *docker.Engine, id string) container.Container {
	t.Helper()
	c, ok := find(t, engine, id)
	require.True(t, ok, "container %s is not in the snapshot", id)
	return c
}

// freePort is a TCP port that is free on this host, as far as anybody can tell.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	for _, host := range []string{"/var/run/docker.sock", "unix://", "ssh://host", "fd://", "nonsense",
		"unix:///" + strings.Repeat("x", 200)} {
		t.Run(host, func(t *testing.T) {
			_, err := docker.New(host)
			assert.ErrorContains(t, err, "use Docker host")
		})
	}
	for _, host := range []string{"", "unix:///nowhere/docker.sock", "tcp://127.0.0.1:2375",
		"tcp://127.0.0.1:2375/engine"} {
		t.Run("taken: "+host, func(t *testing.T) {
			_, err := docker.New(host)
			assert.NoError(t, err)
		})
	}
}

func TestSnapshotOfABridgedContainer(t *testing.T) {
	stopTimeout := 7
	labels := enginetest.ECSLabels("web")
	labels["SERVICE_WEIGHT"] = "3"
	labels["maintainer"] = "somebody"
	started := time.Now()
	c := enginetest.Run(t, enginetest.Options{
		Args:        []string{"-tcp", "8080,8081"},
		Labels:      labels,
		Env:         []string{"SERVICE_8080_NAME=web", "SECRET=not kept"},
		Publish:     []string{"127.0.0.1::8080", "127.0.0.2::8080", "127.0.0.1::8081"},
		Expose:      []string{"9000/udp"},
		StopSignal:  "SIGRTMIN+3",
		StopTimeout: &stopTimeout,
	})
	got := snapshotOf(t, newEngine(t, ""), c.ID)

	assert.WithinRange(t, got.StartedAt, started.Add(-time.Minute), time.Now().Add(time.Minute))
	assert.Greater(t, got.SettingsBytes, 200)
	require.Len(t, got.Published, 3)
	for i := range got.Published {
		assert.NotZero(t, got.Published[i].HostPort)
		got.Published[i].HostPort = 0
	}
	got.StartedAt, got.SettingsBytes = time.Time{}, 0
	delete(labels, "maintainer")
	tcp := func(n uint16) container.Port { return container.Port{Number: n, Proto: container.TCP} }
	assert.NotEmpty(t, got.Image)
	got.Image = ""
	assert.Equal(t, container.Container{
		ID:          c.ID,
		Name:        c.Name,
		Labels:      labels,
		Env:         map[string]string{"SERVICE_8080_NAME": "web"},
		State:       container.Running,
		StopSignal:  37,
		StopTimeout: 7 * time.Second,
		Mode:        container.Bridge,
		Exposed:     []container.Port{tcp(8080), tcp(8081), {Number: 9000, Proto: container.UDP}},
		Mapped:      []container.Port{tcp(8080), tcp(8081)},
		Published: []container.Binding{
			{Port: tcp(8080), HostIP: netip.MustParseAddr("127.0.0.1")},
			{Port: tcp(8080), HostIP: netip.MustParseAddr("127.0.0.2")},
			{Port: tcp(8081), HostIP: netip.MustParseAddr("127.0.0.1")},
		},
	}, got)
}

func TestSnapshotTellsNetworkModes(t *testing.T) {
	engine := newEngine(t, "")
	pause := enginetest.Run(t, enginetest.Options{Network: "none"})
	shared := enginetest.Run(t, enginetest.Options{Network: "container:" + pause.Name, Args: []string{"-tcp", "9090"}})
	host := enginetest.Run(t, enginetest.Options{
		Network: "host",
		Args:    []string{"-tcp", freePort(t)},
		Publish: []string{"81"},
		Expose:  []string{"80/tcp"},
	})

	got := snapshotOf(t, engine, pause.ID)
	assert.Equal(t, container.None, got.Mode)
	got = snapshotOf(t, engine, shared.ID)
	assert.Equal(t, container.Shared, got.Mode)
	assert.Equal(t, pause.ID, got.SharedWith, "the ID, though the name was given")
	got = snapshotOf(t, engine, host.ID)
	assert.Equal(t, container.Host, got.Mode)
	tcp := func(n uint16) container.Port { return container.Port{Number: n, Proto: container.TCP} }
	assert.Equal(t, []container.Port{tcp(80), tcp(81)}, got.Exposed)
	assert.Equal(t, []container.Port{tcp(81)}, got.Mapped)
	assert.Empty(t, got.Published)
}

// Every change here must show without any hint: the listing alone gives it away.
func TestSnapshotNoticesChangesWithoutHints(t *testing.T) {
	engine := newEngine(t, "")
	c := enginetest.Run(t, enginetest.Options{
		Publish: []string{"127.0.0.1::8080"},
		Health:  enginetest.Probe(200 * time.Millisecond),
	})
	health := func() container.Health { return snapshotOf(t, engine, c.ID).Health }
	setHealth := func(status string) {
		url := fmt.Sprintf("http://127.0.0.1:%d/health?status=%s", c.HostPort("8080/tcp"), status)
		resp, err := http.Post(url, "", nil)
		require.NoError(t, err)
		resp.Body.Close()
	}
	first := snapshotOf(t, engine, c.ID)
	eventually(t, func() bool { return health() == container.Healthy })
	setHealth("unhealthy")
	eventually(t, func() bool { return health() == container.Unhealthy })
	setHealth("healthy")
	eventually(t, func() bool { return health() == container.Healthy })

	c.Pause()
	assert.Equal(t, container.Paused, snapshotOf(t, engine, c.ID).State)
	c.Unpause()
	assert.Equal(t, container.Running, snapshotOf(t, engine, c.ID).State)

	require.NoError(t, enginetest.Client(t).ContainerRename(t.Context(), c.ID, c.Name+"-renamed"))
	assert.Equal(t, c.Name+"-renamed", snapshotOf(t, engine, c.ID).Name)

	c.Stop(10)
	_, ok := find(t, engine, c.ID)
	assert.False(t, ok, "stopped")
	inspected, err := engine.Inspect(t.Context(), c.ID[:12])
	require.NoError(t, err)
	assert.Equal(t, container.State("exited"), inspected.State)

	c.Start()
	assert.True(t, snapshotOf(t, engine, c.ID).StartedAt.After(first.StartedAt))
}

// A container that was restarted between two snapshots has nothing to show for it but new network endpoints.
func TestSnapshotNoticesRestartsWithoutHints(t *testing.T) {
	engine := newEngine(t, "")
	for _, network := range []string{"bridge", "none", "host"} {
		t.Run(network, func(t *testing.T) {
			c := enginetest.Run(t, enginetest.Options{Network: network, Args: []string{"-tcp", freePort(t)}})
			snapshotOf(t, engine, c.ID)
			require.NoError(t, enginetest.Client(t).ContainerRestart(t.Context(), c.ID, api.StopOptions{}))
			want, err := engine.Inspect(t.Context(), c.Name)
			require.NoError(t, err)
			assert.Equal(t, want, snapshotOf(t, engine, c.ID))
		})
	}
}

// The Engine says running=true of a container that waits for its restart policy.
func TestSnapshotTellsRestartingFromRunning(t *testing.T) {
	engine := newEngine(t, "")
	c := enginetest.Run(t, enginetest.Options{Args: []string{"-exit-after", "10ms"}, Restart: "always"})
	eventually(t, func() bool { return snapshotOf(t, engine, c.ID).State == container.Restarting })
}

func TestInspectOfNothing(t *testing.T) {
	_, err := newEngine(t, "").Inspect(t.Context(), "nobody")
	assert.ErrorContains(t, err, `inspect container "nobody": `)
}

func TestVersion(t *testing.T) {
	engine := newEngine(t, "")
	version, api, err := engine.Version(t.Context())
	require.NoError(t, err)
	want, err := enginetest.Client(t).ServerVersion(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{want.Version, want.APIVersion}, []string{version, api})
	_, _, err = newEngine(t, "unix:///nowhere.sock").Version(t.Context())
	assert.ErrorContains(t, err, "ask the Docker Engine at unix:///nowhere.sock for its version")
}

func TestSnapshotSparesInspections(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	engine := newEngine(t, proxy.Host())
	a := enginetest.Run(t, enginetest.Options{Network: "none"})
	b := enginetest.Run(t, enginetest.Options{Publish: []string{"127.0.0.1::8080"}})
	inspections := func(dirty map[string]bool, all bool) (ofA, ofB, lists int) {
		t.Helper()
		proxy.Requests()
		_, err := engine.Snapshot(t.Context(), dirty, all)
		require.NoError(t, err)
		requests := proxy.Requests()
		return requests["/containers/"+a.ID+"/json"], requests["/containers/"+b.ID+"/json"],
			requests["/containers/json"]
	}
	check := func(wantA, wantB int, dirty map[string]bool, all bool, why string) {
		t.Helper()
		ofA, ofB, lists := inspections(dirty, all)
		assert.Equal(t, []int{wantA, wantB, 1}, []int{ofA, ofB, lists}, why)
	}
	check(1, 1, nil, false, "both new")
	time.Sleep(1100 * time.Millisecond) // the listing says "Up 1 second" in place of "Up Less than a second"
	check(0, 0, nil, false, "nothing changed")
	check(0, 1, map[string]bool{b.ID: true, "gone": true}, false, "a hint named one")
	check(1, 1, nil, true, "all")
	a.Pause()
	check(1, 0, nil, false, "one was paused")
	check(0, 0, nil, false, "nothing changed")
	a.Remove()
	check(0, 0, nil, false, "one is gone")
}

func TestSnapshotLeavesOutWhatVanishes(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	// Until the Engine is quick enough to remove and stop containers within the time of an inspection.
	for inTime := false; !inTime; {
		engine := newEngine(t, proxy.Host())
		stays := enginetest.Run(t, enginetest.Options{Network: "none"})
		goes := enginetest.Run(t, enginetest.Options{Network: "none"})
		stops := enginetest.Run(t, enginetest.Options{Network: "none"})
		proxy.Before(func(path string) {
			switch path {
			case "/containers/" + goes.ID + "/json":
				goes.Remove()
			case "/containers/" + stops.ID + "/json":
				stops.Stop(10)
			}
		})
		snapshot, err := engine.Snapshot(t.Context(), nil, false)
		if errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		require.NoError(t, err)
		read := map[string]bool{} // by ID; false: listed and not inspected in time
		for _, c := range snapshot {
			read[c.ID] = c.Unread == ""
		}
		assert.False(t, read[goes.ID], "removed between list and inspection")
		assert.False(t, read[stops.ID], "stopped between list and inspection")
		_, unreadGoes := read[goes.ID]
		_, unreadStops := read[stops.ID]
		inTime = !unreadGoes && !unreadStops && read[stays.ID]
	}
}

func TestSnapshotFailsAsAWhole(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	engine := newEngine(t, proxy.Host())
	c := enginetest.Run(t, enginetest.Options{Network: "none"})
	snapshotOf(t, engine, c.ID)

	proxy.Hold("/containers/" + c.ID)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := engine.Snapshot(ctx, map[string]bool{c.ID: true}, false)
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "inspect container")

	proxy.Cut()
	_, err = engine.Snapshot(t.Context(), nil, false)
	assert.ErrorContains(t, err, "list containers: ")
	proxy.Restore()
	snapshotOf(t, engine, c.ID)
}

// A host may run hundreds of containers, and one after another their inspections would take seconds.
func TestSnapshotInspectsSeveralAtATime(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	engine := newEngine(t, proxy.Host())
	a := enginetest.Run(t, enginetest.Options{Network: "none"})
	b := enginetest.Run(t, enginetest.Options{Network: "none"})
	var both sync.WaitGroup
	both.Add(2)
	proxy.Before(func(path string) {
		if path == "/containers/"+a.ID+"/json" || path == "/containers/"+b.ID+"/json" {
			both.Done()
			both.Wait() // for ever, if they came one by one
		}
	})
	snapshotOf(t, engine, a.ID)
}

func TestSnapshotOfAHostileContainer(t *testing.T) {
	engine := newEngine(t, "")
	labels := enginetest.ECSLabels("web")
	for i := range 10_000 {
		labels[fmt.Sprintf("SERVICE_%d_NAME", i)] = "<script>\x00\n\"'`\u202e"
	}
	labels[""] = ""
	var env []string
	for i := range 9 { // the kernel takes no longer variable than 128 KiB
		env = append(env, fmt.Sprintf("SERVICE_%d_NAME=%s", i, strings.Repeat("x", 120_000)))
	}
	c := enginetest.Run(t, enginetest.Options{Network: "none", Labels: labels, Env: env})
	got := snapshotOf(t, engine, c.ID)
	assert.Equal(t, enginetest.ECSLabels("web"), got.Labels)
	assert.Empty(t, got.Env)
	assert.Greater(t, got.SettingsBytes, 9*120_000)
}

// Where an Engine was upgraded while we ran, the new one may refuse the version agreed on with the old one.
func TestFollowAgreesOnTheVersionAnew(t *testing.T) {
	var version string
	var mu sync.Mutex
	set := func(v string) { mu.Lock(); defer mu.Unlock(); version = v }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Api-Version", version)
		switch {
		case r.URL.Path == "/engine/_ping" || r.URL.Path == "/_ping":
		case !strings.HasPrefix(r.URL.Path, "/engine/v"+version+"/"):
			w.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(w).Encode(map[string]string{"message": "client version is not supported: " + r.URL.Path})
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			io.WriteString(w, "[]")
		}
	}))
	defer server.Close()
	engine := newEngine(t, strings.Replace(server.URL, "http", "tcp", 1)+"/engine")
	for _, v := range []string{"1.41", "1.44", "1.51", "1.41"} {
		set(v)
		err := engine.Follow(t.Context(), func() {}, func(container.Hint) {})
		assert.ErrorIs(t, err, io.EOF, v)
		_, err = engine.Snapshot(t.Context(), nil, false)
		assert.NoError(t, err, v)
	}
}
