package host_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/host"
)

// answers is EC2 metadata that answers as it is told.
type answers struct {
	mu     sync.Mutex
	byPath map[string]string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = w.Write([]byte("token"))
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, ok := a.byPath[strings.TrimPrefix(r.URL.Path, "/latest/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write([]byte(answer))
}

// Whatever EC2 metadata says, a host is what its records can be made of, and found by again, or it is not known at all.
func FuzzIdentify(f *testing.F) {
	f.Add(
		`{"instanceId":"i-1","privateIp":"10.0.0.1","region":"eu-central-1","accountId":"123456789012"}`,
		"ip-10-0-0-1.Corp.example. ip-10-0-0-1.lab.example",
		"vpc-1",
		"web-1",
	)
	f.Add(`{"instanceId":"i-1:2","privateIp":"10.0.0.1"}`, "a\tb", "", "")
	f.Add(
		`{"instanceId":"i-1","privateIp":"::ffff:10.0.0.1","region":"../x","accountId":"1"}`,
		"ip\x1b[31m",
		"\n",
		"i-2",
	)
	f.Add(`{"instanceId":"i-1","privateIp":"10.0.0.1","region":"eu:west"}`, strings.Repeat("a.", 200), "v", "i")
	f.Add(`{"instanceId":"i-1","privateIp":"10.0.0.1%eth0"}`, "..", "v", "i")
	for _, name := range []string{"ip\x1b[31m", "..", "a\tb", strings.Repeat("a.", 200) + "a", "-a_.b."} {
		f.Add(
			`{"instanceId":"i-1","privateIp":"10.0.0.1","region":"eu-central-1","accountId":"0123456789"}`,
			name,
			"vpc-1",
			"",
		)
	}
	f.Add(`null`, "", "", "")
	f.Add(`[`, "", "", "")
	service := &answers{}
	server := httptest.NewServer(service)
	f.Cleanup(server.Close)
	f.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	f.Setenv("AWS_EC2_METADATA_DISABLED", "")
	instance := regexp.MustCompile(`^[A-Za-z0-9._-]{1,45}$`)
	account := regexp.MustCompile(`^([0-9]{12})?$`)
	region := regexp.MustCompile(`^[a-z0-9-]{0,40}$`)
	name := regexp.MustCompile(`^([a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*)?$`)
	f.Fuzz(func(t *testing.T, document, hostname, vpc, given string) {
		service.mu.Lock()
		service.byPath = map[string]string{
			"dynamic/instance-identity/document":                         document,
			"meta-data/local-hostname":                                   hostname,
			"meta-data/mac":                                              "02:00:00:00:00:01",
			"meta-data/network/interfaces/macs/02:00:00:00:00:01/vpc-id": vpc,
		}
		service.mu.Unlock()
		id, err := host.NewMetadata(aws.Config{}).Identify(context.Background(), host.Given{InstanceID: given})
		if err != nil {
			assert.Equal(t, host.Identity{}, id)
			assert.Less(t, len(err.Error()), 8192)
			return
		}
		assert.Regexp(t, instance, id.InstanceID)
		assert.True(t, given == "" || id.InstanceID == given)
		assert.True(t, id.Address.Is4())
		assert.Regexp(t, account, id.Account)
		assert.Regexp(t, region, id.Region)
		assert.Regexp(t, name, id.PrivateDNSName)
		assert.LessOrEqual(t, len(id.PrivateDNSName), 253)
		assert.LessOrEqual(t, len(id.InstanceID+":host:"+id.Account+"/"+id.Region), 128, "a set identifier")
	})
}

// Whatever is on the ECS agent's port, the tasks are what it said: as many, in order, and no address that is none.
func FuzzTasks(f *testing.F) {
	f.Add(
		[]byte(
			`{"Tasks":[{"Arn":"a","DesiredStatus":"STOPPED","Containers":[{"DockerId":"x","RestartCount":0,"Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0.1"],"IPv6Addresses":["2001:db8::4"]}]}]}]}`,
		),
	)
	f.Add(
		[]byte(
			`{"Tasks":[{"Containers":[{"DockerId":"x","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["", "10.0.0", "10.0.0.1"]},{"NetworkMode":"bridge","IPv4Addresses":["172.17.0.2"]}]}]}]}`,
		),
	)
	f.Add(
		[]byte(
			`{"Tasks":[{"Containers":[{"DockerId":"x","Networks":[{"NetworkMode":"bridge","IPv4Addresses":["172.17.0.2"]},{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0.1"]}]}]}]}`,
		),
	)
	f.Add([]byte(`{"tasks":[{"containers":[{"dockerid":"x","ports":[{"containerport":65536}]}]}]}`))
	f.Add([]byte(`{"Tasks":[null,{"Containers":[null]}]}{"Tasks":[]}`))
	var mu sync.Mutex
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Write(body)
	}))
	f.Cleanup(server.Close)
	introspection := host.NewIntrospection(server.URL)
	f.Fuzz(func(t *testing.T, answer []byte) {
		mu.Lock()
		body = answer
		mu.Unlock()
		tasks, err := introspection.Tasks(context.Background())
		if err != nil {
			assert.Nil(t, tasks, "half an answer is not taken for one")
			return
		}
		var said struct {
			Tasks []struct {
				DesiredStatus string
				Containers    []struct {
					DockerID     string `json:"DockerId"`
					RestartCount any
					Networks     []struct {
						NetworkMode                  string
						IPv4Addresses, IPv6Addresses []string
					}
				}
			}
		}
		if !assert.NoError(t, json.NewDecoder(strings.NewReader(string(answer))).Decode(&said)) ||
			!assert.Len(t, tasks, len(said.Tasks)) {
			return
		}
		for i, task := range tasks {
			assert.Equal(t, said.Tasks[i].DesiredStatus, task.DesiredStatus)
			if !assert.Len(t, task.Containers, len(said.Tasks[i].Containers)) {
				return
			}
			for k, c := range task.Containers {
				as := said.Tasks[i].Containers[k]
				assert.Equal(t, as.DockerID, c.DockerID)
				assert.Equal(t, as.RestartCount != nil, c.Restarts)
				if !c.Address.IsValid() {
					continue
				}
				var addresses []netip.Addr
				for _, n := range as.Networks {
					for _, text := range append(n.IPv4Addresses, n.IPv6Addresses...) {
						if a, err := netip.ParseAddr(text); err == nil && n.NetworkMode == "awsvpc" {
							addresses = append(addresses, a)
						}
					}
				}
				assert.Equal(t, addresses[0], c.Address, "of a network interface of the task's own")
			}
		}
	})
}
