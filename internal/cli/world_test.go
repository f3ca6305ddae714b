package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// asCommand makes this test binary the command itself, so that tests can run it as a process of its own.
const asCommand = "BE_ECSSD"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(command())
	}
	_ = flag.Set("test.parallel", "10") // the tests wait for the Engine and for time to pass more than for a processor
	testscript.Main(tests{m}, map[string]func(){"ecssd": func() { os.Exit(command()) }})
}

// command is what cmd/ecssd does, and returns its exit status.
func command() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := Run(ctx, "", os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(UsageError)):
		fmt.Fprintln(os.Stderr, "ecssd:", err)
		return 2
	}
	fmt.Fprintln(os.Stderr, "ecssd:", err)
	return 1
}

const (
	zoneName   = "servicediscovery.internal"
	instanceID = "i-0123456789abcdef0" // in the sandbox's metadata
)

// world is a sandbox in place of AWS, the real Engine, and an agent as a process of its own, with service names that no
// other test on the same Engine uses.
type world struct {
	t       testing.TB
	sandbox *sandbox.Server
	zone    string // ID
	prefix  string // of the service names that the agent announces
	dir     string // state directory
	args    []string
	listen  string
	// environment is what the agent's has beside the sandbox's and its own.
	environment []string
	program     string // that is run; empty: this test binary
	races       string // directory where the race detector reports what it finds in a process of this world

	agent *exec.Cmd
	ended chan struct{} // closed when the agent has
	log   logBuffer
}

// newWorld makes a world whose agent is not running yet. args are flags for it.
func newWorld(t testing.TB, args ...string) *world {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	zone, err := s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	w := &world{
		t:       t,
		sandbox: s,
		zone:    zone,
		prefix:  fmt.Sprintf("t%d-", rand.Uint32()),
		dir:     t.TempDir(),
		args:    args,
		listen:  freeAddress(t),
	}
	// t.TempDir may have blanks and quotes, which the race detector does not take
	w.races, err = os.MkdirTemp("", "ecssd-races-")
	require.NoError(t, err)
	w.listed()
	t.Cleanup(func() {
		w.stop()
		w.noRaces()
		if t.Failed() {
			t.Logf("the agent's log:\n%s", w.log.String())
		}
	})
	return w
}

// listed leaves an empty journal of this instance in the state directory, as if the agent had run before: without one
// it would list the zone once at a random moment.
func (w *world) listed() {
	w.t.Helper()
	boot, err := host.BootID()
	require.NoError(w.t, err)
	j, err := journal.Open(w.dir, instanceID, boot)
	require.NoError(w.t, err)
	require.NoError(w.t, j.Listed())
	require.NoError(w.t, j.Close())
}

// released returns the program as it is released, in place of this test binary, of which the race detector is a part:
// it starts in a tenth of the time, and takes a quarter of the memory.
func released(t testing.TB) (program string) {
	t.Helper()
	program, err := release()
	require.NoError(t, err)
	return program
}

// release builds that program once in a process.
var release = sync.OnceValues(func() (program string, err error) {
	if programs, err = os.MkdirTemp("", "ecssd-released-"); err != nil {
		return "", err
	}
	program = filepath.Join(programs, "ecssd")
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "../../cmd/ecssd")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return program, nil
})

// programs is the directory of what release builds.
var programs string

// tests are those of this package.
type tests struct{ *testing.M }

// Run runs them, and removes what they share.
func (t tests) Run() int {
	defer func() { _ = os.RemoveAll(programs) }()
	return t.M.Run()
}

// freeAddress gives a loopback address on which nothing listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// start runs the agent and waits until it follows the Engine's events.
func (w *world) start() {
	w.t.Helper()
	w.launch()
	w.eventually("the agent is ready", w.ready)
}

