package sweep_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// orphans gives records of host 1 of which ECS knows no container.
func orphans(n int) (records []record.Record) {
	for i := range n {
		records = append(records, on(1, 1000+i))
	}
	return records
}

func TestBudget(t *testing.T) {
	for name, test := range map[string]struct {
		living, orphans int
		budget          float64
		refused         bool
	}{
		"ten of twelve": {living: 2, orphans: 10, budget: 0.3},
		"eleven of thirteen": {
			living:  2,
			orphans: 11,
			budget:  0.3,
			refused: true,
		},
		"30 % to the record": {living: 70, orphans: 30, budget: 0.3},
		"one living record less": {
			living:  69,
			orphans: 30,
			budget:  0.3,
			refused: true,
		},
		"none allowed, ten are": {living: 90, orphans: 10, budget: 0},
		"none allowed, eleven": {
			living:  89,
			orphans: 11,
			budget:  0,
			refused: true,
		},
		"all allowed": {living: 1, orphans: 50, budget: 1},
		"half allowed and not more": {
			living:  49,
			orphans: 51,
			budget:  0.5,
			refused: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				z := newZone(t, orphans(test.orphans)...)
				var living []record.Record
				for h := 1; h <= test.living; h++ {
					living = append(living, on(h, h))
				}
				z.Put(living...)
				c := config(z, says(fleet(test.living)))
				c.Budget = test.budget
				report, err := sweep.Sweep(t.Context(), c)
				addsUp(t, report)
				assert.Equal(t, test.orphans, report.Stale)
				if !test.refused {
					assert.NoError(t, err)
					assert.Equal(t, test.orphans, report.Deleted)
					assert.Equal(t, sorted(living...), z.content())
					return
				}
				var budget *sweep.ErrBudget
				require.ErrorAs(t, err, &budget)
				assert.Equal(t, &sweep.ErrBudget{
					Records:  test.living + test.orphans,
					Unproven: test.orphans,
					Budget:   test.budget,
				}, budget)
				assert.Equal(t, err.Error(), report.Error)
				assert.Equal(t, test.orphans, report.Refused)
				assert.Zero(t, report.Deleted+report.Skipped)
				assert.Empty(t, z.Calls())
			})
		})
	}
}

func TestWhatEC2ProvesGoesOverBudget(t *testing.T) {
	scene(t, func(t *testing.T) {
		z := newZone(t, on(1, 1), on(2, 2), host(2), on(7, 7), host(7))
		z.Put(orphans(20)...)
		f := fleet(2)
		f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone}
		report, err := sweep.Sweep(t.Context(), config(z, says(f)))
		assert.ErrorContains(
			t,
			err,
			"22 of 25 records would be deleted without proof from EC2, more than the budget of 30 %",
		)
		addsUp(t, report)
		assert.Equal(t, []int{24, 22, 2}, []int{report.Stale, report.Refused, report.Deleted})
		assert.Equal(t, sorted(append(orphans(20), on(1, 1), on(7, 7), host(7))...), z.content())
	})
}

// The budget counts records of ecssd: a zone full of others makes no room.
func TestOthersRecordsMakeNoRoomInTheBudget(t *testing.T) {
	scene(t, func(t *testing.T) {
		z := newZone(t, on(1, 1))
		z.Put(orphans(11)...)
		for _, r := range orphans(88) {
			z.Put(with(r, func(r *record.Record) { r.SetID = "other " + r.SetID }))
		}
		report, err := sweep.Sweep(t.Context(), config(z, says(fleet(1))))
		assert.Error(t, err)
		assert.Equal(t, []int{12, 11}, []int{report.Seen, report.Refused})
	})
}

// What stays as the last of its name takes nothing from the budget: a service of which every name has one orphan would
// keep all others from being swept.
func TestWhatIsSparedDoesNotCountForTheBudget(t *testing.T) {
	last := func(n int) record.Record { return srv(fmt.Sprint("last", n), instance(1), ip(address(1)), 1000+n) }
	scene(t, func(t *testing.T) {
		z := newZone(t, on(1, 999))
		var want []record.Record
		for n := range 11 {
			want = append(want, last(n))
		}
		for h := 1; h <= 24; h++ {
			want = append(want, on(h, h))
		}
		z.Put(want...)
		report := swept(t, config(z, says(fleet(24))))
		assert.Equal(t, sorted(want...), z.content())
		assert.Equal(t, []int{36, 11, 0, 1}, []int{report.Seen, report.Skipped, report.Refused, report.Deleted})
	})
}

