package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	strict "github.com/ecssd/ecssd/internal/test/zone"
)

func denied(int, []plan.Change) strict.Fault {
	return strict.Fault{Err: &plan.Refusal{Reason: plan.Denied, Message: "is not authorized to perform"}}
}

// dead gives records of hosts that EC2 says are gone, and the fleet that says so.
func dead(n int) (records []record.Record, f evidence.Fleet) {
	f = fleet(0)
	for h := 1; h <= n; h++ {
		f.Instances[instance(h)] = evidence.Instance{State: evidence.Gone}
		records = append(records, srv(fmt.Sprintf("web%d", h), instance(h), ip(address(h)), h))
	}
	return records, f
}

// What agents do between the reading and the change is not undone, and everything else is done.
func TestWhatHasChangedMeanwhileSurvives(t *testing.T) {
	for _, unnamed := range []bool{false, true} {
		t.Run(fmt.Sprint("unnamed ", unnamed), func(t *testing.T) {
			scene(t, func(t *testing.T) {
				records, f := dead(250)
				z := newZone(t, records...)
				z.Unnamed = unnamed
				weighed := with(records[17], func(r *record.Record) { r.Weight = 0 })
				moved := with(records[130], func(r *record.Record) { r.Value = "1 1 9 elsewhere.internal" })
				z.Before = func(call int) {
					if call == 1 {
						z.Put(weighed, moved)
						z.Remove(records[249])
					}
				}
				report := swept(t, config(z, says(f)))
				assert.Equal(t, sorted(weighed, moved), z.content())
				assert.Equal(t, []int{247, 3, 0}, []int{report.Deleted, report.Conflicts, report.NotDone})
				assert.Less(t, len(z.Calls()), 60)
			})
		})
	}
}

func TestMarksDoNotOverwrite(t *testing.T) {
	hung := fleet(2)
	i := member(2)
	i.Impaired, i.Connected = true, false
	hung.Instances[instance(2)] = i
	t.Run("an agent's removal", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, on(1, 1), on(2, 2))
			z.Before = func(int) { z.Remove(on(2, 2)) }
			report := swept(t, config(z, says(hung)))
			assert.Equal(t, []record.Record{on(1, 1)}, z.content(), "what its agent removed does not come back")
			assert.Equal(t, []int{0, 1}, []int{report.Standby, report.Conflicts})
		})
	})
	t.Run("an agent's new weight", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, on(1, 1), on(2, 2))
			z.Before = func(int) { z.Put(asking(7, on(2, 2))) }
			swept(t, config(z, says(hung)))
			assert.Equal(t, []record.Record{on(1, 1), asking(7, on(2, 2))}, z.content())
		})
	})
	t.Run("an agent's standby where a mark was to be taken off", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, on(1, 1), marked(on(2, 2)))
			standby := with(on(2, 2), func(r *record.Record) { r.Weight = 0 })
			z.Before = func(int) { z.Put(standby) }
			report := swept(t, config(z, says(fleet(2))))
			assert.Equal(t, []record.Record{on(1, 1), standby}, z.content())
			assert.Equal(t, []int{0, 1}, []int{report.Restored, report.Conflicts})
		})
	})
	t.Run("5, standby, 5", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			five := asking(5, on(2, 2))
			z := newZone(t, on(1, 1), five)
			assert.Equal(t, 1, swept(t, config(z, says(hung))).Standby)
			assert.Equal(t, []record.Record{on(1, 1), marked(five)}, z.content())
			assert.Zero(t, swept(t, config(z, says(hung))).Standby)
			assert.Equal(t, 1, swept(t, config(z, says(fleet(2)))).Restored)
			assert.Equal(t, []record.Record{on(1, 1), five}, z.content())
		})
	})
}

