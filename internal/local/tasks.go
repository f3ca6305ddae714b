package local

import (
	"maps"
	"net/netip"
	"time"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

const (
	// The ECS agent learns the address of a task a moment after its containers start.
	addressRetry = 4 * time.Second
	// An ECS agent that was started with this agent answers after some seconds, and one that is not installed never
	// does.
	tasksRetry = time.Minute
	// Other facts about a new container can wait, so that one query covers several: a restart policy begins to count
	// when a container has run for a minute.
	tasksDelay = 10 * time.Second
)

// Task is what the ECS agent knows of a container and the Engine does not.
type Task struct {
	Address  netip.Addr // of the task's own network interface; the zero Addr where it has none
	Restarts bool       // the ECS agent starts the container again when it ends by itself
	Stopping bool       // ECS wants the task stopped
}

// TaskQuery asks the ECS agent for its tasks.
type TaskQuery struct {
	containers map[string]bool // those known when it was asked, by ID
}

// Tasks is the ECS agent's answer to a query.
type Tasks struct {
	Query       *TaskQuery
	ByContainer map[string]Task
	Err         error
}

// attempts are made at one question until the ECS agent has answered it.
type attempts struct {
	failed int
	next   Deadline // not set: the question need not be asked
}

// again schedules the next attempt: after 1, 2, 4 s and so on, up to longest.
func (a *attempts) again(now time.Time, longest time.Duration) {
	a.next = At(now.Add(min(time.Second<<min(a.failed, 10), longest)))
	a.failed++
}

// introspection is what the ECS agent said, and what it has to be asked.
type introspection struct {
	tasks     map[string]Task
	covered   map[string]bool     // containers of ECS that an answer has covered
	addresses map[string]attempts // at learning the address of a task, by container ID
	stopping  attempts            // at learning which tasks ECS wants stopped
	others    attempts            // at covering containers
	overdue   Deadline            // a stop mark has come into question
	under     *TaskQuery          // the one under way; nil: none is
}

func newIntrospection() introspection {
	return introspection{tasks: map[string]Task{}, covered: map[string]bool{}}
}

// next returns when the ECS agent is to be asked.
func (i *introspection) next() Deadline {
	next := Earliest(i.others.next, i.stopping.next, i.overdue)
	for _, address := range i.addresses {
		next = Earliest(next, address.next)
	}
	return next
}

// begin returns the query to begin now; nil: none.
func (i *introspection) begin(live map[string]container.Container, now time.Time) *TaskQuery {
	if i.under != nil || live == nil || !i.next().Due(now) {
		return nil
	}
	i.under = &TaskQuery{containers: make(map[string]bool, len(live))}
	for id := range live {
		i.under.containers[id] = true
	}
	return i.under
}

// take takes in an answer, and reports whether it says which tasks ECS wants stopped and that was asked.
func (i *introspection) take(answer *Tasks, now time.Time) (stopping bool) {
	for id, address := range i.addresses {
		if answer.Query.containers[id] && address.next.Due(now) {
			address.again(now, addressRetry)
			i.addresses[id] = address
		}
	}
	if answer.Err != nil {
		for _, question := range []*attempts{&i.others, &i.stopping} {
			if question.next.Due(now) {
				question.again(now, tasksRetry)
			}
		}
	} else {
		i.tasks = answer.ByContainer
		maps.Copy(i.covered, answer.Query.containers)
		i.others = attempts{} // until another is found that is not covered
		if stopping = i.stopping.next.Due(now); stopping {
			i.stopping = attempts{}
		}
	}
	i.overdue = Deadline{}
	return stopping
}

// forget drops what is known of containers that are gone.
func (i *introspection) forget(gone func(id string) bool) {
	maps.DeleteFunc(i.tasks, func(id string, _ Task) bool { return gone(id) })
	maps.DeleteFunc(i.covered, func(id string, _ bool) bool { return gone(id) })
}

// takeTasks takes in what the ECS agent said, or that it did not answer.
func (m *Model) takeTasks(answer *Tasks, now time.Time) {
	if m.introspection.take(answer, now) {
		for id, task := range answer.ByContainer {
			if c, ok := m.containers[id]; ok && task.Stopping {
				m.stops.mark(c, now, now)
			}
		}
	}
	for id, c := range m.containers {
		switch {
		case !m.stops.marked(id) || m.stops.expires(id, c.StopTimeout).After(now):
		case answer.Err == nil && answer.ByContainer[id].Stopping:
			m.stops.renew(id, now)
		default:
			m.outlivedStop(c)
		}
	}
}

// outlived reports whether a container has run for so long after its stop signal that it is to be registered again: the
// stop was given up, or the signal had another meaning. The ECS agent is asked first, since only it knows whether the
// task is still to end.
func (m *Model) outlived(c container.Container, now time.Time) bool {
	if m.stops.expires(c.ID, c.StopTimeout).After(now) {
		return false
	}
	if ofECS(c) {
		m.introspection.overdue = At(now)
		return false
	}
	m.outlivedStop(c)
	return true
}

func (m *Model) outlivedStop(c container.Container) {
	m.stops.end(c.ID)
	m.out.Outlived = append(m.out.Outlived, c)
}

func ofECS(c container.Container) bool { return c.Labels[container.LabelTaskARN] != "" }

// fillIn adds the addresses of tasks with a network interface of their own, and notes what the ECS agent is to be
// asked. Neither the Engine's events nor inspect show such an address, and the ECS agent learns it a moment after the
// containers start: it is asked at once, and until it knows. Meanwhile an address that the container has a record of is
// as good, since a task keeps its address for life.
func (m *Model) fillIn(now time.Time) {
	i := &m.introspection
	asked := i.addresses
	i.addresses = map[string]attempts{}
	var written map[string]netip.Addr
	for id, c := range m.containers {
		if !i.covered[id] && ofECS(c) && !i.others.next.Set() {
			i.others.next = At(now.Add(tasksDelay))
		}
		if !endpoint.OwnInterface(c, m.containers[c.SharedWith]) {
			continue
		}
		c.Address = i.tasks[id].Address
		if !c.Address.IsValid() {
			address, again := asked[id]
			if !again {
				address.next = At(now)
			}
			i.addresses[id] = address
			if written == nil {
				written = addressesIn(m.current())
			}
			c.Address = written[id]
		}
		m.containers[id] = c
	}
}

// addressesIn returns the addresses of tasks' own network interfaces that records hold, by container ID.
func addressesIn(current plan.Current) map[string]netip.Addr {
	found := map[string]netip.Addr{}
	for key, e := range current {
		id, ok := record.ParseSetID(key.SetID)
		if address, err := netip.ParseAddr(e.Record.Value); ok && err == nil && id.Kind == record.ENI {
			found[id.Container] = address
		}
	}
	return found
}