// Where all that is not proven stays, other records are the last of their names, and other addresses are needed.
func TestRecordsKeptByTheBudgetCountAsRemaining(t *testing.T) {
	scene(t, func(t *testing.T) {
		f := fleet(3)
		f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone}
		i := member(3)
		i.Impaired, i.Connected = true, false
		f.Instances[instance(3)] = i
		// by the address of the host that is gone
		db := func(n int) record.Record { return srv("db", instance(1), ip(address(2)), n) }
		hung := srv("db", instance(3), ip(address(3)), 3)
		last := srv("last", instance(1), ip(address(1)), 50)
		z := newZone(t, host(2), hung, on(1, 1), last, host(9), on(9, 9))
		for n := range 20 {
			z.Put(db(1000 + n))
		}
		report, err := sweep.Sweep(t.Context(), config(z, says(f)))
		assert.ErrorContains(t, err, "22 of 26 records would be deleted")
		addsUp(t, report)
		by := verdicts(report)
		assert.Equal(t, evidence.Skipped, by[host(2).SetID], "records that are refused point to it")
		assert.Equal(t, evidence.Standby, by[hung.SetID], "those serve beside it")
		assert.Equal(t, evidence.Skipped, by[last.SetID])
		assert.Equal(t, []evidence.Verdict{
			evidence.Refused,
			evidence.Refused,
		}, []evidence.Verdict{
			by[on(9, 9).SetID],
			by[host(9).SetID],
		})
		assert.Equal(t, []int{24, 22, 0}, []int{report.Stale + report.Skipped, report.Refused, report.Deleted})
	})
}

// The own record of a host that EC2 does not know stays beside a record that stays, though a living host has the same
// address.
func TestAHostRecordIsKeptWithOtherRecordsOfItsHost(t *testing.T) {
	scene(t, func(t *testing.T) {
		last := srv("db", instance(9), ip(address(1)), 9)
		home := hostAt(instance(9), 1, account+"/"+region)
		z := newZone(t, on(1, 1), host(1), last, home)
		report := swept(t, config(z, says(fleet(1))))
		assert.Equal(t, sorted(on(1, 1), host(1), last, home), z.content())
		assert.Equal(t, 2, report.Skipped)
		z.Put(srv("db", instance(1), ip(address(1)), 1))
		f := fleet(1)
		f.Containers[id(1)] = running(1, 1)
		swept(t, config(z, says(f)))
		assert.Equal(
			t,
			sorted(on(1, 1), host(1), srv("db", instance(1), ip(address(1)), 1)),
			z.content(),
			"both go once another serves",
		)
	})
}

