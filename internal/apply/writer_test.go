package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func TestLostAnswers(t *testing.T) {
	web1, web2 := srv("web", 1), srv("web", 2)
	heavy := web1
	heavy.Weight = 9
	for name, test := range map[string]struct {
		fault func() (error, bool)
		want  []record.Record
		calls [][]change
	}{
		"addition, made": {lostAnswer, []record.Record{web1, web2}, [][]change{{create(web2)}, {upsert(web2)}}},
		"addition, not made": {
			lostRequest,
			[]record.Record{web1, web2},
			[][]change{{create(web2)}, {upsert(web2)}},
		},
		"change, made":      {lostAnswer, []record.Record{heavy}, [][]change{{upsert(heavy)}, {upsert(heavy)}}},
		"change, not made":  {lostRequest, []record.Record{heavy}, [][]change{{upsert(heavy)}, {upsert(heavy)}}},
		"removal, made":     {lostAnswer, nil, [][]change{{del(web1)}, {del(web1)}}},
		"removal, not made": {lostRequest, nil, [][]change{{del(web1)}, {del(web1)}}},
		"replacement, not made": {
			lostRequest,
			[]record.Record{web2},
			[][]change{{del(web1), create(web2)}, {del(web1), upsert(web2)}},
		},
		"replacement, made": {
			lostAnswer,
			[]record.Record{web2},
			[][]change{{del(web1), create(web2)}, {del(web1), upsert(web2)}, {upsert(web2)}},
		},
		"nothing known, removal": {lostRequest, nil, [][]change{{del(web1)}, {del(web1)}}},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.faults(test.fault)
				w.want(test.want...)
				z.pass(time.Minute)
				var calls [][]change
				for _, c := range z.calls {
					calls = append(calls, c.changes)
				}
				assert.Equal(t, test.calls, calls)
				assert.Zero(t, z.groupCount(), "nothing is listed to find out")
				assert.Equal(t, test.want, append([]record.Record(nil), z.content()...))
				assert.Equal(t, known(test.want...), w.zone.saved)
				assert.Empty(t, w.Status().Refused)
			}, web1)
		})
	}
}

// A record whose writing may have worked has to be removed when it is no longer wanted.
func TestWithdrawnAfterALostAnswer(t *testing.T) {
	for name, fault := range map[string]func() (error, bool){"made": lostAnswer, "not made": lostRequest} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.faults(fault)
				w.want(srv("web", 1))
				z.pass(0)
				w.want()
				z.pass(time.Minute)
				assert.Equal(t, []change{del(srv("web", 1))}, z.calls[1].changes)
				assert.Empty(t, z.content())
				assert.Empty(t, z.saved)
				assert.Equal(t, 2, z.callCount())
			})
		})
	}
}

// An answer was lost, the calls after it are throttled, and meanwhile nobody wants the record any more: it must not be
// forgotten with the throttled call.
func TestWithdrawnAfterALostAnswerAndThrottling(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.faults(lostAnswer, throttled, throttled, throttled)
		w.want(srv("web", 1))
		z.pass(700 * time.Millisecond)
		w.want()
		z.pass(time.Minute)
		assert.Empty(t, z.content())
		assert.Empty(t, z.saved)
	})
}

func TestDoubtAllIsOneCall(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.remove(srv("web", 1))
		w.MarkAllUnconfirmed()
		z.pass(time.Hour)
		assert.Equal(t, []call{{at: 0, changes: []change{
			upsert(srv("api", 1)), upsert(srv("web", 1)), upsert(srv("web", 2)),
		}}}, z.calls)
		assert.Len(t, z.content(), 3)
	}, srv("web", 1), srv("web", 2), srv("api", 1))
}

