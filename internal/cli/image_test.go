package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/docker/docker/api/types/build"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// buildImage builds the image from the Dockerfile and a binary as make builds it, and gives its ID. It goes with the
// test.
func buildImage(t *testing.T) string {
	t.Helper()
	binary := released(t)
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for name, path := range map[string]string{
		"Dockerfile": "../../Dockerfile", "bin/linux-" + runtime.GOARCH + "/ecssd": binary,
	} {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
		_, err = w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())

	cli := enginetest.Client(t)
	built, err := cli.ImageBuild(t.Context(), &files, build.ImageBuildOptions{
		BuildArgs:   map[string]*string{"TARGETARCH": aws.String(runtime.GOARCH), "VERSION": aws.String("v1.2.3")},
		NoCache:     true,
		Remove:      true,
		ForceRemove: true,
	})
	require.NoError(t, err)
	defer built.Body.Close()
	var stages []string // the IDs of both stages' images, the last one's last
	t.Cleanup(func() {
		for _, id := range slices.Backward(stages) {
			_, err := cli.ImageRemove(context.Background(), id, image.RemoveOptions{Force: true, PruneChildren: true})
			assert.NoError(t, err)
		}
	})
	var log bytes.Buffer
	err = jsonmessage.DisplayJSONMessagesStream(built.Body, &log, 0, false, func(m jsonmessage.JSONMessage) {
		var result build.Result
		if json.Unmarshal(*m.Aux, &result) == nil {
			stages = append(stages, result.ID)
		}
	})
	require.NoError(t, err, "%s", log.String())
	require.NotEmpty(t, stages)
	return stages[len(stages)-1]
}

// run runs a container of the image in the host's network, with the sandbox in place of AWS, and gives its ID.
func (w *world) runImage(config api.Config, host api.HostConfig) string {
	w.t.Helper()
	cli := enginetest.Client(w.t)
	config.Env = append(w.sandbox.Environment(), config.Env...)
	config.Env = append(config.Env, "ECSSD_LISTEN="+w.listen, "ECSSD_ALLOW_NAMES="+w.prefix+".*")
	// by which enginetest removes what a killed test left
	labels := map[string]string{"ecssd.test": strconv.Itoa(os.Getpid())}
	maps.Copy(labels, config.Labels)
	config.Labels = labels
	host.NetworkMode = "host"
	created, err := cli.ContainerCreate(context.Background(), &config, &host, nil, nil, "")
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("the log of container %.12s:\n%s", created.ID, w.printedBy(created.ID))
		}
		assert.NoError(w.t, cli.ContainerRemove(context.Background(), created.ID, api.RemoveOptions{
			Force:         true,
			RemoveVolumes: true,
		}))
	})
	require.NoError(w.t, cli.ContainerStart(context.Background(), created.ID, api.StartOptions{}))
	return created.ID
}

// printedBy gives what a container has printed.
func (w *world) printedBy(id string) string {
	logs, err := enginetest.Client(w.t).ContainerLogs(context.Background(), id, api.LogsOptions{
		ShowStdout: true,
		ShowStderr: true,
	})
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	var printed bytes.Buffer
	_, _ = stdcopy.StdCopy(&printed, &printed, logs)
	return printed.String()
}

// stopImage asks a container to stop, as the Engine and ECS do, and gives its exit status.
func (w *world) stopImage(id string) int {
	w.t.Helper()
	cli := enginetest.Client(w.t)
	require.NoError(w.t, cli.ContainerStop(context.Background(), id, api.StopOptions{Timeout: aws.Int(15)}))
	in, err := cli.ContainerInspect(context.Background(), id)
	require.NoError(w.t, err)
	return in.State.ExitCode
}

// health waits until a container's health is as wanted.
func (w *world) health(id, want string) {
	w.t.Helper()
	w.eventually(want, func() bool {
		in, err := enginetest.Client(w.t).ContainerInspect(context.Background(), id)
		require.NoError(w.t, err)
		return in.State.Health != nil && in.State.Health.Status == want
	})
}

