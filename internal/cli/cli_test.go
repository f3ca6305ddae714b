package cli

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// TestScripts runs testdata/*.txtar, each with a world of its own that the command finds by variables. $PREFIX begins
// the service names that no other test uses, $ZONE is the hosted zone's ID, $DNS the sandbox's name server. Commands
// beside testscript's own:
//
//	status N PROGRAM ARG…                     run it and want that exit status
//	seed NAME TYPE SETID WEIGHT TTL VALUE     put a weighted record into the zone
//	records [PATTERN N]                       print this host's records; wait until N of them contain PATTERN
//	remove-zone                               as somebody else might
//	container NAME [ARG…]                     run one of service $PREFIX-NAME; sets $NAME_ID, $NAME_SHORT, $NAME_PORT
//	end-container NAME                        kill that container
//	signal NAME SIGNAL                        send that container a signal
//	fail CODE [PATTERN]                       have changes of names with PATTERN, or all, answered with that error
//	ready                                     wait until the agent is
//	get PATH STATUS [TEXT]                    wait until the agent answers so, with TEXT in it, and print the answer
//	calls OPERATION N                         want so many calls of the sandbox's API
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":        wantStatus,
			"seed":          seed,
			"records":       records,
			"remove-zone":   removeZone,
			"container":     runContainer,
			"end-container": endContainer,
			"signal":        signalContainer,
			"fail":          fail,
			"ready":         ready,
			"get":           get,
			"calls":         calls,
		},
	})
}

// worldKey finds the script's world.
type worldKey struct{}

func setup(env *testscript.Env) error {
	t := env.T().(testing.TB) // which Run promises
	w := newWorld(t)
	for _, variable := range append(w.variables(),
		"PREFIX="+strings.TrimSuffix(w.prefix, "-"), "ZONE="+w.zone, "DNS="+w.sandbox.DNSAddr(),
		"ECSSD_STATE_DIR="+w.dir, "ECSSD_LISTEN="+w.listen, "ECSSD_ALLOW_NAMES="+w.prefix+".*",
		"DOCKER_HOST="+os.Getenv("DOCKER_HOST"),
	) {
		key, value, _ := strings.Cut(variable, "=")
		env.Setenv(key, value)
	}
	env.Values[worldKey{}] = w
	return nil
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func wants(ts *testscript.TestScript, neg bool, args []string, least int, usage string) {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

func number(ts *testscript.TestScript, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	ts.Check(err)
	return n
}

func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 2, "status N PROGRAM ARG…")
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if int64(got) != number(ts, args[0]) {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

func seed(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 6, "seed NAME TYPE SETID WEIGHT TTL VALUE")
	w := worldOf(ts)
	ts.Check(w.sandbox.Seed(w.zone, sandbox.Set{
		Name:          args[0],
		Type:          args[1],
		SetIdentifier: args[2],
		Weight:        new(number(ts, args[3])),
		TTL:           number(ts, args[4]),
		Values:        args[5:],
	}))
}

// wait waits for what is described.
func wait(ts *testscript.TestScript, what string, condition func() bool) {
	if !patience.Until(condition) {
		ts.Fatalf("it never came: %s", what)
	}
}

func records(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 0, "records [PATTERN N]")
	w := worldOf(ts)
	lines := func() (lines []string) {
		for _, r := range w.own() {
			lines = append(
				lines,
				strings.Join([]string{r.Name, r.Type, r.SetIdentifier, strconv.FormatInt(*r.Weight, 10),
					strconv.FormatInt(r.TTL, 10), strings.Join(r.Values, " ")}, " "),
			)
		}
		return lines
	}
	if len(args) == 2 {
		want := int(number(ts, args[1]))
		wait(ts, args[1]+" records with "+args[0], func() bool {
			found := slices.DeleteFunc(lines(), func(line string) bool { return !strings.Contains(line, args[0]) })
			return len(found) == want
		})
	}
	for _, line := range lines() {
		_, err := io.WriteString(ts.Stdout(), line+"\n")
		ts.Check(err)
	}
}

