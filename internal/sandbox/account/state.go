package account

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// StateChange is that an instance came into a state.
type StateChange struct {
	Time       time.Time
	InstanceID string
	State      string
}

// Watch calls f for each change of an instance's state, also for the first state of a new one, in the order of the
// changes. It replaces the f before. f must not call the Store.
func (s *Store) Watch(f func(StateChange)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = f
}

// notify reports what differs between two views.
func (s *Store) notify(before, after *View) {
	if s.watch == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(after.Instances)) {
		if state := after.Instances[id].State; before.Instances[id].State != state {
			s.watch(StateChange{Time: after.since, InstanceID: id, State: state})
		}
	}
}

// Move brings instances from one of some states into another, all or none: an instance that is in none of them is an
// error, of type *StateError; one that is not there is one, too. It returns the instances as they were.
func (s *Store) Move(ids []string, to string, from ...string) (before []Instance, err error) {
	err = s.change(func(v *View, now time.Time) error {
		for _, id := range ids {
			i, ok := v.Instances[id]
			if !ok {
				return fmt.Errorf("find instance %s: there is none", id)
			}
			if !slices.Contains(from, i.State) {
				return &StateError{InstanceID: id, State: i.State}
			}
			before = append(before, i)
			i.State = to
			if to == "pending" {
				i.Launched = now
			}
			v.Instances[id] = i
		}
		return nil
	})
	return before, err
}

// StateError is that an instance is in a state from which it cannot be moved.
type StateError struct{ InstanceID, State string }

func (e *StateError) Error() string {
	return fmt.Sprintf("move instance %s: it is %s", e.InstanceID, e.State)
}

// FailZone plays the failure of an availability zone: its instances stay in their states, EC2 fails when it is asked
// for them, and their ECS agents are disconnected. RecoverZone ends it, and the agents are connected again.
func (s *Store) FailZone(name string) error { return s.setZone(name, true) }

// RecoverZone ends what FailZone began.
func (s *Store) RecoverZone(name string) error { return s.setZone(name, false) }

func (s *Store) setZone(name string, failing bool) error {
	return s.change(func(v *View, _ time.Time) error {
		known := v.FailingZones[name]
		for _, i := range v.Instances {
			known = known || i.AvailabilityZone == name
		}
		if !known {
			return fmt.Errorf("find availability zone %q: no instance is in it", name)
		}
		if failing == v.FailingZones[name] {
			return nil
		}
		for id, c := range v.ContainerInstances {
			if c.AvailabilityZone == name {
				c.AgentDisconnected = failing
				v.ContainerInstances[id] = c
			}
		}
		delete(v.FailingZones, name)
		if failing {
			v.FailingZones[name] = true
		}
		return nil
	})
}
