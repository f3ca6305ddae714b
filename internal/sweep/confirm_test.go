package sweep_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
	strict "github.com/ecssd/ecssd/internal/test/zone"
)

// hanging is a network in which no server answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	time.Sleep(time.Millisecond) // a request takes a moment to end
	return nil, r.Context().Err()
}

func checkedInVain() *httpcheck.Checker {
	c := httpcheck.New("/health")
	c.Client.Transport = hanging{}
	return c
}

// gone2 is three hosts of which EC2 says that the second is stopped.
func gone2() evidence.Fleet {
	return changed(
		fleet(3),
		func(f *evidence.Fleet) { f.Instances[instance(2)] = evidence.Instance{State: evidence.Gone} },
	)
}

// alive is what EC2 says once all hosts run again.
func alive(ids ...string) map[string]evidence.State {
	states := map[string]evidence.State{}
	for _, id := range ids {
		states[id] = evidence.Alive
	}
	return states
}

// An instance that is started again has the ID and the address that it had, so that its agent's records are equal to
// those that were read while it was stopped: they would be deleted as listed.
func TestAHostThatRunsAgainKeepsItsRecords(t *testing.T) {
	legacy := with(on(2, 2), func(r *record.Record) { r.SetID = "ip-10-0-0-2:" + id(2) })
	for name, test := range map[string]struct {
		has   []record.Record
		fleet func(*evidence.Fleet)
	}{
		"stopped when it was read": {has: []record.Record{on(2, 2), host(2)}},
		"its own record alone":     {has: []record.Record{host(2)}},
		"unknown when it was read": {
			has:   []record.Record{on(2, 2), host(2)},
			fleet: func(f *evidence.Fleet) { delete(f.Instances, instance(2)) },
		},
		"a record of the old agent":  {has: []record.Record{legacy}},
		"with an orphan of the same": {has: []record.Record{on(2, 2), on(2, 9), host(2)}},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				start := time.Now()
				z, s := newZone(t, append(test.has, on(1, 1), on(3, 3), host(3))...), says(changed(gone2(), test.fleet))
				s.states = func(context.Context) (map[string]evidence.State, error) {
					if time.Since(start) > 5*time.Second { // the checks take longer
						return alive(instance(2)), nil
					}
					return map[string]evidence.State{instance(2): evidence.Gone}, nil
				}
				c := config(z, s)
				c.Check = checkedInVain()
				c.Budget = 1
				report := swept(t, c)
				for _, r := range test.has {
					assert.Contains(t, z.content(), r)
				}
				assert.Zero(t, report.Deleted)
				assert.Equal(t, len(test.has), report.Conflicts+report.NotDone)
				assert.Positive(t, report.Conflicts)
			})
		})
	}
}

// No attempt at deleting rests on an answer older than 10 s, however often it is repeated: an attempt whose answer was
// lost may have been made, and the agent of a host that runs again may have written the same records since.
func TestEachAttemptRestsOnAFreshAnswer(t *testing.T) {
	scene(t, func(t *testing.T) {
		z, s := newZone(t, on(2, 2), host(2), on(1, 1)), says(gone2())
		runs, attempts := false, 0
		start := time.Now()
		s.states = func(context.Context) (map[string]evidence.State, error) {
			if runs = time.Since(start) > 40*time.Second; runs {
				return alive(instance(2)), nil
			}
			return map[string]evidence.State{instance(2): evidence.Gone}, nil
		}
		z.Fault = func(int, []plan.Change) strict.Fault {
			attempts++
			assert.Less(t, time.Since(s.confirmed), 10*time.Second)
			assert.False(t, runs, "an attempt after EC2 has said that the host runs")
			return strict.LostRequest
		}
		report := swept(t, config(z, s))
		assert.Equal(t, sorted(on(2, 2), host(2), on(1, 1)), z.content())
		assert.Greater(t, attempts, 3)
		assert.Less(t, len(s.statesOf), attempts+3, "asked again only where the answer is old")
		assert.Equal(t, []int{0, 1, 1}, []int{report.Deleted, report.Conflicts, report.NotDone})
	})
}

