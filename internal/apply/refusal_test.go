package apply_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// probeAtMost is how long what is denied or rejected waits for its next try, and the calls that follow from it.
const probeAtMost = 80 * time.Second

func TestMismatchIsReadBackOnce(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		edited := srv("web", 1)
		edited.Weight = 9
		z.put(edited)
		w.want(srv("web", 2))
		z.pass(time.Minute)
		assert.Equal(t, []reading{{0, "web.example", record.SRV}}, z.groups)
		assert.Equal(t, []change{del(edited), create(srv("web", 2))}, z.calls[1].changes)
		assert.Equal(t, []record.Record{srv("web", 2)}, z.content())
		assert.Equal(t, 2, z.callCount())
	}, srv("web", 1))
}

// Values that only look different are deleted as they are listed.
func TestMismatchOfSpelling(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		dotted := srv("web", 1)
		dotted.Value += "."
		z.put(dotted)
		w.want()
		z.pass(0)
		assert.Empty(t, z.content())
		assert.Equal(t, 2, z.callCount())
	}, srv("web", 1))
}

// One refusal that nothing explains must not hold the rest up.
func TestMismatchThatStays(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.strict.WithHealthCheck(srv("web", 1)) // which it does not know
		w.want(srv("web", 2))
		z.pass(at(10))
		assert.Equal(t, []record.Record{srv("web", 1), srv("web", 2)}, z.content())
		refused := w.Status().Refused
		if assert.Len(t, refused, 1) {
			assert.Equal(t, plan.Mismatch, refused[0].Reason)
		}
		z.pass(2 * time.Hour)
		assert.LessOrEqual(t, z.callCount(), 2*60*4/3, "tried about every minute")
		z.put(srv("web", 1))
		z.pass(probeAtMost)
		assert.Equal(t, []record.Record{srv("web", 2)}, z.content())
		assert.Empty(t, w.Status().Refused)
	}, srv("web", 1))
}

func TestMismatchThatCannotBeRead(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		edited := srv("web", 1)
		edited.Weight = 9
		z.put(edited)
		z.set(func() { z.groupErr = plan.ErrThrottled })
		w.want()
		z.pass(5 * time.Minute)
		assert.LessOrEqual(t, z.callCount(), 100)
		assert.Empty(t, w.Status().Refused)
		z.set(func() { z.groupErr = nil })
		z.pass(21 * time.Second)
		assert.Empty(t, z.content())
	}, srv("web", 1))
}

// A batch of forty with a name whose reading fails asks once a call, not forty times.
func TestMismatchOfManyIsReadOnce(t *testing.T) {
	records := many("web", 40)
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		for _, r := range records {
			r.Weight = 9
			z.put(r)
		}
		z.set(func() { z.groupErr = errors.New("timeout") })
		w.want()
		z.pass(0)
		assert.Equal(t, z.callCount(), z.groupCount())
		z.set(func() { z.groupErr = nil })
		z.pass(time.Minute)
		assert.Empty(t, z.content())
	}, records...)
}

func TestTTLOfOthersIsTaken(t *testing.T) {
	running(t, 15*time.Minute, func(t *testing.T, z *zone, w writer) {
		other := foreign("web", 9)
		other.TTL = 60
		z.put(other)
		ours := srv("web", 1)
		w.want(ours)
		z.pass(0)
		slow := ours
		slow.TTL = 60
		assert.Equal(t, sorted([]record.Record{slow, other}), z.content())
		assert.Equal(t, 2, z.callCount())
		assert.Equal(t, 1, z.groupCount())
		assert.Equal(
			t,
			1,
			w.messages()["other records of this name have another TTL; using theirs"],
		)

		second := srv("web", 2)
		w.want(ours, second) // it is known now
		z.pass(time.Second)
		assert.Equal(t, 3, z.callCount())

		// The sweeper rewrites the group.
		slow.TTL, other.TTL = 5, 5
		second.TTL = 5
		assert.NoError(t, z.strict.Try(plan.Upsert, slow, other, second))
		z.pass(20 * time.Minute)
		assert.Equal(t, 3, z.callCount())
		third := srv("web", 3)
		w.want(ours, srv("web", 2), third)
		z.pass(0)
		assert.Equal(t, 4, z.callCount())
		third.TTL = 5
		assert.Contains(t, z.content(), third)

		// The others go, and the name is ours.
		z.remove(other)
		z.pass(20 * time.Minute)
		assert.Equal(t, []record.Record{ours, srv("web", 2), srv("web", 3)}, z.content())
		assert.Equal(t, 5, z.callCount())
	})
}

