package packaging_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

const zoneName = "servicediscovery.internal"

// machine is a host as far as systemd goes: a container whose first process is a real systemd, over a Debian of its
// own, with the network of this machine. Its Docker is the real Engine of this machine, its AWS a sandbox outside of
// it.
type machine struct {
	t       *testing.T
	cli     *client.Client
	id      string // of the container
	sandbox *sandbox.Server
	zone    string // ID
	prefix  string // of the service names that its agent registers
}

// files are added to the tree. What Docker's package brings is here made of what systemd has: the socket with the
// rights that the Engine's has, and a service behind it that is the way to the Engine, so that it can be late, stopped
// and started.
var files = map[string]string{
	"/usr/lib/sysusers.d/docker.conf": "g docker -\n",
	"/usr/lib/systemd/system/docker.socket": `
[Socket]
ListenStream=/run/docker.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker
[Install]
WantedBy=sockets.target
`,
	"/usr/lib/systemd/system/docker.service": `
[Unit]
After=network-online.target docker.socket
Wants=network-online.target
Requires=docker.socket
[Service]
ExecStart=/lib/systemd/systemd-socket-proxyd /engine.sock
[Install]
WantedBy=multi-user.target
`,
	"/etc/systemd/journald.conf.d/keep.conf": "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n",
	// What Debian does every day is not done here. The Engine gives a container its cgroups to read only, and as those
	// of version 1 where the machine has these.
	"/start": `#!/bin/sh
rm -f /etc/systemd/system/timers.target.wants/*
mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /sbin/init
`,
}

// imageName is followed by the process ID of a test as its tag.
const imageName = "ecssd-test-host"

// hostImage returns the Engine an image of the tree for the time of a test, and removes those of tests that did not
// live to do it.
func hostImage(t *testing.T) string {
	t.Helper()
	ctx, cli := context.Background(), enginetest.Client(t)
	left, err := cli.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", imageName))})
	require.NoError(t, err)
	for _, i := range left {
		for _, ref := range i.RepoTags {
			if _, err := os.Stat("/proc/" + strings.TrimPrefix(ref, imageName+":")); errors.Is(err, fs.ErrNotExist) {
				_, _ = cli.ImageRemove(ctx, ref, image.RemoveOptions{})
			}
		}
	}
	archive, err := os.Open(tree(t))
	require.NoError(t, err)
	defer archive.Close()
	tag := strconv.Itoa(os.Getpid())
	resp, err := cli.ImageImport(ctx, image.ImportSource{
		Source:     archive,
		SourceName: "-",
	}, imageName, image.ImportOptions{
		Tag: tag,
	})
	require.NoError(t, err)
	defer resp.Close()
	_, err = io.Copy(io.Discard, resp) // the Engine reports progress, and is done at its end
	require.NoError(t, err)
	ref := imageName + ":" + tag
	t.Cleanup(func() {
		_, err := cli.ImageRemove(ctx, ref, image.RemoveOptions{})
		assert.NoError(t, err)
	})
	return ref
}

// newMachine boots a machine on which ecssd is not installed yet, but its packages are at /packages.
func newMachine(t *testing.T, ref, packages string) *machine {
	t.Helper()
	m := &machine{t: t, cli: enginetest.Client(t), prefix: fmt.Sprintf("h%d-", rand.Uint32())}
	var err error
	m.sandbox, err = sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.sandbox.Close() })
	m.zone, err = m.sandbox.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, sandbox.DefaultRegion))
	require.NoError(t, err)

	socket, isSocket := strings.CutPrefix(m.cli.DaemonHost(), "unix://")
	require.True(
		t,
		isSocket,
		"a machine of these tests needs the Engine's socket; DOCKER_HOST is %s",
		m.cli.DaemonHost(),
	)
	created, err := m.cli.ContainerCreate(t.Context(), &api.Config{
		Image:  ref,
		Cmd:    []string{"/bin/sh", "/start"},
		Env:    []string{"container=docker"},
		Labels: map[string]string{"ecssd.test": strconv.Itoa(os.Getpid())},
	}, &api.HostConfig{
		NetworkMode:  "host",
		CgroupnsMode: api.CgroupnsModePrivate,
		// What systemd needs to make services' mounts, limits and users. Not all that root may: this machine may lack
		// some of it.
		CapAdd:      []string{"SYS_ADMIN", "SYS_BOOT", "SYS_PTRACE"},
		SecurityOpt: []string{"seccomp=unconfined", "apparmor=unconfined"},
		Tmpfs:       map[string]string{"/run": "", "/tmp": ""},
		Binds:       []string{socket + ":/engine.sock", packages + ":/packages:ro"},
	}, nil, nil, "")
	require.NoError(t, err)
	m.id = created.ID
	t.Cleanup(func() {
		if t.Failed() {
			m.logJournal()
		}
		err := m.cli.ContainerRemove(context.Background(), m.id, api.RemoveOptions{Force: true, RemoveVolumes: true})
		assert.True(t, err == nil || cerrdefs.IsNotFound(err), "remove the machine: %v", err)
	})
	m.write(files)
	m.boot()
	return m
}