// launch runs the agent.
func (w *world) launch() {
	w.t.Helper()
	args := append(
		[]string{"agent", "--state-dir", w.dir, "--listen", w.listen, "--allow-names", w.prefix + ".*"},
		w.args...)
	w.agent = w.command(args...)
	w.agent.Env = append(w.agent.Env, w.environment...)
	w.agent.Stdout, w.agent.Stderr = &w.log, &w.log
	require.NoError(w.t, w.agent.Start())
	w.ended = make(chan struct{})
	go func(agent *exec.Cmd, ended chan struct{}) {
		_ = agent.Wait()
		close(ended)
	}(w.agent, w.ended)
}

// command gives the command with the sandbox in place of AWS.
func (w *world) command(args ...string) *exec.Cmd {
	command := exec.Command(cmp.Or(w.program, os.Args[0]), args...)
	command.Env = append(os.Environ(), append(w.variables(), asCommand+"=1")...)
	return command
}

// variables returns the environment of a process of this world: the sandbox's, and where the race detector reports. By
// itself it would hold up the end of each process for a second.
func (w *world) variables() []string {
	return append(w.sandbox.Environment(), "GORACE=atexit_sleep_ms=0 log_path="+filepath.Join(w.races, "race"))
}

// noRaces fails the test if the race detector found a race in a process of this world, however that process ended.
func (w *world) noRaces() {
	w.t.Helper()
	reports, err := filepath.Glob(filepath.Join(w.races, "*"))
	require.NoError(w.t, err)
	for _, report := range reports {
		text, err := os.ReadFile(report)
		require.NoError(w.t, err)
		w.t.Errorf("a data race in process %s:\n%s", strings.TrimPrefix(filepath.Ext(report), "."), text)
	}
	assert.NoError(w.t, os.RemoveAll(w.races))
}

// stop ends the agent with SIGTERM, on which it exits with status 0.
func (w *world) stop() {
	w.t.Helper()
	if w.agent == nil {
		return
	}
	_ = w.agent.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.ended:
		assert.Equal(w.t, "exit status 0", w.agent.ProcessState.String(), "the agent")
		w.agent = nil
	case <-time.After(patience.Limit):
		w.t.Errorf("the agent did not end within %s of SIGTERM", patience.Limit)
		w.kill()
	}
}

// kill ends the agent with SIGKILL.
func (w *world) kill() {
	_ = w.agent.Process.Kill()
	<-w.ended
	w.agent = nil
}

// running says whether the agent still runs.
func (w *world) running() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

// container runs a container as the ECS agent would, of the service prefix+name, with one published port.
func (w *world) container(name string, o enginetest.Options) *enginetest.Container {
	w.t.Helper()
	if o.Labels == nil {
		o.Labels = enginetest.ECSLabels(w.prefix + name)
	}
	if o.Publish == nil && o.Network == "" {
		o.Publish = []string{"8080"}
	}
	return enginetest.Run(w.t, o)
}

// service gives the SRV records of prefix+name, in the zone's order.
func (w *world) service(name string) []sandbox.Set {
	return slices.DeleteFunc(w.sandbox.Records(w.zone), func(s sandbox.Set) bool {
		return s.Type != "SRV" || s.Name != w.prefix+name+"."+zoneName+"."
	})
}

// own gives all records of this world's agent: SRV records by its service names, and A records.
func (w *world) own() []sandbox.Set {
	return slices.DeleteFunc(w.sandbox.Records(w.zone), func(s sandbox.Set) bool {
		return !strings.HasPrefix(s.SetIdentifier, instanceID+":")
	})
}

// changes gives the calls that changed, or tried to change, records.
func (w *world) changes() []sandbox.Call { return w.sandbox.Calls("ChangeResourceRecordSets") }

// eventually waits for a condition.
func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	patience.Eventually(w.t, what, condition)
}

// has waits until a service has so many records.
func (w *world) has(name string, records int) {
	w.t.Helper()
	patience.Until(func() bool { return len(w.service(name)) == records })
	require.Len(w.t, w.service(name), records, "service %s, after %s", name, patience.Limit)
}

// logBuffer is a buffer for a process's output that can be read meanwhile.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

var _ io.Writer = (*logBuffer)(nil)

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
