package account

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const taskID = "0123456789abcdef0123456789abcdef"

func store(now *time.Time) *Store {
	return New("123456789012", "eu-central-1", "vpc-1", func() time.Time { return *now }, rand.New(rand.NewPCG(1, 1)))
}

func TestWhatHasShownStays(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := store(&now)
	s.SetDelays(Delays{ECSDelay: 20 * time.Second})
	require.NoError(t, s.Put(State{Clusters: []Cluster{{Name: "main"}}}))
	assert.Empty(t, s.ECS().Clusters)
	s.SetDelays(Delays{})
	assert.Contains(t, s.ECS().Clusters, "main")
	s.SetDelays(Delays{ECSDelay: 20 * time.Second})
	assert.Contains(t, s.ECS().Clusters, "main", "a longer delay takes nothing back")
}

func TestAViewDoesNotChange(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := store(&now)
	require.NoError(t, s.Put(State{Clusters: []Cluster{{Name: "main"}}, Tasks: []Task{{
		ID:         taskID,
		Cluster:    "main",
		Family:     "web",
		Containers: []Container{{Name: "web", Bindings: []Binding{{ContainerPort: 80, HostPort: 1}}}},
		Overrides:  []Override{{Name: "web", Environment: map[string]string{"A": "1"}}},
	}}}))
	before := s.Newest()
	started := *before.Tasks[taskID].Started
	require.NoError(t, s.EditTask(taskID, func(t *Task) error {
		t.Containers[0].RuntimeID, t.Containers[0].Bindings[0].HostPort = "d", 2
		t.Overrides[0].Environment["A"] = "2"
		*t.Started = now.Add(time.Hour)
		return nil
	}))
	old, edited := before.Tasks[taskID], s.Newest().Tasks[taskID]
	assert.Equal(
		t,
		[]any{"", 1, "1", started},
		[]any{old.Containers[0].RuntimeID, old.Containers[0].Bindings[0].HostPort,
			old.Overrides[0].Environment["A"], *old.Started},
	)
	assert.Equal(t, []any{"d", 2, "2", now.Add(time.Hour)}, []any{edited.Containers[0].RuntimeID,
		edited.Containers[0].Bindings[0].HostPort, edited.Overrides[0].Environment["A"], *edited.Started})
}

func TestPutRefuses(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		state State
		want  string
	}{
		"instance without ID": {State{Instances: []Instance{{}}}, "it has no ID"},
		"odd state":           {State{Instances: []Instance{{ID: "i-1", State: "dead"}}}, `read state "dead"`},
		"odd check": {
			State{Instances: []Instance{{ID: "i-1", InstanceStatus: "bad"}}},
			`read instance status "bad"`,
		},
		"cluster without name": {State{Clusters: []Cluster{{}}}, "it has no name"},
		"host of no cluster": {
			State{ContainerInstances: []ContainerInstance{{InstanceID: "i-1"}}},
			`there is no cluster "default"`,
		},
		"host without instance": {
			State{ContainerInstances: []ContainerInstance{{Cluster: "main"}}},
			"it has no instance ID",
		},
		"host with an odd ID": {
			State{ContainerInstances: []ContainerInstance{{ID: "c1", InstanceID: "i-1"}}},
			"32 hexadecimal digits",
		},
		"task with an odd ID": {State{Tasks: []Task{{ID: "t1", Family: "web"}}}, "32 hexadecimal digits"},
		"task without family": {State{Tasks: []Task{{}}}, "it has no family"},
		"task of no cluster":  {State{Tasks: []Task{{Family: "web"}}}, `there is no cluster "default"`},
		"task on no host": {
			State{Tasks: []Task{{Cluster: "main", Family: "web", ContainerInstance: taskID}}},
			`has no container instance`,
		},
		"odd last status": {
			State{Tasks: []Task{{Cluster: "main", Family: "web", LastStatus: "DONE"}}},
			`read last status "DONE"`,
		},
		"PENDING is not desired": {
			State{Tasks: []Task{{Cluster: "main", Family: "web", DesiredStatus: "PENDING"}}},
			"read desired status",
		},
		"odd network mode": {
			State{TaskDefinitions: []TaskDefinition{{Family: "web", NetworkMode: "odd"}}},
			"read network mode",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(&now)
			require.NoError(t, s.Put(State{Clusters: []Cluster{{Name: "main"}}}))
			before := s.State()
			test.state.Clusters = append([]Cluster{{Name: "new"}}, test.state.Clusters...)
			assert.ErrorContains(t, s.Put(test.state), test.want)
			assert.Equal(t, before, s.State(), "all or none")
		})
	}
}
