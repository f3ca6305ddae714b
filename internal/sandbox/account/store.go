package account

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// State is everything, or a part that is put.
type State struct {
	Instances          []Instance          `json:"instances,omitempty"`
	VPCs               []VPC               `json:"vpcs,omitempty"`
	Clusters           []Cluster           `json:"clusters,omitempty"`
	ContainerInstances []ContainerInstance `json:"containerInstances,omitempty"`
	Tasks              []Task              `json:"tasks,omitempty"`
	TaskDefinitions    []TaskDefinition    `json:"taskDefinitions,omitempty"`
}

// IDs name what is to be removed.
type IDs struct {
	Instances          []string `json:"instances,omitempty"`
	Clusters           []string `json:"clusters,omitempty"`
	ContainerInstances []string `json:"containerInstances,omitempty"`
	Tasks              []string `json:"tasks,omitempty"`
	TaskDefinitions    []string `json:"taskDefinitions,omitempty"` // as in web:3
}

// View is the fleet at one moment. It never changes.
type View struct {
	Instances          map[string]Instance
	VPCs               map[string]VPC
	Clusters           map[string]Cluster
	ContainerInstances map[string]ContainerInstance
	Tasks              map[string]Task
	TaskDefinitions    map[string]TaskDefinition // by Key
	FailingZones       map[string]bool           // availability zones

	since time.Time
}

// Delays are how late changes show.
type Delays struct {
	ECSDelay time.Duration `json:"-"`
	EC2Delay time.Duration `json:"-"`
}

// Store holds a fleet.
type Store struct {
	Account, Region, VPC string
	Random               *rand.Rand // used under the lock
	Now                  func() time.Time

	mu     sync.Mutex
	delays Delays
	views  []*View // oldest first; those that a delay may still show, and the newest
	watch  func(StateChange)
}

// New makes an empty Store.
func New(account, region, vpc string, now func() time.Time, random *rand.Rand) *Store {
	return &Store{
		Account: account,
		Region:  region,
		VPC:     vpc,
		Now:     now,
		Random:  random,
		views: []*View{{
			Instances:          map[string]Instance{},
			VPCs:               map[string]VPC{},
			Clusters:           map[string]Cluster{},
			ContainerInstances: map[string]ContainerInstance{},
			Tasks:              map[string]Task{},
			TaskDefinitions:    map[string]TaskDefinition{},
			FailingZones:       map[string]bool{},
		}},
	}
}

// SetDelays changes how late changes show, from now on. What shows already stays.
func (s *Store) SetDelays(d Delays) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delays = d
	s.forget(s.Now())
}

// ECS is what ECS shows now.
func (s *Store) ECS() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at(s.Now().Add(-s.delays.ECSDelay))
}

// EC2 is what EC2 shows now.
func (s *Store) EC2() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at(s.Now().Add(-s.delays.EC2Delay))
}

// Newest is what there is, whether it shows or not.
func (s *Store) Newest() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.views[len(s.views)-1]
}

// at returns the newest view that is not younger than t, or the oldest one.
func (s *Store) at(t time.Time) *View {
	for _, v := range slices.Backward(s.views) {
		if !v.since.After(t) {
			return v
		}
	}
	return s.views[0]
}

// forget drops the views that no delay can show any more.
func (s *Store) forget(now time.Time) {
	oldest := s.at(now.Add(-max(s.delays.ECSDelay, s.delays.EC2Delay)))
	s.views = slices.Delete(s.views, 0, slices.Index(s.views, oldest))
}