func removeZone(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 0, "remove-zone")
	w := worldOf(ts)
	w.sandbox.RemoveZone(w.zone)
}

func runContainer(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 1, "container NAME [ARG…]")
	w := worldOf(ts)
	c := w.container(args[0], enginetest.Options{Name: w.prefix + args[0], Args: args[1:]})
	w.t.Cleanup(c.Remove)
	ts.Setenv(args[0]+"_ID", c.ID)
	ts.Setenv(args[0]+"_SHORT", c.ID[:12])
	ts.Setenv(args[0]+"_PORT", strconv.Itoa(int(c.HostPort("8080/tcp"))))
}

func endContainer(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 1, "end-container NAME")
	w := worldOf(ts)
	ts.Check(enginetest.Client(w.t).ContainerKill(w.t.Context(), w.prefix+args[0], "KILL"))
}

func signalContainer(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 2, "signal NAME SIGNAL")
	w := worldOf(ts)
	ts.Check(enginetest.Client(w.t).ContainerKill(w.t.Context(), w.prefix+args[0], args[1]))
}

func fail(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 1, "fail CODE [PATTERN]")
	w := worldOf(ts)
	fault := sandbox.Fault{Kind: sandbox.Fail, Code: args[0], Operation: "ChangeResourceRecordSets"}
	if len(args) > 1 {
		fault.Names = w.prefix + args[1] + ".*"
	}
	ts.Check(w.sandbox.SetFaults(fault))
}

func ready(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 0, "ready")
	get(ts, false, []string{"/readyz", "200"})
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 2, "get PATH STATUS [TEXT]")
	want, text := int(number(ts, args[1])), strings.Join(args[2:], " ")
	var body []byte
	wait(ts, "GET "+args[0]+" answers "+args[1]+" "+text, func() bool {
		response, err := http.Get("http://" + worldOf(ts).listen + args[0])
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err = io.ReadAll(response.Body)
		ts.Check(err)
		return response.StatusCode == want && strings.Contains(string(body), text)
	})
	_, err := ts.Stdout().Write(body)
	ts.Check(err)
}

func calls(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, args, 2, "calls OPERATION N")
	if got := len(worldOf(ts).sandbox.Calls(args[0])); int64(got) != number(ts, args[1]) {
		ts.Fatalf("%d calls of %s, want %s", got, args[0], args[1])
	}
}

func TestSIGTERMEndsTheAgentInTimeAndKeepsTheRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.container("web", enginetest.Options{})
	w.has("web", 1)
	// and with a call under way that gets no answer
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{Kind: sandbox.Stall, Operation: "ChangeResourceRecordSets"}))
	w.container("more", enginetest.Options{})
	w.eventually("a call under way", func() bool {
		faults := w.sandbox.Faults()
		return len(faults) == 1 && faults[0].Hits > 0
	})
	w.stop() // asserts that the agent ends by itself
	assert.Len(t, w.sandbox.Faults(), 1, "the call still has no answer")
	assert.Len(t, w.service("web"), 1)
	assert.Empty(t, w.service("more"))
}

func TestAStateDirectoryOfTwoAgentsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	for _, command := range []string{"sync", "deregister", "agent"} {
		second := w.command(command, "--state-dir", w.dir, "--listen", freeAddress(t))
		out, err := second.CombinedOutput()
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%s: %v", command, err)
		assert.Equal(t, 1, exit.ExitCode(), command)
		assert.Contains(t, string(out), "ecssd: ", command)
		assert.Contains(
			t,
			string(out),
			"another ecssd process is using it (hint: stop it first: systemctl stop ecssd)",
			command,
		)
	}
	assert.True(t, w.running())
	require.FileExists(t, filepath.Join(w.dir, "records.json"))
}