// Where Route 53 refuses to change the TTL of all own records in one batch, the old one stays.
func TestOwnTTLThatCannotBeChanged(t *testing.T) {
	old := many("web", 3)
	for i := range old {
		old[i].TTL = 60
	}
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		strict := true
		z.set(func() {
			z.fault = func() (error, bool) {
				named := map[change]plan.Reason{}
				for _, r := range many("web", 3) {
					named[create(r)] = plan.TTL
				}
				if strict {
					strict = false
					return &plan.Refusal{Named: named, Message: "weighted sets must contain the same TTL"}, false
				}
				return nil, true
			}
		})
		w.want(append(many("web", 3), srv("api", 1))...)
		z.pass(time.Minute)
		assert.Equal(t, sorted(append(old, srv("api", 1))), z.content())
		assert.Equal(t, 2, z.callCount())
		assert.Empty(t, w.Status().Refused)
	}, old...)
}

func others(name string, n int) (records []record.Record) {
	for i := range n {
		records = append(records, foreign(name, 1000+i))
	}
	return records
}

func TestNameFull(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 100)...)
		w.want(srv("web", 1), srv("api", 1))
		z.pass(0)
		assert.Contains(t, z.content(), srv("api", 1), "other names go on")
		assert.Equal(t, []quarantine.Refused{{
			Change:  create(srv("web", 1)),
			Reason:  plan.NameFull,
			Message: "[Exceeded limit on number of weighted RRSets for web.example., type SRV in this zone.]",
			Times:   1,
			Retry:   z.start.Add(15 * time.Second),
			Advice: "Route 53 holds at most 100 weighted records of one name and type: run fewer containers of the " +
				"service or split it by name",
		}}, w.Status().Refused)
		assert.Empty(t, w.Status().Pending)
		z.pass(2 * time.Minute)
		z.pass(time.Minute)
		times, _ := z.times()
		assert.Equal(
			t,
			[]time.Duration{0, 0, 15 * time.Second, 45 * time.Second, 105 * time.Second, 165 * time.Second},
			times,
		)
		assert.Equal(t, map[string]int{"Route 53 refused a change; applying the others": 1}, w.messages(), "said once")

		z.remove(others("web", 1)...)
		z.pass(time.Minute)
		assert.Contains(t, z.content(), srv("web", 1))
		assert.Empty(t, w.Status().Refused)
	})
}

// 37 records that a name has no room for cost what one does. As room appears they get in one by one, and where there is
// room for all, all at once.
func TestManyBeyondTheLimitOfAName(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 100)...)
		w.want(many("web", 37)...)
		z.pass(10 * time.Minute)
		assert.LessOrEqual(t, z.callCount(), 6+12)
		w.want(many("web", 40)...)
		began := z.callCount()
		z.pass(10 * time.Minute)
		assert.Equal(t, 10, z.callCount()-began, "more of them cost nothing more")
		assert.Len(t, w.Status().Refused, 40)

		z.remove(others("web", 1)...)
		z.pass(time.Minute)
		assert.Len(t, w.Status().Refused, 39)
		assert.LessOrEqual(t, z.callCount()-began, 13)
		z.remove(others("web", 60)...)
		z.pass(time.Minute)
		assert.Empty(t, w.Status().Refused)
		assert.LessOrEqual(t, z.callCount()-began, 24)
	})
}

// A service of many containers on a host rolls at its limit: an own removal makes room for one, at once, and for no
// more.
func TestNameFullWhileManyRoll(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		records := many("web", 40)
		z.put(others("web", 80)...)
		w.want(records...)
		z.pass(5 * time.Minute)
		began := z.callCount()
		for n := range 10 {
			w.want(append(records[n+1:20], records[20:]...)...)
			z.pass(3 * time.Second)
			assert.Equal(t, 100, z.count("web.example"))
			z.pass(3 * time.Second)
		}
		assert.LessOrEqual(t, z.callCount()-began, 10*2+2)
	}, many("web", 20)...)
}

