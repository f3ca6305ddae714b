package sweep_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// crowd is two clusters of 150 hosts each with ten containers a host, half of them on networks of their own, and what
// is left over of other hosts and containers.
func crowd() (f evidence.Fleet, living, over []record.Record) {
	const hosts, each = 300, 10
	f = fleet(0)
	for h := 1; h <= hosts; h++ {
		i := member(h)
		i.Connected = h%7 != 0 || h%5 == 0
		f.Instances[instance(h)] = i
		living = append(living, host(h))
		for k := range each {
			n := h*each + k
			c := running(h, n)
			c.Cluster, c.Service = fmt.Sprint("cluster", h%2), fmt.Sprintf("cluster%d/s%d", h%2, n%25)
			r := srv(fmt.Sprintf("s%d", n%40), instance(h), ip(address(h)), n)
			if k%2 == 0 {
				c.Address = netip.AddrFrom4([4]byte{10, 128, byte(n >> 8), byte(n)})
				r.Value = "1 1 80 " + ip(c.Address)
				living = append(living, record.Record{
					Name:   ip(c.Address),
					Type:   record.A,
					SetID:  instance(h) + ":eni:" + id(n),
					Weight: 1,
					Value:  c.Address.String(),
				})
			}
			f.Containers[id(n)] = c
			living = append(living, r)
		}
		if h%5 == 0 { // a container that is gone
			n := 100_000 + h
			over = append(over, srv(fmt.Sprintf("s%d", n%40), instance(h), ip(address(h)), n))
		}
	}
	for h := hosts + 1; h <= hosts+60; h++ { // hosts that are gone
		if h%2 == 0 {
			f.Instances[instance(h)] = evidence.Instance{State: evidence.Gone}
		}
		over = append(over, host(h))
		for k := range each {
			n := h*each + k
			over = append(over, srv(fmt.Sprintf("s%d", n%40), instance(h), ip(address(h)), n))
		}
	}
	return f, living, over
}

func TestNothingLiveIsDeletedAndEveryOrphanIs(t *testing.T) {
	scene(t, func(t *testing.T) {
		f, living, over := crowd()
		z := newZone(t, living...)
		z.Put(over...)
		report := swept(t, config(z, says(f)))
		assert.Equal(t, sorted(living...), z.content())
		assert.Equal(t, []int{
			len(living) + len(over),
			len(over),
			len(over),
		}, []int{
			report.Seen,
			report.Stale,
			report.Deleted,
		})
		assert.Len(t, report.Findings, 500, "no more than a report can carry")
		assert.Less(t, len(z.Calls()), 20)
	})
}

func TestDryRun(t *testing.T) {
	scene(t, func(t *testing.T) {
		f, living, over := crowd()
		z := newZone(t, living...)
		z.Put(over...)
		c := config(z, says(f))
		c.DryRun, c.TTL = true, new(int64(30))
		report := swept(t, c)
		assert.True(t, report.DryRun)
		assert.Equal(t, []int{len(over), 0}, []int{report.Stale, report.Deleted})
		assert.Empty(t, z.Calls())
	})
}

func TestAReadingThatFailsChangesNothing(t *testing.T) {
	records := []record.Record{on(1, 1), host(1), on(1, 7), on(2, 2), host(2), on(9, 9), host(9)}
	f := fleet(2)
	f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone}
	fails := func() (evidence.Fleet, error) { return evidence.Fleet{}, errRead }
	for name, break_ := range map[string]func(*zone, *source){
		"the zone's first page":  func(z *zone, _ *source) { z.PageSize, z.failPage = 2, 1 },
		"the zone's second page": func(z *zone, _ *source) { z.PageSize, z.failPage = 2, 2 },
		"the zone's last page":   func(z *zone, _ *source) { z.PageSize, z.failPage = 2, 5 },
		"the fleet":              func(_ *zone, s *source) { s.looks[0] = fails },
		"the second look":        func(_ *zone, s *source) { s.looks = append(s.looks, fails) },
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				z, s := newZone(t, records...), says(f)
				break_(z, s)
				report, err := sweep.Sweep(t.Context(), config(z, s))
				assert.ErrorIs(t, err, errRead)
				assert.ErrorContains(t, err, "nothing is changed: ")
				assert.Equal(t, err.Error(), report.Error)
				report.Error, report.Seconds = "", 0
				assert.Equal(t, sweep.Report{}, report)
				assert.Empty(t, z.Calls())
			})
		})
	}
}

