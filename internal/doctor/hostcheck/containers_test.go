package hostcheck

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/endpoint"
)

func TestContainers(t *testing.T) {
	web := container.Container{ID: "1", Name: "web", State: container.Running}
	paused := container.Container{
		ID:     "2",
		Name:   "paused",
		State:  container.Paused,
		Health: container.Unhealthy,
	}
	sick := container.Container{
		ID:     "3",
		Name:   "sick",
		State:  container.Running,
		Health: container.Unhealthy,
	}
	other := container.Container{ID: "4", Name: "other", State: container.Paused}
	at := func(id string, names ...string) (endpoints []endpoint.Endpoint) {
		for _, name := range names {
			endpoints = append(endpoints, endpoint.Endpoint{Name: name, ContainerID: id})
		}
		return endpoints
	}
	unhealthy := doctor.Warnf("sick is unhealthy and has weight 0").
		Hintf("docker inspect --format '{{json .State.Health}}' sick; ecssd explain sick")
	for name, c := range map[string]struct {
		view containers
		want []doctor.Result
	}{
		"none": {containers{}, []doctor.Result{doctor.Okf("0 containers, 0 registered, under 0 names")}},
		"all serve": {
			containers{all: []container.Container{web, other}, endpoints: at("1", "web", "api", "web")},
			[]doctor.Result{doctor.Okf("2 containers, 1 registered, under 2 names")},
		},
		"two do not": {
			containers{
				all:       []container.Container{web, paused, sick},
				endpoints: append(at("3", "sick", "too"), at("2", "paused")...),
			},
			[]doctor.Result{
				unhealthy, doctor.Warnf("paused is paused and has weight 0").Hintf("docker unpause paused"),
			},
		},
		"a problem": {
			containers{problems: []endpoint.Problem{
				{ContainerName: "bad", Subject: "port 80/tcp", Reason: "not published"},
				{
					ContainerName: "chosen",
					Subject:       "container",
					Reason:        "SERVICE_IGNORE is set",
					Chosen:        true,
				},
			}},
			[]doctor.Result{doctor.Warnf("bad: port 80/tcp: not published").Hintf("ecssd explain bad")},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, c.view.judge()) })
	}
}

// A host on which hundreds of containers have the same problem has a report that fits a screen.
func TestContainersBeyondTen(t *testing.T) {
	problems := func(n int) (v containers) {
		for i := range n {
			v.problems = append(v.problems, endpoint.Problem{
				ContainerName: fmt.Sprint("c", i),
				Subject:       "s",
				Reason:        "r",
			})
		}
		return v
	}
	results := problems(10).judge()
	assert.Len(t, results, 10)
	assert.Equal(t, "c9: s: r", results[9].Detail)
	results = problems(12).judge()
	assert.Len(t, results, 11)
	assert.Equal(t, "c9: s: r", results[9].Detail)
	assert.Equal(t, doctor.Warnf("and 2 more like these").Hintf("ecssd explain CONTAINER"), results[10])
}
