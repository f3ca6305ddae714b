package change_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/change"
	"github.com/ecssd/ecssd/internal/test/zone"
)

const domain = "example.internal"

func instance(n int) string { return fmt.Sprintf("i-%017x", n) }

// srv returns the record of a container on host n.
func srv(n int) record.Record {
	return record.Record{
		Name:   fmt.Sprintf("web%d.%s", n, domain),
		Type:   record.SRV,
		SetID:  fmt.Sprintf("%s:ecs:%064x:80/tcp", instance(n), n),
		Weight: 1,
		Value:  fmt.Sprintf("1 1 32768 ip-10-0-0-%d.%s", n, domain),
	}
}

func hostRecord(n int) record.Record {
	return record.Record{
		Name:   fmt.Sprintf("ip-10-0-0-%d.%s", n, domain),
		Type:   record.A,
		SetID:  instance(n) + ":host:123456789012/eu-central-1",
		Weight: 1,
		Value:  fmt.Sprintf("10.0.0.%d", n),
	}
}

// deletion deletes a record of host n, provided that EC2 does not report the host as running.
func deletion(n int, r record.Record) change.Unit {
	return change.Unit{
		Effect:   change.Delete,
		Changes:  []plan.Change{{Action: plan.Delete, Record: r}},
		Instance: instance(n),
		Gone:     instance(n),
	}
}

func changed(r record.Record) record.Record {
	r.Weight = 7
	return r
}

// Hosts 1 to 3 have one service record and one address record each.
func TestMake(t *testing.T) {
	all := []record.Record{srv(1), srv(2), srv(3), hostRecord(1), hostRecord(2), hostRecord(3)}
	unreachable := errors.New("EC2 does not answer")
	for name, test := range map[string]struct {
		before    func(z *zone.Zone)
		fault     func(call int, changes []plan.Change) zone.Fault
		unnamed   bool // a refusal names no change
		running   map[string]bool
		ask       error // of EC2
		want      []record.Record
		done      int
		conflicts int
		notDone   int
		fails     error
	}{
		"all hosts are gone": {done: 6},
		"a host is running again": {
			running:   map[string]bool{instance(2): true},
			want:      []record.Record{srv(2), hostRecord(2)},
			done:      4,
			conflicts: 1,
			notDone:   1,
		},
		"EC2 cannot be asked": {
			ask:     unreachable,
			want:    all,
			notDone: 6,
			fails:   unreachable,
		},
		"a record has changed": {
			before:    func(z *zone.Zone) { z.Put(changed(srv(2))) },
			want:      []record.Record{changed(srv(2)), hostRecord(2)},
			done:      4,
			conflicts: 1,
			notDone:   1,
		},
		"a record has changed, and the refusal does not name it": {
			before:    func(z *zone.Zone) { z.Put(changed(srv(2))) },
			unnamed:   true,
			want:      []record.Record{changed(srv(2)), hostRecord(2)},
			done:      4,
			conflicts: 1,
			notDone:   1,
		},
		"a record is deleted already": {
			before:    func(z *zone.Zone) { z.Remove(srv(2)) },
			done:      5,
			conflicts: 1,
		},
		"throttled at first": {
			fault: func(call int, _ []plan.Change) zone.Fault {
				if call < 5 {
					return zone.Throttled
				}
				return zone.None
			},
			done: 6,
		},
		"the zone does not exist": {
			fault:   func(int, []plan.Change) zone.Fault { return zone.NoSuchZone },
			want:    all,
			notDone: 6,
			fails:   plan.ErrNoSuchZone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := zone.New(t, domain, all...)
				z.Fault, z.Unnamed = test.fault, test.unnamed
				if test.before != nil {
					test.before(z)
				}
				log, _ := logtest.NewNullLogger()
				result, err := change.Make(t.Context(), change.Config{
					Change: z.Change,
					Running: func(context.Context, []string) (map[string]bool, error) {
						return test.running, test.ask
					},
					Jitter: func() float64 { return 0.5 },
					Log:    logrus.NewEntry(log),
				}, []change.Unit{
					deletion(1, srv(1)),
					deletion(2, srv(2)),
					deletion(3, srv(3)),
				}, []change.Unit{
					deletion(1, hostRecord(1)),
					deletion(2, hostRecord(2)),
					deletion(3, hostRecord(3)),
				})
				assert.ErrorIs(t, err, test.fails)
				assert.ElementsMatch(t, test.want, z.Records())
				assert.Equal(t, []int{test.done, test.conflicts, test.notDone},
					[]int{result.Done[change.Delete], result.Conflicts, result.NotDone})
			})
		})
	}
}

// A unit of two changes is made whole or not at all.
func TestAUnitIsNotSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone.New(t, domain, changed(srv(1)), srv(2))
		replace := func(r record.Record) change.Unit {
			return change.Unit{
				Effect:  change.Standby,
				Changes: []plan.Change{{Action: plan.Delete, Record: r}, {Action: plan.Create, Record: r.Mark()}},
			}
		}
		log, _ := logtest.NewNullLogger()
		result, err := change.Make(t.Context(), change.Config{
			Change: z.Change,
			Jitter: func() float64 { return 0 },
			Log:    logrus.NewEntry(log),
		}, []change.Unit{replace(srv(1)), replace(srv(2))}, nil)
		assert.NoError(t, err)
		assert.ElementsMatch(t, []record.Record{changed(srv(1)), srv(2).Mark()}, z.Records())
		assert.Equal(t, change.Result{Done: map[change.Effect]int{change.Standby: 1}, Conflicts: 1}, result)
	})
}

// No attempt rests on an answer of EC2 that is older than 10 s: a host may have started again since.
func TestEachAttemptRestsOnAFreshAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone.New(t, domain, srv(1))
		var asked time.Time
		z.Fault = func(call int, _ []plan.Change) zone.Fault {
			assert.Less(t, time.Since(asked), 10*time.Second, "call %d", call)
			if call < 10 {
				return zone.Throttled
			}
			return zone.None
		}
		log, _ := logtest.NewNullLogger()
		result, err := change.Make(t.Context(), change.Config{
			Change: z.Change,
			Running: func(context.Context, []string) (map[string]bool, error) {
				asked = time.Now()
				return nil, nil
			},
			Jitter: func() float64 { return 1 },
			Log:    logrus.NewEntry(log),
		}, []change.Unit{deletion(1, srv(1))}, nil)
		assert.NoError(t, err)
		assert.Empty(t, z.Records())
		assert.Equal(t, 1, result.Done[change.Delete])
	})
}
