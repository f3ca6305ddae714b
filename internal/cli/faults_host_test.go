package cli

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// beside makes one agent more on the same host, with a state directory of its own.
func (w *world) beside() *world {
	w.t.Helper()
	other := &world{
		t:       w.t,
		sandbox: w.sandbox,
		zone:    w.zone,
		prefix:  w.prefix,
		dir:     w.t.TempDir(),
		args:    w.args,
		listen:  freeAddress(w.t),
		races:   w.races,
	}
	other.listed()
	w.t.Cleanup(other.stop)
	return other
}

// Nobody is to run two, but an upgrade by hand or a copied unit may. Both then write the same records.
func TestTwoAgentsOfOneHostDoNotFight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.beside()
	w.start()
	other.start()
	cli := enginetest.Client(t)
	old := w.some("web", 3)
	w.settles(cli)
	fresh := w.swap("web", old)
	w.settles(cli)
	w.right("web", fresh)
	require.Len(t, w.told(), 3)

	other.stop()
	assert.Len(t, w.told(), 3, "the one that ends leaves the records")
	w.swap("web", fresh)
	w.settles(cli)

	other.start() // with what it knew: three containers that are gone
	w.settles(cli)
	other.caughtUp("witness")
	w.eventually("5 s without a call: two agents that agree are as quiet as one", func() bool {
		calls := w.sandbox.Calls()
		return time.Since(calls[len(calls)-1].Received) > 5*time.Second
	})
}

func TestMetadataThatFailsForAWhile(t *testing.T) {
	t.Parallel()
	for _, mode := range []imds.Mode{imds.Failing, imds.Unreachable, imds.Silent} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			// Who the host is and its credentials both come from there, as on EC2.
			w.environment = []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
			running := w.some("web", 1)
			require.NoError(t, w.sandbox.Metadata().SetMode(mode))
			w.launch()
			time.Sleep(10 * time.Second)
			assert.Empty(t, w.sandbox.Calls())
			w.eventually("it says what it waits for", func() bool {
				return strings.Contains(w.notReady(), "identity: ask EC2 metadata who this host is")
			})
			require.True(t, w.running(), "the agent has ended")
			require.NoError(t, w.sandbox.Metadata().SetMode(imds.Up))
			w.right("web", running)
			w.eventually("ready", w.ready)
		})
	}
}

func TestCredentialsThatComeLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--instance-id", instanceID, "--host-ip", "10.0.0.1", "--region", "eu-central-1")
	w.args = append(w.args, "--zone-id", w.zone)
	w.environment = []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
	require.NoError(t, w.sandbox.Metadata().SetMode(imds.Failing))
	running := w.some("web", 2)
	w.launch()
	time.Sleep(10 * time.Second)
	assert.Empty(t, w.changes())
	w.eventually(
		"it says what it waits for",
		func() bool { return strings.Contains(w.notReady(), "route53: ") },
	)
	assert.Empty(t, w.changes())
	running = w.swap("web", running) // meanwhile
	require.NoError(t, w.sandbox.Metadata().SetMode(imds.Up))
	w.right("web", running)
	w.eventually("ready", w.ready)
	assert.Len(t, w.told(), 2)
}

// Containers that are removed while they start, or end by themselves and remove themselves, fifty at once.
func TestContainersRemovedAsTheyStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	cli := enginetest.Client(t)
	containers := make([]*enginetest.Container, 50)
	for i := range containers {
		o := enginetest.Options{
			Labels:  enginetest.ECSLabels(fmt.Sprintf("%sweb%d", w.prefix, i)),
			Publish: []string{"8080"},
		}
		if i%2 == 0 {
			o.AutoRemove, o.Args = true, []string{"-exit-after", "10ms"}
		}
		containers[i] = enginetest.Create(t, o)
	}
	var working sync.WaitGroup
	for i, c := range containers {
		working.Go(func() {
			_ = cli.ContainerStart(t.Context(), c.ID, api.StartOptions{}) // fails where it is removed meanwhile
			if i%2 == 1 {
				c.Remove()
			}
		})
		if i%4 == 3 {
			working.Go(c.Remove)
		}
	}
	working.Wait()
	w.eventually("no container is left", func() bool { return len(w.truth(cli)) == 0 })
	w.settles(cli)
	w.caughtUp("witness")
	w.settles(cli)
}

// As ECS's own restart policy does: the same container, and thus the same Docker ID, is started again after its death,
// and mostly gets another port of the host.
func TestContainerStartedAgainAfterItsDeath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	c := w.container("web", enginetest.Options{Health: enginetest.Probe(4 * time.Second)})
	value := func() string { return fmt.Sprintf("1 1 %d %s", c.HostPort("8080/tcp"), hostTarget) }
	first := value()
	w.shows("web", "0: "+first, "1: "+first)
	_, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/exit", c.HostPort("8080/tcp")), "", nil)
	require.Error(t, err, "it ends without an answer")
	w.shows("web", "0: "+first, "1: "+first, "gone")
	c.Start()
	second := value()
	w.shows("web", "0: "+first, "1: "+first, "gone", "0: "+second, "1: "+second)
}

// docker stop of a container that goes on working for 5 s after SIGTERM: consumers are sent elsewhere for almost all of
// them.
func TestRecordIsGoneLongBeforeTheContainerIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	c := w.container("web", enginetest.Options{Args: []string{"-drain", "5s"}})
	w.has("web", 1)
	signal := time.Now()
	c.Stop(30)
	in, err := enginetest.Client(t).ContainerInspect(t.Context(), c.ID)
	require.NoError(t, err)
	death, err := time.Parse(time.RFC3339Nano, in.State.FinishedAt)
	require.NoError(t, err)
	w.has("web", 0)
	require.Zero(t, in.State.ExitCode, "it was not killed")
	events := w.sandbox.Events()
	gone := events[len(events)-1].Time
	t.Logf("record gone %s after the stop was asked for, container %s after it", gone.Sub(signal), death.Sub(signal))
	assert.True(t, gone.Before(death), "the record went at %s, the container at %s", gone, death)
}
