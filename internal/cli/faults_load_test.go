package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// load lets so many workers start containers, each of a service of its own, pause them for moments, and end them in one
// of the ways that there are, until it is told to stop. The last container of each worker stays.
func (w *world) load(random *rand.Rand, workers int) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	cli := enginetest.Client(w.t)
	var working sync.WaitGroup
	for worker := range workers {
		random := rand.New(rand.NewPCG(random.Uint64(), 1))
		working.Go(func() {
			for n := 0; ; n++ {
				o := enginetest.OnHost()
				o.Labels = enginetest.ECSLabels(fmt.Sprintf("%sw%d-%d", w.prefix, worker, n))
				c := enginetest.Create(w.t, o)
				c.Start()
				for range random.IntN(8) {
					_ = cli.ContainerPause(w.t.Context(), c.ID) // a busy machine may fail to
					time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
					_ = cli.ContainerUnpause(w.t.Context(), c.ID)
					time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
				}
				if ctx.Err() != nil {
					return
				}
				assert.NoError(w.t, endings[random.IntN(len(endings))](w.t.Context(), cli, c.ID))
			}
		})
	}
	return func() {
		cancel()
		working.Wait()
	}
}

// endings are the ways in which a container can end.
var endings = []func(ctx context.Context, cli *client.Client, id string) error{
	func(ctx context.Context, cli *client.Client, id string) error {
		return cli.ContainerStop(ctx, id, api.StopOptions{Timeout: new(1)})
	},
	func(ctx context.Context, cli *client.Client, id string) error {
		return cli.ContainerKill(ctx, id, "KILL")
	},
	func(ctx context.Context, cli *client.Client, id string) error {
		return cli.ContainerRemove(ctx, id, api.RemoveOptions{Force: true})
	},
	func(ctx context.Context, cli *client.Client, id string) error {
		if err := cli.ContainerRestart(ctx, id, api.StopOptions{Timeout: new(1)}); err != nil {
			return err
		}
		return cli.ContainerRemove(ctx, id, api.RemoveOptions{Force: true})
	},
}

// others are records of this world's names that are not this host's: of another host, of the original agent, of people.
func (w *world) others() []sandbox.Set {
	var sets []sandbox.Set
	for worker := range 6 {
		for n := range 10 {
			name := fmt.Sprintf("%sw%d-%d.%s.", w.prefix, worker, n, zoneName)
			for _, id := range []string{
				"i-other:ecs:" + hex64(n) + ":8080/tcp",
				"ip-10-0-0-9:" + hex64(n),
				instanceID + "0:ecs:" + hex64(n) + ":8080/tcp",
			} {
				sets = append(sets, sandbox.Set{
					Name:          name,
					Type:          "SRV",
					SetIdentifier: id,
					Weight:        new(int64(1)),
					Values:        []string{"1 1 80 ip-10-0-0-9." + zoneName},
				})
			}
		}
	}
	return sets
}

func hex64(n int) string { return fmt.Sprintf("%064x", n) }

// untouched fails where a record of others is not as it was seeded.
func (w *world) untouched(others []sandbox.Set) {
	w.t.Helper()
	for _, s := range others {
		for _, e := range w.sandbox.Events() {
			if e.Before != nil && e.Before.Name == s.Name && e.Before.SetIdentifier == s.SetIdentifier {
				require.Fail(w.t, "a record of others was changed", "%+v", e)
			}
		}
	}
}

// covered fails where the zone has a record of this host that its journal does not know: nobody would remove it.
func (w *world) covered() {
	w.t.Helper()
	zones, err := journal.Read(w.dir)
	require.NoError(w.t, err)
	for _, s := range w.own() {
		found := false
		for key := range zones[w.zone] {
			found = found || key.Name+"." == s.Name && key.SetID == s.SetIdentifier && key.Type == record.Type(s.Type)
		}
		require.True(w.t, found, "the journal lacks %s %s", s.Name, s.SetIdentifier)
	}
}

func TestKilledFiftyTimesUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w.program = released(t) // which gets to work sooner than it is killed
	random := rand.New(rand.NewPCG(seed, 0))
	others := w.others()
	require.NoError(t, w.sandbox.Seed(w.zone, others...))
	w.sandbox.ClearCalls()
	require.NoError(t, w.sandbox.SetFaults(
		sandbox.Fault{Kind: sandbox.Delay, Latency: 20 * time.Millisecond, Jitter: 60 * time.Millisecond},
		// Changes that take effect, of which the agent does not hear before it is killed.
		sandbox.Fault{Kind: sandbox.Hang, Operation: "ChangeResourceRecordSets", Probability: 0.3},
	))

	w.container("stays", enginetest.Options{})
	stop := w.load(random, 6)
	for range 50 {
		want := len(w.sandbox.Events()) + random.IntN(4) // records that this life changes, at least
		w.launch()
		w.eventually("the agent changes records", func() bool { return len(w.sandbox.Events()) >= want })
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		w.kill()
		w.covered()
	}
	stop()
	t.Logf("%d calls and %d changed records in 50 lives", len(w.changes()), len(w.sandbox.Events()))
	require.NoError(t, w.sandbox.SetFaults())
	w.launch()
	w.settles(enginetest.Client(t))
	w.covered()
	w.untouched(others)
}

// manage asks the sandbox's management API.
func (w *world) manage(method, path, body string, answer any) {
	w.t.Helper()
	request, err := http.NewRequest(method, w.sandbox.ManageURL()+path, bytes.NewBufferString(body))
	require.NoError(w.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, response.StatusCode, "%s %s: %s", method, path, content)
	if answer != nil {
		require.NoError(w.t, json.Unmarshal(content, answer))
	}
}

func TestThirtyPercentOfAllCallsGoWrongUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.manage("PUT", "/faults", `[
		{"kind": "delay", "latency": "200ms", "jitter": "500ms", "probability": 0.3},
		{"kind": "fail", "code": "Throttling", "probability": 0.06},
		{"kind": "fail", "code": "PriorRequestNotComplete", "operation": "ChangeResourceRecordSets", "probability": 0.06},
		{"kind": "fail", "code": "InternalFailure", "probability": 0.06},
		{"kind": "lose", "probability": 0.06},
		{"kind": "garble", "probability": 0.06},
		{"kind": "reset", "probability": 0.06}]`, nil)
	stop := w.load(rand.New(rand.NewPCG(1, 0)), 4)
	var faults []struct {
		Kind, Code string
		Hits       int
	}
	struck := func() (n int) {
		w.manage("GET", "/faults", "", &faults)
		for _, f := range faults[1:] {
			n += f.Hits
		}
		return n
	}
	w.eventually("six calls have gone wrong", func() bool { return struck() >= 6 })
	stop()
	w.manage("DELETE", "/faults", "", nil)
	t.Logf("%+v of %d calls", faults, len(w.sandbox.Calls()))
	w.settles(enginetest.Client(t))
}