func TestASlowAnswerIsAskedForAgain(t *testing.T) {
	scene(t, func(t *testing.T) {
		z, s := newZone(t, on(2, 2), on(1, 1)), says(gone2())
		s.states = func(ctx context.Context) (map[string]evidence.State, error) {
			if len(s.statesOf) < 3 {
				<-ctx.Done() // EC2 is throttled
				return nil, ctx.Err()
			}
			return map[string]evidence.State{instance(2): evidence.Gone}, nil
		}
		z.Fault = func(int, []plan.Change) strict.Fault {
			assert.Less(t, time.Since(s.statesAt[2]), 10*time.Second)
			return strict.None
		}
		assert.Equal(t, 1, swept(t, config(z, s)).Deleted)
		assert.Len(t, s.statesOf, 3)
	})
}

// Where EC2 cannot be asked again, what rests on it stays, and everything else is done.
func TestEC2CannotBeAskedAgain(t *testing.T) {
	scene(t, func(t *testing.T) {
		hung := changed(gone2(), func(f *evidence.Fleet) {
			f.Instances[instance(3)] = evidence.Instance{
				State:     evidence.Alive,
				Impaired:  true,
				InCluster: true,
				Complete:  true,
			}
		})
		records := []record.Record{on(1, 1), on(1, 7), on(2, 2), host(2), on(3, 3), on(9, 9), host(9)}
		for n := range 150 { // more than one batch
			records = append(records, srv(fmt.Sprint("web", n%2), instance(2), ip(address(2)), 200+n))
		}
		z, s := newZone(t, records...), says(hung)
		s.states = func(context.Context) (map[string]evidence.State, error) { return nil, errRead }
		report, err := sweep.Sweep(t.Context(), config(z, s))
		assert.ErrorIs(t, err, errRead)
		assert.ErrorContains(t, err, "ask EC2 again")
		assert.Equal(t, err.Error(), report.Error)
		addsUp(t, report)
		assert.Len(t, s.statesOf, 3, "and then no more")
		want := slices.DeleteFunc(
			slices.Clone(records),
			func(r record.Record) bool { return r == on(1, 7) || r == on(3, 3) },
		)
		assert.Equal(t, sorted(append(want, marked(on(3, 3)))...), z.content())
		assert.Equal(t, []int{1, 1, 154}, []int{report.Deleted, report.Standby, report.NotDone})
	})
}

func TestFewQuestionsForMany(t *testing.T) {
	scene(t, func(t *testing.T) {
		records, f := dead(1000)
		z, s := newZone(t, records...), says(f)
		report := swept(t, config(z, s))
		assert.Equal(t, 1000, report.Deleted)
		assert.Len(t, s.statesOf, 10, "one for each batch")
		for _, asked := range s.statesOf {
			assert.LessOrEqual(t, len(asked), 200)
		}
	})
	t.Run("what does not rest on EC2 is not asked for", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			stopped := changed(fleet(2), func(f *evidence.Fleet) {
				c := f.Containers[id(2)]
				c.Stopped = true
				f.Containers[id(2)] = c
			})
			s := says(stopped)
			assert.Equal(t, 2, swept(t, config(newZone(t, on(1, 1), on(2, 2), on(1, 7)), s)).Deleted)
			assert.Empty(t, s.statesOf)
		})
	})
	t.Run("nor in a dry run", func(t *testing.T) {
		scene(t, func(t *testing.T) {
			s := says(gone2())
			c := config(newZone(t, on(2, 2)), s)
			c.DryRun = true
			assert.Equal(t, 1, swept(t, c).Stale)
			assert.Empty(t, s.statesOf)
		})
	})
}

// A host may run again after its containers' records have gone and before its own does.
func TestAHostRunsAgainBetweenTwoBatches(t *testing.T) {
	scene(t, func(t *testing.T) {
		z, s := newZone(t, on(2, 2), host(2), on(1, 1)), says(gone2())
		s.states = func(context.Context) (map[string]evidence.State, error) {
			if len(z.Calls()) > 0 {
				return alive(instance(2)), nil
			}
			return map[string]evidence.State{instance(2): evidence.Gone}, nil
		}
		z.Before = func(int) { time.Sleep(9 * time.Second) }
		report := swept(t, config(z, s))
		assert.Equal(t, sorted(host(2), on(1, 1)), z.content())
		assert.Equal(t, []int{1, 1}, []int{report.Deleted, report.Conflicts})
	})
}
