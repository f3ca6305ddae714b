package cli

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// swap stops the old containers and starts as many new ones of the service, all at once.
func (w *world) swap(name string, old []*enginetest.Container) (fresh []*enginetest.Container) {
	w.t.Helper()
	var wait sync.WaitGroup
	for _, c := range old {
		wait.Go(func() { c.Stop(1) })
	}
	for range old {
		fresh = append(fresh, w.container(name, enginetest.OnHost()))
	}
	wait.Wait()
	return fresh
}

// some runs n containers of a service.
func (w *world) some(name string, n int) (all []*enginetest.Container) {
	w.t.Helper()
	for range n {
		all = append(all, w.container(name, enginetest.OnHost()))
	}
	return all
}

// right waits until the service has exactly the records of these containers.
func (w *world) right(name string, containers []*enginetest.Container) {
	w.t.Helper()
	want := []string{}
	for _, c := range containers {
		want = append(want, instanceID+":ecs:"+c.ID+":8080/tcp")
	}
	slices.Sort(want)
	have := func() []string {
		ids := []string{}
		for _, s := range w.service(name) {
			ids = append(ids, s.SetIdentifier)
		}
		slices.Sort(ids)
		return ids
	}
	patience.Until(func() bool { return slices.Equal(want, have()) })
	require.Equal(w.t, want, have(), "after %s", patience.Limit)
	require.True(w.t, w.running(), "the agent has ended")
}

// says whether the agent's log has these words.
func (w *world) says(words string) bool { return strings.Contains(w.log.String(), words) }

// ready says whether the agent says that it is.
func (w *world) ready() bool {
	response, err := http.Get("http://" + w.listen + "/readyz")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func TestKilledWhileContainersComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	old := w.some("web", 5)
	w.right("web", old)
	w.kill()
	fresh := w.swap("web", old)
	w.sandbox.ClearCalls()
	w.launch()
	w.right("web", fresh)
	assert.Empty(
		t,
		w.sandbox.Calls("ListResourceRecordSets", "ListHostedZonesByName"),
		"what it had written was in the journal",
	)
}

func TestKilledAtAnyMomentUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program = released(t) // which gets to work sooner than it is killed
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{Kind: sandbox.Delay, Latency: 80 * time.Millisecond}))
	running := w.some("web", 3)
	for round := range 6 {
		w.launch()
		time.Sleep(time.Duration(50+90*round) * time.Millisecond)
		running = w.swap("web", running)
		w.kill()
	}
	w.launch()
	w.right("web", running)
}

func TestRoute53InTrouble(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]sandbox.Fault{
		"busy with other changes": {
			{Kind: sandbox.Fail, Code: "PriorRequestNotComplete", Operation: "ChangeResourceRecordSets"},
		},
		"credentials expired":   {{Kind: sandbox.Fail, Code: "ExpiredToken"}},
		"30 % internal errors":  {{Kind: sandbox.Fail, Code: "InternalFailure", Probability: 0.3}},
		"half the answers lost": {{Kind: sandbox.Lose, Probability: 0.5, Operation: "ChangeResourceRecordSets"}},
		"connections reset":     {{Kind: sandbox.Reset, Probability: 0.5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start()
			old := w.some("web", 5)
			w.right("web", old)
			require.NoError(t, w.sandbox.SetFaults(faults...))
			fresh := w.swap("web", old)
			time.Sleep(5 * time.Second)
			require.NoError(t, w.sandbox.SetFaults())
			w.right("web", fresh)
		})
	}
}

func TestThrottledToOneCallASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.sandbox.Configure(func(c *sandbox.Settings) {
		c.Throttle = throttle.Policy{Account: throttle.Bucket{Burst: 1, PerSecond: 1}}
	})
	old := w.some("web", 10)
	fresh := w.swap("web", old)
	w.right("web", fresh)
}

func TestEventStreamCut(t *testing.T) {
	t.Parallel()
	proxy := enginetest.NewProxy(t)
	w := newWorld(t, "--docker-host", proxy.Host())
	w.start()
	old := w.some("web", 5)
	w.right("web", old)
	proxy.Cut()
	w.eventually("the agent is not ready without the Engine", func() bool { return !w.ready() })
	fresh := w.swap("web", old)
	time.Sleep(5 * time.Second)
	assert.Len(t, w.service("web"), 5, "the records stay while nothing is known")
	proxy.Restore()
	w.right("web", fresh)
	w.eventually("the agent is ready again", w.ready)
}