// A rolling update of 51 containers: the new one fits as soon as an old one has gone.
func TestNameFullUntilOwnRemoval(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 99)...)
		w.want(srv("web", 1), srv("web", 2))
		z.pass(5 * time.Second)
		assert.NotContains(t, z.content(), srv("web", 2))
		w.want(srv("web", 2))
		z.pass(2 * time.Second)
		assert.Contains(t, z.content(), srv("web", 2))
	}, srv("web", 1))
}

// The answer to the removal was lost, and the next try finds the record gone: that makes room, too.
func TestNameFullUntilOwnRemovalWasMade(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 99)...)
		w.want(srv("web", 1), srv("web", 2))
		z.pass(3 * time.Second)
		assert.NotContains(t, z.content(), srv("web", 2))
		z.faults(lostAnswer)
		w.want(srv("web", 2))
		z.pass(3 * time.Second)
		assert.Contains(t, z.content(), srv("web", 2))
	}, srv("web", 1))
}

func TestNameFullIsNotReleasedByAnotherName(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 100)...)
		w.want(srv("web", 1), srv("api", 1))
		z.pass(5 * time.Second)
		seen := z.callCount()
		w.want(srv("web", 1))
		z.pass(5 * time.Second)
		assert.Equal(t, seen+1, z.callCount())
	}, srv("api", 1))
}

// Three additions and one free place: one gets in, at once and in few calls.
func TestNameFullButForOne(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 99)...)
		w.want(many("web", 3)...)
		z.pass(time.Second)
		assert.Equal(t, 100, z.count("web.example"))
		assert.LessOrEqual(t, z.callCount(), 3)
		assert.Len(t, w.Status().Refused, 2)
		z.remove(others("web", 2)...)
		z.pass(40 * time.Second)
		assert.Empty(t, w.Status().Refused)
		assert.Subset(t, z.content(), many("web", 3))
	})
}

// All own records are to be written again, and meanwhile others have filled the name.
func TestNameFullOfWhatWasThere(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.remove(srv("web", 1))
		z.put(others("web", 100)...)
		w.MarkAllUnconfirmed()
		w.want(srv("web", 1), srv("api", 1), srv("api", 2))
		z.pass(time.Second)
		assert.Contains(t, z.content(), srv("api", 2))
		assert.Len(t, w.Status().Refused, 1)
	}, srv("web", 1), srv("api", 1))

	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.remove(srv("web", 1))
		z.put(others("web", 100)...)
		heavy := srv("web", 1)
		heavy.Weight = 9 // a change of what is thought to be there
		w.want(heavy, srv("api", 1))
		z.pass(time.Second)
		assert.Contains(t, z.content(), srv("api", 1))
		assert.Len(t, w.Status().Refused, 1)
	}, srv("web", 1))
}

func TestZoneFull(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.zoneMax = 100 })
		z.put(others("other", 97)...) // and two of ours
		w.want(srv("web", 1), srv("web", 2), srv("api", 1), srv("api", 2), srv("api", 3))
		z.pass(5 * time.Second)
		assert.Len(t, z.content(), 100)
		assert.Len(t, w.Status().Refused, 2)
		assert.Equal(t, plan.ZoneFull, w.Status().Refused[0].Reason)
		heavy := srv("web", 1)
		heavy.Weight = 9
		w.want(heavy, srv("web", 2), srv("api", 1), srv("api", 2), srv("api", 3))
		z.pass(3 * time.Second)
		assert.Contains(t, z.content(), heavy, "what is there can be changed")
		w.want(heavy, srv("api", 1), srv("api", 2), srv("api", 3))
		z.pass(3 * time.Second)
		assert.Len(t, z.content(), 100, "an own removal makes room at once")
		assert.Len(t, w.Status().Refused, 1)
		z.set(func() { z.zoneMax = 10000 })
		z.pass(31 * time.Second)
		assert.Empty(t, w.Status().Refused)
	}, srv("web", 1), srv("web", 2))
}