func TestZoneErrors(t *testing.T) {
	lost := func(applied bool) func(int, []plan.Change) strict.Fault {
		return func(call int, _ []plan.Change) strict.Fault {
			if call == 1 {
				return strict.Fault{Err: strict.ErrReset, Made: applied}
			}
			return strict.None
		}
	}
	for name, fault := range map[string]func(int, []plan.Change) strict.Fault{
		"a request is lost": lost(false),
		"throttled": func(call int, changes []plan.Change) strict.Fault {
			if call <= 12 {
				return strict.Throttled
			}
			return strict.None
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				records, f := dead(150)
				z := newZone(t, records...)
				z.Fault = fault
				report := swept(t, config(z, says(f)))
				assert.Empty(t, z.content())
				assert.Equal(t, 150, report.Deleted)
			})
		})
	}
	t.Run("an answer is lost", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(150)
			f.Instances[instance(201)], f.Containers[id(201)] = member(201), running(201, 201)
			five := asking(5, on(201, 201))
			z := newZone(t, append(records, marked(five))...)
			z.Fault = lost(true)
			report := swept(t, config(z, says(f)))
			assert.Equal(t, []record.Record{five}, z.content())
			assert.Equal(t, 151, report.Deleted+report.Restored+report.Conflicts)
		})
	})
	t.Run("refused without a name", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(100)
			z := newZone(t, records...)
			z.Fault = func(_ int, changes []plan.Change) strict.Fault {
				for _, c := range changes {
					if c.Record == records[41] {
						return strict.Fault{Err: &plan.Refusal{Reason: plan.Invalid, Message: "no"}}
					}
				}
				return strict.None
			}
			report := swept(t, config(z, says(f)))
			assert.Equal(t, []record.Record{records[41]}, z.content())
			assert.Equal(t, []int{99, 1}, []int{report.Deleted, report.Conflicts})
		})
	})
	t.Run("denied", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(300)
			z := newZone(t, records...)
			z.Fault = denied
			report, err := sweep.Sweep(t.Context(), config(z, says(f)))
			assert.ErrorContains(
				t,
				err,
				"300 changes are left for the next pass: change records in zone Z1: change batch refused (denied): "+
					"is not "+
					"authorized to perform",
			)
			addsUp(t, report)
			assert.Equal(t, []int{0, 300}, []int{report.Deleted, report.NotDone})
			assert.Less(t, len(z.Calls()), 10, "the others would be denied too")
		})
	})
	t.Run("the zone is gone", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(300)
			z := newZone(t, records...)
			z.Fault = func(call int, _ []plan.Change) strict.Fault {
				if call > 1 {
					return strict.NoSuchZone
				}
				return strict.None
			}
			report, err := sweep.Sweep(t.Context(), config(z, says(f)))
			assert.ErrorIs(t, err, plan.ErrNoSuchZone)
			addsUp(t, report)
			assert.Equal(t, []int{100, 200}, []int{report.Deleted, report.NotDone})
			assert.Len(t, z.Calls(), 2)
		})
	})
	t.Run("it never answers, and there is no deadline", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(3)
			z := newZone(t, records...)
			z.Fault = func(int, []plan.Change) strict.Fault { return strict.LostRequest }
			start := time.Now()
			report, err := sweep.Sweep(t.Context(), config(z, says(f)))
			assert.ErrorIs(t, err, strict.ErrReset)
			addsUp(t, report)
			assert.Equal(t, 3, report.NotDone)
			assert.Less(t, time.Since(start), 5*time.Minute)
		})
	})
	t.Run("throttled until the deadline", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(250)
			z := newZone(t, records...)
			z.Fault = func(call int, changes []plan.Change) strict.Fault {
				if call > 1 {
					return strict.Throttled
				}
				return strict.None
			}
			ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
			defer cancel()
			report, err := sweep.Sweep(ctx, config(z, says(f)))
			assert.NoError(t, ctx.Err(), "time is left to report")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, plan.ErrThrottled, "it says what took the time")
			assert.Equal(t, err.Error(), report.Error)
			addsUp(t, report)
			assert.Equal(t, []int{100, 150}, []int{report.Deleted, report.NotDone})
			assert.Equal(t, 150, len(z.content()), "nothing half done")
		})
	})
	t.Run("part of a batch is made before the deadline", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(100)
			z := newZone(t, records...)
			z.Fault = func(call int, changes []plan.Change) strict.Fault {
				switch {
				case call == 1:
					return strict.Fault{Err: &plan.Refusal{Reason: plan.Invalid, Message: "no"}}
				case call > 2:
					return strict.LostRequest
				}
				return strict.None
			}
			report, err := sweep.Sweep(t.Context(), config(z, says(f)))
			assert.Error(t, err)
			addsUp(t, report)
			assert.Equal(t, []int{50, 50}, []int{report.Deleted, report.NotDone})
		})
	})
}

