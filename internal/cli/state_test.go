package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// state gives what the agent tells at /state, as text too.
func (w *world) state() (told status.State, text string) {
	w.t.Helper()
	response, err := http.Get("http://" + w.listen + "/state")
	require.NoError(w.t, err)
	defer response.Body.Close()
	require.Equal(w.t, http.StatusOK, response.StatusCode)
	require.Equal(w.t, "application/json", response.Header.Get("Content-Type"))
	body, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	require.NoError(w.t, json.Unmarshal(body, &told))
	return told, string(body)
}

// tells waits until the agent tells of a container, other than of its endpoints, what condition wants.
func (w *world) tells(
	c *enginetest.Container,
	what string,
	condition func(status.Container) bool,
) (found status.Container) {
	w.t.Helper()
	w.eventually(what, func() bool {
		told, _ := w.state()
		i := slices.IndexFunc(told.Containers, func(s status.Container) bool { return s.ID == c.ID })
		if i >= 0 {
			found = told.Containers[i]
		}
		return i >= 0 && condition(found)
	})
	return found
}

// is says whether a container has one endpoint, in this state.
func is(state string) func(status.Container) bool {
	return func(c status.Container) bool { return len(c.Endpoints) == 1 && c.Endpoints[0].State == state }
}

// onIPv4 has a port published once: on IPv6 it may get another number, of which is told.
var onIPv4 = []string{"0.0.0.0::8080"}

func TestStateOfAContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	labels := enginetest.ECSLabels(w.prefix + "web")
	labels["PASSWORD"], labels["SERVICE_WEIGHT"] = "label-secret", "7"
	c := w.container("web", enginetest.Options{
		Publish: onIPv4,
		Labels:  labels,
		Env:     []string{"TOKEN=variable-secret", "SERVICE_TOKEN=setting-secret"},
	})
	got := w.tells(c, "the container serves", is(status.Serving))
	port := c.HostPort("8080/tcp")
	assert.WithinDuration(t, time.Now(), got.Started, time.Minute)
	held := w.service("web")[0]
	want := status.Container{
		ID:      c.ID,
		Name:    c.Name,
		Service: w.prefix + "web",
		TaskARN: labels["com.amazonaws.ecs.task-arn"],
		State:   "running",
		Started: got.Started,
		Endpoints: []status.Endpoint{{
			Name:     w.prefix + "web",
			Port:     "8080/tcp",
			Address:  "10.0.0.1",
			HostPort: port,
			Asked:    7,
			Weight:   7,
			State:    status.Serving,
			Record: &status.Record{
				Name:   w.prefix + "web." + zoneName,
				Type:   "SRV",
				SetID:  held.SetIdentifier,
				Weight: 7,
				Value:  held.Values[0],
			},
		}},
		Problems: []status.Problem{},
	}
	assert.Equal(t, want, got)
	told, text := w.state()
	assert.Equal(t, status.Zone{Name: zoneName, ID: w.zone}, told.Zone)
	assert.Equal(t, instanceID, told.Instance)
	assert.Equal(t, "10.0.0.1", told.Address)
	assert.Equal(t, "ecssd "+told.Version+"\n", output(t, w.command("version")))
	assert.True(t, told.Ready)
	assert.Empty(t, told.Missing)
	assert.WithinDuration(t, time.Now(), told.Now, time.Minute)
	assert.Equal(t, status.Counts{
		Serving:   1,
		Stopping:  told.Counts.Stopping,
		CrashLoop: told.Counts.CrashLoop,
		Problems:  told.Counts.Problems,
		SRV:       1,
		A:         1,
	}, told.Counts, "those are of other tests")
	assert.Empty(t, told.Pending)
	assert.Equal(t, status.Change{Action: "CREATE", Record: *got.Endpoints[0].Record}, told.Recent[0].Change)
	assert.Equal(t, 1, told.Calls.Applied)
	assert.Equal(t, 1, told.Calls.LastMinute)
	assert.Positive(t, told.Calls.MeanSeconds)
	assert.NotContains(t, text, "secret", "what environment and labels hold is nobody's business")

	c.Pause()
	want.State, want.Endpoints[0].State, want.Endpoints[0].Why = "paused", status.Standby, "the container is paused"
	want.Endpoints[0].Weight, want.Endpoints[0].Record.Weight = 0, 0
	assert.Equal(t, want, w.tells(c, "it is on standby", is(status.Standby)))
	c.Unpause()
	w.tells(c, "it serves again", is(status.Serving))

	c.Stop(5)
	w.eventually("its record is gone, and it is told of no more", func() bool {
		told, _ := w.state()
		return len(told.Recent) > 0 && told.Recent[0].Action == "DELETE" && told.Calls.MeanDelaySeconds > 0 &&
			!slices.ContainsFunc(told.Containers, func(s status.Container) bool { return s.ID == c.ID })
	})
}