// process gives the fields of a container's first process from /proc/PID/status, such as Uid.
func (w *world) process(id string) map[string]string {
	w.t.Helper()
	in, err := enginetest.Client(w.t).ContainerInspect(context.Background(), id)
	require.NoError(w.t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", in.State.Pid))
	require.NoError(w.t, err)
	fields := map[string]string{}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		fields[key] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

// often makes the image's health check quick.
var often = &api.HealthConfig{Interval: 200 * time.Millisecond, Retries: 1}

// engineSocket gives the directory of the Engine's socket and the group that may open it.
func engineSocket(t *testing.T) (dir, group string) {
	t.Helper()
	u, err := url.Parse(enginetest.Client(t).DaemonHost())
	require.NoError(t, err)
	require.Equal(
		t,
		"unix",
		u.Scheme,
		"DOCKER_HOST: the image is tested with an Engine that has a socket on this machine",
	)
	require.Equal(t, "docker.sock", filepath.Base(u.Path))
	info, err := os.Stat(u.Path)
	require.NoError(t, err)
	return filepath.Dir(u.Path), strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Gid), 10)
}

// newVolume makes a volume that goes with the test.
func newVolume(t *testing.T) volume.Volume {
	t.Helper()
	cli := enginetest.Client(t)
	v, err := cli.VolumeCreate(t.Context(), volume.CreateOptions{
		Labels: map[string]string{"ecssd.test": strconv.Itoa(os.Getpid())},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.VolumeRemove(context.Background(), v.Name, true)) })
	return v
}