func TestEventStreamGoneDeaf(t *testing.T) {
	t.Parallel()
	proxy := enginetest.NewProxy(t)
	w := newWorld(t, "--docker-host", proxy.Host(), "--resync", "2s")
	w.start()
	old := w.some("web", 3)
	w.right("web", old)
	proxy.Hold("/events")
	fresh := w.swap("web", old)
	w.right("web", fresh)
}

func TestZoneSwitchedByConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.zone
	w.args = []string{"--zone-id", first}
	w.start()
	running := w.some("web", 2)
	w.right("web", running)
	w.stop()
	second, err := w.sandbox.CreateZone(zoneName, sandbox.Private("vpc-other", "eu-central-1"))
	require.NoError(t, err)
	w.args, w.zone = []string{"--zone-id", second}, second
	w.start()
	w.right("web", running)
	w.eventually(
		"nothing is left in the old zone",
		func() bool { return len(w.sandbox.Records(first)) == 0 },
	)
}

func TestZoneDeletedAndMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	running := w.some("web", 1)
	w.right("web", running)
	w.sandbox.RemoveZone(w.zone)
	running = append(running, w.container("web", enginetest.Options{}))
	time.Sleep(time.Second)
	zone, err := w.sandbox.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	w.zone = zone
	w.right("web", running)
}

func TestStateOfAnotherInstanceIsSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	running := w.some("web", 1)
	w.right("web", running)
	w.stop()
	before := w.own()
	w.args = []string{"--instance-id", "i-clone"}
	w.start()
	w.eventually("the clone's own record", func() bool { return len(w.service("web")) == 2 })
	assert.Equal(t, before, w.own(), "nothing of the other instance's is touched")
	assert.FileExists(t, w.dir+"/records.json."+instanceID)
}

func TestNewBootWritesEverythingOnceInOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	running := w.some("web", 3)
	w.right("web", running)
	w.stop()
	j, err := journal.Open(w.dir, instanceID, "another boot")
	require.NoError(t, err)
	require.NoError(t, j.Close())
	w.sandbox.ClearCalls()
	w.start()
	w.eventually("a call", func() bool { return len(w.changes()) > 0 })
	w.caughtUp("witness")
	assert.Len(t, w.changes()[0].Changes, 4, "three containers and the host")
	assert.Len(t, w.changes(), 2, "the second for the witness")
}

func TestNameOutsideThePermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{
		Kind:  sandbox.Fail,
		Code:  "AccessDenied",
		Names: w.prefix + "svc4.*",
	}))
	for i := range 9 {
		w.container(fmt.Sprintf("svc%d", i), enginetest.Options{})
	}
	w.start()
	for i := range 9 {
		if i != 4 {
			w.has(fmt.Sprintf("svc%d", i), 1)
		}
	}
	assert.Empty(t, w.service("svc4"))
	assert.Contains(t, w.log.String(), "allow route53:ChangeResourceRecordSets")
}

func TestRoomForOneContainerMoreIsMadeByTheOneThatGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sandbox.Configure(func(c *sandbox.Settings) { c.MaxWeighted = 3 })
	w.start()
	old := w.some("web", 3)
	w.right("web", old)
	fresh := w.container("web", enginetest.Options{})
	w.eventually("words for it", func() bool { return w.says("at most 100 weighted records") })
	old[0].Stop(1)
	w.right("web", append(old[1:], fresh))
}

func TestUnwritableStateDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dir = "/proc/ecssd" // nobody can make it
	w.launch()
	running := w.some("web", 1)
	w.right("web", running)
	assert.False(t, w.ready())
}

func TestMetadataThatComesLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.sandbox.SetListening(false))
	running := w.some("web", 1)
	w.launch()
	w.eventually(
		"it says what it waits for",
		func() bool { return w.says("waiting for a dependency; retrying") },
	)
	require.NoError(t, w.sandbox.SetListening(true))
	w.right("web", running)
}
