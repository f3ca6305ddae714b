package sweep

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// Whatever path a task definition names and wherever its record points, what is asked is the address that EC2 or ECS
// has for the container, at the record's port if that is the container's, and nobody else.
func FuzzCheckedAddress(f *testing.F) {
	for _, path := range []string{
		"/health", "", "health", "//evil.example/", "@evil.example/", "/../..//x", "http://evil.example/",
		"/\r\nHost: evil.example", "?x#y", "/%zz", "/a b",
		"\\evil", ":80@evil.example", "/\u202e", "/\x00", ".evil.example", "0", "%2f",
	} {
		f.Add(path, "1 1 32768 evil.example", uint16(32768), true)
		f.Add(path, "1 1 22 127.0.0.1", uint16(32768), false)
	}
	f.Fuzz(func(t *testing.T, path, value string, port uint16, own bool) {
		c := strings.Repeat("c", 64)
		known := evidence.Container{
			Instance: "i-1",
			Ports:    []evidence.Port{{Container: container.Port{Number: 80, Proto: container.TCP}, Host: port}},
			Checks:   map[uint16]string{80: path},
		}
		address := netip.MustParseAddr("10.1.2.3")
		if own {
			known.Address = netip.MustParseAddr("10.9.9.9")
			address = known.Address
		}
		found := []evidence.Evidence{evidence.Entry{
			Record: record.Record{
				Name:   "web.example",
				Type:   record.SRV,
				SetID:  "i-1:ecs:" + c + ":80/tcp",
				Weight: 1,
				Value:  value,
			},
			ID: record.SetID{
				Kind:      record.ECS,
				Instance:  "i-1",
				Container: c,
				Port:      80,
				Proto:     "tcp",
			},
			Ours: true,
		}.Keep()}
		fleet := evidence.Fleet{
			Instances: map[string]evidence.Instance{
				"i-1": {State: evidence.Alive, Address: netip.MustParseAddr("10.1.2.3")},
			},
			Containers: map[string]evidence.Container{c: known},
		}
		for _, s := range subjects(found, fleet, "/health") {
			request, err := http.NewRequest(http.MethodGet, s.url, nil)
			if err != nil {
				continue // is not sent
			}
			want := netip.AddrPortFrom(address, port).String()
			assert.Equal(t, want, request.URL.Host, "%q", s.url)
			assert.Equal(t, want, request.Host, "%q", s.url)
			assert.Equal(t, "http", request.URL.Scheme)
			assert.Nil(t, request.URL.User, "%q", s.url)
			assert.True(t, strings.HasPrefix(request.URL.Path, "/"), "%q", s.url)
			assert.NotContains(t, request.URL.RequestURI(), "\n")
			assert.NotContains(t, request.URL.RequestURI(), "\r")
		}
	})
}