func TestImage(t *testing.T) {
	t.Parallel()
	id := buildImage(t)

	t.Run("of a user who is not root, as docker run would", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		socket, group := engineSocket(t)
		host := api.HostConfig{
			Binds:          []string{socket + ":/var/run:ro", newVolume(t).Name + ":/var/lib/ecssd"},
			GroupAdd:       []string{group},
			ReadonlyRootfs: true,
			CapDrop:        []string{"ALL"},
			SecurityOpt:    []string{"no-new-privileges"},
		}
		config := api.Config{Image: id, Healthcheck: often}
		agent := w.runImage(config, host)
		web := w.container("web", enginetest.Options{})
		w.has("web", 1)
		w.health(agent, api.Healthy)
		w.eventually("ready", w.ready)
		process := w.process(agent)
		assert.Equal(t, "65532 65532 65532 65532", process["Uid"])
		assert.Equal(t, strings.Repeat("0", 16), process["CapEff"])

		assert.Equal(t, 0, w.stopImage(agent), w.printedBy(agent))
		assert.Len(t, w.service("web"), 1, "the records stay when the agent stops")
		web.Stop(1)
		w.sandbox.ClearCalls()
		w.runImage(config, host)
		w.has("web", 0)
		assert.Empty(t, w.sandbox.Calls("ListResourceRecordSets"), "the next one finds its journal")
	})

	t.Run("as ECS runs the task definition", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		config, host := asECSRuns(t, taskDefinition(t), w, id)
		agent := w.runImage(config, host)
		w.container("web", enginetest.Options{})
		w.has("web", 1)
		w.health(agent, api.Healthy)
		w.eventually("ready, with a journal", w.ready)
		assert.Equal(
			t,
			strings.Repeat("0", 16),
			w.process(agent)["CapEff"],
			"root has no more power over the host than the user of the image",
		)
		explained := w.exec(agent, "/ecssd", "explain", agent)
		assert.Contains(t, explained, "because     container: SERVICE_IGNORE is set")
	})

	t.Run("unhealthy where its agent does not answer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		agent := w.runImage(api.Config{
			Image:       id,
			Healthcheck: often,
			Cmd:         []string{"agent", "--listen", freeAddress(t)},
		}, api.HostConfig{})
		w.health(agent, api.Unhealthy)
		in, err := enginetest.Client(t).ContainerInspect(t.Context(), agent)
		require.NoError(t, err)
		assert.Contains(t, in.State.Health.Log[0].Output, "ecssd: ask the agent at "+w.listen+" for its health: ")
	})

	t.Run("alive, though neither Engine nor AWS is there", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		require.NoError(t, w.sandbox.SetListening(false))
		agent := w.runImage(api.Config{Image: id, Healthcheck: often}, api.HostConfig{})
		w.health(agent, api.Healthy)
		assert.False(t, w.ready())
	})

	t.Run("an Engine that restarts makes a new socket", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		proxy := enginetest.NewProxy(t)
		socket := strings.TrimPrefix(proxy.Host(), "unix://")
		require.NoError(t, os.Chmod(filepath.Dir(socket), 0o755))
		require.NoError(t, os.Chmod(socket, 0o666))
		w.runImage(api.Config{Image: id}, api.HostConfig{Binds: []string{filepath.Dir(socket) + ":/var/run:ro"}})
		w.container("web", enginetest.Options{})
		w.has("web", 1)
		w.eventually("ready", w.ready)
		proxy.Cut()
		w.eventually("not ready without the Engine", func() bool { return !w.ready() })
		proxy.Restore()
		require.NoError(t, os.Chmod(socket, 0o666))
		w.container("web", enginetest.Options{})
		w.has("web", 2)
	})

	t.Run("knows the authority of AWS's certificates", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		const authority = "Amazon Root CA 1"
		server := impostor(t, authority)
		ls := w.runImage(api.Config{
			Image: id, Cmd: []string{
				"ls",
			}, Env: []string{
				"AWS_ENDPOINT_URL_ROUTE_53=" + server.URL,
				"AWS_MAX_ATTEMPTS=1",
			},
		}, api.HostConfig{})
		done, failed := enginetest.Client(t).ContainerWait(t.Context(), ls, api.WaitConditionNotRunning)
		select {
		case err := <-failed:
			require.NoError(t, err)
		case result := <-done:
			assert.EqualValues(t, 1, result.StatusCode)
		}
		// Only who has the real one can tell that this is not it.
		assert.Contains(
			t,
			w.printedBy(ls),
			fmt.Sprintf("while trying to verify candidate authority certificate %q", authority),
		)
	})

	t.Run("its labels, and the health check of both", func(t *testing.T) {
		t.Parallel()
		in, err := enginetest.Client(t).ImageInspect(t.Context(), id)
		require.NoError(t, err)
		t.Logf("the image has %d bytes", in.Size)
		assert.Equal(t, "v1.2.3", in.Config.Labels["org.opencontainers.image.version"])
		require.NotNil(t, in.Config.Healthcheck)
		assert.Equal(t, taskDefinition(t).ContainerDefinitions[0].HealthCheck.Command, in.Config.Healthcheck.Test)
	})
}

// exec runs a program in a container to its end, and gives what it prints.
func (w *world) exec(id string, command ...string) string {
	w.t.Helper()
	cli := enginetest.Client(w.t)
	made, err := cli.ContainerExecCreate(w.t.Context(), id, api.ExecOptions{
		Cmd:          command,
		AttachStdout: true,
		AttachStderr: true,
	})
	require.NoError(w.t, err)
	attached, err := cli.ContainerExecAttach(w.t.Context(), made.ID, api.ExecAttachOptions{})
	require.NoError(w.t, err)
	defer attached.Close()
	var printed bytes.Buffer
	_, err = stdcopy.StdCopy(&printed, &printed, attached.Reader)
	require.NoError(w.t, err)
	return printed.String()
}

// impostor serves TLS with a certificate that claims to be issued by an authority, which it is not.
func impostor(t *testing.T, authority string) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf := x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for root := range bundle.Roots() {
		real, err := x509.ParseCertificate(root.Certificate)
		require.NoError(t, err)
		if real.Subject.CommonName != authority {
			continue
		}
		forged := x509.Certificate{RawSubject: real.RawSubject, PublicKey: &key.PublicKey}
		signed, err := x509.CreateCertificate(rand.Reader, &leaf, &forged, &key.PublicKey, key)
		require.NoError(t, err)
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{signed}, PrivateKey: key}}}
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that is not taken in
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	require.Fail(t, "no such authority", authority)
	return nil
}

