package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// hostTarget is what the SRV records of the sandbox's instance point to.
const hostTarget = "ip-10-0-0-1." + zoneName

// history tells what DNS came to show of a service, one record: "0: 1 5 32768 ip-…" is a weight and a value, "gone" is
// that.
func (w *world) history(name string) []string {
	var shown []string
	for _, e := range w.sandbox.Events() {
		switch {
		case e.After != nil && e.After.Name == w.prefix+name+"."+zoneName+".":
			shown = append(shown, fmt.Sprintf("%d: %s", *e.After.Weight, strings.Join(e.After.Values, " ")))
		case e.After == nil && e.Before.Name == w.prefix+name+"."+zoneName+".":
			shown = append(shown, "gone")
		}
	}
	return shown
}

// shows waits until the history of a service is as wanted.
func (w *world) shows(name string, want ...string) {
	w.t.Helper()
	patience.Until(func() bool { return len(w.history(name)) >= len(want) })
	require.Equal(w.t, want, w.history(name))
}

// caughtUp waits until the agent has taken in all events up to now, as it shows by announcing one container more.
func (w *world) caughtUp(witness string) {
	w.t.Helper()
	w.container(witness, enginetest.Options{})
	w.has(witness, 1)
}

// startedAt is when a container began to run, as the Engine says.
func startedAt(t *testing.T, c *enginetest.Container) time.Time {
	t.Helper()
	in, err := enginetest.Client(t).ContainerInspect(t.Context(), c.ID)
	require.NoError(t, err)
	began, err := time.Parse(time.RFC3339Nano, in.State.StartedAt)
	require.NoError(t, err)
	return began
}

// serving is the history entry of a container that is published by the Engine and serves with a weight.
func serving(weight int, port uint16) string {
	return fmt.Sprintf("%d: 1 %d %d %s", weight, weight, port, hostTarget)
}

func TestOneStartCostsOneCallAndNoListing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var foreign []sandbox.Set
	for n := range 10_000 {
		foreign = append(foreign, sandbox.Set{
			Name:   fmt.Sprintf("h%d.%s", n, zoneName),
			Type:   "A",
			TTL:    60,
			Values: []string{"10.9.9.9"},
		})
	}
	w.sandbox.Configure(func(s *sandbox.Settings) { s.MaxSets = 20_000 })
	require.NoError(t, w.sandbox.Seed(w.zone, foreign...))
	w.start()
	w.sandbox.ClearCalls()

	c := w.container("web", enginetest.Options{})
	w.has("web", 1)
	t.Logf("announced %s after the container's start", w.sandbox.Events()[0].Time.Sub(startedAt(t, c)))
	assert.Len(t, w.sandbox.Calls(), 1, "calls of any kind")

	c.Stop(5)
	w.has("web", 0)
	assert.Len(t, w.sandbox.Calls(), 2, "calls of any kind")
	assert.Len(t, w.changes(), 2)
}

func TestFirstRegistrationAfterBootWaitsForNoListing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "records.json")))
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{Kind: sandbox.Stall, Operation: "ListResourceRecordSets"}))
	w.container("web", enginetest.Options{})
	w.launch()
	var listing time.Time
	w.eventually("the record", func() bool {
		if listing.IsZero() && w.sandbox.Faults()[0].Hits > 0 {
			listing = time.Now()
		}
		return len(w.service("web")) == 1
	})
	if !listing.IsZero() {
		assert.Less(
			t,
			w.sandbox.Events()[0].Time.Sub(listing),
			7*time.Second,
			"a listing without an answer is given up after 8 s",
		)
	}
}

// each does the same to containers at once, as fast as the Engine can.
func each(
	t *testing.T,
	containers []*enginetest.Container,
	do func(ctx context.Context, cli *client.Client, id string) error,
) {
	t.Helper()
	cli := enginetest.Client(t)
	group, ctx := errgroup.WithContext(t.Context())
	// An Engine in which many containers leave its bridge at once can lock up for good (libnetwork of 20.10: an
	// endpoint's end and a list of networks take two locks in different order).
	group.SetLimit(4)
	for _, c := range containers {
		group.Go(func() error { return do(ctx, cli, c.ID) })
	}
	require.NoError(t, group.Wait())
}

func start(ctx context.Context, cli *client.Client, id string) error {
	return cli.ContainerStart(ctx, id, api.StartOptions{})
}

// allowed is how many calls a burst of changes may cost: 8, and 2 a second while it lasts and for a second after.
func allowed(spread time.Duration) int { return 8 + int(2*(spread+time.Second)/time.Second) }

func TestBurstCostsFewCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sandbox.Configure(func(s *sandbox.Settings) { s.Throttle = throttle.Legacy() })
	w.start()
	w.sandbox.ClearCalls()
	containers := make([]*enginetest.Container, 40)
	for i := range containers { // which are removed one by one before their drain ends all at once; see each
		containers[i] = enginetest.Create(t, enginetest.Options{
			Labels: enginetest.ECSLabels(w.prefix + "web"), Publish: []string{"8080"}, Args: []string{"-drain", "10m"},
		})
	}

	begun := time.Now()
	each(t, containers, start)
	spread := time.Since(begun)
	w.has("web", 40)
	started := len(w.changes())
	t.Logf("40 starts in %s: all announced %s after the last, %d calls", spread, time.Since(begun)-spread, started)
	assert.LessOrEqual(t, started, allowed(spread))

	begun = time.Now()
	each(t, containers, func(ctx context.Context, cli *client.Client, id string) error {
		return cli.ContainerKill(ctx, id, "TERM")
	})
	spread = time.Since(begun)
	w.has("web", 0)
	stopped := len(w.changes()) - started
	t.Logf("40 stop signals in %s: all gone %s after the last, %d calls", spread, time.Since(begun)-spread, stopped)
	assert.LessOrEqual(t, stopped, allowed(spread))
	assert.Equal(t, len(w.changes()), len(w.sandbox.Calls()), "nothing but changes")
}

func TestContainersRemovedUnderThrottlingLeaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sandbox.Configure(func(s *sandbox.Settings) {
		s.Throttle = throttle.Policy{Account: throttle.Bucket{Burst: 1, PerSecond: 0.5}}
	})
	w.start()
	containers := make([]*enginetest.Container, 20)
	for i := range containers {
		containers[i] = enginetest.Create(t, enginetest.Options{
			Labels:  enginetest.ECSLabels(w.prefix + "web"),
			Publish: []string{"8080"},
		})
	}
	each(t, containers, start)
	w.has("web", 20)
	each(t, containers, func(ctx context.Context, cli *client.Client, id string) error {
		return cli.ContainerRemove(ctx, id, api.RemoveOptions{Force: true})
	})
	w.has("web", 0)
}

func TestStoppingContainerIsGoneWhileItServesAndStaysGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.container("web", enginetest.Options{Args: []string{"-name", "web", "-drain", "1m"}})
	w.start()
	w.has("web", 1)
	url := fmt.Sprintf("http://127.0.0.1:%d/", c.HostPort("8080/tcp"))
	record := serving(1, c.HostPort("8080/tcp"))
	time.Sleep(2500 * time.Millisecond) // in the first 2 s events may be old ones, and a snapshot is asked first

	ctx, abandon := context.WithCancel(t.Context()) // the Engine goes on waiting for the container
	go enginetest.Client(t).ContainerStop(ctx, c.ID, api.StopOptions{Timeout: new(60)})
	defer abandon()
	w.has("web", 0)
	response, err := http.Get(url)
	require.NoError(t, err, "a consumer that knows the old answer is still served")
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), "web")

	w.kill()
	// The Engine remembers 256 events: the signal is no longer among them.
	other := w.container("other", enginetest.Options{})
	cli := enginetest.Client(t)
	for n := range 140 {
		for _, name := range []string{other.Name + "-a", other.Name + "-b"} {
			require.NoError(t, cli.ContainerRename(t.Context(), other.ID, name), "%d", n)
		}
	}
	w.start()
	w.caughtUp("witness")
	w.shows("web", record, "gone")
}

func TestOnlyTheStopSignalTakesAContainerOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	plain := w.container("plain", enginetest.Options{})
	other := w.container("other", enginetest.Options{StopSignal: "SIGINT", Args: []string{"-drain", "1m"}})
	w.has("plain", 1)
	w.has("other", 1)

	plain.Kill("HUP")
	other.Kill("TERM") // not what this container's image stops at
	w.caughtUp("witness")
	w.shows("plain", serving(1, plain.HostPort("8080/tcp")))
	w.shows("other", serving(1, other.HostPort("8080/tcp")))

	other.Kill("INT")
	w.has("other", 0)
	plain.Kill("KILL")
	w.has("plain", 0)
}

func TestRestartOfAContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	c := w.container("web", enginetest.Options{})
	w.has("web", 1)
	before := serving(1, c.HostPort("8080/tcp"))
	require.NoError(t, enginetest.Client(t).ContainerRestart(t.Context(), c.ID, api.StopOptions{}))
	w.shows("web", before, "gone", serving(1, c.HostPort("8080/tcp")))
}