// change makes a new view out of the newest, or none if there is an error.
func (s *Store) change(f func(v *View, now time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	last := s.views[len(s.views)-1]
	v := &View{
		Instances:          maps.Clone(last.Instances),
		VPCs:               maps.Clone(last.VPCs),
		Clusters:           maps.Clone(last.Clusters),
		ContainerInstances: maps.Clone(last.ContainerInstances),
		Tasks:              maps.Clone(last.Tasks),
		TaskDefinitions:    maps.Clone(last.TaskDefinitions),
		FailingZones:       maps.Clone(last.FailingZones),
		since:              now,
	}
	if err := f(v, now); err != nil {
		return err
	}
	s.views = append(s.views, v)
	s.forget(now)
	s.notify(last, v)
	return nil
}

// Put adds these, and replaces those that are there by the same ID: all at once, or none if one is wrong. What a task
// or a container instance refers to must be there by then, but for the EC2 instance and the task definition.
func (s *Store) Put(state State) error {
	return s.change(func(v *View, now time.Time) error { return s.put(v, state, now) })
}

func (s *Store) put(v *View, state State, now time.Time) error {
	for _, i := range state.Instances {
		if err := i.complete(s, now); err != nil {
			return err
		}
		v.Instances[i.ID] = i
	}
	for _, vpc := range state.VPCs {
		v.VPCs[vpc.ID] = vpc
	}
	for _, c := range state.Clusters {
		if err := c.complete(); err != nil {
			return err
		}
		v.Clusters[c.Name] = c
	}
	for _, c := range state.ContainerInstances {
		if err := c.complete(s, v, now); err != nil {
			return err
		}
		if _, ok := v.Clusters[c.Cluster]; !ok {
			return fmt.Errorf("put container instance %s: there is no cluster %q", c.ID, c.Cluster)
		}
		v.ContainerInstances[c.ID] = c
	}
	for _, d := range state.TaskDefinitions {
		if err := d.complete(); err != nil {
			return err
		}
		v.TaskDefinitions[d.Key()] = d
	}
	for _, t := range state.Tasks {
		if err := t.complete(s, now); err != nil {
			return err
		}
		if _, ok := v.Clusters[t.Cluster]; !ok {
			return fmt.Errorf("put task %s: there is no cluster %q", t.ID, t.Cluster)
		}
		if c := v.ContainerInstances[t.ContainerInstance]; t.ContainerInstance != "" && c.Cluster != t.Cluster {
			return fmt.Errorf(
				"put task %s: cluster %q has no container instance %s",
				t.ID,
				t.Cluster,
				t.ContainerInstance,
			)
		}
		v.Tasks[t.ID] = t
	}
	return nil
}

// Replace puts a state instead of all that there is.
func (s *Store) Replace(state State) error {
	return s.change(func(v *View, now time.Time) error {
		clear(v.Instances)
		clear(v.VPCs)
		clear(v.Clusters)
		clear(v.ContainerInstances)
		clear(v.Tasks)
		clear(v.TaskDefinitions)
		clear(v.FailingZones)
		return s.put(v, state, now)
	})
}

// Remove removes these, and nothing that belongs to them. Unknown ones do no harm.
func (s *Store) Remove(ids IDs) {
	_ = s.change(func(v *View, _ time.Time) error { // which has no error to give
		remove(v.Instances, ids.Instances)
		remove(v.Clusters, ids.Clusters)
		remove(v.ContainerInstances, ids.ContainerInstances)
		remove(v.Tasks, ids.Tasks)
		remove(v.TaskDefinitions, ids.TaskDefinitions)
		return nil
	})
}

func remove[T any](from map[string]T, ids []string) {
	for _, id := range ids {
		delete(from, id)
	}
}

// State returns everything there is, in the order of the IDs.
func (s *Store) State() State {
	v := s.Newest()
	return State{
		Instances:          sorted(v.Instances),
		VPCs:               sorted(v.VPCs),
		Clusters:           sorted(v.Clusters),
		ContainerInstances: sorted(v.ContainerInstances),
		Tasks:              sorted(v.Tasks),
		TaskDefinitions:    sorted(v.TaskDefinitions),
	}
}

func sorted[T any](m map[string]T) []T {
	result := make([]T, 0, len(m))
	for _, k := range slices.SortedFunc(maps.Keys(m), cmp.Compare) {
		result = append(result, m[k])
	}
	return result
}

// EditInstance changes one instance.
func (s *Store) EditInstance(id string, edit func(*Instance) error) error {
	return s.change(func(v *View, now time.Time) error {
		i, ok := v.Instances[id]
		if !ok {
			return fmt.Errorf("find instance %s: there is none", id)
		}
		if err := edit(&i); err != nil {
			return err
		}
		i.ID = id
		return s.put(v, State{Instances: []Instance{i}}, now)
	})
}

// EditContainerInstance changes one container instance.
func (s *Store) EditContainerInstance(id string, edit func(*ContainerInstance) error) error {
	return s.change(func(v *View, now time.Time) error {
		c, ok := v.ContainerInstances[id]
		if !ok {
			return fmt.Errorf("find container instance %s: there is none", id)
		}
		if err := edit(&c); err != nil {
			return err
		}
		c.ID = id
		return s.put(v, State{ContainerInstances: []ContainerInstance{c}}, now)
	})
}

// EditTask changes one task.
func (s *Store) EditTask(id string, edit func(*Task) error) error {
	return s.change(func(v *View, now time.Time) error {
		t, ok := v.Tasks[id]
		if !ok {
			return fmt.Errorf("find task %s: there is none", id)
		}
		t = t.clone()
		if err := edit(&t); err != nil {
			return err
		}
		t.ID = id
		return s.put(v, State{Tasks: []Task{t}}, now)
	})
}

// Patch replaces the fields that a JSON object names.
func Patch[T any](patch json.RawMessage) func(*T) error {
	return func(v *T) error {
		before, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("patch: %w", err)
		}
		var fields map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(before, &fields), json.Unmarshal(patch, &fields)); err != nil {
			return fmt.Errorf("read the patch: %w", err)
		}
		after, err := json.Marshal(fields)
		if err != nil {
			return fmt.Errorf("patch: %w", err)
		}
		d := json.NewDecoder(bytes.NewReader(after))
		d.DisallowUnknownFields()
		var patched T
		if err := d.Decode(&patched); err != nil {
			return fmt.Errorf("read the patch: %w", err)
		}
		*v = patched
		return nil
	}
}

// ARN of something of ECS, such as ("task", "main", ID).
func (s *Store) ARN(kind string, path ...string) string {
	return "arn:aws:ecs:" + s.Region + ":" + s.Account + ":" + kind + "/" + strings.Join(path, "/")
}