func TestOneDeniedAmongForty(t *testing.T) {
	for _, bad := range []int{0, 17, 39} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				var records []record.Record
				for i := range 40 {
					records = append(records, srv(fmt.Sprintf("n%02d", i), i))
				}
				z.set(func() { z.denied = func(r record.Record) bool { return r.Name == records[bad].Name } })
				w.want(records...)
				z.pass(5 * time.Second)
				assert.Len(t, z.content(), 39)
				assert.LessOrEqual(t, z.callCount(), 18)
				refused := w.Status().Refused
				if assert.Len(t, refused, 1) {
					assert.Equal(t, create(records[bad]), refused[0].Change)
					assert.Equal(t, plan.Denied, refused[0].Reason)
				}
				isolated := z.callCount()
				w.want(append(records, srv("later", 1))...)
				z.pass(time.Second)
				assert.Equal(t, isolated+1, z.callCount(), "what comes later is not spoiled")
				z.pass(2 * time.Hour)
				assert.LessOrEqual(t, z.callCount(), isolated+2*60*4/3, "tried about every minute")
				assert.Equal(t, map[string]int{
					"Route 53 refused a change; applying the others": 1,
				}, w.messages(), "said once")
				z.set(func() { z.denied = nil })
				z.pass(probeAtMost)
				assert.Len(t, z.content(), 41)
			})
		})
	}
}

// One refusal of a name speaks for all its records.
func TestDeniedName(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name == "bad.example" } })
		w.want(append(many("bad", 30), many("good", 30)...)...)
		z.pass(20 * time.Second)
		assert.Len(t, z.content(), 30)
		assert.LessOrEqual(t, z.callCount(), 24)
	})
}

// Credentials that permit nothing: the account's calls are everybody's, and must not be used up by asking.
func TestEverythingDenied(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(record.Record) bool { return true } })
		var records []record.Record
		for i := range 20 {
			records = append(records, srv(fmt.Sprintf("n%02d", i), i))
		}
		w.want(records...)
		z.pass(40 * time.Second)
		assert.LessOrEqual(t, z.callCount(), 14)
		began := z.callCount()
		z.pass(2 * time.Hour)
		assert.LessOrEqual(t, z.callCount()-began, 2*60*4/3)
		assert.Len(t, w.Status().Refused, 20)
		assert.Equal(t, 20, w.messages()["Route 53 refused a change; applying the others"])
		z.set(func() { z.denied = nil })
		began = z.callCount()
		z.pass(probeAtMost)
		assert.Len(t, z.content(), 20)
		assert.Equal(t, 2, z.callCount()-began, "one that is tried for all, and all others")
		assert.Equal(t, 20, w.messages()["Route 53 refused a change; applying the others"])
	})
}

// Most names are allowed, and then all are.
func TestPermissionForTheRest(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		var records []record.Record
		for i := range 20 {
			records = append(records, srv(fmt.Sprintf("n%02d", i), i))
		}
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name < "n04" } })
		w.want(records...)
		z.pass(8 * time.Minute)
		assert.Len(t, z.content(), 16)
		assert.NoError(t, w.Denied())
		z.set(func() { z.denied = nil })
		began := z.callCount()
		z.pass(probeAtMost)
		assert.Len(t, z.content(), 20)
		assert.Equal(t, 2, z.callCount()-began)
	})
}

// A record that is rejected is tried at once when it is another.
func TestRejectedRecordIsChanged(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		bad := create(srv("web", 1))
		z.set(func() {
			z.fault = func() (error, bool) {
				if z.saved[bad.Record.Key()].Record == bad.Record {
					return &plan.Refusal{Named: map[change]plan.Reason{bad: plan.Invalid}, Message: "no"}, false
				}
				return nil, true
			}
		})
		w.want(bad.Record)
		z.pass(time.Minute)
		heavy := srv("web", 1)
		heavy.Weight = 7
		w.want(heavy)
		z.pass(time.Second)
		assert.Equal(t, []record.Record{heavy}, z.content())
		assert.Empty(t, w.Status().Refused)
	})
}

// Two containers that wait for room in a name get in as soon as two others have gone.
func TestNameFullUntilTwoOwnRemovals(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 98)...)
		w.want(many("web", 4)...)
		z.pass(5 * time.Minute)
		w.want(srv("web", 2), srv("web", 3))
		z.pass(2 * time.Second)
		assert.Subset(t, z.content(), []record.Record{srv("web", 2), srv("web", 3)})
	}, many("web", 2)...)
}

// What has been denied is permitted, and a container that starts shows it before its turn comes.
func TestPermissionThatAFreshChangeShows(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(record.Record) bool { return true } })
		w.want(srv("a", 1), srv("b", 1), srv("c", 1))
		z.pass(8 * time.Minute)
		z.set(func() { z.denied = nil })
		w.want(srv("a", 1), srv("b", 1), srv("c", 1), srv("d", 1))
		z.pass(5 * time.Second)
		assert.Len(t, z.content(), 4)
		assert.NoError(t, w.Denied())
	})
}

