package cli

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aProxy forwards what is asked through it, and keeps where to: URLs, and the addresses of tunnels.
type aProxy struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newAProxy(t *testing.T) *aProxy {
	t.Helper()
	p := &aProxy{}
	forward := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.RequestURI)
		p.mu.Unlock()
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *aProxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// environment leads a command through the proxy. 0.0.0.0 leads to this host, and for package net/http it is no loopback
// address, for which it uses no proxy.
func (p *aProxy) environment(w *world) []string {
	anywhere := strings.Replace(w.sandbox.URL(), "127.0.0.1", "0.0.0.0", 1)
	return []string{
		"HTTP_PROXY=" + p.URL, "HTTPS_PROXY=" + p.URL, "NO_PROXY=", "http_proxy=", "https_proxy=", "no_proxy=",
		"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_ENDPOINT_URL=" + anywhere, "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + anywhere,
	}
}

// A proxy runs on another machine, whose role the proxy would bring back in place of this host's.
func TestCredentialsAreNotAskedThroughAProxy(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"of the instance's role":    nil,
		"with a mode that asks too": {"AWS_DEFAULTS_MODE=auto", "AWS_REGION=", "AWS_DEFAULT_REGION="},
	} {
		t.Run(name, func(t *testing.T) {
			w, proxy := newWorld(t), newAProxy(t)
			command := w.command("ls", "--json")
			command.Env = append(command.Env, append(proxy.environment(w), more...)...)
			out, err := command.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.NotEmpty(t, proxy.seen(), "the calls of Route 53")
			for _, url := range proxy.seen() {
				assert.Contains(t, url, "/2013-04-01/")
			}
			var asked []string
			for _, call := range w.sandbox.Metadata().Calls() {
				asked = append(asked, call.Path)
			}
			assert.Contains(t, strings.Join(asked, " "), "iam/security-credentials")
		})
	}
	t.Run("of the ECS agent", func(t *testing.T) {
		w, proxy := newWorld(t), newAProxy(t)
		command := w.command("ls", "--json")
		// Of other hosts than its own the SDK takes credentials by https only. Nothing listens there.
		command.Env = append(
			command.Env,
			append(proxy.environment(w), "AWS_CONTAINER_CREDENTIALS_FULL_URI=https://0.0.0.0:1/credentials")...)
		out, err := command.CombinedOutput()
		assert.Error(t, err)
		assert.Contains(t, string(out), "connection refused")
		assert.Empty(t, proxy.seen())
	})
}

func TestDoctorNamesWhatKeepsMetadataAway(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "config")
	require.NoError(
		t,
		os.WriteFile(elsewhere, []byte("[default]\nec2_metadata_service_endpoint = http://127.0.0.1:1\n"), 0o600),
	)
	none := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
	const redirected = "hint: the AWS configuration has EC2 metadata asked at http://127.0.0.1:1: " +
		"leave AWS_EC2_METADATA_SERVICE_ENDPOINT and …_ENDPOINT_MODE out, " +
		"and ec2_metadata_service_endpoint and …_endpoint_mode in AWS_CONFIG_FILE; " +
		"off EC2 give --instance-id and --host-ip"
	for name, c := range map[string]struct {
		environment []string
		want        []string
	}{
		"switched off": {
			[]string{"AWS_EC2_METADATA_DISABLED=true"},
			[]string{
				"FAIL metadata this host does not know who it is: " +
					"AWS_EC2_METADATA_DISABLED=true switches EC2 metadata off",
				"hint: take AWS_EC2_METADATA_DISABLED out of the environment and of /etc/ecssd/ecssd.conf; " +
					"off EC2 give --instance-id and --host-ip",
				"hint: AWS_EC2_METADATA_DISABLED=true keeps the instance's role away: " +
					"take it out of the environment and of /etc/ecssd/ecssd.conf, or give credentials there",
			},
		},
		"asked elsewhere by a variable": {
			[]string{
				"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1",
			}, []string{
				redirected,
				"hint: see metadata",
			},
		},
		"asked elsewhere by a file": {
			[]string{
				"AWS_EC2_METADATA_SERVICE_ENDPOINT=",
				"AWS_CONFIG_FILE=" + elsewhere,
			}, []string{
				redirected,
				"hint: see metadata",
			},
		},
		"a configuration that cannot be read": {
			[]string{
				"AWS_PROFILE=none",
			}, []string{
				"hint: see AWS_CONFIG_FILE, AWS_PROFILE and the other AWS_… settings in /etc/ecssd/ecssd.conf",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.environment = append(none, c.environment...)
			e := w.examine()
			assert.Equal(t, 1, e.status)
			for _, want := range c.want {
				assert.Contains(t, squeezed(e.amiss()), want)
			}
		})
	}
}
