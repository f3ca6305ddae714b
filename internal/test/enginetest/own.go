package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/stretchr/testify/require"
)

// Own is a Docker Engine of a test's own, which may crash. It runs in a container of this machine's Engine, and so in
// namespaces of its own: a second Engine in the same network namespace would take the first one's bridge away. All that
// it has started goes with that container, even if the test is killed.
//
// As on a host with systemd, containerd is a process apart from dockerd: where dockerd crashes, containers run on.
type Own struct {
	t     testing.TB
	dir   string // what the container shares with the test: socket and logs
	flags string
	outer string // ID of the container
	cli   *client.Client
	image string
}

// begin makes the container's own cgroups and network settings writable, which only a privileged container may by
// itself, and runs containerd. The shell stays as the first process, which has to wait for those whose parents are
// gone.
const begin = `set -e
for at in /sys $(sed -n 's|^[^ ]* \(/sys/fs/cgroup[^ ]*\) .*|\1|p' /proc/mounts); do mount -o remount,bind,rw $at; done
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >/engine/containerd.toml
echo '{}' >/engine/daemon.json
containerd --config /engine/containerd.toml >/engine/containerd.log 2>&1 & wait`

// NewOwn starts an Engine with more flags of dockerd, which ends with the test.
func NewOwn(t testing.TB, flags ...string) *Own {
	t.Helper()
	for _, program := range []string{"dockerd", "containerd"} {
		_, err := exec.LookPath(program)
		require.NoError(
			t,
			err,
			"a second Engine is made of this machine's programs: install Docker's (Debian: docker.io), not only its "+
				"client",
		)
	}
	dir, err := os.MkdirTemp("", "own") // t.TempDir is too long for a socket
	require.NoError(t, err)
	o := &Own{t: t, dir: dir, flags: strings.Join(flags, " ")}
	ctx := context.Background()
	main := Client(t)
	binds := []string{dir + ":/engine"}
	for _, programs := range []string{"/bin", "/sbin", "/usr", "/lib", "/lib64"} {
		if _, err := os.Stat(programs); err == nil {
			binds = append(binds, programs+":"+programs+":ro")
		}
	}
	created, err := main.ContainerCreate(ctx, &api.Config{
		Image:      Image(t),
		Entrypoint: []string{"/bin/sh", "-c", begin},
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels:     map[string]string{ownerLabel: strconv.Itoa(os.Getpid())},
		Volumes:    map[string]struct{}{"/var/lib": {}},
	}, &api.HostConfig{
		Binds:         binds,
		Tmpfs:         map[string]string{"/run": "exec"},
		CgroupnsMode:  "host",
		CapAdd:        capabilities(t),
		SecurityOpt:   []string{"seccomp=unconfined", "apparmor=unconfined"},
		MaskedPaths:   []string{},
		ReadonlyPaths: []string{},
		Resources:     api.Resources{DeviceCgroupRules: []string{"a *:* rwm"}},
	}, nil, nil, fmt.Sprintf("ecssd-test-engine-%d-%d", os.Getpid(), time.Now().UnixNano()))
	require.NoError(t, err)
	o.outer = created.ID
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "dockerd.log"))
			t.Logf("the end of the Engine's log:\n%s", log[max(0, len(log)-10_000):])
		}
		if err := main.ContainerRemove(ctx, o.outer, api.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Errorf("remove the test's own Engine: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	require.NoError(t, main.ContainerStart(ctx, o.outer, api.StartOptions{}))
	o.cli, err = client.NewClientWithOpts(client.WithHost(o.Host()), client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	t.Cleanup(func() { o.cli.Close() })
	o.Start()
	o.image, err = BuildImage(ctx, o.cli)
	require.NoError(t, err)
	return o
}

// capabilityNames are the kernel's, by number (capabilities(7)), without the newest, which Engine 20.10 does not know.
var capabilityNames = strings.Fields(
	`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
	SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
	WAKE_ALARM BLOCK_SUSPEND AUDIT_READ`,
)

// capabilities gives those that root has on this machine, which are all that an Engine on it can give: root in a
// container often lacks some. Older Engines fail over those of "ALL" that are missing, and newer ones when they are to
// be dropped.
func capabilities(t testing.TB) (names []string) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, bounding, found := strings.Cut(string(status), "CapBnd:")
	require.True(t, found, "the kernel does not say which capabilities there are")
	mask, err := strconv.ParseUint(strings.Fields(bounding)[0], 16, 64)
	require.NoError(t, err)
	for number, name := range capabilityNames {
		if mask&(1<<number) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Host is the Engine's address in the form of DOCKER_HOST.
func (o *Own) Host() string { return "unix://" + o.dir + "/docker.sock" }

// Client is a client of this Engine.
func (o *Own) Client() *client.Client { return o.cli }

// Start starts dockerd and waits until it answers.
func (o *Own) Start() {
	o.t.Helper()
	o.run(`rm -f /engine/docker.sock
(until chmod 666 /engine/docker.sock; do sleep 0.02; done) >/dev/null 2>&1 &
(until [ -S /run/containerd/containerd.sock ]; do sleep 0.02; done
exec dockerd --pidfile /run/docker.pid --config-file /engine/daemon.json --containerd /run/containerd/containerd.sock -H unix:///engine/docker.sock \
	--storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs --iptables=false --ip6tables=false ` + o.flags + `
) >>/engine/dockerd.log 2>&1 &`)
	require.Eventually(o.t, func() bool {
		_, err := o.cli.Ping(context.Background())
		return err == nil
	}, 30*time.Second, 10*time.Millisecond, "the test's own Engine does not answer")
}

// end sends dockerd a signal and waits until it has ended.
func (o *Own) end(signal string) {
	o.t.Helper()
	o.run(
		"engine=$(cat /run/docker.pid) && kill -" + signal + " $engine && while kill -0 $engine 2>/dev/null; do " +
			"sleep 0.02; done",
	)
}

// Crash ends dockerd with SIGKILL. Containers run on.
func (o *Own) Crash() { o.t.Helper(); o.end("KILL") }

// Stop ends dockerd with SIGTERM, which stops the containers first unless a flag says otherwise.
func (o *Own) Stop() { o.t.Helper(); o.end("TERM") }

// Process gives the ID of a container's first process among the processes of this Engine.
func (o *Own) Process(c *Container) int {
	o.t.Helper()
	in, err := o.cli.ContainerInspect(context.Background(), c.ID)
	require.NoError(o.t, err)
	return in.State.Pid
}

// KillProcess kills such a process without dockerd, which need not run.
func (o *Own) KillProcess(id int) { o.t.Helper(); o.run("kill -KILL " + strconv.Itoa(id)) }

// run runs a shell script beside the Engine.
func (o *Own) run(script string) {
	o.t.Helper()
	ctx := context.Background()
	main := Client(o.t)
	created, err := main.ContainerExecCreate(ctx, o.outer, api.ExecOptions{
		Cmd: []string{"/bin/sh", "-c", script}, AttachStdout: true, AttachStderr: true,
	})
	require.NoError(o.t, err)
	stream, err := main.ContainerExecAttach(ctx, created.ID, api.ExecAttachOptions{})
	require.NoError(o.t, err)
	defer stream.Close()
	var said bytes.Buffer
	_, err = stdcopy.StdCopy(&said, &said, stream.Reader)
	require.NoError(o.t, err)
	ended, err := main.ContainerExecInspect(ctx, created.ID)
	require.NoError(o.t, err)
	require.Zero(o.t, ended.ExitCode, "beside the test's own Engine: %s\n%s", script, said.String())
}