// A policy that comes to allow half of the names, whichever they are: all of those get in soon, and finding them out
// costs no more calls than a minute may.
func TestPermissionForSomeNames(t *testing.T) {
	for name, denied := range map[string]func(n int) bool{
		"every other": func(n int) bool { return n%2 == 0 },
		"the first":   func(n int) bool { return n < 20 },
		"the last":    func(n int) bool { return n >= 20 },
		"but one":     func(n int) bool { return n == 17 },
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				var records []record.Record
				bad := map[string]bool{}
				for i := range 40 {
					records = append(records, srv(fmt.Sprintf("n%02d", i), i))
					bad[records[i].Name] = denied(i)
				}
				good := 0
				for _, is := range bad {
					good += map[bool]int{false: 1}[is]
				}
				z.set(func() { z.denied = func(record.Record) bool { return true } })
				w.want(records...)
				z.pass(8 * time.Minute)
				z.set(func() { z.denied = func(r record.Record) bool { return bad[r.Name] } })
				for minutes := 0; len(z.content()) < good; minutes++ {
					before := z.callCount()
					z.pass(time.Minute)
					assert.LessOrEqual(
						t,
						z.callCount()-before,
						2*13+good/2,
						"two of the minutes in which 12 calls may be denied touch this one",
					)
					if !assert.Less(t, minutes, 25) {
						return
					}
				}
				before := z.callCount()
				z.pass(time.Hour)
				assert.LessOrEqual(t, z.callCount()-before, 60*4/3+24)
				assert.Len(t, w.Status().Refused, 40-good)
			})
		})
	}
}

// Containers of a service whose name is denied come and go. That costs no calls: one is tried for all.
func TestDeniedNameWithContainersThatComeAndGo(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name == "bad.example" } })
		w.want(srv("bad", 0), srv("good", 1))
		z.pass(time.Minute)
		began := z.callCount()
		for n := 1; n <= 60; n++ {
			w.want(srv("bad", n-1), srv("bad", n), srv("good", 1))
			z.pass(5 * time.Second)
			w.want(srv("bad", n), srv("good", 1))
			z.pass(5 * time.Second)
		}
		assert.LessOrEqual(t, z.callCount()-began, 10*4/3+1)
		z.set(func() { z.denied = nil })
		z.pass(probeAtMost)
		assert.Contains(t, z.content(), srv("bad", 60))
	})
}

// Of ten names that others hold with records of another kind, one becomes free. It is not to wait for nine others to
// have a turn.
func TestOneOfManyConflictsIsGone(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		var records []record.Record
		for i := range 10 {
			records = append(records, srv(fmt.Sprintf("n%02d", i), i))
		}
		simple := func(name string) record.Record {
			return record.Record{
				Name:  name,
				Type:  record.SRV,
				Value: "1 1 80 x",
			}
		}
		for _, r := range records {
			z.put(simple(r.Name))
		}
		w.want(append(records, srv("good", 1))...)
		z.pass(time.Minute)
		assert.Len(t, z.content(), 11)
		began := z.callCount()
		z.pass(time.Hour)
		assert.LessOrEqual(t, z.callCount()-began, 60*4/3, "one call for all")
		z.remove(simple(records[7].Name))
		z.pass(probeAtMost)
		assert.Contains(t, z.content(), records[7])
		assert.Len(t, w.Status().Refused, 9)
	})
}

// A wish that is withdrawn or turned into its opposite has nothing in quarantine.
func TestRefusedWishIsWithdrawn(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.put(others("web", 100)...)
		w.want(srv("web", 1))
		z.pass(time.Second)
		assert.Len(t, w.Status().Refused, 1)
		w.want()
		z.pass(time.Minute)
		assert.Empty(t, w.Status().Refused)
		seen := z.callCount()
		z.remove(others("web", 100)...)
		w.want(srv("web", 1))
		z.pass(0)
		assert.Equal(t, seen+1, z.callCount(), "wanted anew, it is tried at once")
	})
}

func TestRefusedAndNamed(t *testing.T) {
	for _, reason := range []plan.Reason{plan.Conflict, plan.Invalid, plan.Denied} {
		t.Run(string(reason), func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				bad := create(srv("bad", 1))
				z.faults(func() (error, bool) {
					return &plan.Refusal{Named: map[change]plan.Reason{bad: reason}, Message: "no"}, false
				})
				w.want(srv("bad", 1), srv("good", 1))
				z.pass(0)
				assert.Equal(t, []record.Record{srv("good", 1)}, z.content())
				assert.Equal(t, 2, z.callCount(), "no search: it was named")
				assert.Equal(t, reason, w.Status().Refused[0].Reason)
			})
		})
	}
}