const taskDefinitionPath = "../../packaging/task-definition.json"

// taskDefinition reads the task definition. What ECS does not know is an error.
func taskDefinition(t *testing.T) *ecs.RegisterTaskDefinitionInput {
	t.Helper()
	file, err := os.Open(taskDefinitionPath)
	require.NoError(t, err)
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	var definition ecs.RegisterTaskDefinitionInput
	require.NoError(t, decoder.Decode(&definition))
	require.ErrorIs(t, decoder.Decode(new(any)), io.EOF)
	require.Len(t, definition.ContainerDefinitions, 1)
	return &definition
}

// asECSRuns gives what the ECS agent makes of the task definition's one container, the state directory being another
// than the host's real one, with the image that it names, and its health check quick.
func asECSRuns(
	t *testing.T,
	definition *ecs.RegisterTaskDefinitionInput,
	w *world,
	image string,
) (api.Config, api.HostConfig) {
	t.Helper()
	c := definition.ContainerDefinitions[0]
	require.EqualValues(t, "host", definition.NetworkMode)
	socket, _ := engineSocket(t)
	sources := map[string]string{}
	for _, v := range definition.Volumes {
		sources[*v.Name] = *v.Host.SourcePath
	}
	require.Equal(t, map[string]string{"run": "/var/run", "state": "/var/lib/ecssd"}, sources)
	sources["run"] = socket
	// A directory of the host that the Engine makes, because it is not there, belongs to root, as does that of a
	// volume.
	sources["state"] = newVolume(t).Mountpoint
	host := api.HostConfig{
		ReadonlyRootfs: aws.ToBool(c.ReadonlyRootFilesystem), CapDrop: c.LinuxParameters.Capabilities.Drop,
		Resources: api.Resources{Memory: int64(*c.Memory) << 20, CPUShares: int64(c.Cpu)},
	}
	for _, m := range c.MountPoints {
		bind := sources[*m.SourceVolume] + ":" + *m.ContainerPath
		if aws.ToBool(m.ReadOnly) {
			bind += ":ro"
		}
		host.Binds = append(host.Binds, bind)
	}
	config := api.Config{
		Image:       image,
		User:        *c.User,
		Labels:      enginetest.ECSLabels(w.prefix + *c.Name),
		Cmd:         c.Command,
		Healthcheck: &api.HealthConfig{Test: c.HealthCheck.Command, Interval: often.Interval, Retries: often.Retries},
	}
	for _, v := range c.Environment {
		value := *v.Value
		if strings.HasPrefix(value, "<") {
			require.Equal(t, "<ZONE ID>", value)
			value = w.zone
		}
		config.Env = append(config.Env, *v.Name+"="+value)
	}
	return config, host
}

// The SDK sends a task definition as ECS knows it: with nothing lost, nothing added, and names in the right case.
func TestTheTaskDefinitionIsInECSsTerms(t *testing.T) {
	var sent []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	ours := ecs.New(ecs.Options{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String(server.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	_, err := ours.RegisterTaskDefinition(t.Context(), taskDefinition(t))
	require.NoError(t, err)
	file, err := os.ReadFile(taskDefinitionPath)
	require.NoError(t, err)
	assert.JSONEq(t, string(file), string(sent))
}

// The paths and variables are those of the agent's own settings.
func TestTheTaskDefinitionFitsTheSettings(t *testing.T) {
	c := taskDefinition(t).ContainerDefinitions[0]
	known := []string{"SERVICE_IGNORE"}
	stateDir := ""
	for _, f := range flags(t) {
		known = append(known, f.Envs...)
		if f.Name == "state-dir" {
			stateDir = f.Default
		}
	}
	for _, v := range c.Environment {
		assert.Contains(t, known, *v.Name)
	}
	var paths []string
	for _, m := range c.MountPoints {
		paths = append(paths, *m.ContainerPath)
	}
	assert.ElementsMatch(t, []string{
		filepath.Dir(strings.TrimPrefix(client.DefaultDockerHost, "unix://")),
		stateDir,
	}, paths)
}