func TestInstancesAskedFor(t *testing.T) {
	scene(t, func(t *testing.T) {
		legacy := with(on(1, 1), func(r *record.Record) { r.SetID = "ip-10-0-0-1:" + id(1) })
		s := says(fleet(2))
		swept(t, config(newZone(t, on(2, 2), on(1, 1), host(1), legacy, srv("web", "mi-1", "h", 3)), s))
		assert.Equal(t, []string{instance(1), instance(2), "mi-1"}, s.asked)
	})
}

// A container may be in the zone some seconds before it is in ECS. The time between the looks counts from when the last
// record was read, however long that took.
func TestTheSecondLook(t *testing.T) {
	t.Run("comes 90 s after the records were read", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, on(1, 1), on(1, 7), on(1, 8))
			z.PageSize, z.ReadLatency = 1, 30*time.Second
			s := says(fleet(1))
			s.took = 20 * time.Second
			swept(t, config(z, s))
			assert.Equal(t, 90*time.Second, s.at[1].Sub(s.at[0]))
		})
	})
	t.Run("comes at once where reading takes longer", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			s := says(fleet(1))
			s.took = 2 * time.Minute
			swept(t, config(newZone(t, on(1, 1), on(1, 7)), s))
			assert.Equal(t, 2*time.Minute, s.at[1].Sub(s.at[0]))
		})
	})
	t.Run("is not needed for what is proven", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(3)
			s := says(f)
			start := time.Now()
			swept(t, config(newZone(t, records...), s))
			assert.Len(t, s.at, 1)
			assert.Less(t, time.Since(start), time.Second)
		})
	})
	t.Run("a container that starts during the pass", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z, s := newZone(t, on(1, 1)), says(fleet(1))
			first := s.looks[0]
			s.looks = []func() (evidence.Fleet, error){func() (evidence.Fleet, error) {
				z.Put(on(1, 5))
				return first()
			}}
			swept(t, config(z, s))
			assert.Equal(t, []record.Record{on(1, 1), on(1, 5)}, z.content())
		})
	})
	t.Run("a container just started, which ECS learns of late", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z, s := newZone(t, on(1, 1), on(1, 5)), says(fleet(1))
			start := time.Now()
			s.looks[0] = func() (evidence.Fleet, error) {
				return changed(fleet(1), func(f *evidence.Fleet) {
					if time.Since(start) > time.Minute {
						f.Containers[id(5)] = running(1, 5)
					}
				}), nil
			}
			swept(t, config(z, s))
			assert.Equal(t, []record.Record{on(1, 1), on(1, 5)}, z.content())
		})
	})
}

func TestDeadlines(t *testing.T) {
	t.Run("no time to look twice", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, on(1, 1), on(1, 7), on(2, 2), host(2), on(9, 9), host(9))
			f := fleet(2)
			f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			report, err := sweep.Sweep(ctx, config(z, says(f)))
			assert.NoError(t, err)
			addsUp(t, report)
			assert.Equal(t, sorted(on(1, 1), on(1, 7), on(9, 9), host(9)), z.content())
			assert.Equal(t, []int{2, 3}, []int{report.Deleted, report.Skipped})
		})
	})
	t.Run("no time for a second look as long as the first", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z, s := newZone(t, on(1, 1), on(1, 7)), says(fleet(1))
			s.took = 100 * time.Second
			ctx, cancel := context.WithTimeout(t.Context(), 210*time.Second)
			defer cancel()
			report, err := sweep.Sweep(ctx, config(z, s))
			assert.NoError(t, err)
			assert.Len(t, s.at, 1)
			assert.Equal(t, 1, report.Skipped)
		})
	})
	// Checks use all the time that the second look leaves them, and not what it needs itself.
	for _, took := range []time.Duration{time.Second, 30 * time.Second, 55 * time.Second, 70 * time.Second} {
		t.Run(fmt.Sprint("checks before the second look, reading takes ", took), func(t *testing.T) {
			scene(t, func(t *testing.T) {
				z, s := newZone(t, on(1, 1), on(1, 7)), says(fleet(1))
				s.took = took
				c := config(z, s)
				c.Check = checkedInVain()
				c.Check.Client.Timeout = 0 // so that only the deadline ends a check
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
				defer cancel()
				report, err := sweep.Sweep(ctx, c)
				assert.NoError(t, err)
				addsUp(t, report)
				assert.Len(t, s.at, 2)
				assert.Equal(t, []int{1, 0}, []int{report.Deleted, report.Skipped})
			})
		})
	}
	t.Run("checks have all the time where there is none to look twice", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z, s := newZone(t, on(1, 1), on(1, 7)), says(fleet(1))
			s.took = 5 * time.Second
			c := config(z, s)
			c.Check = checkedInVain()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			report, err := sweep.Sweep(ctx, c)
			assert.NoError(t, err)
			assert.Equal(t, []int{1, 1, 1}, []int{report.Unhealthy, report.Standby, report.Skipped})
		})
	})
	t.Run("reading takes all the time", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z, s := newZone(t, on(1, 1), on(1, 7)), says(fleet(1))
			s.took = time.Hour
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			report, err := sweep.Sweep(ctx, config(z, s))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NotEmpty(t, report.Error)
			assert.NoError(t, ctx.Err(), "time is left to report")
			assert.Empty(t, z.Calls())
		})
	})
	t.Run("changes take longer than there is time", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			records, f := dead(1000)
			z := newZone(t, records...)
			z.Before = func(int) { time.Sleep(4 * time.Second) }
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			report, err := sweep.Sweep(ctx, config(z, says(f)))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NoError(t, ctx.Err(), "time is left to report")
			addsUp(t, report)
			assert.Equal(t, 1000, report.Deleted+report.NotDone)
			assert.Positive(t, report.Deleted)
			assert.Equal(t, report.NotDone, len(z.content()))
		})
	})
	t.Run("it is over before it begins", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			records, f := dead(3)
			z := newZone(t, records...)
			report, err := sweep.Sweep(ctx, config(z, says(f)))
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, err.Error(), report.Error)
			assert.Len(t, z.content(), 3)
		})
	})
	t.Run("it ends while waiting for the second look", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			z := newZone(t, on(1, 1), on(1, 7))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Minute, cancel)
			_, err := sweep.Sweep(ctx, config(z, says(fleet(1))))
			assert.ErrorIs(t, err, context.Canceled)
			assert.Empty(t, z.Calls())
		})
	})
}