// A CNAME is of another type than what it keeps out. One message may tell of several changes, each refused for its own
// reason, and of a service that is called cname.
func TestAdviceOnWhatIsInTheWay(t *testing.T) {
	const cname, other = "a CNAME record has this name, and DNS allows no other record beside it: remove it or " +
		"rename the service",
		"a record set that ecssd does not own and that is not weighted has this name and type: remove it or rename " +
			"the service"
	message := func(parts ...string) string { return "[" + strings.Join(parts, ", ") + "]" }
	conflicting := func(name, quote string) string {
		return "RRSet of type SRV with DNS name " + name + ".example. is not permitted because a conflicting RRSet " +
			"of type  " + quote + "CNAME" + quote +
			" with the same DNS name already exists in zone example."
	}
	const simple = "RRSet with DNS name cname.example., type SRV, SetIdentifier i-1:ecs:c1:80/tcp cannot be created " +
		"as a non-weighted set exists with the same name and type"
	for name, c := range map[string]struct{ message, web, cname string }{
		"a CNAME":                     {message(conflicting("web", "")), cname, other},
		"in quotes":                   {message(conflicting("web", "'")), cname, other},
		"both, for different reasons": {message(conflicting("web", ""), simple), cname, other},
		"the other first":             {message(simple, conflicting("web", "")), cname, other},
		"only the name says so":       {message(simple), other, other},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.faults(func() (error, bool) {
					return &plan.Refusal{
						Named: map[change]plan.Reason{
							create(srv("web", 1)):   plan.Conflict,
							create(srv("cname", 1)): plan.Conflict,
							create(srv("b", 1)):     plan.Conflict,
						},
						Message: c.message,
					}, false
				})
				w.want(srv("web", 1), srv("cname", 1), srv("b", 1))
				z.pass(0)
				advice := map[string]string{}
				for _, r := range w.Status().Refused {
					advice[r.Change.Record.Name] = r.Advice
				}
				assert.Equal(t, map[string]string{
					"web.example":   c.web,
					"cname.example": c.cname,
					"b.example":     other,
				}, advice)
			})
		})
	}
}

// A message that nobody could take apart still means the only change there is.
func TestUnnamedNotFoundOfOne(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.faults(func() (error, bool) { return &plan.Refusal{Reason: plan.NotFound, Message: "was not found"}, false })
		z.remove(srv("web", 1))
		w.want()
		z.pass(time.Minute)
		assert.Equal(t, 1, z.callCount())
		assert.Empty(t, z.saved)
		assert.Empty(t, w.Status().Refused)
	}, srv("web", 1))
}

// A refusal that names a change which was not in the batch teaches nothing. It must not turn into calls without end.
func TestRefusalOfSomethingElse(t *testing.T) {
	for _, reason := range []plan.Reason{plan.NotFound, plan.Exists, plan.Invalid, plan.NameFull} {
		t.Run(string(reason), func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				refusal := &plan.Refusal{
					Named:   map[change]plan.Reason{create(foreign("web", 1)): reason},
					Message: "no",
				}
				z.set(func() { z.fault = func() (error, bool) { return refusal, false } })
				w.want(srv("web", 1))
				z.pass(5 * time.Minute)
				assert.LessOrEqual(t, z.callCount(), 100)
				z.set(func() { z.fault = nil })
				z.pass(time.Minute)
				assert.Equal(t, []record.Record{srv("web", 1)}, z.content())
				assert.Equal(t, known(srv("web", 1)), z.saved, "what is another host's stays so")
			})
		})
	}
}

