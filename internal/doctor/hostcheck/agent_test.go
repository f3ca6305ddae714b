package hostcheck

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/doctor"
)

// answers are those of an agent: the body by path, after the status code where that is not 200.
type answers map[string]string

// withAgent returns a look at a host with an agent that answers so.
func withAgent(t *testing.T, a answers) *Host {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, there := a[r.URL.Path]
		if unavailable, is := strings.CutPrefix(body, "503 "); is {
			body = unavailable
			w.WriteHeader(http.StatusServiceUnavailable)
		} else if !there {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	h := here(t, "unix:///nowhere/docker.sock")
	h.Listen = server.Listener.Addr().String()
	return New(h.Config)
}

func TestAgent(t *testing.T) {
	const hint = "systemctl restart ecssd"
	for name, c := range map[string]struct {
		answers answers
		want    doctor.Result
	}{
		"this version": {
			answers{"/healthz": "ok", "/state": `{"version": "v1"}`},
			doctor.Okf("version v1 runs, and answers at LISTEN"),
		},
		"another version": {
			answers{"/healthz": "ok", "/state": `{"version": "v0"}`},
			doctor.Warnf("version v0 runs, and version v1 is installed").Hintf(hint),
		},
		"a version without /state": {answers{"/healthz": "ok"}, doctor.Okf("runs, and answers at LISTEN")},
		"another program": {
			answers{},
			doctor.Failf("no agent runs here, or it does not answer at LISTEN: " +
				"HTTP status 404 Not Found (is it another program?)").Hintf("systemctl start ecssd; where it ends " +
				"again: " +
				"journalctl -u ecssd; where it listens elsewhere, say so in --listen (ECSSD_LISTEN)"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := withAgent(t, c.answers)
			got := one(t, h, "agent")
			got.Detail = strings.ReplaceAll(got.Detail, h.Listen, "LISTEN")
			assert.Equal(t, c.want.Of("agent"), got)
		})
	}
}

func TestReady(t *testing.T) {
	const noEngine = "engine: not connected"
	for name, c := range map[string]struct {
		answers answers
		want    []doctor.Result
	}{
		"ready": {answers{"/healthz": "ok", "/readyz": "ok"}, []doctor.Result{doctor.Okf("the agent has all that " +
			"it needs")}},
		"no agent": {answers{}, nil},
		"an agent that does not answer": {
			answers{"/healthz": "ok"},
			[]doctor.Result{
				doctor.Failf("the agent does not answer whether it is ready: HTTP status 404 Not Found (is it " +
					"another program?)").
					Hintf("journalctl -u ecssd; systemctl restart ecssd"),
			},
		},
		"without the Engine": {
			answers{"/healthz": "ok", "/readyz": "503 " + noEngine + "\nagent: starting\n"},
			[]doctor.Result{
				doctor.Failf("the agent waits for " + noEngine).
					Hintf("see engine and events, here; it goes on by itself then"),
			},
		},
		"only just started": {
			answers{"/healthz": "ok", "/readyz": "503 agent: starting\n"},
			[]doctor.Result{
				doctor.Warnf("the agent waits for agent: starting").
					Hintf("run this again in a moment; see metadata, here, where it stays so"),
			},
		},
		"without a part that no check looks at": {
			answers{"/healthz": "ok", "/readyz": "503 magic: gone\n"},
			[]doctor.Result{doctor.Failf("the agent waits for magic: gone").Hintf("journalctl -u ecssd")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.want {
				c.want[i].Check = "ready"
			}
			assert.Equal(t, c.want, found(t, withAgent(t, c.answers), "ready"))
		})
	}
}

// Each part that /readyz names has a check to see.
func TestEachPartHasItsCheck(t *testing.T) {
	for part, checks := range map[string]string{
		"identity": "metadata",
		"engine":   "engine and events",
		"zone":     "zone",
		"journal":  "state",
		"route53":  "zone, read and write",
	} {
		h := withAgent(t, answers{"/healthz": "ok", "/readyz": "503 " + part + ": x"})
		assert.Contains(t, one(t, h, "ready").Hint, "see "+checks+", here", part)
	}
}

func TestRefused(t *testing.T) {
	const refusal = `{"action": "CREATE", "record": {"name": "web.internal", "type": "SRV"}, ` +
		`"reason": "name full", "advice": "100% is too much"}`
	refusals := func(n int) answers {
		list := strings.Join(slices.Repeat([]string{refusal}, n), ",")
		return answers{"/healthz": "ok", "/state": `{"version": "v1", "refused": [` + list + `]}`}
	}
	line := doctor.Failf("Route 53 refuses CREATE SRV web.internal (name full)").Hintf("100%% is too much")
	five := slices.Repeat([]doctor.Result{line}, 5)
	more := func(text string) doctor.Result {
		return doctor.Failf("%s", text).Hintf("ecssd explain CONTAINER; journalctl -u ecssd")
	}
	for name, c := range map[string]struct {
		answers answers
		want    []doctor.Result
	}{
		"none":             {refusals(0), []doctor.Result{doctor.Okf("Route 53 refuses no change of the agent's")}},
		"five":             {refusals(5), five},
		"six":              {refusals(6), append(slices.Clone(five), more("and 1 more"))},
		"nine":             {refusals(9), append(slices.Clone(five), more("and 4 more"))},
		"an agent unknown": {answers{"/healthz": "ok"}, nil},
		"no agent":         {answers{"/state": `{"version": "v1"}`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.want {
				c.want[i].Check = "refused"
			}
			assert.Equal(t, c.want, found(t, withAgent(t, c.answers), "refused"))
		})
	}
}