// Of a host that EC2 does not know only its own record tells whose it was. Once that is gone nobody deletes the others.
func TestAHostsOwnRecordGoesAfterItsOthers(t *testing.T) {
	living := []record.Record{on(1, 1), srv("web2", instance(1), ip(address(1)), 1)}
	records := append(living[:2:2], host(9))
	for n := range 150 { // more than one batch, and more than one name may have
		name := "web"
		if n >= 75 {
			name = "web2"
		}
		records = append(records, srv(name, instance(9), ip(address(9)), 900+n))
	}
	fails := func(_ int, changes []plan.Change) strict.Fault {
		for _, c := range changes {
			if c.Record == records[152] {
				return strict.LostRequest
			}
		}
		return strict.None
	}
	for name, test := range map[string]struct {
		meanwhile func(z *zone)
		fault     func(int, []plan.Change) strict.Fault
		unnamed   bool
		fails     bool
		want      []record.Record
		counted   []int // deleted, overtaken, not done
	}{
		"all is well": {want: living, counted: []int{151, 0, 0}},
		"the second batch fails": {
			fault:   fails,
			fails:   true,
			want:    append(records[:3:3], records[103:]...),
			counted: []int{100, 0, 51},
		},
		"one has changed": {
			meanwhile: func(z *zone) { z.Put(asking(7, records[5])) },
			want:      append(records[:3:3], asking(7, records[5])),
			counted:   []int{149, 1, 1},
		},
		"one has changed, not named": {
			meanwhile: func(z *zone) { z.Put(asking(7, records[5])) },
			unnamed:   true,
			want:      append(records[:3:3], asking(7, records[5])),
			counted:   []int{149, 1, 1},
		},
		"one is gone already": {
			meanwhile: func(z *zone) { z.Remove(records[5]) },
			want:      living,
			counted:   []int{150, 1, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				z := newZone(t, records...)
				z.Fault, z.Unnamed = test.fault, test.unnamed
				z.Before = func(call int) {
					if call == 1 && test.meanwhile != nil {
						test.meanwhile(z)
					}
				}
				c := config(z, says(fleet(1)))
				c.Budget = 1
				report, err := sweep.Sweep(t.Context(), c)
				assert.Equal(t, test.fails, err != nil)
				addsUp(t, report)
				assert.Equal(t, sorted(test.want...), z.content())
				assert.Equal(t, test.counted, []int{report.Deleted, report.Conflicts, report.NotDone})
				z.Fault = nil
				swept(t, c)
				assert.Equal(t, living, z.content(), "in the next pass")
			})
		})
	}
}

func TestNewTTL(t *testing.T) {
	seconds := func(ttl int64, r record.Record) record.Record {
		r.TTL = ttl
		return r
	}
	legacy := with(on(1, 1), func(r *record.Record) { r.Name, r.SetID = "old."+domain, "ip-10-0-0-1:"+id(1) })
	db := func(n int) record.Record { return srv("db", instance(n), ip(address(n)), n) }
	shared := srv("shared", instance(1), ip(address(1)), 1)
	foreign := with(shared, func(r *record.Record) { r.SetID = "somebody" })
	early := with(shared, func(r *record.Record) { r.SetID = "a listing begins with it" })
	early.Name = "early." + domain
	second := with(shared, func(r *record.Record) { r.Name = early.Name })
	orphan, beside := on(1, 7), on(2, 2)
	eni := with(host(2), func(r *record.Record) { r.SetID = instance(2) + ":eni:" + id(2) })
	has := []record.Record{
		db(1),
		db(2),
		db(3),
		host(1),
		eni,
		legacy,
		shared,
		foreign,
		early,
		second,
		orphan,
		beside,
		seconds(30, srv("done", instance(1), ip(address(1)), 1)),
	}
	scene(t, func(t *testing.T) {
		z := newZone(t, has...)
		c := config(z, says(fleet(3)))
		c.TTL = new(int64(30))
		report := swept(t, c)
		want := sorted(
			seconds(30, db(1)), seconds(30, db(2)), seconds(30, db(3)), host(1), seconds(30, legacy),
			eni, shared, foreign, early, second, beside, seconds(30, srv("done", instance(1), ip(address(1)), 1)))
		assert.Equal(t, want, z.content())
		assert.Equal(t, []int{
			2,
			1,
		}, []int{
			report.Rewritten,
			report.Deleted,
		}, "A records of hosts and tasks have a TTL that agents give them")
		for _, call := range z.Calls() {
			names := map[string]int{}
			for _, change := range call.Changes {
				names[change.Record.Name]++
			}
			assert.Contains(t, []int{0, 6}, names["db."+domain], "a name's TTL changes in one batch")
		}
		swept(t, c)
		assert.Contains(t, z.content(), seconds(30, beside), "in the next pass")
	})
	t.Run("an agent adds a record meanwhile", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, db(1), db(2), on(1, 1))
			z.Before = func(int) { z.Put(db(3)) }
			c := config(z, says(fleet(3)))
			c.TTL = new(int64(30))
			report := swept(t, c)
			assert.Equal(t, sorted(db(1), db(2), db(3), seconds(30, on(1, 1))), z.content())
			assert.Equal(t, []int{1, 1}, []int{report.Rewritten, report.Conflicts})
		})
	})
	t.Run("the one a record has is left", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, db(1))
			c := config(z, says(fleet(3)))
			c.TTL = new(int64(0))
			swept(t, c)
			assert.Empty(t, z.Calls())
		})
	})
}

func TestStopping(t *testing.T) {
	scene(t, func(t *testing.T) {
		records, f := dead(300)
		z := newZone(t, records...)
		ctx, cancel := context.WithCancel(t.Context())
		z.Before = func(call int) {
			if call == 2 {
				cancel()
			}
		}
		report, err := sweep.Sweep(ctx, config(z, says(f)))
		assert.True(t, errors.Is(err, context.Canceled))
		addsUp(t, report)
		assert.Equal(t, []int{100, 200}, []int{report.Deleted, report.NotDone})
		assert.Len(t, z.Calls(), 2)
	})
}
