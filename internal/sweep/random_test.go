package sweep_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	strict "github.com/ecssd/ecssd/internal/test/zone"
)

// Whatever fails, and whatever agents do meanwhile: no record of a living container goes but by its agent's hand, and
// what is not ecssd's stays as it is. Once nothing fails any more, what is dead is gone.
func TestRandomFaultsDeleteNothingAlive(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			scene(t, func(t *testing.T) {
				d := &day{
					t:       t,
					rand:    rand.New(rand.NewPCG(seed, 1)),
					fleet:   fleet(0),
					zone:    newZone(t),
					living:  map[record.Key]record.Record{},
					foreign: map[record.Key]record.Record{},
					dead:    map[record.Key]bool{},
				}
				d.play()
			})
		})
	}
}

// day is a random fleet, and what its agents do.
type day struct {
	t       *testing.T
	rand    *rand.Rand
	zone    *zone
	fleet   evidence.Fleet // as ECS and EC2 know it
	late    []func()       // what ECS learns later
	hosts   []int          // that are alive
	gone    []int          // that EC2 says are stopped
	next    int
	living  map[record.Key]record.Record // what living agents have in the zone, as they last wrote it
	foreign map[record.Key]record.Record
	dead    map[record.Key]bool // what must be gone in the end
	broken  bool                // reading or writing may fail
}

func (d *day) one(of int) bool { return d.rand.IntN(of) == 0 }

func (d *day) name() string { return fmt.Sprint("s", d.rand.IntN(6)) }

// container adds a container to a host, of which ECS may learn later.
func (d *day) container(h int) {
	d.next++
	n := d.next
	r := asking(d.rand.IntN(4), srv(d.name(), instance(h), ip(address(h)), n))
	switch d.rand.IntN(6) {
	case 0:
		r.SetID = instance(h) + ":docker:" + id(n) + ":80/tcp"
	case 1:
		late := func() { d.fleet.Containers[id(n)] = running(h, n) }
		d.late = append(d.late, late)
	default:
		d.fleet.Containers[id(n)] = running(h, n)
	}
	if d.one(8) {
		r = marked(r)
	}
	d.living[r.Key()] = r
	d.zone.Put(r)
}

func (d *day) build() {
	for h := 1; h <= 20; h++ {
		i := member(h)
		home := host(h)
		kind := d.rand.IntN(9)
		switch kind {
		case 0: // outside the clusters
			i = evidence.Instance{State: evidence.Alive, Address: i.Address}
		case 1: // some task's container is not known
			i.Complete = false
		case 2: // hung
			i.Impaired, i.Connected = true, false
		case 3: // ECS lists it and EC2 does not know it
			i.State = evidence.Unknown
		case 4: // of another region
			home = hostAt(instance(h), h, account+"/us-east-1")
		case 5: // gone
			i = evidence.Instance{State: evidence.Gone}
		case 6: // forgotten
			i = evidence.Instance{}
		}
		if kind != 4 && kind != 6 {
			d.fleet.Instances[instance(h)] = i
		}
		d.zone.Put(home)
		left := kind == 5 || kind == 6
		if !left {
			d.living[home.Key()] = home
			d.hosts = append(d.hosts, h)
		}
		if kind == 5 {
			d.gone = append(d.gone, h)
		}
		for range d.rand.IntN(8) {
			if left || kind > 6 && d.one(6) {
				d.next++
				r := srv(d.name(), instance(h), ip(address(h)), d.next)
				d.zone.Put(r)
				d.dead[r.Key()] = kind == 5 // the others may be the last of a name, or too many
				continue
			}
			d.container(h)
		}
	}
	for n := range 20 {
		r := srv(d.name(), "x", "elsewhere", n)
		r.SetID = fmt.Sprint("somebody ", n)
		d.foreign[r.Key()] = r
		d.zone.Put(r)
	}
}