func TestContainerThatWaitsToBeRestartedHasNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	// Without a service name of its own it is in no crash loop, and on the host's network it has its port in every
	// state: either would keep it out, too.
	_, port, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	c := enginetest.Create(t, enginetest.Options{
		Labels:  map[string]string{"SERVICE_" + port + "_NAME": w.prefix + "web"},
		Network: "host",
		Restart: api.RestartPolicyAlways,
		Args:    []string{"-tcp", port, "-exit-after", "300ms"},
	})
	c.Start()
	cli := enginetest.Client(t)
	deaths := func() int { // 0 unless it waits for its restart
		in, err := cli.ContainerInspect(t.Context(), c.ID)
		require.NoError(t, err)
		if !in.State.Restarting {
			return 0
		}
		return in.RestartCount
	}
	w.has("web", 1)
	// The Engine waits 100 ms before the first restart, and twice as long each time.
	w.eventually("a container that waits for its restart without a record", func() bool {
		waiting := deaths()
		return waiting >= 4 && len(w.service("web")) == 0 && deaths() == waiting
	})
}

// crash runs a container of a service that fails by itself, and returns when it ended, by the Engine's clock.
func (w *world) crash(service string) time.Time {
	w.t.Helper()
	c := enginetest.Create(w.t, enginetest.Options{
		Labels:  enginetest.ECSLabels(w.prefix + service),
		Publish: []string{"8080"},
		Args:    []string{"-exit-after", "100ms"},
	})
	c.Start()
	cli := enginetest.Client(w.t)
	waiting, failed := cli.ContainerWait(w.t.Context(), c.ID, api.WaitConditionNotRunning)
	select {
	case <-waiting:
	case err := <-failed:
		require.NoError(w.t, err)
	}
	in, err := cli.ContainerInspect(w.t.Context(), c.ID)
	require.NoError(w.t, err)
	ended, err := time.Parse(time.RFC3339Nano, in.State.FinishedAt)
	require.NoError(w.t, err)
	return ended
}

// Three deaths within two minutes are a crash loop. Where the machine is too slow for that, the test begins again.
func TestCrashLoopIsAnnouncedOnlyAfterThirtySecondsOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	for round := 0; ; round++ {
		service := fmt.Sprintf("web%d", round)
		first := w.crash(service)
		w.crash(service)
		w.crash(service)
		w.caughtUp(service + "-witness")
		w.has(service, 0)
		w.sandbox.ClearCalls()
		c := w.container(service, enginetest.Options{})
		w.has(service, 1)
		registered := w.sandbox.Events()[0].Time
		if age := registered.Sub(startedAt(t, c)); age >= 30*time.Second {
			return
		} else if since := registered.Sub(first); since < 2*time.Minute {
			require.Fail(t, "registered too early", "at the age of %s, %s after the first of three deaths", age, since)
		}
	}
}

func TestHealthAndPauseSetTheWeight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	labels := enginetest.ECSLabels(w.prefix + "web")
	labels["SERVICE_WEIGHT"] = "5"
	// While a container with a health check is paused the Engine calls it unhealthy; this one has none.
	plain := w.container("plain", enginetest.Options{})
	w.has("plain", 1)
	plain.Pause()
	standby := fmt.Sprintf("0: 1 1 %d %s", plain.HostPort("8080/tcp"), hostTarget)
	w.shows("plain", serving(1, plain.HostPort("8080/tcp")), standby)
	plain.Unpause()
	w.shows("plain", serving(1, plain.HostPort("8080/tcp")), standby, serving(1, plain.HostPort("8080/tcp")))

	c := w.container("web", enginetest.Options{
		Labels: labels,
		Health: enginetest.Probe(time.Second),
		Args:   []string{"-unhealthy"},
	})
	port := c.HostPort("8080/tcp")
	become := func(status string) {
		response, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/health?status=%s", port, status), "", nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	// On a busy machine a check may fail without being told to: what counts is what each step ends in.
	now := func(weight int) {
		t.Helper()
		w.eventually(fmt.Sprintf("weight %d", weight), func() bool {
			sets := w.service("web")
			return len(sets) == 1 && *sets[0].Weight == int64(weight)
		})
	}
	now(0)
	become("healthy")
	now(5)
	become("unhealthy")
	now(0)
	become("healthy")
	now(5)
	c.Pause()
	now(0)
	c.Unpause()
	now(5)
	for _, shown := range w.history("web") {
		assert.Contains(t, []string{"0", "5"}, strings.TrimSuffix(shown, fmt.Sprintf(": 1 5 %d %s", port, hostTarget)))
	}
}