// Records that are left in every pass, as those of another region, do not crowd out of the report what this pass has
// done.
func TestSkippedFindingsLeaveRoomForOthers(t *testing.T) {
	scene(t, func(t *testing.T) {
		z := newZone(t, on(2, 2), with(on(2, 3), func(r *record.Record) { r.Name = "zzz." + domain }))
		for n := range 600 {
			z.Put(srv(fmt.Sprint("far", n/100), instance(1000+n), "h", n))
		}
		f := fleet(1)
		f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone}
		report, err := sweep.Sweep(t.Context(), config(z, says(f)))
		assert.NoError(t, err)
		assert.Equal(t, []int{600, 2}, []int{report.Skipped, report.Deleted})
		assert.Len(t, report.Findings, 252)
	})
}

// A task that hangs is told of in each pass, and what is left over on its host goes all the same.
func TestStuckTasksAreReported(t *testing.T) {
	scene(t, func(t *testing.T) {
		z := newZone(t, on(1, 1), on(1, 7))
		f := fleet(1)
		for n := range 120 {
			f.Stuck = append(
				f.Stuck,
				evidence.Stuck{Task: fmt.Sprint("task", n), Container: "web", Instance: instance(1)},
			)
		}
		log, logged := logtest.NewNullLogger()
		c := config(z, says(f))
		c.Log = logrus.NewEntry(log)
		report := swept(t, c)
		assert.Equal(t, f.Stuck[:100], report.Stuck)
		assert.Equal(t, 1, report.Deleted)
		warned := 0
		for _, entry := range logged.AllEntries() {
			if entry.Level == logrus.WarnLevel {
				assert.Equal(t, fmt.Sprint("task", warned), entry.Data["task"])
				warned++
			}
		}
		assert.Equal(t, 100, warned)
	})
}

func TestOnlyFindingsAreLogged(t *testing.T) {
	scene(t, func(t *testing.T) {
		log, logged := logtest.NewNullLogger()
		c := config(newZone(t, on(1, 1), host(1), on(2, 2), host(2)), says(gone2()))
		c.Log = logrus.NewEntry(log)
		swept(t, c)
		for _, entry := range logged.AllEntries() {
			assert.Equal(t, evidence.Dead, entry.Data["verdict"])
		}
		assert.Len(t, logged.AllEntries(), 2)
	})
}

func TestAnEmptyZone(t *testing.T) {
	scene(t, func(t *testing.T) {
		z := newZone(t)
		report := swept(t, config(z, says(fleet(2))))
		assert.Equal(t, sweep.Report{}, report)
		assert.Empty(t, z.Calls())
	})
}