func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := srv("web", 1)
		changed.Weight = 7
		z := newZone(t, changed, srv("web", 2), srv("web", 3), foreign("web", 4))
		w := newWriter(z, known(srv("web", 1)), 0)
		w.want(srv("web", 1), srv("web", 2))
		assert.Equal(t, 2, w.Adopt(z.content()), "web 1 is known, and 4 is another's")
		adopted := known(srv("web", 1), srv("web", 2))
		adopted[srv("web", 3).Key()] = plan.Entry{Record: srv("web", 3)}
		assert.Equal(t, adopted, z.saved,
			"on disk when Adopt returns: after it nothing is listed again")
		require.NoError(t, w.Settle(t.Context()))
		assert.Equal(t, []call{{at: 0, changes: []change{del(srv("web", 3))}}}, z.calls)
		assert.Equal(t, known(srv("web", 1), srv("web", 2)), z.saved)
		assert.Zero(t, w.Adopt(nil))
	})
}

func TestWishForWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, web1 := srv("host", 1), srv("web", 1)
		old.Weight = 7
		z := newZone(t, old)
		w := newWriter(z, nil, 0)
		wanted := plan.Desired{Record: srv("host", 1), IfKnown: true}
		w.SetDesired(append(wish(web1), wanted), time.Now())
		require.NoError(t, w.Settle(t.Context()))
		assert.Equal(t, []change{create(web1)}, z.calls[0].changes, "not made where it is not known")
		w.Adopt([]record.Record{old})
		require.NoError(t, w.Settle(t.Context()))
		assert.Equal(t, []change{upsert(srv("host", 1))}, z.calls[1].changes, "kept, and mended, once it is")
		w.SetDesired(wish(web1), time.Now())
		time.Sleep(time.Minute)
		require.NoError(t, w.Settle(t.Context()))
		assert.Equal(t, []change{del(srv("host", 1))}, z.calls[2].changes)
	})
}

func TestAdoptKeepsTheSweepersMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, marked(srv("web", 1)))
		w := newWriter(z, nil, 0)
		w.want(srv("web", 1))
		assert.Equal(t, 1, w.Adopt(z.content()))
		require.NoError(t, w.Settle(t.Context()))
		assert.Zero(t, z.callCount())
	})
}

// A sentence of the package's promise: what is known is on disk before a call and after it.
func TestSavedBeforeAndAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, srv("web", 1))
		w := newWriter(z, known(srv("web", 1)), 0)
		z.latency = time.Second
		w.want(srv("web", 2))
		go func() { assert.NoError(t, w.Settle(t.Context())) }()
		z.pass(at(500))
		assert.Equal(t, plan.Current{
			srv("web", 1).Key(): {Record: srv("web", 1), Unconfirmed: true, Run: "run 1"},
			srv("web", 2).Key(): {Record: srv("web", 2), Unconfirmed: true, Run: "run 1"},
		}, z.saved)
		z.pass(time.Second)
		assert.Equal(t, known(srv("web", 2)), z.saved)
	})
}

// The journal's trouble is not DNS's.
func TestUnsavedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		log, _ := logtest.NewNullLogger()
		w := apply.New(apply.Config{
			Zone:    z,
			Save:    func(k plan.Current) error { _ = z.save(k); return errors.New("disk full") },
			Owns:    owns,
			Log:     logrus.NewEntry(log),
			Metrics: metrics.New(prometheus.NewRegistry()),
		})
		w.SetDesired(wish(srv("web", 1)), time.Time{})
		require.NoError(t, w.Settle(t.Context()))
		assert.Equal(t, []record.Record{srv("web", 1)}, z.content())
	})
}

func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, srv("web", 1))
		w := newWriter(z, known(srv("web", 1)), time.Minute)
		z.faults(throttled, lostAnswer)
		w.want(srv("web", 2))
		require.NoError(t, w.Settle(t.Context()), "it waits for what can be waited for")
		assert.Equal(t, []record.Record{srv("web", 2)}, z.content())
		assert.Zero(t, z.groupCount(), "nothing is verified")

		z.denied = func(r record.Record) bool { return strings.HasPrefix(r.Name, "bad") }
		w.want(srv("web", 2), srv("bad", 1), srv("web", 3))
		err := w.Settle(t.Context())
		assert.EqualError(
			t,
			err,
			"change records: 1 changes refused, the first of them CREATE SRV bad.example: "+
				"User: arn:aws:sts::123456789012:assumed-role/host/i-1 is not authorized to perform: "+
				"route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/Z1",
		)
		assert.Equal(t, []record.Record{srv("web", 2), srv("web", 3)}, z.content(), "the others are through")
	})
}

func TestSettleGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		w := newWriter(z, nil, 0)
		z.fault = throttled
		w.want(srv("web", 1), srv("web", 2))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := w.Settle(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, plan.ErrThrottled)
		assert.ErrorContains(t, err, "gave up with 2 changes to make")
		assert.Equal(t, time.Minute, time.Since(z.start))
	})
}

func TestNoSuchZoneEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		w := newWriter(z, nil, 0)
		z.faults(noSuchZone, noSuchZone)
		w.want(srv("web", 1))
		assert.ErrorIs(t, w.Run(t.Context()), plan.ErrNoSuchZone)
		assert.ErrorIs(t, w.Settle(t.Context()), plan.ErrNoSuchZone)
		assert.Equal(t, 2, z.callCount())
		assert.NotContains(t, w.zone.saved, srv("web", 1).Key())
		require.NoError(t, w.Settle(t.Context()), "it is there again")
	})
}

func TestEndDuringACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		z.latency = 5 * time.Second
		w := newWriter(z, nil, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		w.want(srv("web", 1))
		z.pass(time.Second)
		w.want(srv("web", 1), srv("web", 2))
		cancel()
		assert.NoError(t, <-done)
		assert.Equal(t, 5*time.Second, time.Since(z.start))
		assert.Equal(t, []record.Record{
			srv("web", 1),
		}, z.content(), "the call in flight was finished, and no other begun")
		assert.Equal(t, known(srv("web", 1)), z.saved)
	})
}

// On SIGTERM 10 s are left: a call that does not end is given up by then.
func TestEndDuringAHangingCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		z.latency = time.Hour
		w := newWriter(z, nil, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		w.want(srv("web", 1))
		z.pass(time.Millisecond)
		cancel()
		assert.NoError(t, <-done)
		assert.Less(t, time.Since(z.start), 10*time.Second)
		assert.True(t, z.saved[srv("web", 1).Key()].Unconfirmed)
	})
}

func TestMetrics(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.latency = 100 * time.Millisecond })
		z.faults(throttled)
		w.SetDesired(wish(srv("web", 1)), time.Now().Add(-time.Second))
		z.pass(time.Minute)
		assert.NoError(t, testutil.GatherAndCompare(w.registry, strings.NewReader(`
			# HELP ecssd_changes_applied_total Record changes applied, by action and record type: CREATE, UPSERT, DELETE; SRV, A.
			# TYPE ecssd_changes_applied_total counter
			ecssd_changes_applied_total{action="CREATE",type="A"} 0
			ecssd_changes_applied_total{action="CREATE",type="SRV"} 1
			ecssd_changes_applied_total{action="DELETE",type="A"} 0
			ecssd_changes_applied_total{action="DELETE",type="SRV"} 0
			ecssd_changes_applied_total{action="UPSERT",type="A"} 0
			ecssd_changes_applied_total{action="UPSERT",type="SRV"} 0
		`), "ecssd_changes_applied_total"))
		families, err := w.registry.Gather()
		require.NoError(t, err)
		counts := map[string]uint64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if h := m.GetHistogram(); h != nil {
					name := family.GetName()
					for _, l := range m.GetLabel() {
						name += " " + l.GetValue()
					}
					counts[name] = h.GetSampleCount()
					if name == "ecssd_event_to_applied_seconds" {
						assert.InDelta(t, 2.3, h.GetSampleSum(), 1.1, "from the event, through the throttled call")
					}
				}
			}
		}
		assert.Equal(t, map[string]uint64{
			"ecssd_change_call_seconds applied":   1,
			"ecssd_change_call_seconds throttled": 1,
			"ecssd_event_to_applied_seconds":      1,
			"ecssd_change_call_seconds refused":   0,
			"ecssd_change_call_seconds failed":    0,
		}, counts)
	})
}
