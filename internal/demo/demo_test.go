package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// show is a demo that runs as a process of its own, with service names and a temporary directory of its own.
type show struct {
	*exec.Cmd
	prefix  string
	temp    string
	printed *printed
}

func newShow(t *testing.T, bin string) *show {
	t.Helper()
	s := &show{prefix: fmt.Sprintf("d%d-", rand.Uint32()), temp: t.TempDir(), printed: &printed{}}
	s.Cmd = exec.Command(filepath.Join(bin, "demo"), "-prefix", s.prefix)
	races, err := os.MkdirTemp("", "ecssd-races-") // a name without blanks, for the race detector
	require.NoError(t, err)
	s.Env = append(
		os.Environ(),
		"TMPDIR="+s.temp,
		"GORACE=atexit_sleep_ms=0 log_path="+races+"/race",
		"AWS_ENDPOINT_URL_ROUTE_53=http://127.0.0.1:1",
		"ECSSD_ZONE=wrong.internal",
	)
	s.Stdout, s.Stderr = s.printed, s.printed
	t.Cleanup(func() {
		reports, err := filepath.Glob(races + "/*")
		assert.NoError(t, err)
		for _, report := range reports {
			text, err := os.ReadFile(report)
			assert.NoError(t, err)
			t.Errorf("a data race in one of its processes:\n%s", text)
		}
		assert.NoError(t, os.RemoveAll(races))
		if t.Failed() {
			t.Logf("it printed:\n%s", s.printed)
		}
	})
	return s
}

// until waits until the demo has printed a text.
func (s *show) until(t *testing.T, text string) {
	t.Helper()
	patience.Eventually(t, "the demo prints "+text, func() bool { return strings.Contains(s.printed.String(), text) })
}

// containers counts the demo's containers.
func (s *show) containers(t *testing.T) int {
	t.Helper()
	found, err := enginetest.Client(t).ContainerList(context.Background(), api.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", ownerLabel+"="+strconv.Itoa(s.Process.Pid))),
	})
	require.NoError(t, err)
	return len(found)
}

// leftNothing fails the test if anything of the demo is still there.
func (s *show) leftNothing(t *testing.T) {
	t.Helper()
	assert.Zero(t, s.containers(t), "containers")
	assert.Empty(t, processes(filepath.Dir(s.Path)), "processes")
	files, err := os.ReadDir(s.temp)
	require.NoError(t, err)
	assert.Empty(t, files, "temporary files")
}

// processes lists the programs in a directory that run.
func processes(dir string) []string {
	var found []string
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if program, err := os.Readlink(link); err == nil && filepath.Dir(program) == dir {
			found = append(found, program)
		}
	}
	return found
}

// printed is what a program prints, to be read meanwhile.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// raceDetector reports whether this test was built with it.
func raceDetector() bool {
	build, _ := debug.ReadBuildInfo()
	return slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestDemo(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command(
		"go",
		"build",
		"-race="+strconv.FormatBool(raceDetector()),
		"-o",
		bin+"/",
		"../../cmd/ecssd",
		"../../cmd/ecssd-sandbox",
		".",
	)
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	t.Run("without a terminal it shows everything and ends by itself", func(t *testing.T) {
		killed := newShow(t, bin)
		require.NoError(t, killed.Start())
		killed.until(t, "time, weight 1, runs as")
		require.NoError(t, killed.Process.Kill())
		require.Error(t, killed.Wait())
		require.NotZero(t, killed.containers(t))
		patience.Eventually(t, "agent and sandbox die with the demo", func() bool { return len(processes(bin)) == 0 })

		s := newShow(t, bin)
		require.NoError(t, s.Run())
		text := s.printed.String()
		id := `[0-9a-f]{12}`
		for _, line := range []string{
			`ready in \d+ ms`,
			s.prefix + `time, weight 3, runs as ` + id + `: in DNS \d+ ms after its start`,
			s.prefix + `time, weight 1, runs as ` + id + `: in DNS \d+ ms after its start`,
			s.prefix + `calc, weight 1, runs as ` + id + `: in DNS \d+ ms after its start`,
			s.prefix + `calc is at ip-[-0-9]+\.servicediscovery\.internal:\d+: "` + s.prefix + `calc ` + id + `"`,
			id + ` is out of DNS \d+ ms after its stop signal`,
			`0 of 100 look-ups of ` + s.prefix + `time give it`,
			`delete  ` + s.prefix + `time\.servicediscovery\.internal +SRV  EC2 reports instance i-0fedcba9876543210 as stopped or terminated  .*`,
			`2 deleted, .*`,
			`still served, after \d+ ms: "` + s.prefix + `time ` + id + `"`,
		} {
			assert.Regexp(t, `(?m)`+line+`$`, text)
		}
		assert.Equal(
			t,
			3+2+3+2,
			strings.Count(text, "  serving  "),
			"lines of ecssd ls: at first, after the stop, with the dead host, without it",
		)
		assert.NotContains(t, text, "Ctrl-C")
		assert.NotContains(t, text, "\033", "colour")
		s.leftNothing(t)
		assert.Zero(t, killed.containers(t), "containers of the killed one")
	})

	t.Run("interrupted it removes what it made", func(t *testing.T) {
		s := newShow(t, bin)
		require.NoError(t, s.Start())
		s.until(t, "time, weight 1, runs as")
		require.NoError(t, s.Process.Signal(os.Interrupt))
		require.Error(t, s.Wait())
		assert.Equal(t, 130, s.ProcessState.ExitCode())
		assert.NotContains(t, s.printed.String(), "FAILED")
		s.leftNothing(t)
	})

	t.Run("at a terminal it waits for Ctrl-C", func(t *testing.T) {
		s := newShow(t, bin)
		keyboard, terminal := openTerminal(t)
		s.Stdin, s.Stdout, s.Stderr = terminal, terminal, terminal
		s.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		require.NoError(t, s.Start())
		go func() { _, _ = io.Copy(s.printed, keyboard) }() // ends with an error when the terminal does
		s.until(t, "/readyz")
		pages := regexp.MustCompile(`(?m)^(the agent|the sandbox)[^:]*: +(http://127\.0\.0\.1:\d+/)\r?$`).
			FindAllStringSubmatch(s.printed.String(), -1)
		require.Len(t, pages, 2)
		for i, title := range []string{"ecssd i-0123456789abcdef0", "ecssd-sandbox"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, pages[i][2], nil)
			require.NoError(t, err)
			request.Header.Set("Accept", "text/html")
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			page, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			response.Body.Close()
			assert.Contains(t, string(page), "<title>"+title+"</title>")
		}
		_, err := keyboard.WriteString("\x03")
		require.NoError(t, err)
		require.NoError(t, s.Wait())
		assert.Contains(t, s.printed.String(), "\033", "colour")
		assert.NotContains(t, s.printed.String(), "FAILED")
		s.leftNothing(t)
	})

	t.Run("without an Engine it says so", func(t *testing.T) {
		s := newShow(t, bin)
		s.Env = append(s.Env, "DOCKER_HOST=unix:///nowhere")
		require.Error(t, s.Run())
		assert.Equal(t, 1, s.ProcessState.ExitCode())
		assert.Contains(
			t,
			s.printed.String(),
			"FAILED: reach the Docker Engine: Cannot connect to the Docker daemon at unix:///nowhere",
		)
		assert.Equal(t, 1, strings.Count(s.printed.String(), "FAILED"))
	})
}

// openTerminal makes a terminal, and gives the end where a person types and the end for programs.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { keyboard.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}
