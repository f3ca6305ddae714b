package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/sandbox"
)

// onTerminal starts a command whose output is a terminal of this size.
func onTerminal(t *testing.T, command *exec.Cmd, columns, rows uint16) (shown *logBuffer, wait func() error) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(int(near.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}))
	number, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	far, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	shown = &logBuffer{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(shown, near) // until the other end is closed
	}()
	command.Stdout = far
	require.NoError(t, command.Start())
	require.NoError(t, far.Close())
	return shown, func() error {
		defer near.Close()
		err := command.Wait()
		<-read
		return err
	}
}

// seedService puts a record of a service into the zone, of a host that has an address there.
func (w *world) seedService(name string, number int, weight int64) {
	w.t.Helper()
	require.NoError(w.t, w.sandbox.Seed(w.zone, sandbox.Set{
		Name:          "ip-10-0-0-1." + zoneName,
		Type:          "A",
		SetIdentifier: "i-0aaa:host:-",
		Weight:        new(int64(1)),
		Values:        []string{"10.0.0.1"},
	}, sandbox.Set{
		Name:          name + "." + zoneName,
		Type:          "SRV",
		SetIdentifier: fmt.Sprintf("i-0aaa:ecs:%064x:80/tcp", number),
		Weight:        &weight,
		Values:        []string{fmt.Sprintf("1 1 %d ip-10-0-0-1.%s", number, zoneName)},
	}))
}

func TestListInColours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seedService("fine", 1, 1)
	w.seedService("resting", 2, 0)
	for variable, want := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		command := w.command("ls")
		command.Env = append(command.Env, "TERM=xterm", variable)
		shown, wait := onTerminal(t, command, 200, 50)
		require.NoError(t, wait())
		assert.Contains(t, shown.String(), "standby", variable)
		assert.Equal(
			t,
			want,
			strings.Contains(shown.String(), "\x1b[33mresting  10.0.0.1:2"),
			"%s: %q",
			variable,
			shown,
		)
		assert.Equal(t, want, strings.Contains(shown.String(), "\x1b"), variable)
		assert.NotContains(t, shown.String(), "mfine", "what serves has no colour")
	}
}

func TestListIsWatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 20 {
		w.seedService("first", 1000+n, 1)
	}
	w.sandbox.ClearCalls()
	command := w.command("ls", "--watch")
	shown, wait := onTerminal(t, command, 60, 10)
	has := func(text string) func() bool { return func() bool { return strings.Contains(shown.String(), text) } }
	w.eventually("the first listing", has("\x1b[H"+zoneName+" at "))
	w.eventually("no more than fits", has("and 15 more\x1b[K"))
	for line := range strings.Lines(shown.String()) {
		assert.LessOrEqual(
			t,
			len(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[H"), "\r\n"), "\x1b[K")),
			60,
			"%q",
			line,
		)
	}
	w.seedService("added", 1, 1)
	w.eventually("what has come", has("added"))
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "AccessDenied",
		Operation: "ListResourceRecordSets",
	}))
	w.eventually("that it failed", has("AccessDenied"))
	require.NoError(t, w.sandbox.SetFaults())
	listings := strings.Count(shown.String(), "added")
	w.eventually(
		"a listing again",
		func() bool { return strings.Count(shown.String(), "added") > listings },
	)
	require.NoError(t, command.Process.Signal(os.Interrupt))
	require.NoError(t, wait())
	assert.LessOrEqual(
		t,
		len(w.sandbox.Calls("ListResourceRecordSets")),
		strings.Count(shown.String(), "\x1b[H")+1,
		"a listing is one call here",
	)
}