// boot starts the machine and waits until it is up, whatever the agent waits for.
func (m *machine) boot() {
	m.t.Helper()
	require.NoError(m.t, m.cli.ContainerStart(m.t.Context(), m.id, api.StartOptions{}))
	m.eventually(time.Minute, "the machine is up", func() bool {
		state, _ := m.try("systemctl", "is-active", "multi-user.target")
		return state == "active"
	})
}

// write puts files onto the machine.
func (m *machine) write(files map[string]string) {
	m.t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, text := range files {
		require.NoError(m.t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		require.NoError(m.t, err)
	}
	require.NoError(m.t, w.Close())
	require.NoError(m.t, m.cli.CopyToContainer(m.t.Context(), m.id, "/", &archive, api.CopyToContainerOptions{}))
}

// try runs a command on the machine as root, for a minute at most, and gives what it prints, and an error where it
// could not be run or did not exit with 0.
func (m *machine) try(command ...string) (string, error) {
	ctx := context.Background() // it serves clean-up too
	created, err := m.cli.ContainerExecCreate(ctx, m.id, api.ExecOptions{
		Cmd: append([]string{"timeout", "60"}, command...), AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return "", err
	}
	attached, err := m.cli.ContainerExecAttach(ctx, created.ID, api.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	defer attached.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, attached.Reader); err != nil {
		return "", err
	}
	ended, err := m.cli.ContainerExecInspect(ctx, created.ID)
	if err == nil && ended.ExitCode != 0 {
		err = fmt.Errorf("%s: exit status %d", strings.Join(command, " "), ended.ExitCode)
	}
	return strings.TrimSpace(out.String()), err
}

// run is try for a command that has to succeed.
func (m *machine) run(command ...string) string {
	m.t.Helper()
	out, err := m.try(command...)
	require.NoError(m.t, err, "%s", out)
	return out
}

// property returns a property of the agent's unit.
func (m *machine) property(name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "--value", "--property="+name, "ecssd.service")
}

// down waits until the machine is off.
func (m *machine) down(within time.Duration) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		in, err := m.cli.ContainerInspect(m.t.Context(), m.id)
		return err == nil && !in.State.Running
	}, within, 50*time.Millisecond, "the machine is not down")
}

// eventually waits for a condition, within the time on an idle machine, and a minute more on a busy one.
func (m *machine) eventually(within time.Duration, what string, condition func() bool) {
	m.t.Helper()
	require.Eventually(
		m.t,
		condition,
		within+time.Minute,
		50*time.Millisecond,
		"not within %s and a minute more: %s",
		within,
		what,
	)
}

// logJournal logs the end of the machine's journal.
func (m *machine) logJournal() {
	_ = m.cli.ContainerStart(context.Background(), m.id, api.StartOptions{}) // where it is off
	out, err := m.try("journalctl", "-o", "short-precise", "-u", "ecssd*", "-u", "docker*")
	m.t.Logf("the machine's journal: %v\n%s", err, out)
}

// install installs a version of ecssd.
func (m *machine) install(version string) {
	m.t.Helper()
	m.run("dpkg", "-i", "/packages/"+version+".deb")
}