// A policy that allows nothing is a fault of the host; one that does not allow some name is not, and stays none however
// often that name is tried again.
func TestDenied(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		none, bad := func(record.Record) bool { return true },
			func(r record.Record) bool { return r.Name != "good.example" }
		z.set(func() { z.denied = none })
		w.want(srv("good", 1), srv("bad", 1), srv("worse", 1), srv("worst", 1))
		z.pass(time.Minute)
		assert.ErrorContains(t, w.Denied(), "is not authorized to perform")
		z.set(func() { z.denied = bad })
		z.pass(time.Hour)
		assert.Contains(t, z.content(), srv("good", 1))
		assert.NoError(t, w.Denied())
		z.set(func() { z.denied = none })
		w.want(srv("good", 1), srv("good", 2), srv("bad", 1), srv("worse", 1), srv("worst", 1))
		z.pass(time.Minute)
		assert.Error(t, w.Denied(), "what was permitted is no more")
		z.set(func() { z.denied, z.nameMax = bad, 1 })
		z.pass(time.Hour)
		assert.NoError(t, w.Denied(), "refused for its content, and so permitted")
		assert.Len(t, w.Status().Refused, 4)
	})
}

// Most of what a host has to write is denied, but not all.
func TestDeniedInPart(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name > "d" } })
		w.want(srv("a", 1), srv("b", 1), srv("c", 1), srv("d", 1), srv("e", 1), srv("f", 1), srv("g", 1))
		z.pass(time.Hour)
		assert.Len(t, z.content(), 3)
		assert.NoError(t, w.Denied())
	})
}

// What the journal does not name, and the zone has under an identifier of this host, was written before the journal was
// lost: it is written over, in a second call. What others have under the name stays.
func TestAlreadyExists(t *testing.T) {
	old, other := srv("web", 1), foreign("web", 1)
	old.Weight = 7
	web1, web2, api := srv("web", 1), srv("web", 2), srv("api", 3)
	unnamed := func() (error, bool) {
		return &plan.Refusal{Reason: plan.Exists, Message: "it already exists"}, false
	}
	for name, test := range map[string]struct {
		fault func() (error, bool)
		want  []record.Record
		calls [][]change
	}{
		"one": {notThisTime, []record.Record{web1}, [][]change{{create(web1)}, {upsert(web1)}}},
		"one of three": {
			notThisTime,
			[]record.Record{web1, web2, api},
			[][]change{{create(api), create(web1), create(web2)}, {create(api), upsert(web1), create(web2)}},
		},
		"one, unnamed": {unnamed, []record.Record{web1}, [][]change{{create(web1)}, {upsert(web1)}}},
		"unnamed": {
			unnamed,
			[]record.Record{web1, web2},
			[][]change{{create(web1), create(web2)}, {upsert(web1), upsert(web2)}},
		},
		"not known to be made, twice": {lostRequest, []record.Record{web1}, [][]change{{create(web1)}, {upsert(web1)}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := newZone(t, old, other)
				z.faults(test.fault)
				w := newWriter(z, nil, 0)
				w.want(test.want...)
				require.NoError(t, w.Settle(t.Context()))
				var calls [][]change
				for _, c := range z.calls {
					calls = append(calls, c.changes)
				}
				assert.Equal(t, test.calls, calls)
				assert.Zero(t, z.groupCount())
				assert.Equal(t, sorted(append(slices.Clone(test.want), other)), z.content())
				assert.Equal(t, known(test.want...), z.saved)
				w.want()
				require.NoError(t, w.Settle(t.Context()))
				assert.Equal(t, []record.Record{other}, z.content())
			})
		})
	}
}

// A record that the journal says was about to be written when the agent ended may be in the zone.
func TestInDoubtSinceAnEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, srv("web", 1))
		w := newWriter(z, plan.Current{
			srv("web", 1).Key(): {
				Record:      srv("web", 1),
				Unconfirmed: true,
			}, srv("web", 2).Key(): {
				Record:      srv("web", 2),
				Unconfirmed: true,
			},
		}, 0)
		w.want(many("web", 4)...)
		require.NoError(t, w.Settle(t.Context()))
		assert.Equal(t, 1, z.callCount())
		assert.Equal(t, []change{
			create(srv("web", 0)),
			upsert(srv("web", 1)),
			upsert(srv("web", 2)),
			create(srv("web", 3)),
		}, z.calls[0].changes)
	})
}

// A record withdrawn between "already exists" and the UPSERT is removed, whatever values it has.
func TestWithdrawnAfterAlreadyExists(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		old := srv("web", 1)
		old.Weight = 7
		z.put(old, foreign("web", 1))
		z.faults(notThisTime, throttled, throttled)
		w.want(srv("web", 1))
		z.pass(time.Second)
		w.want()
		z.pass(time.Minute)
		assert.Equal(t, []record.Record{foreign("web", 1)}, z.content())
		assert.Empty(t, z.saved)
	})
}