// others do what agents do: add, remove, weigh.
func (d *day) others() {
	for range d.rand.IntN(4) {
		h := d.hosts[d.rand.IntN(len(d.hosts))]
		switch d.rand.IntN(3) {
		case 0:
			d.container(h)
		default:
			for _, r := range d.zone.content() {
				if _, ours := d.living[r.Key()]; !ours || r.Type != record.SRV || !d.one(20) {
					continue
				}
				if d.one(2) {
					d.zone.Remove(r)
					delete(d.living, r.Key())
					continue
				}
				r = asking(d.rand.IntN(4), with(r, func(r *record.Record) { r.Value = "1" + r.Value[1:] }))
				d.living[r.Key()] = r
				d.zone.Put(r)
			}
		}
	}
}

// states is what EC2 says when it is asked again about instances. One of them may have been started again, and what it
// has in the zone is its own.
func (d *day) states(instances []string) (map[string]evidence.State, error) {
	if d.broken && d.one(8) {
		return nil, errRead
	}
	i := slices.IndexFunc(d.gone, func(h int) bool { return slices.Contains(instances, instance(h)) })
	if d.broken && i >= 0 && d.one(3) {
		h := d.gone[i]
		d.gone = slices.Delete(d.gone, i, i+1)
		d.hosts = append(d.hosts, h)
		d.fleet.Instances[instance(h)] = evidence.Instance{State: evidence.Alive, Address: address(h)}
		for _, r := range d.zone.content() {
			if r.Owned(instance(h)) {
				d.living[r.Key()] = r
				delete(d.dead, r.Key())
			}
		}
	}
	states := map[string]evidence.State{}
	for id, i := range d.fleet.Instances {
		states[id] = i.State
	}
	return states, nil
}

func (d *day) fault(int, []plan.Change) strict.Fault {
	if !d.broken {
		return strict.None
	}
	switch d.rand.IntN(8) {
	case 0:
		return strict.LostAnswer
	case 1:
		return strict.LostRequest
	case 2:
		return strict.Throttled
	case 3:
		return strict.Fault{Err: &plan.Refusal{Reason: plan.Invalid, Message: "no"}}
	}
	return strict.None
}

func (d *day) play() {
	d.build()
	s := &source{took: time.Second}
	s.looks = []func() (evidence.Fleet, error){func() (evidence.Fleet, error) {
		if d.broken && d.one(6) {
			return evidence.Fleet{}, errRead
		}
		seen := changed(d.fleet, nil) // as it was before what happens now
		d.others()
		for _, late := range d.late {
			late()
		}
		d.late = nil
		return seen, nil
	}}
	s.states = func(context.Context) (map[string]evidence.State, error) {
		return d.states(s.statesOf[len(s.statesOf)-1])
	}
	d.zone.Fault = d.fault
	c := config(d.zone, s)
	for pass := range 6 {
		d.broken = pass < 5
		d.zone.PageSize, d.zone.failPage = 10, 0
		if d.broken && d.one(5) {
			d.zone.failPage = 1 + d.rand.IntN(4)
		}
		d.zone.Unnamed = d.broken && d.one(3)
		d.zone.Before = func(int) {
			if d.broken {
				d.others()
			}
		}
		c.Budget = []float64{0, 0.3, 1}[d.rand.IntN(3)]
		ctx, cancel := d.t.Context(), context.CancelFunc(func() {})
		if d.one(3) {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(20+d.rand.IntN(200))*time.Second)
		}
		report, _ := sweep.Sweep(ctx, c)
		cancel()
		addsUp(d.t, report)
		d.look()
	}
	c.Budget = 0.3
	_, _ = sweep.Sweep(d.t.Context(), c)
	d.look()
	for _, r := range d.zone.content() {
		assert.False(d.t, d.dead[r.Key()], "left over: %+v", r)
	}
}

// look checks what must always hold.
func (d *day) look() {
	has := map[record.Key]record.Record{}
	for _, r := range d.zone.content() {
		has[r.Key()] = r
	}
	for key, r := range d.foreign {
		assert.Equal(d.t, r, has[key], "a record of somebody else")
	}
	for key, r := range d.living {
		found, ok := has[key]
		assert.True(d.t, ok, "a living container's record is gone: %+v", r)
		target, _ := record.ParseTarget(found.Value)
		want, _ := record.ParseTarget(r.Value)
		target.Priority = want.Priority
		assert.Equal(d.t, want, target, "what the container asks for and where it is stays")
	}
}
