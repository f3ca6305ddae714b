package host_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
)

// metadata starts EC2 metadata that describes an instance, and leads the SDK to it.
func metadata(t *testing.T, instance sandbox.Instance) *sandbox.Server {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1, Instance: instance})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	return s
}

// asked returns the metadata as the environment of the test configures it.
func asked(t *testing.T) *host.Metadata {
	t.Helper()
	configured, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	return host.NewMetadata(configured)
}

func identify(t *testing.T, given host.Given) (host.Identity, error) {
	t.Helper()
	return asked(t).Identify(t.Context(), given)
}

var onEC2 = host.Identity{
	InstanceID:     "i-0123456789abcdef0",
	Address:        netip.MustParseAddr("10.0.0.1"),
	Account:        "123456789012",
	Region:         "eu-central-1",
	VPC:            "vpc-sandbox",
	PrivateDNSName: "ip-10-0-0-1.eu-central-1.compute.internal",
	EC2:            true,
}

func TestIdentify(t *testing.T) {
	with := func(change func(*host.Identity)) host.Identity {
		id := onEC2
		change(&id)
		return id
	}
	address := netip.MustParseAddr("192.0.2.7")
	for name, c := range map[string]struct {
		instance sandbox.Instance
		given    host.Given
		want     host.Identity
	}{
		"nothing given": {want: onEC2},
		"another instance": {
			instance: sandbox.Instance{
				ID:        "i-2",
				PrivateIP: "10.0.9.9",
				Region:    "us-west-2",
				Account:   "210987654321",
				VPC:       "vpc-2",
			},
			want: host.Identity{
				InstanceID:     "i-2",
				Address:        netip.MustParseAddr("10.0.9.9"),
				Account:        "210987654321",
				Region:         "us-west-2",
				VPC:            "vpc-2",
				PrivateDNSName: "ip-10-0-9-9.us-west-2.compute.internal",
				EC2:            true,
			},
		},
		"several names of a DHCP option set": {
			instance: sandbox.Instance{Hostname: "ip-10-0-0-1.Corp.example. ip-10-0-0-1.lab.example"},
			want:     with(func(id *host.Identity) { id.PrivateDNSName = "ip-10-0-0-1.corp.example" }),
		},
		"an instance ID given": {
			given: host.Given{InstanceID: "web-1"}, want: with(func(id *host.Identity) { id.InstanceID = "web-1" }),
		},
		"an address given": {
			given: host.Given{Address: address}, want: with(func(id *host.Identity) { id.Address = address }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			metadata(t, c.instance)
			got, err := identify(t, c.given)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestIdentifyDoesNotAskAboutAHostNamedByHand(t *testing.T) {
	s := metadata(t, sandbox.Instance{})
	address := netip.MustParseAddr("192.0.2.7")
	got, err := identify(t, host.Given{InstanceID: "rack-7", Address: address})
	require.NoError(t, err)
	assert.Equal(t, host.Identity{InstanceID: "rack-7", Address: address}, got)
	assert.Empty(t, s.Metadata().Calls())
}

func TestIdentifyDoesNotFallBackToVersion1(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusNotFound) // what makes the SDK fall back where it may
			return
		}
		_, _ = w.Write(
			[]byte(`{"instanceId":"i-1","privateIp":"10.0.0.1","region":"eu-central-1","accountId":"123456789012"}`),
		)
	}))
	defer server.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	_, err := identify(t, host.Given{})
	assert.ErrorContains(t, err, "who this host is")
}

func TestIdentifyBearsWhatMetadataLacks(t *testing.T) {
	s := metadata(t, sandbox.Instance{})
	s.Metadata().Unset("meta-data/local-hostname")
	s.Metadata().Unset("meta-data/network/interfaces/macs/02:00:0a:00:00:01/vpc-id")
	want := onEC2
	want.VPC, want.PrivateDNSName = "", ""
	got, err := identify(t, host.Given{})
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestIdentifyWithoutAnIdentityDocument(t *testing.T) {
	s := metadata(t, sandbox.Instance{})
	s.Metadata().Unset("dynamic/instance-identity/document")
	s.Metadata().Unset("meta-data/mac")
	want := onEC2
	want.Account, want.VPC = "", ""
	got, err := identify(t, host.Given{})
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestIdentifySaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		mode  imds.Mode
		setup func(*sandbox.Server)
		given host.Given
		want  []string
	}{
		"unreachable": {
			mode: imds.Unreachable,
			want: []string{"--network host", "hop limit", "--instance-id and --host-ip"},
		},
		"failing":         {mode: imds.Failing, want: []string{"--instance-id and --host-ip"}},
		"silent":          {mode: imds.Silent, want: []string{"--instance-id and --host-ip"}},
		"bad instance ID": {given: host.Given{InstanceID: "a:b"}, want: []string{`instance ID "a:b" is not`}},
		"IPv6 address given": {
			given: host.Given{InstanceID: "a", Address: netip.MustParseAddr("::1")},
			want:  []string{"host address ::1 is not IPv4"},
		},
		"no IPv4 in metadata": {setup: func(s *sandbox.Server) {
			s.Metadata().Set("dynamic/instance-identity/document", `{"instanceId":"i-1"}`)
		}, want: []string{"give --host-ip"}},
		"no document at all": {
			setup: func(s *sandbox.Server) { s.Metadata().Set("dynamic/instance-identity/document", `<html>`) },
			want:  []string{"who this host is"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := metadata(t, sandbox.Instance{})
			if c.mode != "" {
				require.NoError(t, s.Metadata().SetMode(c.mode))
			}
			if c.setup != nil {
				c.setup(s)
			}
			start := time.Now()
			_, err := identify(t, c.given)
			require.Error(t, err)
			for _, want := range c.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Less(t, time.Since(start), 30*time.Second, "an attempt is bounded")
		})
	}
}