// Somebody has the A record of the host's name. What points to it is not written, and the host is told what is in the
// way.
func TestStateOfWhatWaitsForAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.sandbox.Seed(w.zone, sandbox.Set{
		Name:   hostTarget + ".",
		Type:   "A",
		TTL:    60,
		Values: []string{"10.9.9.9"},
	}))
	w.start()
	c := w.container("web", enginetest.Options{})
	got := w.tells(
		c,
		"that its record waits",
		func(c status.Container) bool { return len(c.Endpoints) == 1 && c.Endpoints[0].WaitsFor != "" },
	)
	assert.Equal(t, status.Refused, got.Endpoints[0].State)
	assert.Equal(t, hostTarget, got.Endpoints[0].WaitsFor)
	assert.Equal(t, "Route 53 refuses the A record "+hostTarget+" that it points to", got.Endpoints[0].Why)
	assert.Nil(t, got.Endpoints[0].Record)
	told, _ := w.state()
	assert.Empty(t, told.Pending)
	assert.Len(t, told.Refused, 1)
	assert.Empty(t, w.service("web"))
	explained, err := w.command("explain", "--listen", w.listen, c.ID).Output()
	require.NoError(t, err)
	assert.Contains(t, string(explained), "refused     CREATE "+hostTarget+" A weight 1: ")
	assert.Contains(t, string(explained), "hint        "+told.Refused[0].Advice+"\n")
}

func TestStateOfWhatIsNotAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{
		Kind:  sandbox.Fail,
		Code:  "AccessDenied",
		Names: w.prefix + "denied.*",
	}))
	w.start()
	denied := w.container("denied", enginetest.Options{})
	got := w.tells(denied, "Route 53 refuses its record", is(status.Refused))
	assert.Nil(t, got.Endpoints[0].Record)
	told, _ := w.state()
	require.Len(t, told.Refused, 1)
	assert.Equal(t, "CREATE", told.Refused[0].Action)
	assert.Equal(t, w.prefix+"denied."+zoneName, told.Refused[0].Record.Name)
	assert.Equal(t, "denied", told.Refused[0].Reason)
	assert.Contains(t, told.Refused[0].Advice, "route53:ChangeResourceRecordSets")
	assert.NotEmpty(t, told.Refused[0].Message)
	assert.True(t, told.Refused[0].Retry.After(told.Now), told.Refused[0])

	labels := enginetest.ECSLabels(w.prefix + "bad")
	labels["SERVICE_NAME"] = "no name\x1b[31m"
	bad := w.container("bad", enginetest.Options{Publish: onIPv4, Labels: labels})
	got = w.tells(bad, "it has a problem", func(c status.Container) bool { return len(c.Problems) == 1 })
	assert.Equal(t, `no name\x1b[31m`, got.Service)
	assert.Equal(t, "SERVICE_NAME", got.Problems[0].Subject)

	dying := w.container("dying", enginetest.Options{Args: []string{"-drain", "1m"}})
	w.tells(dying, "it serves", is(status.Serving))
	dying.Kill("TERM")
	got = w.tells(dying, "it is withheld", func(c status.Container) bool { return c.Withheld != nil })
	assert.Empty(t, got.Endpoints)
	assert.Equal(t, "stopping", got.Withheld.Reason)
	assert.WithinDuration(t, time.Now(), *got.Withheld.Since, time.Minute)
	assert.True(t, got.Withheld.Until.After(time.Now()))

	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{Kind: sandbox.Fail, Code: "InternalFailure"}))
	waits := w.container("waits", enginetest.Options{})
	w.tells(waits, "its record is not written yet", is(status.Pending))
	w.eventually("the failure is told", func() bool {
		told, _ = w.state()
		return told.Calls.Error != "" && told.Calls.Failed > 0 && told.Calls.Retry != nil
	})
	assert.True(
		t,
		slices.ContainsFunc(
			told.Pending,
			func(c status.Change) bool { return c.Record.Name == w.prefix+"waits."+zoneName },
		),
	)
}

func TestStateWhileSomethingIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--zone", "elsewhere.internal")
	w.launch()
	var told status.State
	w.eventually("it says that there is no zone", func() bool {
		if response, err := http.Get("http://" + w.listen + "/healthz"); err != nil {
			return false
		} else {
			response.Body.Close()
		}
		told, _ = w.state()
		return slices.ContainsFunc(
			told.Missing,
			func(line string) bool { return len(line) > 6 && line[:6] == "zone: " },
		)
	})
	assert.False(t, told.Ready)
	assert.Equal(t, status.Zone{Name: "elsewhere.internal"}, told.Zone)
}

// output gives what a command prints.
func output(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	out, err := command.Output()
	require.NoError(t, err)
	return string(out)
}
