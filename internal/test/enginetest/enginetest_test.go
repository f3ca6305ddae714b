package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// eventually waits for what takes a container a moment.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	patience.Eventually(t, "what the Engine is to show", condition)
}

func get(url string) (int, string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestServiceAnswersDrainsAndTellsItsHealth(t *testing.T) {
	c := enginetest.Run(t, enginetest.Options{
		Args:    []string{"-name", "web", "-udp", "5353", "-drain", "2m"},
		Publish: []string{"127.0.0.1::8080", "127.0.0.1::5353/udp"},
		Health:  enginetest.Probe(200 * time.Millisecond),
	})
	url := fmt.Sprintf("http://127.0.0.1:%d/", c.HostPort("8080/tcp"))
	eventually(t, func() bool { _, _, err := get(url); return err == nil })
	_, body, err := get(url)
	require.NoError(t, err)
	assert.Equal(t, "web "+c.ID[:12]+"\n", body)

	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", c.HostPort("5353/udp")))
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = conn.Write([]byte("hello"))
	require.NoError(t, err)
	buf := make([]byte, 10)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(buf[:n]))

	health := func() string {
		in, err := enginetest.Client(t).ContainerInspect(context.Background(), c.ID)
		require.NoError(t, err)
		return in.State.Health.Status
	}
	eventually(t, func() bool { return health() == api.Healthy })
	resp, err := http.Post(url+"health?status=unhealthy", "", nil)
	require.NoError(t, err)
	resp.Body.Close()
	eventually(t, func() bool { return health() == api.Unhealthy })

	c.Kill("HUP")
	c.Kill("TERM") // and serves on, for two minutes
	_, _, err = get(url)
	assert.NoError(t, err)
}

func TestProxyCountsHoldsAndCuts(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	cli, err := client.NewClientWithOpts(client.WithHost(proxy.Host()), client.WithVersion("1.41"))
	require.NoError(t, err)
	defer cli.Close()
	list := func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		_, err := cli.ContainerList(ctx, api.ListOptions{})
		return err
	}

	require.NoError(t, list(time.Minute))
	require.NoError(t, list(time.Minute))
	assert.Equal(t, map[string]int{"/containers/json": 2}, proxy.Requests())
	assert.Empty(t, proxy.Requests(), "counted anew")

	proxy.Hold("/events")
	require.NoError(t, list(time.Minute), "held elsewhere")
	proxy.Hold("/containers")
	assert.True(t, errors.Is(list(200*time.Millisecond), context.DeadlineExceeded))
	proxy.Requests()
	waiting := make(chan error)
	go func() { waiting <- list(time.Minute) }()
	eventually(t, func() bool { return proxy.Requests()["/containers/json"] > 0 })
	proxy.Restore()
	assert.NoError(t, <-waiting, "let go")

	proxy.Cut()
	assert.True(t, client.IsErrConnectionFailed(list(time.Minute)))
	proxy.Restore()
	assert.NoError(t, list(time.Minute))
}

func TestOwnEngineCrashesAloneAndComesBack(t *testing.T) {
	own := enginetest.NewOwn(t, "--live-restore")
	stays := enginetest.Run(t, enginetest.Options{Engine: own, Publish: []string{"8080"}})
	dies := enginetest.Run(t, enginetest.Options{Engine: own})
	process := own.Process(dies)
	own.Crash()
	_, err := own.Client().Ping(context.Background())
	assert.Error(t, err)
	own.KillProcess(process)
	own.Start()
	running := func(c *enginetest.Container) bool {
		in, err := own.Client().ContainerInspect(context.Background(), c.ID)
		require.NoError(t, err)
		return in.State.Running
	}
	assert.True(t, running(stays))
	assert.False(t, running(dies))
	assert.NotZero(t, stays.HostPort("8080/tcp"))
	own.Stop()

	other := enginetest.Run(t, enginetest.Options{Publish: []string{"127.0.0.1::8080"}})
	eventually(t, func() bool { // the first Engine has its bridge yet
		_, _, err := get(fmt.Sprintf("http://127.0.0.1:%d/", other.HostPort("8080/tcp")))
		return err == nil
	})
}
