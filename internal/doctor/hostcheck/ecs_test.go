package hostcheck

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
)

func TestECS(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   doctor.Result
	}{
		"in its cluster": {
			`{"Cluster": "prod", "ContainerInstanceArn": "arn:aws:ecs:eu-central-1:1:container-instance/prod/1"}`,
			doctor.Okf("the ECS agent runs, in cluster prod"),
		},
		"not yet": {
			`{"Cluster": "prod", "ContainerInstanceArn": null}`,
			doctor.Warnf("the ECS agent runs and has not joined cluster prod").
				Hintf("check ECS_CLUSTER in /etc/ecs/ecs.config and the instance's role; journalctl -u ecs"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(c.answer))
			}))
			defer server.Close()
			h, _ := onEC2(t)
			h.Introspection = host.NewIntrospection(server.URL)
			assert.Equal(t, c.want.Of("ecs"), one(t, h, "ecs"))
		})
	}
}

func TestECSThatDoesNotAnswer(t *testing.T) {
	h, _ := onEC2(t)
	h.Introspection = host.NewIntrospection("http://127.0.0.1:1")
	r := one(t, h, "ecs")
	assert.Equal(t, doctor.Warn, r.State)
	assert.Contains(t, r.Detail, "the ECS agent does not answer at http://localhost:51678: dial tcp 127.0.0.1:1")
	assert.Contains(t, r.Hint, "systemctl start ecs;")
}

func TestECSOffEC2(t *testing.T) {
	assert.Equal(t, doctor.Skipf("not checked: by --instance-id and --host-ip this host is not in EC2").Of("ecs"),
		one(t, here(t, "unix:///nowhere/docker.sock"), "ecs"))
}