func TestTheLastOfAName(t *testing.T) {
	db := func(h, n int) record.Record { return srv("db", instance(h), ip(address(h)), n) }
	gone := func(f *evidence.Fleet) { f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone} }
	hung := func(f *evidence.Fleet) {
		i := member(2)
		i.Impaired, i.Connected = true, false
		f.Instances[instance(2)] = i
	}
	type records = []record.Record
	for name, test := range map[string]struct {
		fleet func(*evidence.Fleet)
		has   records
		want  records
		left  int
	}{
		"an orphan":              {has: records{db(1, 7)}, want: records{db(1, 7)}, left: 1},
		"two orphans, one stays": {has: records{db(1, 7), db(1, 8)}, want: records{db(1, 7)}, left: 1},
		"of a host that EC2 does not know": {
			has:  records{db(7, 7), host(7)},
			want: records{db(7, 7), host(7)},
			left: 2,
		},
		"of a host that is gone": {fleet: gone, has: records{db(2, 7), host(2)}},
		"one orphan, one of a host that is gone": {
			fleet: gone,
			has:   records{db(2, 7), db(1, 8)},
			want:  records{db(1, 8)},
			left:  1,
		},
		"an orphan, and somebody else's": {
			has:  records{db(1, 7), with(db(1, 7), func(r *record.Record) { r.SetID = "x" })},
			want: records{with(db(1, 7), func(r *record.Record) { r.SetID = "x" })},
		},
		"an orphan, and one that takes no traffic": {has: records{db(1, 7), marked(db(3, 3))}, want: records{db(3, 3)}},
		"the same name in another type": {
			has:  records{db(1, 7), with(host(1), func(r *record.Record) { r.Name = "db." + domain })},
			want: records{db(1, 7), with(host(1), func(r *record.Record) { r.Name = "db." + domain })},
			left: 1,
		},
		"the last that serves, host hung": {
			fleet: hung,
			has:   records{db(2, 2), asking(0, db(3, 3))},
			want:  records{db(2, 2), asking(0, db(3, 3))},
			left:  1,
		},
		"the last that serves beside an orphan": {
			fleet: hung,
			has:   records{db(2, 2), db(1, 7)},
			want:  records{db(2, 2)},
			left:  1,
		},
		"the last that serves beside a dead one": {
			fleet: func(f *evidence.Fleet) {
				hung(f)
				delete(f.Instances, instance(1))
				f.Instances[instance(1)] = evidence.Instance{State: evidence.Gone}
			},
			has:  records{db(2, 2), db(1, 1)},
			want: records{db(2, 2)},
			left: 1,
		},
		"two on a hung host": {
			fleet: func(f *evidence.Fleet) { hung(f); f.Containers[id(4)] = running(2, 4) },
			has:   records{db(2, 2), db(2, 4)},
			want:  records{db(2, 2), marked(db(2, 4))},
			left:  1,
		},
		"one that serves, host hung": {
			fleet: hung,
			has:   records{db(2, 2), db(3, 3)},
			want:  records{marked(db(2, 2)), db(3, 3)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				z := newZone(t, test.has...)
				report := swept(t, config(z, says(changed(fleet(3), test.fleet))))
				assert.Equal(t, sorted(test.want...), z.content())
				assert.Equal(t, test.left, report.Skipped, "%+v", report.Findings)
			})
		})
	}
}

func TestAddresses(t *testing.T) {
	gone := func(f *evidence.Fleet) { f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone} }
	foreign := with(on(2, 2), func(r *record.Record) { r.SetID = "somebody" })
	several := with(foreign, func(r *record.Record) { r.Value = "1 1 80 elsewhere.internal\n1 1 81 " + ip(address(2)) })
	shouting := with(foreign, func(r *record.Record) { r.Value = "1 1 80 " + strings.ToUpper(ip(address(2))) + "." })
	reused := with(host(2), func(r *record.Record) { r.SetID = instance(1) + ":host:" + account + "/" + region })
	type records = []record.Record
	for name, test := range map[string]struct {
		has, want records
	}{
		"goes with its host": {has: records{on(2, 2), host(2)}},
		"goes alone":         {has: records{host(2)}},
		"stays while somebody's record names it": {
			has:  records{on(2, 2), host(2), foreign},
			want: records{host(2), foreign},
		},
		"in a set of several values": {has: records{host(2), several}, want: records{host(2), several}},
		"however that is spelt": {
			has:  records{host(2), shouting},
			want: records{host(2), shouting},
		},
		"goes when a living host has the same": {
			has:  records{host(2), reused, foreign},
			want: records{reused, foreign},
		},
		"stays while a record of another names it": {
			has:  records{host(2), srv("web", instance(1), ip(address(2)), 1)},
			want: records{host(2), srv("web", instance(1), ip(address(2)), 1)},
		},
		"of a living host without any stays": {has: records{host(1)}, want: records{host(1)}},
		"of a host that moved stays beside the new": {
			has:  records{hostAt(instance(1), 5, account+"/"+region), host(1)},
			want: records{hostAt(instance(1), 5, account+"/"+region), host(1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				z := newZone(t, test.has...)
				swept(t, config(z, says(changed(fleet(2), gone))))
				assert.Equal(t, sorted(test.want...), z.content())
			})
		})
	}
}

func TestBudgetErrorBesideOneOfTheZone(t *testing.T) {
	scene(t, func(t *testing.T) {
		z := newZone(t, on(2, 2), on(1, 1))
		z.Put(orphans(20)...)
		f := fleet(2)
		f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone}
		z.Fault = denied
		report, err := sweep.Sweep(t.Context(), config(z, says(f)))
		assert.ErrorContains(t, err, "20 of 22 records")
		assert.ErrorContains(t, err, "is not authorized")
		assert.Equal(t, err.Error(), report.Error)
		assert.Equal(t, []int{0, 1, 20}, []int{report.Deleted, report.NotDone, report.Refused})
		assert.True(t, errors.As(err, new(*sweep.ErrBudget)))
	})
}