// configure adds to the agent's settings where the sandbox is, and what keeps agents of several machines on this one
// apart.
func (m *machine) configure() {
	m.t.Helper()
	settings := append(m.sandbox.Environment(), "ECSSD_LISTEN="+freeAddress(m.t), "ECSSD_ALLOW_NAMES="+m.prefix+".*")
	m.run("sh", "-c", "printf '%s\\n' \"$@\" >>/etc/ecssd/ecssd.conf", "sh", strings.Join(settings, "\n"))
}

// container runs a container of the service prefix+name, which goes when the test ends, and waits until it is
// registered.
func (m *machine) container(name string) *enginetest.Container {
	m.t.Helper()
	c := enginetest.Run(m.t, enginetest.Options{
		Labels:  enginetest.ECSLabels(m.prefix + name),
		Publish: []string{"8080"},
	})
	m.eventually(
		30*time.Second,
		"service "+name+" is registered",
		func() bool { return slices.Contains(m.registered(), name) },
	)
	return c
}

// registered returns the services that have a record, without their prefix, in the zone's order.
func (m *machine) registered() []string {
	names := []string{}
	for _, set := range m.sandbox.Records(m.zone) {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(set.Name, m.prefix), "."+zoneName+"."); ok &&
			set.Type == "SRV" {
			names = append(names, name)
		}
	}
	return names
}

// deleted reports whether any record was ever removed. An agent that has nothing to write asks with the removal of one
// that does not exist whether it may.
func (m *machine) deleted() bool {
	return slices.ContainsFunc(m.sandbox.Calls("ChangeResourceRecordSets"), func(call sandbox.Call) bool {
		return call.Applied &&
			slices.ContainsFunc(call.Changes, func(c sandbox.Change) bool { return c.Action == zone.Delete })
	})
}

// freeAddress returns a loopback address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// packages makes the real .deb of each version, called VERSION.deb, and gives their directory.
func packages(t *testing.T, versions ...string) string {
	t.Helper()
	dir := t.TempDir()
	variables := []string{"CGO_ENABLED=0"}
	command := func(name string, args ...string) []byte {
		t.Helper()
		c := exec.Command(name, args...)
		c.Dir, c.Env = "..", append(os.Environ(), variables...)
		out, err := c.Output()
		require.NoError(t, err, "%s %s", name, strings.Join(args, " "))
		return out
	}
	command("go", "-C", "packaging/nfpm", "build", "-o", dir+"/nfpm", "github.com/goreleaser/nfpm/v2/cmd/nfpm")
	for _, version := range versions {
		program, licenses := dir+"/ecssd-"+version, dir+"/LICENSES-"+version
		command(
			"go",
			"build",
			"-trimpath",
			"-buildvcs=false",
			"-ldflags=-s -w -X main.version="+version,
			"-o",
			program,
			"./cmd/ecssd",
		)
		require.NoError(t, os.WriteFile(licenses, command("packaging/licenses", version), 0o644))
		variables = append(
			variables,
			"VERSION="+version,
			"ARCH="+runtime.GOARCH,
			"PROGRAM="+program,
			"LICENSES="+licenses,
		)
		command(
			dir+"/nfpm",
			"package",
			"--config",
			"packaging/nfpm.yaml",
			"--packager",
			"deb",
			"--target",
			dir+"/"+version+".deb",
		)
	}
	return dir
}

// log returns what the agent and systemd say of it since the last boot.
func (m *machine) log() string {
	m.t.Helper()
	return m.run("journalctl", "-o", "cat", "-u", "ecssd")
}

// waitsFor waits until the agent says that it waits for a part of what it needs.
func (m *machine) waitsFor(part string) {
	m.t.Helper()
	m.eventually(
		30*time.Second,
		"the agent waits for "+part,
		func() bool { return strings.Contains(m.property("StatusText"), part+": ") },
	)
}

// restarted waits until systemd has started the agent again by itself, once since it was last asked to.
func (m *machine) restarted() {
	m.t.Helper()
	m.eventually(time.Minute, "the agent is started again", func() bool {
		return m.property("NRestarts") == "1" && m.property("ActiveState") == "active"
	})
}