func TestCheckInstanceID(t *testing.T) {
	for id, valid := range map[string]bool{
		"i-0123456789abcdef0":   true,
		"rack_7.example":        true,
		strings.Repeat("a", 45): true,
		"":                      false,
		strings.Repeat("a", 46): false,
		"a:b":                   false,
		"a b":                   false,
		"a\n":                   false,
		"ä":                     false,
		"*":                     false,
	} {
		assert.Equal(t, valid, host.CheckInstanceID(id) == nil, "%q", id)
	}
}

func TestBootIDAndSuspendedStayWhileTheHostIsUp(t *testing.T) {
	boot, err := host.BootID()
	require.NoError(t, err)
	assert.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, boot)
	again, err := host.BootID()
	require.NoError(t, err)
	assert.Equal(t, boot, again)

	slept, err := host.Suspended()
	require.NoError(t, err)
	later, err := host.Suspended()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, slept, time.Duration(0))
	assert.InDelta(t, slept.Seconds(), later.Seconds(), 1)
}

// proxy stands for a proxy on another machine, which environment variables name. It keeps the URLs that it is asked
// for.
type proxy struct {
	mu    sync.Mutex
	asked []string
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.URL.String())
	w.WriteHeader(http.StatusBadGateway)
}

func (p *proxy) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.asked = nil }()
	return p.asked
}

var proxied proxy

// TestMain names a proxy to the whole process, since package net/http reads the environment once. It uses none for a
// loopback address, and so not for what other tests ask.
func TestMain(m *testing.M) {
	server := httptest.NewServer(&proxied)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		_ = os.Setenv(name, server.URL)
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		_ = os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// 0.0.0.0 leads to this host, and for package net/http it is no loopback address.
func anywhere(url string) string { return strings.Replace(url, "127.0.0.1", "0.0.0.0", 1) }

func TestNothingOfThisHostIsAskedThroughAProxy(t *testing.T) {
	s := metadata(t, sandbox.Instance{})
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", anywhere(s.URL()))
	response, err := http.Get(anywhere(s.URL()))
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, []string{
		anywhere(s.URL()) + "/",
	}, proxied.take(), "what else is asked goes through the proxy, so that this test can fail")

	got, err := identify(t, host.Given{})
	require.NoError(t, err)
	assert.Equal(t, onEC2, got)
	_, err = asked(t).Leaving(t.Context())
	require.NoError(t, err)
	credentials, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = asked(t).Client() }).
		Retrieve(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, credentials.AccessKeyID)
	_, err = host.NewIntrospection(anywhere(s.URL())).Agent(t.Context())
	assert.ErrorContains(t, err, "the ECS agent", "the sandbox is none")
	assert.Empty(t, proxied.take())
}

// The files and variables of the AWS SDK lead all that asks the metadata, not the credentials alone.
func TestConfigurationLeadsMetadata(t *testing.T) {
	file := func(t *testing.T, settings string) {
		path := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(path, []byte("[default]\n"+settings+"\n"), 0o600))
		t.Setenv("AWS_CONFIG_FILE", path)
	}
	t.Run("endpoint in a file", func(t *testing.T) {
		s := metadata(t, sandbox.Instance{})
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
		file(t, "ec2_metadata_service_endpoint = "+s.URL())
		got, err := identify(t, host.Given{})
		require.NoError(t, err)
		assert.Equal(t, onEC2, got)
		assert.Equal(t, s.URL(), asked(t).Endpoint())
		s.Metadata().Set("meta-data/autoscaling/target-lifecycle-state", "Terminated")
		why, err := asked(t).Leaving(t.Context())
		require.NoError(t, err)
		assert.Contains(t, why, "Terminated")
	})
	t.Run("endpoint in a file that answers nothing", func(t *testing.T) {
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
		file(t, "ec2_metadata_service_endpoint = http://127.0.0.1:1")
		_, err := identify(t, host.Given{})
		assert.ErrorContains(t, err, "the AWS configuration has it asked at http://127.0.0.1:1; ")
	})
	for name, configure := range map[string]func(t *testing.T){
		"mode in a file":     func(t *testing.T) { file(t, "ec2_metadata_service_endpoint_mode = IPv6") },
		"mode in a variable": func(t *testing.T) { t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
			configure(t)
			assert.Equal(t, "http://[fd00:ec2::254]", asked(t).Endpoint())
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
		t.Setenv("AWS_CONFIG_FILE", "/dev/null")
		assert.Empty(t, asked(t).Endpoint())
		assert.False(t, asked(t).Off())
	})
	t.Run("off", func(t *testing.T) {
		s := metadata(t, sandbox.Instance{})
		t.Setenv("AWS_EC2_METADATA_DISABLED", "TRUE")
		assert.True(t, asked(t).Off())
		_, err := identify(t, host.Given{})
		assert.ErrorContains(t, err, "AWS_EC2_METADATA_DISABLED=true switches it off")
		assert.Empty(t, s.Metadata().Calls())
	})
}
