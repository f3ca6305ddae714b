package imds_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/imds"
)

type service struct {
	*imds.Handler
	url string
	now time.Time
}

func start(t *testing.T, i imds.Instance) *service {
	t.Helper()
	s := &service{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s.Handler = imds.New(i, func() time.Time { return s.now }, rand.New(rand.NewPCG(1, 1)))
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// do returns status and body of one request.
func (s *service) do(t *testing.T, method, path string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

const (
	ttl    = "X-aws-ec2-metadata-token-ttl-seconds"
	bearer = "X-aws-ec2-metadata-token"
)

func TestTokens(t *testing.T) {
	s := start(t, imds.Instance{})
	for _, c := range []struct {
		name   string
		header []string
		want   int
	}{
		{"no TTL", nil, 400},
		{"TTL 0", []string{ttl, "0"}, 400},
		{"TTL too long", []string{ttl, "21601"}, 400},
		{"TTL in words", []string{ttl, "ten"}, 400},
		{"through a proxy", []string{ttl, "60", "X-Forwarded-For", "10.0.0.9"}, 403},
		{"the longest", []string{ttl, "21600"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _ := s.do(t, "PUT", "/latest/api/token", c.header...)
			assert.Equal(t, c.want, status)
		})
	}
	_, token := s.do(t, "PUT", "/latest/api/token", ttl, "60")
	status, body := s.do(t, "GET", "/latest/meta-data/instance-id", bearer, token)
	assert.Equal(t, 200, status)
	assert.Equal(t, "i-0123456789abcdef0", body)
	status, _ = s.do(t, "GET", "/latest/meta-data/instance-id")
	assert.Equal(t, 401, status, "version 1 is off")
	status, _ = s.do(t, "GET", "/latest/meta-data/instance-id", bearer, "guess")
	assert.Equal(t, 401, status)
	status, _ = s.do(t, "POST", "/latest/meta-data/instance-id", bearer, token)
	assert.Equal(t, 405, status)
	s.now = s.now.Add(time.Minute)
	status, _ = s.do(t, "GET", "/latest/meta-data/instance-id", bearer, token)
	assert.Equal(t, 401, status, "tokens expire")
}

func TestMetadata(t *testing.T) {
	s := start(t, imds.Instance{
		ID:        "i-7",
		PrivateIP: "10.1.2.3",
		Region:    "eu-west-1",
		VPC:       "vpc-7",
		MAC:       "02:00:00:00:00:07",
	})
	s.Set("/meta-data/autoscaling/target-lifecycle-state", "InService")
	_, token := s.do(t, "PUT", "/latest/api/token", ttl, "60")
	for path, want := range map[string]string{
		"meta-data/instance-id":    "i-7",
		"meta-data/local-ipv4":     "10.1.2.3",
		"meta-data/local-hostname": "ip-10-1-2-3.eu-west-1.compute.internal",
		"meta-data/hostname":       "ip-10-1-2-3.eu-west-1.compute.internal",
		"meta-data/mac":            "02:00:00:00:00:07",
		"meta-data/network/interfaces/macs/02:00:00:00:00:07/vpc-id": "vpc-7",
		"meta-data/network/interfaces/macs/":                         "02:00:00:00:00:07/",
		"meta-data/placement/region":                                 "eu-west-1",
		"meta-data/placement/":                                       "availability-zone\nregion",
		"meta-data/placement/availability-zone":                      "eu-west-1a",
		"meta-data/iam/security-credentials/":                        "ecsInstanceRole",
		"meta-data/autoscaling/target-lifecycle-state":               "InService",
	} {
		status, body := s.do(t, "GET", "/latest/"+path, bearer, token)
		assert.Equal(t, 200, status, path)
		assert.Equal(t, want, body, path)
	}
	for _, path := range []string{"meta-data/spot/instance-action", "meta-data/spot", "user-data",
		"meta-data/instance"} {
		status, _ := s.do(t, "GET", "/latest/"+path, bearer, token)
		assert.Equal(t, 404, status, path)
	}
	s.Unset("meta-data/autoscaling/target-lifecycle-state")
	status, _ := s.do(t, "GET", "/latest/meta-data/autoscaling/target-lifecycle-state", bearer, token)
	assert.Equal(t, 404, status)
}

func TestSDK(t *testing.T) {
	s := start(t, imds.Instance{ID: "i-7", PrivateIP: "10.1.2.3"})
	s.now = time.Now()
	client := sdk.New(sdk.Options{Endpoint: s.url})
	document, err := client.GetInstanceIdentityDocument(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"i-7", "10.1.2.3", "eu-central-1", "eu-central-1a", "123456789012"},
		[]string{
			document.InstanceID,
			document.PrivateIP,
			document.Region,
			document.AvailabilityZone,
			document.AccountID,
		})
	output, err := client.GetMetadata(t.Context(), &sdk.GetMetadataInput{
		Path: "iam/security-credentials/ecsInstanceRole",
	})
	require.NoError(t, err)
	body, err := io.ReadAll(output.Content)
	require.NoError(t, err)
	assert.Contains(t, string(body), `"AccessKeyId": "ASIASANDBOX"`)

	var paths []string
	for _, c := range s.Calls() {
		paths = append(paths, c.Method+" "+c.Path)
	}
	assert.Equal(t, []string{"PUT /latest/api/token", "GET /latest/dynamic/instance-identity/document",
		"GET /latest/meta-data/iam/security-credentials/ecsInstanceRole"}, paths)
	s.Clear()
	assert.Empty(t, s.Calls())
}

func TestModes(t *testing.T) {
	s := start(t, imds.Instance{})
	require.NoError(t, s.SetMode(imds.Failing))
	status, _ := s.do(t, "PUT", "/latest/api/token", ttl, "60")
	assert.Equal(t, 500, status)

	require.NoError(t, s.SetMode(imds.Unreachable))
	_, err := http.Get(s.url + "/latest/api/token")
	assert.ErrorContains(t, err, "EOF")

	require.NoError(t, s.SetMode(imds.Silent))
	client := http.Client{Timeout: 50 * time.Millisecond}
	_, err = client.Get(s.url + "/latest/api/token")
	assert.ErrorContains(t, err, "Client.Timeout exceeded")

	require.NoError(t, s.SetMode(imds.Up))
	status, token := s.do(t, "PUT", "/latest/api/token", ttl, "60")
	assert.Equal(t, 200, status)
	assert.True(t, strings.HasPrefix(token, "AQAEA"))
	assert.ErrorContains(t, s.SetMode("odd"), `read mode "odd"`)
}
