package sweep_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// Host 1 with container 1 is in good order, and so is host 2. What is looked at are records of host 2, or of hosts that
// are not in the fleet.
func TestWhatIsDone(t *testing.T) {
	type records = []record.Record
	host2 := func(change func(*evidence.Instance)) func(*evidence.Fleet) {
		return func(f *evidence.Fleet) {
			i := f.Instances[instance(2)]
			change(&i)
			f.Instances[instance(2)] = i
		}
	}
	container2 := func(change func(*evidence.Container)) func(*evidence.Fleet) {
		return func(f *evidence.Fleet) {
			c := f.Containers[id(2)]
			change(&c)
			f.Containers[id(2)] = c
		}
	}
	state := func(s evidence.State) func(*evidence.Fleet) {
		return host2(func(i *evidence.Instance) { *i = evidence.Instance{State: s} })
	}
	forgets := func(n int) func(*evidence.Fleet) { return func(f *evidence.Fleet) { delete(f.Containers, id(n)) } }
	both := func(changes ...func(*evidence.Fleet)) func(*evidence.Fleet) {
		return func(f *evidence.Fleet) {
			for _, change := range changes {
				change(f)
			}
		}
	}
	stopped := container2(func(c *evidence.Container) { c.Running, c.Stopped, c.Ports = false, true, nil })
	impaired := host2(func(i *evidence.Instance) { i.Impaired, i.Connected = true, false })
	takes := func(f *evidence.Fleet) { // container 9 has the port of container 2
		c := running(2, 2)
		c.Task = "other"
		f.Containers[id(9)] = c
	}
	own := func(r record.Record) record.Record { // a network interface of its own
		r.Value = "1 1 80 ip-10-9-9-9." + domain
		return r
	}
	eni := record.Record{
		Name:   "ip-10-9-9-9." + domain,
		Type:   record.A,
		SetID:  instance(2) + ":eni:" + id(2),
		Weight: 1,
		Value:  "10.9.9.9",
	}
	docker := srv("web", instance(2), ip(address(2)), 2)
	docker.SetID = instance(2) + ":docker:" + id(2) + ":80/tcp"
	legacy := docker
	legacy.SetID = "ip-10-0-0-2.eu-central-1.compute.internal:" + id(2)
	bare := docker
	bare.SetID = id(2)
	cafe := "i-cafe"
	// as a person may have made of it
	several := with(on(2, 2), func(r *record.Record) { r.Value += "\n1 1 81 " + ip(address(2)) })
	severalMarked := with(
		several,
		func(r *record.Record) { r.Weight, r.Value = 0, strings.ReplaceAll(r.Value, "1 1 ", "2 1 ") },
	)

	for name, test := range map[string]struct {
		records records
		fleet   func(*evidence.Fleet)
		second  func(*evidence.Fleet) // at the second look
		want    records               // of the records
		verdict evidence.Verdict      // on the first of them; none: nothing is found
		looks   int                   // 0: one
	}{
		"in good order": {records: records{on(2, 2), host(2)}, want: records{on(2, 2), host(2)}},
		"instance gone": {
			records: records{on(2, 2), host(2)},
			fleet:   state(evidence.Gone),
			verdict: evidence.Dead,
		},
		"instance gone, weights aside": {
			records: records{marked(on(2, 2)), host(2)},
			fleet:   state(evidence.Gone),
			verdict: evidence.Dead,
		},
		"instance gone, docker record": {records: records{docker}, fleet: state(evidence.Gone), verdict: evidence.Dead},
		"instance gone, own interface": {
			records: records{own(on(2, 2)), eni},
			fleet:   state(evidence.Gone),
			verdict: evidence.Dead,
		},
		"instance gone, still a member": {
			records: records{on(2, 2)},
			fleet:   host2(func(i *evidence.Instance) { i.State = evidence.Gone }),
			verdict: evidence.Dead,
		},

		"unknown here": {records: records{on(7, 7), host(7)}, verdict: evidence.Missing, looks: 2},
		"unknown here, and then gone": {
			records: records{on(7, 7), host(7)},
			second:  func(f *evidence.Fleet) { f.Instances[instance(7)] = evidence.Instance{State: evidence.Gone} },
			verdict: evidence.Dead,
			looks:   2,
		},
		"unknown here, and then known": {
			records: records{on(7, 7), host(7)},
			second:  func(f *evidence.Fleet) { f.Instances[instance(7)] = evidence.Instance{State: evidence.Alive} },
			want:    records{on(7, 7), host(7)},
			looks:   2,
		},
		"unknown, and no host record": {records: records{on(7, 7)}, want: records{on(7, 7)}, verdict: evidence.Skipped},
		"unknown, and another account": {
			records: records{on(7, 7), hostAt(instance(7), 7, "210987654321/"+region)},
			want:    records{on(7, 7), hostAt(instance(7), 7, "210987654321/"+region)},
			verdict: evidence.Skipped,
		},
		"unknown, and another region": {
			records: records{on(7, 7), hostAt(instance(7), 7, account+"/us-east-1")},
			want:    records{on(7, 7), hostAt(instance(7), 7, account+"/us-east-1")},
			verdict: evidence.Skipped,
		},
		"unknown, and off EC2": {
			records: records{on(7, 7), hostAt(instance(7), 7, "-")},
			want:    records{on(7, 7), hostAt(instance(7), 7, "-")},
			verdict: evidence.Skipped,
		},
		"ECS Anywhere": {
			records: records{srv("web", "mi-07", ip(address(7)), 7), hostAt("mi-07", 7, account+"/"+region)},
			want:    records{srv("web", "mi-07", ip(address(7)), 7), hostAt("mi-07", 7, account+"/"+region)},
			verdict: evidence.Skipped,
		},
		"named by hand": {
			records: records{srv("web", "build-7", ip(address(7)), 7), hostAt("build-7", 7, account+"/"+region)},
			want:    records{srv("web", "build-7", ip(address(7)), 7), hostAt("build-7", 7, account+"/"+region)},
			verdict: evidence.Skipped,
		},
		"named by hand as EC2 might": {
			records: records{srv("web", cafe, ip(address(7)), 7), hostAt(cafe, 7, account+"/"+region)},
			want:    records{srv("web", cafe, ip(address(7)), 7), hostAt(cafe, 7, account+"/"+region)},
			verdict: evidence.Skipped,
		},
		"ECS lists it and EC2 knows it not": {
			records: records{on(2, 2), host(2)},
			fleet:   host2(func(i *evidence.Instance) { i.State = evidence.Unknown }),
			want:    records{on(2, 2), host(2)},
			verdict: evidence.Skipped,
		},
		"a host that wrote nothing but that": {records: records{host(7)}, verdict: evidence.Missing, looks: 2},

		"orphan twice": {
			records: records{on(2, 7), host(2)},
			want:    records{host(2)},
			verdict: evidence.Orphan,
			looks:   2,
		},
		"orphan once": {
			records: records{on(2, 2), host(2)},
			fleet:   forgets(2),
			second:  func(f *evidence.Fleet) { f.Containers[id(2)] = running(2, 2) },
			want:    records{on(2, 2), host(2)},
			looks:   2,
		},
		"orphan at the second look only": {
			records: records{on(2, 2), on(1, 7)},
			second:  forgets(2),
			want:    records{on(2, 2)},
			looks:   2,
		},
		"orphan, and then the host is gone": {
			records: records{on(2, 7)},
			second:  state(evidence.Gone),
			verdict: evidence.Dead,
			looks:   2,
		},
		"orphan, and then EC2 forgets": {
			records: records{on(2, 7), host(2)},
			second:  state(evidence.Unknown),
			want:    records{on(2, 7), host(2)},
			looks:   2,
		},
		"it has stopped":                {records: records{on(2, 2)}, fleet: stopped, verdict: evidence.Dead},
		"it has stopped, own interface": {records: records{own(on(2, 2)), eni}, fleet: stopped, verdict: evidence.Dead},
		"it has stopped, the last record": {
			records: records{srv("db", instance(2), ip(address(2)), 2)},
			fleet:   stopped,
			verdict: evidence.Dead,
		},
		"it has stopped, the host starts": {
			records: records{on(2, 2)},
			fleet:   both(stopped, host2(func(i *evidence.Instance) { i.Complete = false })),
			verdict: evidence.Dead,
		},
		"it has stopped, not a member": {
			records: records{on(2, 2)},
			fleet:   both(stopped, host2(func(i *evidence.Instance) { i.InCluster = false })),
			want:    records{on(2, 2)},
		},
		"it has stopped on another host": {
			records: records{on(2, 2)},
			fleet:   both(stopped, container2(func(c *evidence.Container) { c.Instance = instance(1) })),
			verdict: evidence.Orphan,
			looks:   2,
		},
		"it has stopped, docker record": {records: records{docker}, fleet: stopped, want: records{docker}},
		"orphan with its own interface": {
			records: records{own(on(2, 2)), eni},
			fleet:   forgets(2),
			verdict: evidence.Orphan,
			looks:   2,
		},
		"incomplete instance": {
			records: records{on(2, 7)},
			fleet:   host2(func(i *evidence.Instance) { i.Complete = false }),
			want:    records{on(2, 7)},
		},
		"incomplete at the second look": {
			records: records{on(2, 7)},
			second:  host2(func(i *evidence.Instance) { i.Complete = false }),
			want:    records{on(2, 7)},
			looks:   2,
		},
		"outside the clusters": {
			records: records{on(2, 7)},
			fleet:   host2(func(i *evidence.Instance) { i.InCluster = false }),
			want:    records{on(2, 7)},
		},
		"agent disconnected": {
			records: records{on(2, 7), own(on(2, 8))},
			fleet:   host2(func(i *evidence.Instance) { i.Connected = false }),
			want:    records{on(2, 7), own(on(2, 8))},
			verdict: evidence.Skipped,
		},
		"disconnected at the second look": {
			records: records{on(2, 7)},
			second:  host2(func(i *evidence.Instance) { i.Connected = false }),
			want:    records{on(2, 7)},
			verdict: evidence.Skipped,
			looks:   2,
		},
		"disconnected, the task stopped": {
			records: records{on(2, 2)},
			fleet:   both(stopped, host2(func(i *evidence.Instance) { i.Connected = false })),
			want:    records{on(2, 2)},
			verdict: evidence.Skipped,
		},
		"disconnected, marked": {
			records: records{marked(on(2, 7))},
			fleet:   host2(func(i *evidence.Instance) { i.Connected = false }),
			want:    records{on(2, 7)},
			verdict: evidence.Restore,
		},
		"disconnected, port of another": {
			records: records{on(2, 2)},
			fleet:   both(forgets(2), takes, host2(func(i *evidence.Instance) { i.Connected = false })),
			want:    records{marked(on(2, 2))},
			verdict: evidence.Standby,
		},
		"disconnected and impaired": {
			records: records{on(2, 7)},
			fleet:   impaired,
			want:    records{marked(on(2, 7))},
			verdict: evidence.Standby,
		},
		"docker record": {
			records: records{
				with(docker,
					func(r *record.Record) {
						r.SetID, r.Value = instance(2)+":docker:"+id(7)+":80/tcp", "1 1 7 h"
					}),
			},
			want: records{
				with(docker,
					func(r *record.Record) {
						r.SetID, r.Value = instance(2)+":docker:"+id(7)+":80/tcp", "1 1 7 h"
					}),
			},
		},
		"agent merely disconnected": {
			records: records{on(2, 2)},
			fleet:   host2(func(i *evidence.Instance) { i.Connected = false }),
			want:    records{on(2, 2)},
		},
		"without an address": {
			records: records{on(2, 2)},
			fleet:   host2(func(i *evidence.Instance) { i.Address = evidence.Instance{}.Address }),
			want:    records{on(2, 2)},
		},

		"hung host": {
			records: records{on(2, 2), host(2)},
			fleet:   impaired,
			want:    records{marked(on(2, 2)), host(2)},
			verdict: evidence.Standby,
		},
		"hung host, weight 5": {
			records: records{asking(5, on(2, 2))},
			fleet:   impaired,
			want:    records{marked(asking(5, on(2, 2)))},
			verdict: evidence.Standby,
		},
		"hung host, on standby": {
			records: records{marked(on(2, 2))},
			fleet:   impaired,
			want:    records{marked(on(2, 2))},
		},
		"hung host, on standby by its agent": {
			records: records{with(on(2, 2), func(r *record.Record) { r.Weight = 0 })},
			fleet:   impaired,
			want:    records{with(on(2, 2), func(r *record.Record) { r.Weight = 0 })},
		},
		"hung host, nothing else serves": {
			records: records{srv("db", instance(2), ip(address(2)), 2)},
			fleet:   impaired,
			want:    records{srv("db", instance(2), ip(address(2)), 2)},
			verdict: evidence.Skipped,
		},
		"status check impaired only": {
			records: records{on(2, 2)},
			fleet:   host2(func(i *evidence.Instance) { i.Impaired = true }),
			want:    records{on(2, 2)},
		},
		"it has come back": {
			records: records{marked(asking(5, on(2, 2)))},
			want:    records{asking(5, on(2, 2))},
			verdict: evidence.Restore,
		},
		"its agent has come back": {
			records: records{marked(on(2, 2))},
			fleet:   host2(func(i *evidence.Instance) { i.Impaired = true }),
			want:    records{on(2, 2)},
			verdict: evidence.Restore,
		},
		"its status has come back": {
			records: records{marked(on(2, 2))},
			fleet:   host2(func(i *evidence.Instance) { i.Connected = false }),
			want:    records{on(2, 2)},
			verdict: evidence.Restore,
		},
		"put on standby by its agent": {
			records: records{with(asking(5, on(2, 2)), func(r *record.Record) { r.Weight = 0 })},
			want:    records{with(asking(5, on(2, 2)), func(r *record.Record) { r.Weight = 0 })},
		},
		"asking for no traffic": {
			records: records{asking(0, on(2, 2))},
			fleet:   impaired,
			want:    records{asking(0, on(2, 2))},
		},

		"port of another container": {
			records: records{docker},
			fleet:   both(forgets(2), takes),
			want:    records{marked(docker)},
			verdict: evidence.Standby,
		},
		"port of another, nothing else serves": {
			records: records{with(docker, func(r *record.Record) { r.Name = "db." + domain })},
			fleet:   both(forgets(2), takes),
			want:    records{marked(with(docker, func(r *record.Record) { r.Name = "db." + domain }))},
			verdict: evidence.Standby,
		},
		"port of another, still": {
			records: records{marked(docker)},
			fleet:   both(forgets(2), takes),
			want:    records{marked(docker)},
		},
		"port of another that has stopped": {
			records: records{docker},
			fleet: both(forgets(2), takes,
				func(f *evidence.Fleet) { c := f.Containers[id(9)]; c.Stopped = true; f.Containers[id(9)] = c }),
			want: records{docker},
		},
		"port of another by UDP": {
			records: records{docker},
			fleet: both(forgets(2), takes,
				func(f *evidence.Fleet) { f.Containers[id(9)].Ports[0].Container.Proto = container.UDP }),
			want: records{docker},
		},
		"port of another on its own address": {
			records: records{docker},
			fleet: both(forgets(2), takes,
				func(f *evidence.Fleet) { c := f.Containers[id(9)]; c.Address = address(99); f.Containers[id(9)] = c }),
			want: records{docker},
		},
		"port of another host": {
			records: records{docker},
			fleet:   both(forgets(2), func(f *evidence.Fleet) { f.Containers[id(9)] = running(1, 2) }),
			want:    records{docker},
		},
		"a port that ECS gives to both": {records: records{on(2, 2)}, fleet: takes, want: records{on(2, 2)}},
		"the other's ID is a short one": {
			records: records{docker},
			fleet:   both(forgets(2), func(f *evidence.Fleet) { f.Containers["abc"] = running(2, 2) }),
			want:    records{marked(docker)},
			verdict: evidence.Standby,
		},
		"own interface, same port on the host": {
			records: records{own(on(2, 2)), eni},
			fleet: both(takes, func(f *evidence.Fleet) { f.Containers[id(9)].Ports[0].Host = 80 },
				container2(func(c *evidence.Container) { c.Address, c.Ports = address(99), nil })),
			want: records{own(on(2, 2)), eni},
		},
		"own interface not yet known to ECS": {
			records: records{own(on(2, 2)), eni},
			fleet: both(forgets(2), takes, func(f *evidence.Fleet) { f.Containers[id(9)].Ports[0].Host = 80 },
				host2(func(i *evidence.Instance) { i.Complete = false })),
			want: records{own(on(2, 2)), eni},
		},
		"legacy, in good order": {records: records{legacy}, want: records{legacy}},
		"legacy, of a container nobody knows": {
			records: records{legacy},
			fleet:   forgets(2),
			want:    records{legacy},
			verdict: evidence.Skipped,
		},
		"legacy, of a host that nobody knows": {
			records: records{legacy},
			fleet:   both(forgets(2), func(f *evidence.Fleet) { delete(f.Instances, instance(2)) }),
			want:    records{legacy},
			verdict: evidence.Skipped,
		},
		"legacy, instance gone": {records: records{legacy}, fleet: state(evidence.Gone), verdict: evidence.Dead},
		"legacy, task stopped": {
			records: records{legacy},
			fleet:   container2(func(c *evidence.Container) { c.Stopped = true }),
			verdict: evidence.Dead,
		},
		"legacy, host deregistered": {
			records: records{legacy},
			fleet:   both(state(evidence.Alive), container2(func(c *evidence.Container) { c.Stopped = true })),
			want:    records{legacy},
			verdict: evidence.Skipped,
		},
		"legacy, hung host":                  {records: records{legacy}, fleet: impaired, want: records{legacy}},
		"legacy without host, in good order": {records: records{bare}, want: records{bare}},
		"legacy without host, of nobody's": {
			records: records{bare},
			fleet:   forgets(2),
			want:    records{bare},
			verdict: evidence.Skipped,
		},
		"legacy without host, instance gone": {records: records{bare}, fleet: state(evidence.Gone),
			verdict: evidence.Dead},
		"legacy without host, task stopped": {
			records: records{bare},
			fleet:   container2(func(c *evidence.Container) { c.Stopped = true }),
			verdict: evidence.Dead,
		},
		"several values, instance gone": {
			records: records{several, host(2)},
			fleet:   state(evidence.Gone),
			verdict: evidence.Dead,
		},
		"several values, orphan": {
			records: records{several},
			fleet:   forgets(2),
			verdict: evidence.Orphan,
			looks:   2,
		},
		"several values, hung host": {records: records{several}, fleet: impaired, want: records{several}},
		"several values, port of another": {
			records: records{several},
			fleet:   both(forgets(2), takes, host2(func(i *evidence.Instance) { i.Connected = false })),
			want:    records{several},
			verdict: evidence.Skipped,
		},
		"several values, as if marked": {records: records{severalMarked}, want: records{severalMarked}},
		"several addresses, instance gone": {
			records: records{with(host(2), func(r *record.Record) { r.Value += "\n10.9.9.9" })},
			fleet:   state(evidence.Gone),
			verdict: evidence.Dead,
		},
		"of somebody else, on a host that is": {
			records: records{with(on(2, 2), func(r *record.Record) { r.SetID = "primary" })},
			fleet:   state(evidence.Gone),
			want:    records{with(on(2, 2), func(r *record.Record) { r.SetID = "primary" })},
		},
		"of somebody else, and named as if ours": {
			records: records{with(on(2, 2), func(r *record.Record) { r.SetID = instance(2) + ":ecs:web" })},
			fleet:   state(evidence.Gone),
			want:    records{with(on(2, 2), func(r *record.Record) { r.SetID = instance(2) + ":ecs:web" })},
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				// Two records of others serve the name beside those looked at.
				beside := records{on(1, 1), host(1), with(on(1, 1), func(r *record.Record) { r.SetID = "somebody" })}
				z := newZone(t, append(beside, test.records...)...)
				first := changed(fleet(2), test.fleet)
				s := says(first, changed(first, test.second))
				report := swept(t, config(z, s))
				assert.Equal(t, sorted(append(beside, test.want...)...), z.content())
				assert.Equal(t, test.verdict, verdicts(report)[test.records[0].SetID])
				assert.Len(t, s.at, max(test.looks, 1))
				assert.Zero(t, report.Conflicts+report.NotDone+report.Refused)
			})
		})
	}
}
